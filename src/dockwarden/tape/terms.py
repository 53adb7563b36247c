"""The terms of a session, and its course under them. Pure: whoever asks says what time it is, in seconds of a clock that never goes back.

    waiting ──somebody watches──► running ──nobody watches──► paused ──somebody watches──► running
       └───too long alone────► over ◄──too long, or idle───┘     └──too long alone──► over

Without `is_watched` a session runs from the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from dockwarden.engine.obligations import Obligations
from dockwarden.words.duration import in_words
from dockwarden.words.size import size_in_words

WARNING_S, WARNING_SHARE = 60.0, 0.1
"""How long before its longest a session is warned: a minute, and of a short one a tenth; of what it may record, always a tenth."""


class State(StrEnum):
    """Where a session is on its course."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    OVER = "over"


class Do(StrEnum):
    """What has to happen to a session."""

    BEGIN = "begin"
    HOLD = "hold"
    GO_ON = "go on"
    WARN = "warn"
    END = "end"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and what the person is told of it; "" for nothing."""

    do: Do
    words: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be recorded where policy does not say: bytes of one session, and of one person's in a day (UTC); 0 is any number."""

    session_bytes: int = 0
    daily_bytes: int = 0


NO_LIMIT = Allowance()


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a session may be, how long it may be idle, in seconds (0: as long as it likes), and whether somebody has to watch.

    How much it may record, and how much its person may in a day, in bytes: 0 is any number.
    """

    longest_s: float = 0
    idle_s: float = 0
    is_watched: bool = False
    most_bytes: int = 0
    daily_bytes: int = 0

    @staticmethod
    def of(obligations: Obligations, allowance: Allowance = NO_LIMIT) -> Terms:
        """What policy obliges a session to, and what is allowed where it does not say."""
        most, daily = obligations.most or allowance.session_bytes, obligations.daily or allowance.daily_bytes
        return Terms(obligations.longest_s, obligations.idle_s, obligations.watched, most, daily)

    @property
    def are_for_unrecorded(self) -> bool:
        """Whether they say anything of a session that is not recorded."""
        return bool(self.longest_s or self.idle_s or self.is_watched)

    def is_near(self, size: int, today: int) -> bool:
        """Whether `Course.recorded` may have something to say of so much."""
        return _is_near(size, self.most_bytes) or _is_near(today, self.daily_bytes)


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a session is without a watcher that needs one: before it begins, and after the last has left."""

    before_s: float = 300.0
    after_s: float = 60.0


class Course:
    """One session's way through its terms. Every method takes the time; those that return steps want them done in order."""

    def __init__(self, terms: Terms, patience: Patience, now: float) -> None:
        self.terms, self._patience = terms, patience
        self.state = State.WAITING if terms.is_watched else State.RUNNING
        self._began = self._moved = self._alone = now
        self._is_warned = False
        self._warned_of: set[str] = set()

    def moved(self, now: float) -> None:
        """Something was typed or shown."""
        self._moved = now

    def watched(self, watchers: int, now: float) -> list[Step]:
        """So many look on by now."""
        if self.state is State.WAITING and watchers:
            self.state = State.RUNNING
            self._began = self._moved = now
            return [Step(Do.BEGIN)]
        if self.state is State.PAUSED and watchers:
            self.state = State.RUNNING
            self._moved = now
            return [Step(Do.GO_ON, "somebody watches again: it goes on")]
        if self.state is State.RUNNING and self.terms.is_watched and not watchers:
            self.state, self._alone = State.PAUSED, now
            limit = in_words(self._patience.after_s)
            return [Step(Do.HOLD, f"nobody watches this session any more: it is paused, and ends if nobody does within {limit}")]
        return []

    def recorded(self, size: int, today: int) -> list[Step]:
        """So many bytes are on its tape, and on all that its person has recorded since midnight (UTC)."""
        if self.state is State.OVER:
            return []
        most, daily = self.terms.most_bytes, self.terms.daily_bytes
        if 0 < daily <= today or 0 < most <= size:
            self.state = State.OVER
            why = f"this session has recorded {size_in_words(size)}, which is as much as it may"
            return [Step(Do.END, spent_words(today) if 0 < daily <= today else why)]
        steps = []
        if _is_near(size, most):
            steps += self._warn_once(f"this session ends when it has recorded {size_in_words(most)}; nine tenths of that it has")
        if _is_near(today, daily):
            steps += self._warn_once(f"your sessions end when you have recorded {size_in_words(daily)} today; nine tenths of that you have")
        return steps

    def _warn_once(self, words: str) -> list[Step]:
        if words in self._warned_of:
            return []
        self._warned_of.add(words)
        return [Step(Do.WARN, words)]

    def next_at(self) -> float:
        """When `at` should be asked again; infinity for never."""
        if self.state is State.OVER:
            return math.inf
        times = [self._ends_at(), self._alone_until() if self.state is not State.RUNNING else self._idle_until()]
        times += [] if self._is_warned else [self._warns_at()]
        return min(times)

    def at(self, now: float) -> list[Step]:
        """What is due."""
        if self.state is State.OVER:
            return []
        if why := self._why_over(now):
            self.state = State.OVER
            return [Step(Do.END, why)]
        if now >= self._warns_at() and not self._is_warned:
            self._is_warned = True
            return [Step(Do.WARN, f"this session ends in {in_words(self._ends_at() - now)}: it may last {in_words(self.terms.longest_s)}")]
        return []

    def over(self) -> None:
        """It has ended, for whatever reason."""
        self.state = State.OVER

    def _why_over(self, now: float) -> str:
        if now >= self._ends_at():
            return f"this session has lasted {in_words(self.terms.longest_s)}, which is as long as it may"
        if self.state is State.RUNNING and now >= self._idle_until():
            return f"nothing was typed or shown for {in_words(self.terms.idle_s)}, so it ends"
        if self.state is State.WAITING and now >= self._alone_until():
            return f"nobody came to watch this session within {in_words(self._patience.before_s)}, so it does not begin"
        if self.state is State.PAUSED and now >= self._alone_until():
            return f"nobody watched this session for {in_words(self._patience.after_s)}, so it ends"
        return ""

    def _ends_at(self) -> float:
        return self._began + self.terms.longest_s if self.terms.longest_s and self.state is not State.WAITING else math.inf

    def _warns_at(self) -> float:
        return self._ends_at() - min(WARNING_S, self.terms.longest_s * WARNING_SHARE)

    def _idle_until(self) -> float:
        return self._moved + self.terms.idle_s if self.terms.idle_s else math.inf

    def _alone_until(self) -> float:
        return self._alone + (self._patience.before_s if self.state is State.WAITING else self._patience.after_s)


def spent_words(today: int) -> str:
    """What somebody reads who has recorded so much in a day that they may record no more."""
    has = f"you have recorded {size_in_words(today)} today, which is as much as you may"
    return f"{has}: your sessions begin again at 00:00 UTC, or when an admin lets you record more in a day (daily=)"


def _is_near(size: int, limit: int) -> bool:
    return 0 < limit * (1 - WARNING_SHARE) <= size
