"""How much each person has recorded today, in UTC: what keeps one of them from filling the disk that everybody's sessions need.

It has no file of its own: at a start it is counted from the tapes that are there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dockwarden.ledger.writer import call_in_loop
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import came_to
from dockwarden.tape.marks import deleted_of, stored_of
from dockwarden.tape.read import opening_of
from dockwarden.tape.segment import FRONT_BYTES
from dockwarden.tape.shelf import Shelf, Torn, heads_of, reels_of
from dockwarden.tape.terms import spent_words
from dockwarden.tape.vigil import Vigil
from dockwarden.words.errors import Forbidden

DAY_S = 86_400
TAPE_BYTES = 12 << 10
"""What a tape takes of a disk besides its segments: a folder, its opening, the rest of a block. It counts, or empty tapes would be free."""


class Budget:
    """What was recorded today by whom. For any thread."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """`wall` is seconds since 1970."""
        self._wall = wall
        self._lock = threading.Lock()
        self._day = 0
        self._spent: Counter[str] = Counter()

    def count(self, shelf: Shelf) -> None:
        """Add what the tapes say that are there: once, before anything is recorded."""
        for person, size in recorded_since(shelf, int(self._wall()) // DAY_S * DAY_S).items():
            self.add(person, size)

    def add(self, person: str, size: int) -> int:
        """So much more is recorded; return all that is since midnight."""
        with self._lock:
            day = int(self._wall()) // DAY_S
            if day != self._day:
                self._day, self._spent = day, Counter()
            self._spent[person] += size
            return self._spent[person]

    def check(self, person: str, daily: int) -> None:
        """Return if `person`, who may record `daily` bytes in a day (0: any number), may record more now.

        Raises:
            Forbidden: `session.spent`; it says when they may again.
        """
        spent = self.add(person, 0)
        if 0 < daily <= spent:
            raise Forbidden("session.spent", spent_words(spent))

    def meter(self, vigil: Vigil) -> Meter:
        """What counts the segments of the session that `vigil` is kept over."""
        return Meter(self, vigil)


class Meter:
    """Counts what is on one tape, and tells its vigil where that comes near a limit: `recorder.Listener`. Make it in the loop."""

    def __init__(self, budget: Budget, vigil: Vigil) -> None:
        self._budget, self._vigil, self._loop = budget, vigil, asyncio.get_running_loop()
        self._size = 0

    def __call__(self, _seq: int, size: int) -> None:
        """So many bytes of it are durable."""
        before, self._size = self._size, size + TAPE_BYTES
        today = self._budget.add(self._vigil.whose.person, self._size - before)
        if self._vigil.terms.is_near(self._size, today):
            call_in_loop(self._loop, self._vigil.recorded, self._size, today)


def recorded_since(shelf: Shelf, since_s: int) -> Mapping[str, int]:
    """How many bytes each person has recorded since then, by their tapes. One that cannot be read counts for nobody."""
    found: Counter[str] = Counter()
    first = f"{datetime.fromtimestamp(since_s, UTC):%Y%m%d-%H%M%S}"  # ids sort by time
    for id in shelf.ids():
        folder = shelf.path(id)
        try:
            size = _whole(folder) if id >= first else _part(folder, since_s)
            if size:
                found[opening_of(folder).person] += size
        except (BadSegment, OSError, Torn):
            continue
    return found


def _whole(folder: Path) -> int:
    """What a tape came to, wherever its segments are by now: what was recorded stays recorded."""
    return ((deleted_of(folder) or stored_of(folder)).tail or came_to(folder)).bytes + TAPE_BYTES


def _part(folder: Path, since_s: int) -> int:
    """What was written since then on a tape that was opened before."""
    heads = (head for reel in reels_of(folder) if reel.stat().st_mtime >= since_s for _, head in heads_of(reel))
    return sum(FRONT_BYTES + head.length for head in heads if head.wall_us >= since_s * 1_000_000)
