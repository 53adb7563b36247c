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

    def add(self, offset: int, data: Buffer) -> list[tuple[int, Buffer]]:
        """Take one piece; return what may be kept now, with its place: in order as long as it is one run, as it came after that."""
        if not data:
            return []
        self.bytes += len(data)
        if not self.is_one_run:
            self._scattered(offset, len(data))
            return [(offset, data)]
        if offset == self._run_end:
            return [self._joined(offset, data), *self._caught_up()]
        if offset < self._run_end or offset in self._early or len(data) > self._budget.left:
            pieces = self.lose()
            self._scattered(offset, len(data))
            return [*pieces, (offset, data)]
        self._early[offset] = bytes(data)
        self._budget.left -= len(data)
        return []

    def lose(self) -> list[tuple[int, Buffer]]:
        """It is no run from 0, or not all of what is known of; return what waited."""
        pieces: list[tuple[int, Buffer]] = []
        for offset in sorted(self._early):
            data = self._early.pop(offset)
            self._budget.left += len(data)
            self._scattered(offset, len(data))
            pieces.append((offset, data))
        self.is_one_run = False
        return pieces

    def end(self) -> list[tuple[int, Buffer]]:
        """Nothing more comes; return what waited for what never came."""
        return self.lose() if self._early else []

    def moved(self, *, is_empty_known: bool = False) -> Moved:
        """What moved, after `end`; `is_empty_known` says that nothing is the whole of it."""
        is_digest = self.is_one_run and (self._ranges == 1 or is_empty_known)
        return Moved(self.bytes, self._hash.hexdigest() if is_digest else "", self._ranges)

    def _joined(self, offset: int, data: Buffer) -> tuple[int, Buffer]:
        self._hash.update(data)
        self._run_end += len(data)
        self._ranges = 1
        return offset, data

    def _caught_up(self) -> list[tuple[int, Buffer]]:
        """What waited and now follows."""
        pieces = []
        while (data := self._early.pop(self._run_end, None)) is not None:
            self._budget.left += len(data)
            pieces.append(self._joined(self._run_end, data))
        return pieces

    def _scattered(self, offset: int, size: int) -> None:
        if offset != self._run_end or not self._ranges:
            self._ranges += 1
        self._run_end = offset + size
