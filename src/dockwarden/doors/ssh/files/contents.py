"""What moved through one handle in one direction: how much, and its SHA-256 where it was one run from the beginning.

Pieces may come out of order, since clients ask ahead: those that are early wait, within a budget that all handles of a session share.
Where they do not join up into one run from 0, there is no digest, and the runs are counted: never a digest of something else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

WAITING_BYTES = 8 << 20
Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved. `sha256` is hexadecimal, "" where `ranges` is not one run from 0; `ranges` is 0 where nothing moved."""

    bytes: int = 0
    sha256: str = ""
    ranges: int = 0


@dataclass(slots=True)
class Budget:
    """How many bytes may still wait."""

    left: int = WAITING_BYTES


class Contents:
    """The pieces of one direction."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._hash = hashlib.sha256()
        self._early: dict[int, bytes] = {}
        self._run_end = self._ranges = 0
        self.bytes = 0
        self.is_one_run = True

    @property
    def next(self) -> int:
        """Where the run from 0 ends so far."""
        return self._run_end

    @property
    def is_joined(self) -> bool:
        """Whether all that moved by now is one run from 0: nothing waits to be joined to it."""
        return self.is_one_run and not self._early

    def add(self, offset: int, data: Buffer) -> None:
        """Take one piece."""
        if not data:
            return
        self.bytes += len(data)
        if not self.is_one_run:
            self._scattered(offset, len(data))
        elif offset == self._run_end:
            self._joined(data)
            while (early := self._early.pop(self._run_end, None)) is not None:
                self._budget.left += len(early)
                self._joined(early)
        elif offset < self._run_end or offset in self._early or len(data) > self._budget.left:
            self.lose()
            self._scattered(offset, len(data))
        else:
            self._early[offset] = bytes(data)
            self._budget.left -= len(data)

    def lose(self) -> None:
        """It is no run from 0, or not all of what is known of."""
        for offset in sorted(self._early):
            size = len(self._early.pop(offset))
            self._budget.left += size
            self._scattered(offset, size)
        self.is_one_run = False

    def end(self) -> None:
        """Nothing more comes: what waits is no part of a run."""
        if self._early:
            self.lose()

    def moved(self, *, is_empty_known: bool = False) -> Moved:
        """What moved, after `end`; `is_empty_known` says that nothing is the whole of it."""
        is_digest = self.is_one_run and (self._ranges == 1 or is_empty_known)
        return Moved(self.bytes, self._hash.hexdigest() if is_digest else "", self._ranges)

    def _joined(self, data: Buffer) -> None:
        self._hash.update(data)
        self._run_end += len(data)
        self._ranges = 1

    def _scattered(self, offset: int, size: int) -> None:
        if offset != self._run_end or not self._ranges:
            self._ranges += 1
        self._run_end = offset + size
