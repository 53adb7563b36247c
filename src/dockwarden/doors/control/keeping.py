"""How long tapes are kept, as people ask for it: `session/delete`, `hold`, `release`, `bring`. Each is decided and recorded first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dockwarden.doors.control.door import Call, Verb
from dockwarden.doors.control.sessions import PLAY, OfSession, SessionVerbs
from dockwarden.engine.finding import masked
from dockwarden.policy.schema import KEEPING_ACTIONS
from dockwarden.tape.custody import Custody
from dockwarden.words.errors import Malformed

DELETE, HOLD = KEEPING_ACTIONS
LONGEST_REASON = 200


class Keeping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one session, and why; to release, the reason of the hold that is meant, "" for the only one."""

    id: str
    reason: str = ""


class KeepingVerbs:
    """More verbs of noun `session`."""

    def __init__(self, custody: Custody, sessions: SessionVerbs) -> None:
        """`sessions` judges."""
        self._custody, self._sessions = custody, sessions

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"session/delete": self.delete, "session/hold": self.hold, "session/release": self.release, "session/bring": self.bring}

    async def delete(self, call: Call) -> Mapping[str, Any]:
        """Delete a tape: its contents go, and what proves that it was stays."""
        asked = call.read(Keeping)
        reason = _given(asked)
        await self._sessions.judge(call, DELETE, asked.id, {"why": reason})
        await self._custody.delete(asked.id, call.principal.name, reason)
        return _done(call, asked)

    async def hold(self, call: Call) -> Mapping[str, Any]:
        """Keep a tape until it is released, whatever the settings say."""
        asked = call.read(Keeping)
        reason = _given(asked)
        await self._sessions.judge(call, HOLD, asked.id, {"deed": "hold", "why": reason})
        await self._custody.hold(asked.id, call.principal.name, reason)
        return _done(call, asked)

    async def release(self, call: Call) -> Mapping[str, Any]:
        """Let a hold go."""
        asked = call.read(Keeping)
        await self._sessions.judge(call, HOLD, asked.id, {"deed": "release", "which": masked(asked.reason[:LONGEST_REASON])})
        await self._custody.release(asked.id, asked.reason)
        return _done(call, asked)

    async def bring(self, call: Call) -> Mapping[str, Any]:
        """See that a tape's contents are on this disk, for who would play or verify it."""
        asked = call.read(OfSession)
        await self._sessions.judge(call, PLAY, asked.id, {"deed": "bring"})
        await self._custody.bring(asked.id)
        return _done(call, asked)


def _given(asked: Keeping) -> str:
    """The reason, as it is kept. Raises: Malformed: there is none."""
    reason = masked(asked.reason.strip()[:LONGEST_REASON])
    if not reason:
        raise Malformed("session.reason", "whoever keeps or deletes a session says why; give a reason with --reason TEXT")
    return reason


def _done(call: Call, asked: Keeping | OfSession) -> Mapping[str, Any]:
    call.trail.outcome(200, changing=True)
    return {"id": asked.id}
