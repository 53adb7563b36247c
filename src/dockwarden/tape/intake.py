"""What comes by in a session, as it is kept: known and found secrets masked, and what was typed in the dark left out."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from dockwarden.engine.finding.chance import is_hinted_random
from dockwarden.tape.frames import Kind
from dockwarden.tape.mask import MARK, Masker, Needles
from dockwarden.tape.sift import Masked, Sieve
from dockwarden.tape.typed import Kept, Typed


class Takes(Protocol):
    """A tape, as an intake knows it."""

    def add(self, kind: Kind, data: bytes) -> None:
        """Take what just happened. Raises: Unavailable: `tape.broken`; it is not recorded."""


News = Callable[[], Sequence[bytes] | None]
"""The secrets to be masked from now on, `None` if they are those of the last time. Asked before each piece."""


LOOKED_AT = 64 << 10
"""Bytes that are looked through at once."""
BURST_S, SHARE = 0.25, 0.1
"""How much of a processor's time looking for secrets takes in one session, at most: so much at once, and this part of it in the long run."""
MOST_NAMED = 8
"""Of so many that were masked in one piece, kind and length are told one by one."""
MOST_ECHOED = 8
LEAST_ECHOED = 12


class Share:
    """The time that was spent on something, and whether it was all that there was."""

    def __init__(self, burst_s: float = BURST_S, share: float = SHARE) -> None:
        self._most_s = self.left_s = burst_s
        self._share, self._at_s = share, time.monotonic()

    @property
    def is_spent(self) -> bool:
        """Whether there is none."""
        return self.left_s <= 0 and self._earned() <= 0

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Spend what this takes."""
        begun = time.thread_time()
        yield
        self.left_s -= time.thread_time() - begun

    def _earned(self) -> float:
        now = time.monotonic()
        self.left_s, self._at_s = min(self.left_s + (now - self._at_s) * self._share, self._most_s), now
        return self.left_s


def no_news() -> None:
    """There is nothing to mask."""
    return


class Intake:
    """One session's way onto its tape. Every method may raise Unavailable: `tape.broken`; what was passed is not recorded then."""

    def __init__(self, tape: Takes, *, is_terminal: bool, news: News = no_news, finds: bool = True) -> None:
        """`finds`: secrets are masked that nobody delivered, too, where their form or their name gives them away."""
        self._tape, self._news = tape, news
        self.finds, self._is_terminal = finds, is_terminal
        self._needles = Needles()
        kinds = (Kind.OUTPUT, Kind.ERROR, Kind.INPUT)
        self._maskers = {kind: Masker(self._needles) for kind in kinds}
        self._sieves = {kind: self._sieve(kind) for kind in kinds if finds}
        self._share, self._unseen = Share(), 0
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

    def file(self, data: bytes) -> None:
        """Something of a file that is copied, as it is: masked, it would not be that file."""
        self._tape.add(Kind.FILE, data)

    def finish(self) -> None:
        """Keep what was held back: nothing more comes."""
        if self._typed is not None:
            self._keep(self._typed.finish())
        try:
            for kind, masker in self._maskers.items():
                left, found = self._sifted(kind, masker.finish(), is_end=True)
                self._put(kind, left, found)
            self._tell_unseen()
            if self._masked:
                self.say(Kind.MARK, f"masked in all: {self._masked} found secrets")
        finally:
            self._needles.wipe()

    def _sieve(self, kind: Kind) -> Sieve:
        return Sieve(is_typed=kind is Kind.INPUT, ends_at_binary=not self._is_terminal)

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
        left = self._looked_through(kind, sieve, data)
        left += sieve.finish() if is_end else b""
        found, sieve.found = sieve.found, []
        for one in found if kind is not Kind.INPUT else ():
            if len(one.value) >= LEAST_ECHOED and is_hinted_random(one.value.decode("latin-1")):
                self._echoed.append(one.value)
        return left, found

    def _looked_through(self, kind: Kind, sieve: Sieve, data: bytes) -> bytes:
        """What is kept of `data`: all of it, from where too much time was spent on it, and a mark says so when there is time again."""
        if data and not self._share.is_spent:
            self._tell_unseen()
        out: list[bytes] = []
        for at in range(0, len(data), LOOKED_AT):
            if self._share.is_spent:
                self._unseen += len(data) - at
                out += (sieve.finish(), data[at:])
                self._sieves[kind] = self._sieve(kind)
                break
            with self._share.spending():
                out.append(sieve.feed(data[at : at + LOOKED_AT]))
        return out[0] if len(out) == 1 else b"".join(out)

    def _tell_unseen(self) -> None:
        if self._unseen:
            unseen, self._unseen = self._unseen, 0
            self.say(Kind.MARK, f"not looked through for secrets: {unseen} bytes, since that would have taken too long")

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
