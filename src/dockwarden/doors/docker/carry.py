"""A prepared call carried to the Engine, its answer veiled and brought back, and what came of it written down."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dockwarden.access.owners import PULL, Deed, Owners
from dockwarden.doors.docker.absent import as_absent
from dockwarden.doors.docker.deeds import ORIGINS, deed_of, named
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.judge import Judgement, collection, refusal, rejudge
from dockwarden.doors.docker.lookups import Asked, Lookups
from dockwarden.doors.docker.plain import PlainCalls
from dockwarden.doors.docker.prepare import Prepared, Preparer
from dockwarden.doors.docker.resolve import Resolver
from dockwarden.doors.docker.sight import may_see, view_of
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.docker.uploads import Uploads
from dockwarden.engine.call import Answer, EngineCall, Request, Takes
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.facts import FAMILIES
from dockwarden.engine.fields import read
from dockwarden.engine.known import Known
from dockwarden.engine.veil.events import EventVeil
from dockwarden.engine.veil.veil import View, is_veiled, veil
from dockwarden.engine.write import write_call
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked, StreamAnswer
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Refused, Withheld
from dockwarden.words.principal import Principal

ON_ITS_ANSWER = frozenset({"container.inspect", "network.inspect", "volume.inspect"})
"""Reads that are judged by the answer they bring, before a byte of it is released."""
OF_EVERY_CALL = frozenset({"context.via", "context.door"})
"""Facts that every call has; a policy that looks at one must be asked with it."""
LISTS = frozenset({
    "container.list", "image.list", "network.list", "volume.list", "system.df", "service.list", "task.list", "node.list", "secret.list",
    "config.list",
})
NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries calls; one for each door, since a door may have an Engine version and a view of its own."""

    link: EngineLink
    ask: Asked
    lookups: Lookups
    owners: Owners
    resolver: Resolver
    preparer: Preparer
    plain: PlainCalls
    plugin: str
    env_shown: frozenset[str]
    answer_bytes: int
    is_observing: bool = False

    def view(self, principal: Principal, policies: PolicySet) -> View:
        """What `principal` may see of answers."""
        return view_of(principal, policies, self.owners, self.env_shown, self.plugin)

    # --- reads that need no look-up before them ---

    async def look(self, exchange: Exchange, call: EngineCall, request: Request | None, policies: PolicySet, trail: Trail) -> None:
        """Judge an inspect by its own answer, a list by its rows, the rest by the action alone; one call upstream.

        Raises:
            Hidden: the thing may not be seen. Forbidden: the action is not permitted. Withheld: the answer cannot be read.
        """
        principal = exchange.principal
        is_on_answer = call.route.action in ON_ITS_ANSWER
        if not is_on_answer:
            self._permit(call, collection(call, principal), principal, policies, trail)
        answer = await self.link.call(request or write_call(call, self.plain.version), self.answer_bytes)
        if answer.status == 200 and is_veiled(call.route.action):
            answer = await self._veiled(call, answer, principal, policies, trail, is_on_answer=is_on_answer)
        exchange.answer_with(answer)
        trail.outcome(answer.status, bytes_out=exchange.bytes_out, changing=False)

    async def _veiled(
        self, call: EngineCall, answer: WholeAnswer, principal: Principal, policies: PolicySet, trail: Trail, *, is_on_answer: bool
    ) -> WholeAnswer:
        action = call.route.action
        if len(answer.body) > self.answer_bytes:
            raise Withheld("veil.too_large", f"the answer is longer than {self.answer_bytes} bytes, too long to be judged; ask for less")
        try:
            said = msgspec.json.decode(answer.body)
            if is_on_answer:
                resource = self.lookups.resource_of(call.route.kind, said, principal.name)
                if not may_see(principal, resource, policies) and not self.is_observing:
                    trail.judged(resource, decide(Ask(principal, action, resource), policies), None)
                    raise await as_absent(call, self.ask)
                self._permit(call, resource, principal, policies, trail)
            shown = msgspec.json.encode(veil(action, said, self.view(principal, policies)))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
        return WholeAnswer(answer.status, answer.headers, shown)

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

    # --- calls that were judged before ---

    async def carry(self, exchange: Exchange, prepared: Prepared, policies: PolicySet, trail: Trail) -> None:
        """Send a prepared call and bring its answer back.

        Raises: what the wire raises; the ledger has the outcome either way.
        """
        route = prepared.call.route
        trail.sending(prepared.call, prepared.request)
        if route.is_changing:
            await trail.intent(prepared.announced.detail())
            self.owners.apply(prepared.announced)
        done, status = Deed(), 0
        try:
            if prepared.volumes:
                done = await self.preparer.make_volumes(prepared)
            if route.takes is Takes.TAR:
                done = _joined(done, await self._upload(exchange, prepared, policies))
            elif route.answer is Answer.HIJACK and not read(prepared.call.body, "Detach", False):
                await self._hijack(exchange, prepared)
            elif route.action == "system.events":
                await self._events(exchange, prepared, policies)
            elif route.answer is Answer.STREAM:
                done = _joined(done, await self._stream(exchange, prepared))
            else:
                done = _joined(done, await self._whole(exchange, prepared, policies))
            status = exchange.status
        except Refused as error:
            status = exchange.status or error.status
            raise
        finally:
            self.owners.apply(done)
            if prepared.announced.mark and status >= 400:
                self.owners.forget(prepared.mark)
            trail.outcome(status, bytes_in=exchange.bytes_in, bytes_out=exchange.bytes_out, detail=done.detail(), changing=route.is_changing)

    async def _whole(self, exchange: Exchange, prepared: Prepared, policies: PolicySet) -> Deed:
        answer = await self.link.call(prepared.request, self.answer_bytes)
        done = deed_of(prepared, answer.status, answer.body)
        self.owners.apply(done)
        action = prepared.call.route.action
        if answer.status == 200 and is_veiled(action):
            try:
                said: Any = veil(action, msgspec.json.decode(answer.body), self.view(exchange.principal, policies))
            except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
                raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
            answer = WholeAnswer(answer.status, answer.headers, msgspec.json.encode(said))
        exchange.answer_with(answer)
        return done

    async def _stream(self, exchange: Exchange, prepared: Prepared) -> Deed:
        stream = await exchange.unless_gone(self.link.open(prepared.request))
        await exchange.relay(stream)
        return await self._named_by(prepared, (), stream)

    async def _upload(self, exchange: Exchange, prepared: Prepared, policies: PolicySet) -> Deed:
        uploads = Uploads(self.resolver, policies, self.is_observing)
        stream = await self.link.open(prepared.request, uploads.judged(exchange, prepared))
        if prepared.call.route.answer is Answer.STREAM:
            await exchange.relay(stream)
        else:
            exchange.answer_with(await stream.whole(self.answer_bytes))
        return await self._named_by(prepared, uploads.named, stream)

    async def _named_by(self, prepared: Prepared, more: tuple[str, ...], stream: StreamAnswer) -> Deed:
        """The image names that are there after a pull, build, import or load, and the images they name."""
        call, owner = prepared.call, prepared.resolved.known.principal.name
        if call.route.action not in ORIGINS or stream.status >= 400:
            return Deed()
        given, made = [], []
        for name, who, origin in named(call, more, owner):
            with contextlib.suppress(Refused):
                seen = await self.lookups.look(Kind.IMAGE, name)
                given.append((name, who, origin))
                if origin != PULL and not seen.resource.owner and not self._was_there(prepared, seen.resource.id):
                    made.append((Kind.IMAGE.value, seen.resource.id, who, ""))
        return Deed(made=tuple(made), named=tuple(given))

    @staticmethod
    def _was_there(prepared: Prepared, id: str) -> bool:
        return any(resource.id == id for resource in prepared.resolved.known.found.values())

    async def _hijack(self, exchange: Exchange, prepared: Prepared) -> None:
        answer = await exchange.unless_gone(self.link.upgrade(prepared.request, prepared.call.headers.get("upgrade", "")))
        if isinstance(answer, Hijacked):
            await exchange.hijack(answer)
        else:
            exchange.answer_with(answer)

    async def _events(self, exchange: Exchange, prepared: Prepared, policies: PolicySet) -> None:
        stream = await exchange.unless_gone(self.link.open(prepared.request))
        if stream.status != 200:
            await exchange.relay(stream)
            return
        shown = _shown(stream, EventVeil(self.view(exchange.principal, policies)))
        await exchange.send_chunks(stream.status, stream.headers, shown)


async def _shown(stream: StreamAnswer, events: EventVeil) -> AsyncIterator[bytes]:
    try:
        async for piece in stream.chunks():
            yield events.feed(piece)
    except ValueError:
        raise Withheld("veil.unreadable", "an event cannot be read, so nothing more is shown") from None
    finally:
        stream.close()


def _joined(one: Deed, other: Deed) -> Deed:
    return replace(one, made=one.made + other.made, named=one.named + other.named, gone=one.gone + other.gone)


def needs_no_lookup(call: EngineCall) -> bool:
    """Whether a call is judged by its action or its own answer, with nothing asked before."""
    return call.route.action in ON_ITS_ANSWER or (not call.route.is_changing and not call.route.ref and call.route.answer is Answer.WHOLE
                                                  and call.route.action != "image.save")


