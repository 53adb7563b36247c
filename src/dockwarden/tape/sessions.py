"""The sessions that are under way: who may be asked to end one, what each is about, and the locks that keep some from being."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from dockwarden.tape.intake import Intake
from dockwarden.tape.locks import Lock, Locks
from dockwarden.tape.recorder import Tape
from dockwarden.tape.vigil import Vigil

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
    masks_found: bool = True
    """Whether secrets that are found in what is shown or typed are left out of the tapes, `[tapes] mask_found`."""
    live: dict[str, Session] = field(default_factory=dict)
    vigils: set[Vigil] = field(default_factory=set)

    def attend(self, vigil: Vigil) -> None:
        """A session begins: its vigil is kept from now on, and a lock ends it.

        Raises:
            Forbidden: `session.locked`; a lock has come since it was admitted.
        """
        # INVARIANT: in one step with no await, as a lock is held and then looks for whom to end: no session falls between the two
        self.locks.check(vigil.whose.person, vigil.whose.targets)
        self.vigils.add(vigil)
        vigil.open()

    def add(self, session: Session) -> None:
        """It is recorded, and so it can be watched and ended by its id."""
        self.live[session.id] = session

    def leave(self, vigil: Vigil) -> None:
        """One is over."""
        vigil.close()
        self.vigils.discard(vigil)
        self.live.pop(vigil.id, None)

    def about(self, id: str) -> Iterable[Session]:
        """Those that are in the thing with this full id."""
        return [session for session in self.live.values() if id in session.about]

    async def lock(self, lock: Lock) -> int:
        """Let no session be that `lock` is about, from now on; return how many it ended.

        Raises:
            Unavailable: `lock.unwritable`; nothing was changed.
        """
        await self.locks.add(lock)
        found = [vigil for vigil in self.vigils if lock.fits(vigil.whose.person, vigil.whose.targets)]
        await asyncio.gather(*(vigil.stream.end(lock.words) for vigil in found), return_exceptions=True)
        return len(found)
