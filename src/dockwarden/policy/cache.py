"""Verdicts that are remembered, a bounded number of them."""

from __future__ import annotations

from typing import Any

from dockwarden.words.ask import Verdict


class Verdicts:
    """Remembers the verdicts that were asked for last, about `limit` to twice as many; dies with its policy set.

    Two generations: when the young one is full it becomes the old one, and what is asked for again moves to the young. So a caller
    who asks for something new every time pushes nothing out that others keep asking for.
    """

    __slots__ = ("_limit", "_old", "_young")

    def __init__(self, limit: int = 4_096) -> None:
        self._limit = limit
        self._young: dict[Any, Verdict] = {}
        self._old: dict[Any, Verdict] = {}

    def get(self, key: Any) -> Verdict | None:
        """The verdict for `key`, `None` where it is not remembered."""
        verdict = self._young.get(key)
        if verdict is None:
            verdict = self._old.get(key)
            if verdict is not None:
                self.put(key, verdict)
        return verdict

    def put(self, key: Any, verdict: Verdict) -> None:
        """Remember `verdict`."""
        if len(self._young) >= self._limit:
            self._young, self._old = {}, self._young
        self._young[key] = verdict

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())
