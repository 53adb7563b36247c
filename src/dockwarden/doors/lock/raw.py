"""A call of the raw socket judged: the same reading, facts and policies as at a door, with nothing changed and nothing veiled.

1. A body that a route takes and that was not shown refuses.
2. What a door would have to veil is permitted only to whom the whole of it may be shown.
3. A permit with obligations refuses, since a call cannot be hardened on this way.
4. A changing call is in the ledger, durable, before the Engine goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.docker.judge import Judgement, collection, judge, refusal, rejudge
from dockwarden.doors.docker.look import ON_ITS_ANSWER, needs_no_lookup
from dockwarden.doors.docker.prepare import SOMEBODY
from dockwarden.doors.docker.resolve import Resolver
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.lock.lock import RAW_SOCKET
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.engine.call import EngineCall, Takes
from dockwarden.engine.known import Known
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.write import write_call
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Verdict
from dockwarden.words.errors import Forbidden, Refused
from dockwarden.words.principal import Principal

DOOR = "lock"
SHOWS_OTHERS = frozenset({
    "container.list", "image.list", "network.list", "volume.list", "system.df", "service.list", "task.list", "node.list", "secret.list",
    "config.list", "system.events", "system.info",
})


@dataclass(frozen=True, slots=True)
class RawJudge:
    """Judges calls that carry no ticket."""

    rulebook: Rulebook
    resolver: Resolver
    ledger: Ledger
    metrics: Metrics

    async def judge(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Verdict | Refused:
        """Return the verdict, or why it is refused; either is in the ledger when this returns."""
        rules = self.rulebook.rules
        person = rules.people.by_name.get(RAW_SOCKET)
        groups = frozenset({"raw"}) if person is None or person.groups is None else person.groups
        principal = Principal(RAW_SOCKET, groups, None, "raw")
        trail = Trail(self.ledger, self.metrics, principal, DOOR, target)
        try:
            call = _read(method, target, headers, body)
            trail.action = call.route.action
            judgement = await self._judged(call, principal, rules.policies)
            trail.judged(judgement.ask.resource, judgement.verdict, judgement.facts)
            if not judgement.verdict.is_allowed:
                raise refusal(judgement)
            if judgement.verdict.harden:
                raise Forbidden("lock.cannot_harden", "policy permits this hardened only, which cannot be done here; use a dockwarden door")
            trail.sending(call, write_call(call))
            if call.route.is_changing:
                await trail.intent({})
            else:
                trail.outcome(0, changing=False)
        except Refused as error:
            trail.refused(error)
            return error
        return judgement.verdict

    async def _judged(self, call: EngineCall, principal: Principal, policies: PolicySet) -> Judgement:
        action = call.route.action
        if not needs_no_lookup(call):
            resolved = await self.resolver.resolve(principal, DOOR, call)
            return judge(call, resolved, policies)
        about = collection(call, principal)
        if action in ON_ITS_ANSWER:
            about = await self.resolver.thing(call.route.kind, call.names[call.route.ref])
        elif action in SHOWS_OTHERS:
            about = replace(about, owner=SOMEBODY)
        return rejudge(call, Known(principal=principal, door=DOOR), about, policies)


def _read(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> EngineCall:
    given = [(name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    head = read_head(method, target.encode("utf-8", "surrogateescape"), given)
    if head.route.takes is Takes.JSON and body is None:
        raise Forbidden("lock.body_unseen", "the Engine did not show this call's body; use a dockwarden door")
    return read_call(head, (body or b"") if head.route.takes is not Takes.TAR else b"")
