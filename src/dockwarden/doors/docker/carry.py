"""A prepared call carried to the Engine, its answer veiled and brought back, and what came of it written down (reads: `look.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dockwarden.access.owners import PULL, Deed, Owners
from dockwarden.doors.docker.deeds import ANONYMOUS, ORIGINS, deed_of, makes_anonymous, named
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.prepare import Prepared, Preparer
from dockwarden.doors.docker.resolve import Resolver
from dockwarden.doors.docker.sight import Sight
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.docker.uploads import Uploads
from dockwarden.engine.call import Answer, Takes
from dockwarden.engine.fields import read
from dockwarden.engine.veil.events import EventVeil
from dockwarden.engine.veil.veil import is_veiled, veil
from dockwarden.policy.load import PolicySet
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked, StreamAnswer
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Refused, Withheld


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries calls; one for each door, since a door may have an Engine version and a view of its own."""

    link: EngineLink
    lookups: Lookups
    owners: Owners
    resolver: Resolver
    preparer: Preparer
    sight: Sight
    answer_bytes: int
    is_observing: bool = False

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
                said: Any = veil(action, msgspec.json.decode(answer.body), self.sight.view(exchange.principal, policies))
            except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
                raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
            answer = WholeAnswer(answer.status, answer.headers, msgspec.json.encode(said))
        exchange.answer_with(answer)
        return _joined(done, await self._anonymous(prepared, done))

    async def _anonymous(self, prepared: Prepared, done: Deed) -> Deed:
        """The anonymous volumes that came with a container: whoever made that, made them."""
        if not done.made or not makes_anonymous(prepared):
            return Deed()
        owner = prepared.resolved.known.principal.name
        with contextlib.suppress(Refused):
            seen = await self.lookups.look(Kind.CONTAINER, done.made[0][1])
            names = [str(point.get("Name")) for point in seen.answer.get("Mounts") or () if point.get("Type") == "volume"]
            return Deed(made=tuple((Kind.VOLUME.value, name, owner, "") for name in names if ANONYMOUS.fullmatch(name)))
        return Deed()

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
        shown = _shown(stream, EventVeil(self.sight.view(exchange.principal, policies)))
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
