"""One call, from its head to its outcome: the steps of docs/flow.md in their order.

    identity -> read -> resolve -> facts -> decide -> harden -> intent -> forward -> veil -> outcome

A failure in any step refuses. For a call that changes something, nothing is sent before its intent is durable.
"""

from __future__ import annotations

from dataclasses import dataclass

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.docker.absent import NotThere, as_absent, not_there
from dockwarden.doors.docker.carry import Carrier
from dockwarden.doors.docker.exchange import ClientGone, Exchange
from dockwarden.doors.docker.judge import Judgement, judge, refusal, rejudge, subject
from dockwarden.doors.docker.look import Looks, needs_no_lookup
from dockwarden.doors.docker.resolve import Resolved
from dockwarden.doors.docker.sight import may_see
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.volumes.uses import Uses
from dockwarden.engine.call import CallHead, EngineCall, Takes
from dockwarden.engine.delivery import NO_VARIABLES, asked_files
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.references import moved_names
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Verdict
from dockwarden.words.errors import Malformed, Refused

SMALL_BODY = 64


@dataclass(frozen=True, slots=True)
class Flow:
    """What a Docker door does with every request that is handed to it."""

    door: str
    rulebook: Rulebook
    looks: Looks
    carrier: Carrier
    uses: Uses
    ledger: Ledger
    metrics: Metrics
    body_bytes: int
    drops_unknown: bool = False
    is_observing: bool = False

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request.

        Raises:
            Refused: the connection turns it into the Engine's error shape; it is in the ledger already.
        """
        trail = Trail(self.ledger, self.metrics, exchange.principal, self.door, exchange.head.target.decode("latin-1"))
        try:
            await self._answer(exchange, trail)
        except ClientGone:
            raise
        except Refused as error:
            trail.refused(error)
            raise

    async def _answer(self, exchange: Exchange, trail: Trail) -> None:
        policies = self.rulebook.rules.policies  # INVARIANT: one set from the first question to the last
        call, request = self.looks.plain.read(exchange.head) or (await self._read(exchange, trail), None)
        trail.action = call.route.action
        if needs_no_lookup(call):
            await self.looks.look(exchange, call, request, policies, trail)
            return
        # INVARIANT: a name is claimed before it is looked up, so that how it is held stays so until the call is over
        claim = self.carrier.claims.by(exchange.principal.name, only_fetches=call.route.action == "image.pull")
        try:
            claim.take(moved_names(call))
            resolved = await self.carrier.resolver.resolve(
                exchange.principal, self.door, call, needs_more=bool(policies.needs & {"name", "labels"})
            )
            judgement = await self._judged(call, resolved, policies, trail)
            variables = NO_VARIABLES
            if call.route.action == "container.create" and (files := asked_files(call)):
                variables = await self.uses.may_use(exchange.principal, files, judgement.facts.context(), policies)
            prepared = await self.carrier.preparer.prepare(call, resolved, judgement, policies, trail.call_id, variables)
            await self.carrier.taper.probe(prepared, policies, exchange.source)
        except BaseException:
            claim.release()
            raise
        await self.carrier.carry(exchange, prepared, policies, trail, claim)

    async def _read(self, exchange: Exchange, trail: Trail) -> EngineCall:
        wire = exchange.head
        head = read_head(wire.method, wire.target, wire.headers)
        trail.action = head.route.action
        return read_call(head, await self._body(exchange, head), drop_unknown=self.drops_unknown)

    async def _body(self, exchange: Exchange, head: CallHead) -> bytes:
        """The whole body of a call that is judged by it; a tar stream is left where it is."""
        if head.route.takes is Takes.TAR:
            return b""
        return await exchange.body(self.body_bytes if head.route.takes is Takes.JSON else SMALL_BODY)

    async def _judged(self, call: EngineCall, resolved: Resolved, policies: PolicySet, trail: Trail) -> Judgement:
        """The judgement of a call that may pass.

        Raises:
            Hidden: the thing in its path may not be seen. Forbidden: it may be seen, and this is not permitted.
        """
        try:
            judgement = judge(call, resolved, policies)
            trail.judged(judgement.ask.resource, judgement.verdict, judgement.facts)
            if judgement.verdict.is_allowed:
                return judgement
            error = refusal(judgement)
            if resolved.subject is not None and not may_see(resolved.known.principal, resolved.subject, policies):
                error = await as_absent(call, self.looks.ask)
        except Malformed:
            raise
        except NotThere as unseen:
            error = await not_there(call, unseen.reference, self.looks.ask)
        except Refused as refused:
            error = refused
        if not self.is_observing:
            raise error
        trail.observed(error)
        return self._let_through(call, resolved, policies)

    @staticmethod
    def _let_through(call: EngineCall, resolved: Resolved, policies: PolicySet) -> Judgement:
        """What observing does with a refusal: the call passes as it is, hardened by nothing."""
        found = rejudge(call, resolved.known, subject(call, resolved), policies)
        return Judgement(found.ask, found.facts, Verdict(found.verdict.is_allowed, found.verdict.why, found.verdict.policies))
