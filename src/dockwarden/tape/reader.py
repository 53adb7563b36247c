"""A tape's segments from any place on, for who has its key: also of one that grows while it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind, decode
from dockwarden.tape.opening import hash_of
from dockwarden.tape.segment import FRONT_BYTES, Flag, Head, Segment, read_head, unseal
from dockwarden.tape.shelf import OPENING, reels_of


class Place(NamedTuple):
    """Where a segment begins: its file ("" before the first), how far into that, and the hash of what stands before."""

    reel: str
    at: int
    previous: bytes


class Reader:
    """Reads one segment after the other; `place` is where the next one begins. Not for two threads at once; `close` it."""

    def __init__(self, folder: Path, key: bytes, place: Place | None = None) -> None:
        """Begin at `place`, or with the first segment. Raises: OSError."""
        self._folder, self._key = folder, key
        self.place = place or Place("", 0, hash_of((folder / OPENING).read_bytes()))
        self._file: BinaryIO | None = None

    def next(self) -> tuple[Head, list[Frame]] | None:
        """The next segment's head and frames, `None` where there is no whole one yet. What is known to be missing is a `LOST` frame.

        Raises:
            BadSegment: it was changed, or does not follow the one before, or the key is another tape's. OSError.
        """
        segment = self._stored()
        if segment is None:
            return None
        head = segment.head
        frames = list(decode(unseal(segment, self.place.previous, self._key), head.mono_us))
        if head.flags & (Flag.BROKEN | Flag.FOUND):
            frames.append(Frame(max(frames[-1].at_us if frames else 0, head.mono_us), Kind.LOST, b""))
        self.place = Place(self.place.reel, self.place.at + FRONT_BYTES + head.length, head.hash)
        return head, frames

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stored(self) -> Segment | None:
        """The next segment as it is stored; the place is that of its beginning then."""
        while self._file is None or self.place.at >= os.fstat(self._file.fileno()).st_size:
            if not self._turn_over():
                return None
        size = os.fstat(self._file.fileno()).st_size
        self._file.seek(self.place.at)
        head = read_head(self._file.read(FRONT_BYTES), 0)
        if head is None or self.place.at + FRONT_BYTES + head.length > size:
            return None
        return Segment(head, self._file.read(head.length))

    def _turn_over(self) -> bool:
        """Open the file of the place, or the one after it where that is open already; False if there is none."""
        name, at, previous = self.place
        is_first = self._file is None and bool(name)
        found = next((reel for reel in reels_of(self._folder) if (reel.name >= name if is_first else reel.name > name)), None)
        if found is None:
            return False
        self.close()
        self._file = found.open("rb")
        self.place = Place(found.name, at if found.name == name else 0, previous)
        return True


def read_ended(reader: Reader) -> tuple[Head, list[Frame]]:
    """The next segment of a tape that has its end further on.

    Raises:
        BadSegment: there is none: the tape is cut off. Otherwise as `Reader.next`.
    """
    found = reader.next()
    if found is None:
        raise BadSegment("it ends without its last segment")
    return found
