"""Second factors: `totp/enroll`, `totp/remove`. Decided about the person's own (`System::"totp"`, whose owner they are), and in the ledger first."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.access.totp import SecondFactors
from dockwarden.doors.control.door import Call, Verb
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import TOTP_ENROLL, TOTP_REMOVE
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Forbidden


class OfPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one person's; "" is the caller's own."""

    person: str = ""


class TotpVerbs:
    """The verbs of noun `totp`."""

    def __init__(self, factors: SecondFactors, rulebook: Rulebook) -> None:
        self._factors, self._rulebook = factors, rulebook

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"totp/enroll": self.enroll, "totp/remove": self.remove}

    async def enroll(self, call: Call) -> Mapping[str, Any]:
        """A key is made, and told this once."""
        person = await self._judged(call, TOTP_ENROLL)
        uri = await self._factors.enroll(person)
        call.trail.outcome(200, changing=True)
        return {"person": person, "uri": base64.b64encode(uri.reveal()).decode()}

    async def remove(self, call: Call) -> Mapping[str, Any]:
        """A key is taken away."""
        person = await self._judged(call, TOTP_REMOVE)
        await self._factors.remove(person)
        call.trail.outcome(200, changing=True)
        return {"person": person}

    async def _judged(self, call: Call, action: str) -> str:
        """Whose it is about. Raises: Forbidden."""
        call.trail.action = action
        person = call.read(OfPerson).person or call.principal.name
        about = Resource(Kind.SYSTEM, "totp", "totp", person)
        verdict = decide(Ask(call.principal, action, about), self._rulebook.rules.policies)
        call.trail.judged(about, verdict, None)
        if not verdict.is_allowed:
            words = f"{action} for {person[:64]} is refused for {call.principal.name}: ask an admin"
            raise Forbidden(verdict.why.value, words, policies=verdict.policies)
        if person not in self._rulebook.rules.people.by_name:
            raise Forbidden("totp.nobody", f"{person[:64]} is nobody in people.toml")
        await call.trail.intent({"person": person})
        return person
