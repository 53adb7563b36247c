"""Reads that need no look-up before them: judged by their action, by the rows of their answer, or by the thing it describes.

One call goes upstream, and no byte of its answer is released before it was judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from dockwarden.doors.docker.absent import as_absent
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.filters import without_unseen
from dockwarden.doors.docker.judge import Judgement, collection, refusal, rejudge
from dockwarden.doors.docker.lookups import Asked, Lookups
from dockwarden.doors.docker.narrow import Narrower
from dockwarden.doors.docker.plain import PlainCalls
from dockwarden.doors.docker.shown import Basis, Shown, ShownAnswers
from dockwarden.doors.docker.sight import Sight, may_see
from dockwarden.doors.docker.trail import Trail
from dockwarden.engine.call import Answer, EngineCall, Request
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.facts import FAMILIES
from dockwarden.engine.known import Known
from dockwarden.engine.veil.veil import View, counts, is_veiled, veil
from dockwarden.engine.veil.words import masked_answer
from dockwarden.engine.write import write_call
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.shared import SharedReads
from dockwarden.words.ask import Ask, Resource
from dockwarden.words.errors import Withheld
from dockwarden.words.principal import Principal

ON_ITS_ANSWER = frozenset({"container.inspect", "network.inspect", "volume.inspect"})
"""Reads that are judged by the answer they bring, before a byte of it is released."""
OF_EVERY_CALL = frozenset({"context.via", "context.door"})
"""Facts that every call has; a policy that looks at one must be asked with it."""
NO_FACTS = Facts()


def needs_no_lookup(call: EngineCall) -> bool:
    """Whether a call is judged by its action or its own answer, with nothing asked before."""
    route = call.route
    return route.action in ON_ITS_ANSWER or (
        not route.is_changing and not route.ref and route.answer is Answer.WHOLE and route.action != "image.save"
    )


@dataclass(frozen=True, slots=True)
class Looks:
    """Answers such reads; one for each door."""

    link: EngineLink
    reads: SharedReads
    ask: Asked
    lookups: Lookups
    plain: PlainCalls
    narrower: Narrower
    shown: ShownAnswers
    sight: Sight
    answer_bytes: int
    is_observing: bool = False

    async def look(self, exchange: Exchange, call: EngineCall, request: Request | None, policies: PolicySet, trail: Trail) -> None:
        """Answer one. `request` is what `call` is written as, where it is its target alone.

        Raises:
            Hidden: the thing may not be seen. Forbidden: the action is not permitted. Withheld: the answer cannot be read.
        """
        principal = exchange.principal
        if call.route.action not in ON_ITS_ANSWER:
            self._permit(call, collection(call, principal), principal, policies, trail)
        unseen = None
        if not self.is_observing:
            unseen = await without_unseen(call, self.lookups, principal.name, lambda resource: may_see(principal, resource, policies))
        if unseen is not None:
            answer = await unseen.asked(self.plain.version, lambda changed: self.link.call(changed, self.answer_bytes))
            request = None
        elif request is None:
            answer = await self.link.call(write_call(call, self.plain.version), self.answer_bytes)
        else:
            request = request if self.is_observing else self.narrower.narrowed(call, request, principal, policies)
            answer = await self.reads.call(request)
        if answer.status == 200 and is_veiled(call.route.action):
            shown = await self._shown(call, request, answer, principal, policies, trail)
            answer = WholeAnswer(answer.status, answer.headers, shown)
        if answer.status >= 400 and not self.is_observing:
            asked = request or write_call(call, self.plain.version)
            answer = WholeAnswer(answer.status, answer.headers, masked_answer(answer.body, self.sight.knows(asked, principal, policies)))
        exchange.answer_with(answer)
        trail.outcome(answer.status, bytes_out=exchange.bytes_out, changing=False)

    async def _shown(
        self, call: EngineCall, request: Request | None, answer: WholeAnswer, principal: Principal, policies: PolicySet, trail: Trail
    ) -> bytes:
        """What of an answer may be seen. Raises: as `look`."""
        unshown: set[str] | None = set() if self.is_observing else None
        basis = Basis(request.target, principal, policies, self.sight.owners.version) if request is not None and unshown is None else None
        known = self.shown.of(basis, answer.body) if basis is not None else None
        if known is not None:
            if known.about is not None:
                self._permit(call, known.about, principal, policies, trail)
            return known.body
        if len(answer.body) > self.answer_bytes:
            raise Withheld("veil.too_large", f"the answer is longer than {self.answer_bytes} bytes, too long to be judged; ask for less")
        try:
            said = msgspec.json.decode(answer.body)
            about = await self._judged(call, said, principal, policies, trail) if call.route.action in ON_ITS_ANSWER else None
            view = self.sight.view(principal, policies, unshown)
            said = veil(call.route.action, said, view)
            if call.route.action == "system.info" and not view.sees_host:
                said.update(await self._counts(view))
                basis = None
            shown = Shown(msgspec.json.encode(said), about)
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
        if unshown:
            trail.observed(self.sight.unshown(call.route.action, unshown))
        if basis is not None:
            self.shown.keep(basis, answer.body, shown)
        return shown.body

    async def _counts(self, view: View) -> dict[str, int]:
        """What there is of the caller's, as `docker info` counts it. Raises: as `_shown`."""
        rows = [await self.ask(Request("GET", target, (), b"")) for target in ("/containers/json?all=1", "/images/json")]
        containers, images = (msgspec.json.decode(answer.body) if answer.status == 200 else [] for answer in rows)
        return counts(containers, images, view)

    async def _judged(self, call: EngineCall, said: dict[str, Any], principal: Principal, policies: PolicySet, trail: Trail) -> Resource:
        """The thing that an inspect answer describes, once its inspection is permitted. Raises: as `look`."""
        resource = self.lookups.resource_of(call.route.kind, said, principal.name)
        if not may_see(principal, resource, policies) and not self.is_observing:
            trail.judged(resource, decide(Ask(principal, call.route.action, resource), policies), None)
            raise await as_absent(call, self.ask)
        self._permit(call, resource, principal, policies, trail)
        return resource

    def _permit(self, call: EngineCall, resource: Resource, principal: Principal, policies: PolicySet, trail: Trail) -> None:
        # A call of no family has no facts but who asks what of whose, and a verdict on that is remembered.
        if call.route.action not in FAMILIES and not policies.needs & OF_EVERY_CALL:
            ask = Ask(principal, call.route.action, resource)
            judgement = Judgement(ask, NO_FACTS, decide(ask, policies))
        else:
            judgement = rejudge(call, Known(principal=principal, door=trail.door), resource, policies)
        trail.judged(resource, judgement.verdict, judgement.facts)
        if not judgement.verdict.is_allowed:
            error = refusal(judgement)
            if not self.is_observing:
                raise error
            trail.observed(error)
