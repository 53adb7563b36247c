"""Locks on sessions: whose, or on what, none may be under way or begin, until when and why.

A lock is a row, durable before it counts, and counts until its time has passed or it is taken away; a process that dies changes nothing
about it. While one runs, time is that of a clock that nobody sets.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

from dockwarden.words.errors import BadConfig, Forbidden, Unavailable

SCHEMA = """
CREATE TABLE IF NOT EXISTS locks (
    id TEXT PRIMARY KEY, person TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL,
    at INTEGER NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
"""
BUSY_MS = 5_000
ID_BYTES = 4
SHORTEST_ID = 12
"""Characters of a container's id that are enough to name it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock. `person` and `target` say which sessions, "" for any, and never both; times are seconds since 1970, `until` 0 for no end."""

    id: str
    person: str
    target: str
    reason: str
    by: str
    at: int
    until: int

    def fits(self, person: str, targets: frozenset[str]) -> bool:
        """Whether it is about sessions of `person` in what goes by the names and ids in `targets`."""
        is_there = not self.target or any(
            name == self.target or (len(self.target) >= SHORTEST_ID and name.startswith(self.target)) for name in targets
        )
        return self.person in {"", person} and is_there

    @property
    def words(self) -> str:
        """What who is locked is told."""
        whose = f"of {self.person}" if self.person else "of everybody"
        where = f" on {self.target}" if self.target else ""
        until = f"until {_moment(self.until)}" if self.until else "until somebody unlocks them"
        return f"sessions {whose}{where} are locked {until} (by {self.by}): {self.reason}"


def new_lock(person: str, target: str, reason: str, by: str, for_s: int) -> Lock:
    """A lock that begins now; `for_s` 0 has no end."""
    at = int(time.time())
    return Lock(f"lock-{secrets.token_hex(ID_BYTES)}", person, target, reason, by, at, at + for_s if for_s else 0)


class Locks:
    """All that count, and the file they are in. They change in the loop only.

    `now` is seconds of a clock that is never set, `wall` seconds since 1970.
    """

    def __init__(self, file: Path, *, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        """Open (or make) the file, and read what is in it. Raises: BadConfig: that cannot be."""
        self._now, self._wall = now, wall
        self._held: dict[str, tuple[Lock, float]] = {}
        try:
            self._store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._store.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            self._store.execute("PRAGMA journal_mode=WAL")
            self._store.execute("PRAGMA synchronous=FULL")
            self._store.executescript(SCHEMA)
            self._store.execute("DELETE FROM locks WHERE until > 0 AND until <= ?", (int(wall()),))
            rows = self._store.execute("SELECT id, person, target, reason, by, at, until FROM locks ORDER BY at, id").fetchall()
        except sqlite3.Error as error:
            mend = "put yesterday's back, or move it away, which takes all locks off"
            raise BadConfig(str(file), f"the locks on sessions cannot be read ({error})", mend) from None
        for row in rows:
            self._hold(Lock(*row))

    async def add(self, lock: Lock) -> None:
        """Let `lock` count, once it is durable. Raises: Unavailable: `lock.unwritable`; it does not count."""
        await asyncio.to_thread(self._write, "INSERT INTO locks VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(lock))
        self._hold(lock)

    async def remove(self, id: str) -> None:
        """Take a lock away, once that is durable. Raises: Unavailable: `lock.unwritable`; it counts on."""
        await asyncio.to_thread(self._write, "DELETE FROM locks WHERE id = ?", (id,))
        self._held.pop(id, None)

    def every(self) -> list[Lock]:
        """Those that count now, the oldest first."""
        now = self._now()
        self._held = {id: (lock, until) for id, (lock, until) in self._held.items() if until > now}
        return [lock for lock, _ in self._held.values()]

    def check(self, person: str, targets: frozenset[str]) -> None:
        """Return if no lock keeps a session of `person` there from being.

        Raises:
            Forbidden: `session.locked`; it says why and until when.
        """
        for lock in self.every():
            if lock.fits(person, targets):
                raise Forbidden("session.locked", f"{lock.words}; ask an operator ({lock.id})")

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def _hold(self, lock: Lock) -> None:
        left_s = lock.until - self._wall() if lock.until else float("inf")
        self._held[lock.id] = lock, self._now() + left_s

    def _write(self, statement: str, values: tuple[str | int, ...]) -> None:
        try:
            self._store.execute(statement, values)
        except sqlite3.Error as error:
            raise Unavailable("lock.unwritable", f"the locks on sessions cannot be written ({error}); nothing was changed") from None


def _moment(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M} UTC"
