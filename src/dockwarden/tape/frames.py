"""What happened in a session, piece by piece: a moment, a kind, and the raw bytes. Pure.

A segment holds frames one after the other, each as

    uvarint   microseconds since the frame before it; since the segment's `mono_us` for the first
    byte      kind
    uvarint   length of the data
    bytes     data
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from dockwarden.tape.faults import BadSegment

LONGEST = 1 << 24
"""Bytes of one frame's data, and of all frames of one segment."""


class Kind(IntEnum):
    """What a frame is. `RESIZE` is `COLUMNSxROWS`, `EXIT` the status in digits or a signal's name, `SIGNAL` a name, `MARK` words of ours."""

    OUTPUT = 1
    ERROR = 2
    INPUT = 3
    HIDDEN = 4
    """Something was typed that did not show; what it was is not kept."""
    RESIZE = 5
    SIGNAL = 6
    EXIT = 7
    MARK = 8
    LOST = 9
    """Here is a gap: digits, how many bytes are known to be missing."""
    FILE = 10
    """Something of a file that was copied: see `files.py`. No player shows it."""


class Frame(NamedTuple):
    """One piece; `at_us` counts from the tape's opening and never goes back."""

    at_us: int
    kind: Kind
    data: bytes


def encode(frames: Iterable[Frame], since_us: int) -> bytes:
    """Return frames in order as a segment's content, the first one counted from `since_us`."""
    parts: list[bytes | bytearray] = []  # one growing array would be moved again and again
    for frame in frames:
        front = bytearray()
        _put(front, max(frame.at_us - since_us, 0))
        since_us = max(frame.at_us, since_us)
        front.append(frame.kind)
        _put(front, len(frame.data))
        parts += front, frame.data
    return b"".join(parts)


def decode(content: bytes, since_us: int) -> Iterator[Frame]:
    """Yield the frames of a segment's content.

    Raises:
        BadSegment: it is no sequence of frames; those before the fault were yielded.
    """
    at, end = 0, len(content)
    while at < end:
        passed, at = _uvarint(content, at)
        if at >= end:
            raise BadSegment("a frame is cut off")
        try:
            kind = Kind(content[at])
        except ValueError:
            raise BadSegment(f"a frame is of kind {content[at]}, which nobody knows") from None
        length, at = _uvarint(content, at + 1)
        if length > end - at:
            raise BadSegment("a frame is longer than its segment")
        since_us += passed
        yield Frame(since_us, kind, content[at : at + length])
        at += length


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _uvarint(content: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends. One way of writing each: no longer form than is needed."""
    number = shift = 0
    while at < len(content) and shift <= 56:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                break
            return number, at
        shift += 7
    raise BadSegment("a number of a frame cannot be read")
