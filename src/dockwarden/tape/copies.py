"""One tape's way into the store and back. What is done is in `stored.json`, and nowhere else: whoever starts goes on from there.

Only whole segments that are durable go, in their order, each once; an object is written before `stored.json` has it, so that a crash in
between writes it again, the same or longer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockwarden.ledger.durable import sync_folder
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import came_to
from dockwarden.tape.marks import DELETED, HOLDS, KILLED, STORED, Copied, Stored, absent, digest_of, stored_of, write_mark
from dockwarden.tape.segment import FRONT_BYTES
from dockwarden.tape.shelf import NEW, OPENING, Torn, heads_of, reel_name, reels_of
from dockwarden.tape.store import Absent, Store

OBJECT_BYTES = 4 << 20
"""How long an object gets, unless one segment is longer."""
MARKS = (HOLDS, KILLED, DELETED)
NO_END = 1 << 62
"""As a limit: every segment that is there."""


@dataclass(frozen=True, slots=True)
class Run:
    """Segments that go into one object: `first` to `last` of them, the bytes from `at` to `end` of `reel`."""

    reel: Path
    at: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Left:
    """What of a tape is not in the store. `since` is the moment from which on, in microseconds since 1970."""

    bytes: int
    since: int
    is_due: bool = True
    """Whether there is anything; a session under way may have nothing new."""


def left_of(folder: Path, opened: int) -> Left | None:
    """What is still to be copied of a tape that was opened at `opened`, `None` where all is. Raises: BadSegment, OSError."""
    stored = stored_of(folder)
    if stored.is_gone or ((stored.tail is not None or stored.is_away) and not _marks(folder, stored)):
        return None
    if absent(folder):
        return Left(0, max((folder / name).stat().st_mtime_ns // 1000 for name in MARKS if (folder / name).exists()))
    reels = [reel for reel in reels_of(folder) if reel.name >= stored.reel]
    size = sum(reel.stat().st_size - (stored.at if reel.name == stored.reel else 0) for reel in reels)
    return Left(size, next(_moments(reels, stored), opened), is_due=size > 0 or bool(_marks(folder, stored)))


def _moments(reels: list[Path], stored: Stored) -> Iterator[int]:
    """The moments of what is not in the store, one segment after the other."""
    with contextlib.suppress(Torn):
        for reel in reels:
            yield from (head.wall_us for _, head in heads_of(reel, stored.at if reel.name == stored.reel else 0))


def runs(folder: Path, stored: Stored, limit: int) -> Iterator[Run]:
    """Yield what is not in the store yet, up to segment `limit`, in order. Raises: BadSegment, OSError."""
    for reel in reels_of(folder):
        if reel.name < stored.reel:
            continue
        made: Run | None = None
        with contextlib.suppress(Torn):  # it is being written: what is whole goes
            for at, head in heads_of(reel, stored.at if reel.name == stored.reel else 0):
                if head.seq > limit:
                    break
                end = at + FRONT_BYTES + head.length
                if made is not None and end - made.at > OBJECT_BYTES:
                    yield made
                    made = None
                made = Run(reel, made.at if made else at, end, made.first if made else head.seq, head.seq)
        if made is not None:
            yield made


def copy(store: Store, folder: Path, limit: int = NO_END) -> Stored:
    """Bring what is there up to segment `limit` into the store, and say what the store has then. It waits: a thread's.

    `limit` is the last segment that is durable; of a tape that is over there is none.
    Raises:
        StoreTrouble: the store did not take it. BadSegment, OSError: it cannot be read. What went before is known as such.
    """
    stored = stored_of(folder)
    if OPENING not in stored.marks:
        stored = _copy_mark(store, folder, stored, OPENING)
    for run in [] if absent(folder) else list(runs(folder, stored, limit)):
        data, name = _read(run), reel_name(run.first)
        store.put(f"{folder.name}/{name}", data)
        stored = msgspec.structs.replace(
            stored, objects=(*stored.objects, Copied(name, len(data), digest_of(data))), segments=run.last, reel=run.reel.name, at=run.end
        )
        write_mark(folder, STORED, stored)
    for name in _marks(folder, stored):
        stored = _copy_mark(store, folder, stored, name)
    return _take_out(store, folder, stored) if (folder / DELETED).exists() else _whole(folder, stored)


def copy_again(store: Store, folder: Path) -> None:
    """Let all of a tape be copied anew: what the store has of it is not what was written. Raises: StoreTrouble, OSError."""
    stored = stored_of(folder)
    for one in stored.objects:
        store.delete(f"{folder.name}/{one.name}")
    write_mark(folder, STORED, Stored(back=stored.back))


def _whole(folder: Path, stored: Stored) -> Stored:
    """`stored`, with what the tape came to if all of it is in the store now."""
    if stored.tail is not None or absent(folder):
        return stored
    tail = came_to(folder)
    if not tail.ended or tail.segments != stored.segments:
        return stored
    whole = msgspec.structs.replace(stored, tail=tail)
    write_mark(folder, STORED, whole)
    return whole


def _copy_mark(store: Store, folder: Path, stored: Stored, name: str) -> Stored:
    data = (folder / name).read_bytes()
    store.put(f"{folder.name}/{name}", data)
    stored = msgspec.structs.replace(stored, marks={**stored.marks, name: digest_of(data)})
    write_mark(folder, STORED, stored)
    return stored


def _take_out(store: Store, folder: Path, stored: Stored) -> Stored:
    """Let the store have no segment of a tape that is deleted."""
    for one in stored.objects:
        store.delete(f"{folder.name}/{one.name}")
    # an object that was written and not written down here: its name is that of the segment which would have been next
    store.delete(f"{folder.name}/{reel_name(stored.segments + 1)}")
    gone = msgspec.structs.replace(stored, objects=(), is_gone=True, is_away=False)
    write_mark(folder, STORED, gone)
    return gone


def _marks(folder: Path, stored: Stored) -> list[str]:
    """The small files that are not in the store as they are here."""
    found = []
    for name in MARKS:
        with contextlib.suppress(FileNotFoundError):
            if stored.marks.get(name) != digest_of((folder / name).read_bytes()):
                found.append(name)
    return found


def _read(run: Run) -> bytes:
    with run.reel.open("rb") as file:
        os.fdatasync(file.fileno())  # INVARIANT: the store is never ahead of the disk
        file.seek(run.at)
        data = file.read(run.end - run.at)
    if len(data) != run.end - run.at:
        raise BadSegment(f"{run.reel.name} has become shorter")
    return data


def look_through(store: Store, folder: Path) -> str:
    """Read all that the store has of a tape, and return what is not as it was written there, "" if nothing. Raises: StoreTrouble."""
    for one in stored_of(folder).objects:
        if wrong := _wrong(one, _got(store, folder, one)):
            return wrong
    return ""


def let_go(folder: Path) -> None:
    """Let the reels here go of a tape that is whole in the store. Raises: OSError: what is left of them goes at the next `sweep`."""
    stored = stored_of(folder)
    if stored.tail is None:
        raise BadSegment("it is not in the store")
    write_mark(folder, STORED, msgspec.structs.replace(stored, is_away=True))
    sweep(folder)


def sweep(folder: Path) -> None:
    """Take away the reels of a tape whose contents are in the store alone. Raises: OSError."""
    for reel in reels_of(folder):
        reel.unlink()
    sync_folder(folder)


def bring_back(store: Store, folder: Path, now: int, has_room: Callable[[int], None]) -> None:
    """Let the reels be here again, at `now` in microseconds since 1970. `has_room` raises if so many bytes have no room.

    Raises:
        BadSegment: an object is not what was written; StoreTrouble; OSError. It is in the store alone then, as before.
    """
    stored = stored_of(folder)
    if not stored.is_away:
        return
    has_room(sum(one.bytes for one in stored.objects))
    try:
        for one in stored.objects:
            data = _got(store, folder, one)
            if wrong := _wrong(one, data):
                raise BadSegment(wrong)
            _write(folder / one.name, data or b"")
        sync_folder(folder)
    except BaseException:
        sweep(folder)
        raise
    last = stored.objects[-1]
    here = msgspec.structs.replace(stored, is_away=False, back=now, reel=last.name, at=last.bytes)
    write_mark(folder, STORED, here)


def _got(store: Store, folder: Path, one: Copied) -> bytes | None:
    try:
        return store.get(f"{folder.name}/{one.name}")
    except Absent:
        return None


def _wrong(one: Copied, data: bytes | None) -> str:
    if data is None:
        return f"{one.name} is missing in the store"
    return "" if digest_of(data) == one.sha256 else f"{one.name} in the store is not what was written there"


def _write(file: Path, data: bytes) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, NEW, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
