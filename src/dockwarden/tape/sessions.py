"""The sessions that are recorded now: who may be asked to end one, and what each is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from dockwarden.tape.intake import Intake
from dockwarden.tape.recorder import Tape

End = Callable[[str], Awaitable[None]]
"""Ends a session for the reason given: the stream, with the reason on the person's screen, and what runs behind it."""


@dataclass(eq=False)
class Session:
    """One session under way. `about` are the ids of what it is in: an exec, a container."""

    tape: Tape
    intake: Intake
    about: frozenset[str]
    end: End
    why: str = ""
    """Why it was ended from outside, "" if it was not."""

    @property
    def id(self) -> str:
        """The tape's id."""
        return self.tape.id


@dataclass
class Sessions:
    """All of them, by id."""

    live: dict[str, Session] = field(default_factory=dict)

    def add(self, session: Session) -> None:
        """One has begun."""
        self.live[session.id] = session

    def remove(self, session: Session) -> None:
        """One is over."""
        self.live.pop(session.id, None)

    def about(self, id: str) -> Iterable[Session]:
        """Those that are in the thing with this full id."""
        return [session for session in self.live.values() if id in session.about]
