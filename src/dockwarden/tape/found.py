"""Tapes as they lie in their folder: a row for each, and an end for those whose recorder died."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from dockwarden.ledger.entry import Entry
from dockwarden.tape import deletion
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.marks import Deleted, Hold, Killed, Tail, absent, deleted_of, holds_of, killed_of, stored_of
from dockwarden.tape.opening import Opening, hash_of
from dockwarden.tape.read import opening_of
from dockwarden.tape.segment import FRONT_BYTES, Flag, Head, Sealer, Sign
from dockwarden.tape.shelf import OPENING, Reels, Shelf, Torn, heads_of, reels_of

SECOND = len("20260101-000000")
"""How much of an id tells its time: within a second ids are in no order."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One tape in a list. Times are microseconds since 1970; `ended` is 0 while it is recorded, `head` is hex. `state` as `verify.Checked`,
    or, of a session under way, `waiting` and `paused` for want of a watcher; `broken: …` says why a tape has no end, as only its recorder
    knows. `watchers` are who looks on now.

    `stored` are the segments that are in the store; `is_away` says that none is on this disk.
    """

    id: str
    person: str
    kind: str
    target: str
    started: int
    ended: int
    state: str
    segments: int
    head: str
    bytes: int
    watchers: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    deleted: Deleted | None = None
    stored: int = 0
    is_away: bool = False
    killed: Killed | None = None


def rows(shelf: Shelf) -> list[Row]:
    """Every tape that is there, the oldest first. One that cannot be read is a row, too: its state says why."""
    found = [_row_of(shelf.path(id)) for id in shelf.ids()]
    return sorted(found, key=lambda row: (row.id[:SECOND], row.started, row.id))


def _row_of(folder: Path) -> Row:
    try:
        return _row(folder, opening_of(folder))
    except (BadSegment, OSError) as error:
        return Row(id=folder.name, person="", kind="", target="", started=0, ended=0, state=f"unreadable: {error}", segments=0, head="", bytes=0)


def _row(folder: Path, opening: Opening) -> Row:
    deleted, stored = deleted_of(folder), stored_of(folder)
    known = deleted.tail if deleted else stored.tail if stored.is_away else None
    tail = known or came_to(folder)
    return Row(
        id=opening.id, person=opening.person, kind=opening.kind, target=opening.target, started=opening.at, ended=tail.ended,
        state="deleted" if deleted else tail.state, segments=tail.segments, head=tail.head, bytes=tail.bytes, holds=holds_of(folder),
        deleted=deleted, stored=0 if deleted else stored.segments, is_away=stored.is_away and not deleted, killed=killed_of(folder),
    )  # fmt: skip


def came_to(folder: Path) -> Tail:
    """What the tape whose segments are in `folder` came to so far; `ended` is 0 while it has no end. Raises: as `tail_of`."""
    head, _, _ = tail_of(folder)
    is_over = head is not None and Flag.LAST in head.flags
    return Tail(
        segments=head.seq if head else 0, head=head.hash.hex() if head else "", ended=head.wall_us if head and is_over else 0,
        state=state_of(head.flags if head else Flag(0)), bytes=sum(reel.stat().st_size for reel in reels_of(folder)),
    )  # fmt: skip


def state_of(flags: Flag) -> str:
    """`ended`, `cut off` for a tape whose session died with its recorder, `broken` for one that could not be written on, or `open`."""
    if Flag.BROKEN in flags:
        return "broken"
    if Flag.FOUND in flags:
        return "cut off"
    return "ended" if Flag.LAST in flags else "open"


def tail_of(folder: Path) -> tuple[Head | None, Path | None, int]:
    """The last whole segment's head, its file, and where in that it ends; unchecked. Raises: BadSegment, OSError."""
    last: Head | None = None
    for reel in reversed(reels_of(folder)):
        end = 0
        try:
            for at, head in heads_of(reel):
                last, end = head, at + FRONT_BYTES + head.length
        except Torn:
            pass
        if last is not None:
            return last, reel, end
    return None, None, 0


ENDS = frozenset({"tape.closed", deletion.WHAT, deletion.KEPT})
LOOK_BACK_US = 60_000_000
"""How far before a recorder's last entry in the ledger a tape's end may lie that is not there: they are written within moments."""


class Ends:
    """Which tapes the ledger has the end of, by the last entries of the recorder before."""

    def __init__(self, newest: Iterable[Entry] = ()) -> None:
        """`newest` are the ledger's entries up to then, the newest first."""
        self._ids, self._since_us = set[str](), 0
        for entry in newest:
            self._since_us = self._since_us or entry.at - LOOK_BACK_US
            if entry.at < self._since_us:
                break
            if entry.kind == "tape" and entry.detail.get("what") in ENDS:
                self._ids.add(str(entry.detail.get("tape")))

    def lack(self, id: str, head: Head) -> bool:
        """Whether they should have the end of tape `id`, whose last segment is `head`, and do not."""
        return 0 < self._since_us <= head.wall_us and id not in self._ids


NO_ENDS = Ends()


def end_found(shelf: Shelf, id: str, vouch: Sign, wall_us: int, ends: Ends = NO_ENDS) -> tuple[Head, int] | None:
    """End a tape that has no end, since whoever recorded it is no more; its new last head, and how many torn bytes went. `None` if it has one.

    It has its end without its key: a segment that says so, with nothing in it. One that has an end of which `ends` lack is as one that was
    ended now: its recorder died before it had told the ledger.
    Raises:
        BadSegment: it cannot be read; it stays as it is. OSError.
    """
    folder = shelf.path(id)
    if absent(folder):
        return None
    head, reel, end = tail_of(folder)
    if head is not None and Flag.LAST in head.flags:
        return (head, 0) if ends.lack(id, head) else None
    sealer = Sealer(id, b"", head.hash if head else hash_of((folder / OPENING).read_bytes()), vouch, seq=head.seq if head else 0)
    mono_us = head.mono_us if head else 0
    segment = sealer.seal(b"", wall_us, mono_us, Flag.LAST | Flag.FOUND)
    reels, torn = Reels(folder), 0
    if reel is not None:
        torn = reel.stat().st_size - end
        reels.go_on(reel, end)
    for left in reels_of(folder):
        if reel is None or left.name > reel.name:
            torn += left.stat().st_size
            left.unlink()
    try:
        reels.append(segment)
        reels.sync()
    finally:
        reels.close()
    return segment.head, torn
