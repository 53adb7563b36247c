"""A tape's frames, for who has its key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame
from dockwarden.tape.marks import absent
from dockwarden.tape.opening import Opening, read_opening
from dockwarden.tape.reader import Reader
from dockwarden.tape.shelf import OPENING


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
    if why := absent(folder):
        raise BadSegment(why)
    with contextlib.closing(Reader(folder, key)) as reader:
        while (found := reader.next()) is not None:
            _, frames = found
            yield from frames
