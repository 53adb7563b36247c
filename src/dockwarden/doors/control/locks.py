"""Locks on sessions: `session/lock`, `unlock`, `locks`. A lock ends the sessions it is about, and no other begins until it is gone.

Each is decided about the person and the target that the lock names. A lock of nobody and nothing in particular would be one of everybody,
and is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Verb
from dockwarden.engine.finding import masked
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SESSION_ACTIONS, SESSION_LOCK
from dockwarden.tape.locks import Lock, new_lock
from dockwarden.tape.marks import mark_killed
from dockwarden.tape.sessions import Sessions
from dockwarden.tape.shelf import Shelf
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.duration import LONGEST_S
from dockwarden.words.errors import Forbidden, Hidden, Malformed
from dockwarden.words.principal import Principal

LIST = SESSION_ACTIONS[0]
LONGEST_REASON, LONGEST_NAME = 200, 200


class NewLock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sessions to lock: those of `person`, on `target`, or both; for so many seconds, 0 until somebody unlocks them; and why."""

    person: str = ""
    target: str = ""
    for_s: int = 0
    reason: str


class OfLock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one lock."""

    id: str


class LockVerbs:
    """The verbs about locks of noun `session`."""

    def __init__(self, sessions: Sessions, shelf: Shelf, rulebook: Rulebook) -> None:
        self._sessions, self._shelf, self._rulebook = sessions, shelf, rulebook

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"session/lock": self.lock, "session/unlock": self.unlock, "session/locks": self.locks}

    async def lock(self, call: Call) -> Mapping[str, Any]:
        """End the sessions that are meant, and let none of them begin."""
        asked = _meant(call.read(NewLock))
        call.trail.action = SESSION_LOCK
        lock = new_lock(asked.person, asked.target, masked(asked.reason), call.principal.name, asked.for_s)
        self._judge(call, lock)
        await call.trail.intent({"lock": msgspec.to_builtins(lock)})
        vigils = await self._sessions.lock(lock)
        await asyncio.to_thread(self._mark, [vigil.id for vigil in vigils if vigil.id], lock)
        ended = len(vigils)
        call.trail.outcome(200, detail={"lock": lock.id, "ended": ended}, changing=True)
        is_known = not asked.person or asked.person in self._rulebook.rules.people.by_name
        return {**_told(lock), "ended": ended, "is_known": is_known}

    async def unlock(self, call: Call) -> Mapping[str, Any]:
        """Take a lock away before its time."""
        asked = call.read(OfLock)
        call.trail.action = SESSION_LOCK
        lock = next((lock for lock in self._sessions.locks.every() if lock.id == asked.id), None)
        if lock is None or not (self._may(call.principal, LIST, lock) or self._may(call.principal, SESSION_LOCK, lock)):
            raise Hidden("lock.absent", f"there is no lock {asked.id[:40]}, or it is not for you to know; see dockwarden session locks")
        self._judge(call, lock)
        await call.trail.intent({"unlock": lock.id})
        await self._sessions.locks.remove(lock.id)
        call.trail.outcome(200, detail={"unlock": lock.id}, changing=True)
        return {"id": lock.id}

    async def locks(self, call: Call) -> Mapping[str, Any]:
        """Every lock that the caller may know of, the oldest first."""
        call.trail.action = LIST
        shown = [_told(lock) for lock in self._sessions.locks.every() if self._may(call.principal, LIST, lock)]
        call.trail.outcome(200, detail={"shown": len(shown)}, changing=False)
        return {"locks": shown}

    def _mark(self, ids: list[str], lock: Lock) -> None:
        for id in ids:
            mark_killed(self._shelf.path(id), lock.by, lock.reason)

    def _judge(self, call: Call, lock: Lock) -> None:
        """Return if the caller may make or undo `lock`. Raises: Forbidden."""
        about = _resource(lock)
        verdict = decide(Ask(call.principal, SESSION_LOCK, about), self._rulebook.rules.policies)
        call.trail.judged(about, verdict, None)
        if not verdict.is_allowed:
            reasons = "; ".join(verdict.advice) or "no policy permits it"
            message = f"{SESSION_LOCK} is refused for {call.principal.name or 'a caller nobody knows'}: {reasons}"
            raise Forbidden(verdict.why.value, message, policies=verdict.policies)

    def _may(self, principal: Principal, action: str, lock: Lock) -> bool:
        return decide(Ask(principal, action, _resource(lock)), self._rulebook.rules.policies).is_allowed


def _told(lock: Lock) -> Mapping[str, Any]:
    """A lock as callers get it: beside its seconds the microseconds that times are elsewhere."""
    return {**msgspec.to_builtins(lock), "at_us": lock.at * 1_000_000, "until_us": lock.until * 1_000_000}


def _resource(lock: Lock) -> Resource:
    """The sessions that a lock is about, as policy sees them."""
    return Resource(Kind.SESSION, lock.id, lock.target, lock.person)


def _meant(asked: NewLock) -> NewLock:
    """`asked`, if it says what is meant. Raises: Malformed: `lock.…`."""
    if not asked.person and not asked.target:
        raise Malformed("lock.everybody", "a lock of everybody everywhere is refused: say whose sessions (--person), or on what (--target)")
    if not asked.reason.strip() or not asked.reason.isprintable() or len(asked.reason) > LONGEST_REASON:
        raise Malformed("lock.reason", f"a reason is one line of at most {LONGEST_REASON} characters, which who is locked will read")
    if not all(name.isprintable() and len(name) <= LONGEST_NAME for name in (asked.person, asked.target)):
        raise Malformed("lock.name", "a person or a target goes by a name of one line, as dockwarden session list shows it")
    if not 0 <= asked.for_s <= LONGEST_S:
        raise Malformed("lock.time", "a lock lasts from a second to ten years, or until it is taken away")
    return asked
