"""The vigil over one session: who watches it, and what its terms say when. Every door that lets a session begin keeps one.

The door gives it a `Stream`, and tells it of every piece that passes (`moved`). It holds the stream while nobody watches who has to, and ends
it when its time is over; what it says is on the person's screen, and on the tape as a mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from dockwarden.tape.terms import Course, Do, Patience, State, Step, Terms
from dockwarden.words.ask import Ask
from dockwarden.words.errors import Forbidden, Refused


class Stream(Protocol):
    """What a door lets happen to a session. After `hold` nothing that is typed is passed on and nothing is shown, or recorded as shown;
    after `go_on` all of it is, in its order."""

    @property
    def is_terminal(self) -> bool:
        """Whether there is a terminal at the person's end: warnings go there alone."""

    def tell(self, words: str) -> None:
        """Put a line of ours on the person's screen."""

    def hold(self) -> None:
        """Hold both directions."""

    def go_on(self) -> None:
        """Hold them no longer."""

    async def end(self, why: str) -> None:
        """End the session, with `why` on the person's screen, and what runs behind it."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose session it is, all names and ids of what it is in, and what was asked of policy before it began."""

    person: str
    targets: frozenset[str]
    asks: tuple[Ask, ...] = field(default=(), compare=False)


def unrecorded(_words: str) -> None:
    """There is no tape to put a mark on."""


@dataclass(eq=False)
class Vigil:
    """One session's. Make it in the loop; it runs from `open` to `close`. `mark` puts words of ours on the tape, and may fail."""

    whose: Whose
    terms: Terms
    patience: Patience
    stream: Stream
    id: str = ""
    """The session's id, "" where it is not recorded."""
    mark: Callable[[str], None] = unrecorded
    watchers: list[str] = field(default_factory=list)
    _course: Course = field(init=False)
    _timer: asyncio.TimerHandle | None = None
    _begun: asyncio.Future[None] = field(init=False)
    _ending: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Begin the course now."""
        self._loop = asyncio.get_running_loop()
        self._course = Course(self.terms, self.patience, self._loop.time())
        self._begun = self._loop.create_future()

    @property
    def state(self) -> State:
        """Where it is."""
        return self._course.state

    def open(self) -> None:
        """Keep time from now on; who has to wait for a watcher is told so, and held."""
        if self.state is State.WAITING:
            self._mark("waiting for a watcher")
        else:
            self._begun.set_result(None)
        self._look_later()

    @property
    def waiting_words(self) -> str:
        """What the person reads who has to wait."""
        return f"waiting for somebody to watch this session (dockwarden session watch {self.id})"

    def moved(self) -> None:
        """Something was typed or shown."""
        self._course.moved(self._loop.time())

    def recorded(self, size: int, today: int) -> None:
        """So much is on its tape, and on all of its person's of today."""
        if steps := self._course.recorded(size, today):
            self._do(steps)

    async def begin(self) -> None:
        """Return when the session may begin.

        Raises:
            Forbidden: `session.unwatched`; nobody came, or it was ended before.
        """
        await asyncio.shield(self._begun)

    def check_watcher(self, name: str) -> None:
        """Return if `name` may watch, as far as it is not for policy to say.

        Raises:
            Forbidden: `session.own`; who needs a watcher is not that watcher.
        """
        if self.terms.is_watched and name == self.whose.person:
            raise Forbidden("session.own", "this session needs somebody else to watch it; ask a colleague")

    @contextlib.contextmanager
    def watched_by(self, name: str) -> Iterator[None]:
        """Count `name` among those who watch, as long as they do. Raises: as `check_watcher`."""
        self.check_watcher(name)
        self.watchers.append(name)
        self._mark(f"watched by {name}")
        self._do(self._course.watched(len(self.watchers), self._loop.time()))
        try:
            yield
        finally:
            self.watchers.remove(name)
            self._mark(f"no longer watched by {name}")
            self._do(self._course.watched(len(self.watchers), self._loop.time()))

    def end(self, why: str) -> None:
        """End the session, with `why` on its tape, too."""
        self._mark(why)
        self._ending = asyncio.ensure_future(self.stream.end(why))

    def close(self, why: str = "") -> None:
        """The session is over."""
        self._course.over()
        if self._timer is not None:
            self._timer.cancel()
        if not self._begun.done():
            self._begun.set_exception(Forbidden("session.unwatched", why or "this session was ended before it began"))
            self._begun.exception()  # nobody may be waiting for it

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = self._course.next_at()
        self._timer = self._loop.call_at(at, self._look) if at < math.inf else None

    def _look(self) -> None:
        self._do(self._course.at(self._loop.time()))

    def _do(self, steps: list[Step]) -> None:
        for step in steps:
            match step.do:
                case Do.BEGIN:
                    self._begun.set_result(None)
                    self.stream.go_on()
                case Do.HOLD:
                    self.stream.hold()
                    self._say(step.words)
                case Do.GO_ON:
                    self._say(step.words)
                    self.stream.go_on()
                case Do.WARN if self.stream.is_terminal:
                    self._say(step.words)
                case Do.END:
                    self.end(step.words)
        if self.state is State.OVER:
            self.close(steps[-1].words if steps else "")
        else:
            self._look_later()

    def _say(self, words: str) -> None:
        self._mark(words)
        self.stream.tell(words)

    def _mark(self, words: str) -> None:
        with contextlib.suppress(Refused):  # what can be recorded no more ends by itself
            self.mark(words)
