"""A tape's frames, for who has its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind, decode
from dockwarden.tape.opening import Opening, hash_of, read_opening
from dockwarden.tape.segment import Flag, unseal
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
    previous, at_us = hash_of((folder / OPENING).read_bytes()), 0
    try:
        for segment in stored_segments(folder):
            for frame in decode(unseal(segment, previous, key), segment.head.mono_us):
                at_us = frame.at_us
                yield frame
            previous = segment.head.hash
            if segment.head.flags & (Flag.BROKEN | Flag.FOUND):
                yield Frame(max(at_us, segment.head.mono_us), Kind.LOST, b"")
    except Torn:
        return
