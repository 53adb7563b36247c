"""What comes by in a session, as it is kept: known secrets masked, and what was typed in the dark left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dockwarden.tape.frames import Kind
from dockwarden.tape.mask import Masker, Needles
from dockwarden.tape.typed import Kept, Typed


class Takes(Protocol):
    """A tape, as an intake knows it."""

    def add(self, kind: Kind, data: bytes) -> None:
        """Take what just happened. Raises: Unavailable: `tape.broken`; it is not recorded."""


News = Callable[[], Sequence[bytes] | None]
"""The secrets to be masked from now on, `None` if they are those of the last time. Asked before each piece."""


def no_news() -> None:
    """There is nothing to mask."""
    return


class Intake:
    """One session's way onto its tape. Every method may raise Unavailable: `tape.broken`; what was passed is not recorded then."""

    def __init__(self, tape: Takes, *, is_terminal: bool, news: News = no_news) -> None:
        self._tape, self._news = tape, news
        self._needles = Needles()
        self._maskers = {kind: Masker(self._needles) for kind in (Kind.OUTPUT, Kind.ERROR, Kind.INPUT)}
        self._typed = Typed() if is_terminal else None

    def output(self, data: bytes, kind: Kind = Kind.OUTPUT) -> None:
        """Something was shown: `OUTPUT`, or `ERROR` where that comes apart."""
        if self._typed is not None:
            self._keep(self._typed.shown(data))
        self._add(kind, data)

    def input(self, data: bytes) -> None:
        """Something was typed, or sent."""
        if self._typed is None:
            self._add(Kind.INPUT, data)
        else:
            self._keep(self._typed.feed(data))

    def say(self, kind: Kind, words: str) -> None:
        """Something happened: `RESIZE`, `SIGNAL`, `EXIT`, `MARK`."""
        self._tape.add(kind, words.encode())

    def file(self, data: bytes) -> None:
        """Something of a file that is copied, as it is: masked, it would not be that file."""
        self._tape.add(Kind.FILE, data)

    def finish(self) -> None:
        """Keep what was held back: nothing more comes."""
        if self._typed is not None:
            self._keep(self._typed.finish())
        try:
            for kind, masker in self._maskers.items():
                if left := masker.finish():
                    self._tape.add(kind, left)
        finally:
            self._needles.wipe()

    @property
    def is_masking(self) -> bool:
        """Whether there is anything that must not be kept: whoever copied a piece wipes the copy then."""
        return bool(self._needles.values)

    def _add(self, kind: Kind, data: bytes) -> None:
        if (values := self._news()) is not None:
            self._needles.learn(values)
        if left := self._maskers[kind].feed(data):
            self._tape.add(kind, left)

    def _keep(self, kept: list[Kept]) -> None:
        for kind, data in kept:
            if kind is Kind.INPUT:
                self._add(kind, data)
            else:
                self._tape.add(kind, data)
