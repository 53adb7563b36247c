"""What comes by in a session, as it is kept: known and found secrets masked, and what was typed in the dark left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from dockwarden.engine.finding.chance import is_hinted_random
from dockwarden.tape.frames import Kind
from dockwarden.tape.mask import MARK, Masker, Needles
from dockwarden.tape.recorder import Tape
from dockwarden.tape.sift import Masked, Sieve
from dockwarden.tape.typed import Kept, Typed

News = Callable[[], Sequence[bytes] | None]
"""The secrets to be masked from now on, `None` if they are those of the last time. Asked before each piece."""


MOST_NAMED = 8
"""Of so many that were masked in one piece, kind and length are told one by one."""
MOST_ECHOED = 8
LEAST_ECHOED = 12


def no_news() -> None:
    """There is nothing to mask."""
    return


class Intake:
    """One session's way onto its tape. Every method may raise Unavailable: `tape.broken`; what was passed is not recorded then."""

    def __init__(self, tape: Tape, *, is_terminal: bool, news: News = no_news, finds: bool = True) -> None:
        """`finds`: secrets are masked that nobody delivered, too, where their form or their name gives them away."""
        self._tape, self._news = tape, news
        self._needles = Needles()
        kinds = (Kind.OUTPUT, Kind.ERROR, Kind.INPUT)
        self._maskers = {kind: Masker(self._needles) for kind in kinds}
        self._sieves = {kind: Sieve(is_typed=kind is Kind.INPUT, ends_at_binary=not is_terminal) for kind in kinds if finds}
        self._echoed: deque[bytes] = deque(maxlen=MOST_ECHOED)
        self._masked = 0
        self._typed = Typed() if is_terminal else None

    def output(self, data: bytes, kind: Kind = Kind.OUTPUT) -> None:
        """Something was shown: `OUTPUT`, or `ERROR` where that comes apart."""
        left, found = self._left(kind, data)
        if self._typed is not None:
            self._keep(self._typed.shown(data))
        self._put(kind, left, found)

    def input(self, data: bytes) -> None:
        """Something was typed, or sent."""
        if self._typed is None:
            self._put(Kind.INPUT, *self._left(Kind.INPUT, data))
        else:
            self._keep(self._typed.feed(data))

    def say(self, kind: Kind, words: str) -> None:
        """Something happened: `RESIZE`, `SIGNAL`, `EXIT`, `MARK`."""
        self._tape.add(kind, words.encode())

    def finish(self) -> None:
        """Keep what was held back: nothing more comes."""
        if self._typed is not None:
            self._keep(self._typed.finish())
        try:
            for kind, masker in self._maskers.items():
                left, found = self._sifted(kind, masker.finish(), is_end=True)
                self._put(kind, left, found)
            if self._masked:
                self.say(Kind.MARK, f"masked in all: {self._masked} found secrets")
        finally:
            self._needles.wipe()

    @property
    def is_masking(self) -> bool:
        """Whether there is anything that must not be kept: whoever copied a piece wipes the copy then."""
        return bool(self._needles.values)

    def _left(self, kind: Kind, data: bytes) -> tuple[bytes, list[Masked]]:
        """What is kept of a piece now, and what was found in it."""
        if (values := self._news()) is not None:
            self._needles.learn(values)
        return self._sifted(kind, self._maskers[kind].feed(data))

    def _sifted(self, kind: Kind, data: bytes, *, is_end: bool = False) -> tuple[bytes, list[Masked]]:
        sieve = self._sieves.get(kind)
        if sieve is None:
            return data, []
        left = sieve.feed(data) if data else data
        left += sieve.finish() if is_end else b""
        found, sieve.found = sieve.found, []
        for one in found if kind is not Kind.INPUT else ():
            if len(one.value) >= LEAST_ECHOED and is_hinted_random(one.value.decode("latin-1")):
                self._echoed.append(one.value)
        return left, found

    def _put(self, kind: Kind, data: bytes, found: Sequence[Masked] = ()) -> None:
        if data:
            self._tape.add(kind, data)
        if found:
            self._masked += len(found)
            said = [f"{one.kind} of {one.size} bytes" for one in found[:MOST_NAMED]]
            more = found[MOST_NAMED:]
            said += [f"{len(more)} more of {sum(one.size for one in more)} bytes"] if more else []
            self.say(Kind.MARK, f"masked: {', '.join(said)}")

    def _keep(self, kept: list[Kept]) -> None:
        for kind, data in kept:
            if kind is not Kind.INPUT:
                self._tape.add(kind, data)
            elif data[:-1] in self._echoed:  # it was asked for by its name, which is on the other stream alone
                self._put(kind, MARK + data[-1:], [Masked("echoed", len(data) - 1)])
            else:
                self._put(kind, *self._left(kind, data))
