"""The sessions that are under way: who may be asked to end one, what each is about, and what keeps some from being: a lock, or that their
people are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dockwarden.tape.budget import Budget
from dockwarden.tape.intake import Intake
from dockwarden.tape.locks import Lock, Locks
from dockwarden.tape.recorder import Tape
from dockwarden.tape.vigil import Vigil
from dockwarden.words.ask import Ask
from dockwarden.words.errors import Forbidden

End = Callable[[str], Awaitable[None]]
"""Ends a session for the reason given: the stream, with the reason on the person's screen, and what runs behind it."""


@dataclass(eq=False)
class Session:
    """One recorded session under way. `about` are the ids of what it is in: an exec, a container."""

    tape: Tape
    intake: Intake
    about: frozenset[str]
    end: End
    vigil: Vigil
    why: str = ""
    """Why it was ended from outside, "" if it was not."""

    @property
    def id(self) -> str:
        """The tape's id."""
        return self.tape.id


@dataclass
class Sessions:
    """All of them: `live` by id those that are recorded, and the vigil of every one."""

    locks: Locks
    budget: Budget = field(default_factory=Budget)
    masks_found: bool = True
    """Whether secrets that are found in what is shown or typed are left out of the tapes, `[tapes] mask_found`."""
    live: dict[str, Session] = field(default_factory=dict)
    vigils: set[Vigil] = field(default_factory=set)
    readers: dict[asyncio.Task[Any], Ask] = field(default_factory=dict)
    """Tasks that show a session to somebody, and what they were asked."""
    no_longer: Callable[[Ask], str] = lambda _ask: ""
    """Why what was asked by somebody would not be let go on, since they are not who they were; "" if it would."""

    def attend(self, vigil: Vigil) -> None:
        """A session begins: its vigil is kept from now on, and a lock ends it.

        Raises:
            Forbidden: `session.locked`, `session.changed`; a lock has come since it was admitted, or other people.
        """
        # INVARIANT: in one step with no await, as a lock is held and then looks for whom to end: no session falls between the two
        self.locks.check(vigil.whose.person, vigil.whose.targets)
        if why := self._over_for(vigil):
            raise Forbidden("session.changed", why)
        self.vigils.add(vigil)
        vigil.open()

    def add(self, session: Session) -> None:
        """It is recorded, and so it can be watched and ended by its id, and what it records counts."""
        session.tape.listeners.append(self.budget.meter(session.vigil))
        self.live[session.id] = session

    def leave(self, vigil: Vigil) -> None:
        """One is over."""
        vigil.close()
        self.vigils.discard(vigil)
        self.live.pop(vigil.id, None)

    def about(self, id: str) -> Iterable[Session]:
        """Those that are in the thing with this full id."""
        return [session for session in self.live.values() if id in session.about]

    def read_by_us(self, ask: Ask) -> None:
        """The task that calls this shows a session to who asked, to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  verbs are called in tasks
        self.readers[task] = ask
        task.add_done_callback(lambda over: self.readers.pop(over, None))

    def heed_people(self) -> list[tuple[Ask, str]]:
        """People are others now: end what is shown to, and done by, those who would not be let. Returns which reading was ended, and why."""
        for vigil in tuple(self.vigils):
            if why := self._over_for(vigil):
                vigil.end(why)
        cut = [(task, ask, why) for task, ask in self.readers.items() if (why := self.no_longer(ask))]
        for task, _, _ in cut:
            task.cancel()
        return [(ask, why) for _, ask, why in cut]

    def _over_for(self, vigil: Vigil) -> str:
        return next(filter(None, map(self.no_longer, vigil.whose.asks)), "")

    async def lock(self, lock: Lock) -> list[Vigil]:
        """Let no session be that `lock` is about, from now on; return the vigils of those that it ended.

        Raises:
            Unavailable: `lock.unwritable`; nothing was changed.
        """
        await self.locks.add(lock)
        found = [vigil for vigil in self.vigils if lock.fits(vigil.whose.person, vigil.whose.targets)]
        await asyncio.gather(*(vigil.stream.end(lock.words) for vigil in found), return_exceptions=True)
        return found
