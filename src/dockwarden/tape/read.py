"""A tape's frames, for who has its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind, decode
from dockwarden.tape.marks import absent
from dockwarden.tape.opening import Opening, hash_of, read_opening
from dockwarden.tape.segment import Flag, Head, unseal
from dockwarden.tape.shelf import OPENING, Torn, stored_segments


def opening_of(folder: Path) -> Opening:
    """Return how a tape begins. Raises: BadSegment: it is not there or cannot be read."""
    try:
        return read_opening((folder / OPENING).read_bytes())
    except OSError as error:
        raise BadSegment(f"there is no such tape ({error.strerror})") from None


def frames_of(folder: Path, key: bytes) -> Iterator[Frame]:
    """Yield the frames of a tape, of one that is still recorded up to what is durable.

    Where something is known to be missing, there is a `LOST` frame.
    Raises:
        BadSegment: a segment was changed, or `key` is another tape's; the frames before it were yielded.
    """
    at_us = 0
    for head, frames in opened_segments(folder, key):
        for frame in frames:
            at_us = frame.at_us
            yield frame
        if head.flags & (Flag.BROKEN | Flag.FOUND):
            yield Frame(max(at_us, head.mono_us), Kind.LOST, b"")


def opened_segments(folder: Path, key: bytes) -> Iterator[tuple[Head, Iterator[Frame]]]:
    """Yield the head and the frames of every whole segment, in order. Raises: BadSegment: as `frames_of`, or they are not here."""
    if why := absent(folder):
        raise BadSegment(why)
    previous = hash_of((folder / OPENING).read_bytes())
    try:
        for segment in stored_segments(folder):
            yield segment.head, decode(unseal(segment, previous, key), segment.head.mono_us)
            previous = segment.head.hash
    except Torn:
        return
