"""The folder of tapes: one folder for each, named by its id, listed from what is there and from nothing else.

    tapes/ID/opening.json        what it is of
    tapes/ID/00000001.reel       segments, one after the other; the name is the number of the first
    tapes/ID/*.json              marks.py: holds, a kill, what is in the store, that it was deleted
    tapes/ID.new                 one that is being made, or was when its recorder died
    tapes/reserve                room that is kept back, so that a full disk can still take every tape's end
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dockwarden.ledger.durable import sync_folder
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.opening import ID, Opening
from dockwarden.tape.segment import FRONT_BYTES, Head, Segment, read_head

OPENING, RESERVE, MAKING = "opening.json", "reserve", ".new"
RESERVE_BYTES = 8 << 20
REEL_BYTES = 16 << 20
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Place(NamedTuple):
    """Where a tape's segments end: the first number of the file, and how many bytes of it."""

    first: int
    size: int


class Reels:
    """The files of one tape, for writing by one thread, while another syncs what was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = Place(1, 0)
        self._open: list[int] = []
        """The file that is written, behind those that are full and not durable yet."""
        self._is_named = True
        """Whether the names of all files are durable."""

    def append(self, segment: Segment) -> Place:
        """Write `segment` whole, or leave what is there as it was; return where it ends. Raises: OSError."""
        if not self._open or self.place.size >= REEL_BYTES:
            self._open.append(os.open(self._folder / reel_name(segment.head.seq), NEW, 0o600))
            self._is_named, self.place = False, Place(segment.head.seq, 0)
        fd, (first, size), data = self._open[-1], self.place, segment.stored()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
                os.lseek(fd, size, os.SEEK_SET)
            raise
        self.place = Place(first, size + len(data))
        return self.place

    def sync(self) -> None:
        """Let what was written before this be durable. Raises: OSError."""
        *full, last = tuple(self._open) or (-1,)
        is_named, self._is_named = self._is_named, True
        try:
            for fd in full:
                os.fdatasync(fd)
            if last >= 0:
                os.fdatasync(last)
            if not is_named:
                sync_folder(self._folder)
        except OSError:
            self._is_named = False
            raise
        for fd in full:
            self._open.remove(fd)
            os.close(fd)

    def cut(self, place: Place) -> None:
        """Let the segments end at `place`. Raises: OSError."""
        self.close()
        for reel in reels_of(self._folder):
            if reel.name > reel_name(place.first):
                reel.unlink()
        self.go_on(self._folder / reel_name(place.first), place.size)

    def go_on(self, reel: Path, size: int) -> None:
        """Write after the first `size` bytes of `reel`; what follows them is torn and goes. Raises: OSError."""
        fd = os.open(reel, os.O_RDWR | os.O_CLOEXEC)
        self._open, self.place = [fd], Place(int(reel.stem), size)
        os.ftruncate(fd, size)
        os.lseek(fd, size, os.SEEK_SET)

    def close(self) -> None:
        """Let go of the files."""
        while self._open:
            os.close(self._open.pop())


class Shelf:
    """All tapes. Thread-safe: it keeps nothing but the folder's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder, take away what was being made when the last recorder died, and keep room back. Raises: OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half in self.folder.glob(f"*{MAKING}"):
            shutil.rmtree(half)
        self.keep_reserve()

    def keep_reserve(self) -> None:
        """Keep room back, if it is not kept already. Raises: OSError: there is too little."""
        reserve = self.folder / RESERVE
        with contextlib.suppress(FileNotFoundError):
            if reserve.stat().st_size >= RESERVE_BYTES:
                return
        fd = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        except OSError:
            os.ftruncate(fd, 0)
            raise
        finally:
            os.close(fd)

    def give_reserve(self) -> None:
        """Let the room go that was kept back: the disk is full, and tapes must end."""
        with contextlib.suppress(OSError):
            os.truncate(self.folder / RESERVE, 0)

    def probe(self) -> None:
        """Write a file and take it away. Raises: OSError: no tape could be made."""
        self.keep_reserve()
        fd = os.open(self.folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, bytes(1024))
            os.fsync(fd)
        finally:
            os.close(fd)

    def create(self, opening: Opening) -> Reels:
        """Make a tape's folder with its opening, durable and at once: there is none without. Raises: OSError: there is nothing."""
        self.keep_reserve()  # what was given so that tapes could end is not for new ones to use up
        folder = self.path(opening.id)
        making = folder.with_name(opening.id + MAKING)
        making.mkdir(mode=0o700)
        try:
            with os.fdopen(os.open(making / OPENING, NEW, 0o600), "wb") as file:
                file.write(opening.stored())
                file.flush()
                os.fsync(file.fileno())
            sync_folder(making)
            making.rename(folder)
            sync_folder(self.folder)
        except OSError:
            for half in (making, folder):
                shutil.rmtree(half, ignore_errors=True)
            raise
        return Reels(folder)

    def path(self, id: str) -> Path:
        """The folder of a tape. Raises: BadSegment: that is no id."""
        if ID.fullmatch(id) is None:
            raise BadSegment("that is no id of a tape")
        return self.folder / id

    def ids(self) -> list[str]:
        """Every tape that is there, the oldest first."""
        try:
            return sorted(entry.name for entry in os.scandir(self.folder) if ID.fullmatch(entry.name))
        except FileNotFoundError:
            return []


def reel_name(first: int) -> str:
    """The name of the file that begins with segment `first`."""
    return f"{first:08}.reel"


def reels_of(folder: Path) -> list[Path]:
    """A tape's files in order."""
    return sorted(file for file in folder.glob("*.reel") if file.stem.isdecimal())


class Torn(Exception):
    """A file ends within a segment: it was being written when its recorder died. `reel` and `at` say where that segment begins."""

    def __init__(self, reel: Path, at: int) -> None:
        super().__init__(f"{reel.name} is cut off at byte {at}")
        self.reel, self.at = reel, at


def heads(folder: Path) -> Iterator[tuple[Path, int, Head]]:
    """Yield file, place and head of every segment, without what is sealed in it.

    Raises:
        BadSegment: where one should begin, none does. Torn: the last one is not whole. OSError.
    """
    for reel in reels_of(folder):
        for at, head in heads_of(reel):
            yield reel, at, head


def heads_of(reel: Path, at: int = 0) -> Iterator[tuple[int, Head]]:
    """Yield place and head of every segment of one file, from the one that begins at `at`. Raises: as `heads`."""
    with reel.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            file.seek(at)
            head = read_head(file.read(FRONT_BYTES), 0)
            if head is None or at + FRONT_BYTES + head.length > size:
                raise Torn(reel, at)
            yield at, head
            at += FRONT_BYTES + head.length


def stored_segments(folder: Path) -> Iterator[Segment]:
    """Yield every segment as it is stored, unchecked. Raises: as `heads`."""
    opened, file = None, None
    try:
        for reel, at, head in heads(folder):
            if file is None or reel != opened:
                if file is not None:
                    file.close()
                opened, file = reel, reel.open("rb")
            file.seek(at + FRONT_BYTES)
            yield Segment(head, file.read(head.length))
    finally:
        if file is not None:
            file.close()
