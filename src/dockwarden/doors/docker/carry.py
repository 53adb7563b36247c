"""A prepared call carried to the Engine, its answer veiled and brought back, and what came of it written down (reads: `look.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dockwarden.access.claims import Claim, Claims
from dockwarden.access.owners import PULL, Deed, Owners
from dockwarden.doors.docker.deeds import MADE_AT, ORIGINS, claims, deed_of, named
from dockwarden.doors.docker.exchange import ClientGone, Exchange
from dockwarden.doors.docker.fresh import FreshVolumes
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.prepare import Prepared, Preparer
from dockwarden.doors.docker.resolve import Resolver
from dockwarden.doors.docker.sight import Sight, may_see
from dockwarden.doors.docker.taped import Taped, Taper
from dockwarden.doors.docker.told import told
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.docker.uploads import Announcer, Uploads
from dockwarden.engine.call import Answer, Takes
from dockwarden.engine.fields import read
from dockwarden.engine.veil.events import EventVeil
from dockwarden.engine.veil.veil import View, is_veiled, veil
from dockwarden.engine.veil.words import masked_answer, with_warnings
from dockwarden.policy.load import PolicySet
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked, StreamAnswer
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Fault, Forbidden, Hidden, Refused, Withheld
from dockwarden.words.principal import Principal

RESIZES = frozenset({"exec.resize", "container.resize"})
STARTS = frozenset({"container.start", "container.restart"})
RAW_STREAM = ((b"content-type", b"application/vnd.docker.raw-stream"),)
MULTIPLEXED = ((b"content-type", b"application/vnd.docker.multiplexed-stream"),)
MOST_SAID = 500
NOT_BEGUN = 126
"""The exit status of an exec that we let not begin after its stream had: of one that never ran the Engine has none, and clients take 0."""
GRACE_S = 30.0
"""How long after a call that broke off its image names stay claimed."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries calls; one for each door, since a door may have an Engine version and a view of its own."""

    link: EngineLink
    lookups: Lookups
    owners: Owners
    claims: Claims
    fresh: FreshVolumes
    resolver: Resolver
    preparer: Preparer
    sight: Sight
    taper: Taper
    answer_bytes: int
    is_observing: bool = False

    async def carry(self, exchange: Exchange, prepared: Prepared, policies: PolicySet, trail: Trail, claim: Claim) -> None:
        """Send a prepared call and bring its answer back. `claim` is let go of when no name can come of it any more.

        Raises: what the wire raises; the ledger has the outcome either way.
        """
        route = prepared.call.route
        about = {"about": said} if (said := told(prepared)) else {}
        trail.sending(prepared.call, prepared.request)
        if route.is_changing:
            announced = replace(prepared.announced, claims=claims(prepared))
            await trail.intent({**announced.detail(), **about})
            self.owners.apply(announced)
            about = {}
        uploads = Uploads(self.resolver, policies, Announcer(self.owners, trail, claim), self.is_observing)
        done, status, is_over = Deed(), 0, False
        unshown: set[str] | None = set() if self.is_observing else None
        try:
            if prepared.volumes:
                done = await self.preparer.make_volumes(prepared)
            if route.takes is Takes.TAR:
                await self._upload(exchange, prepared, uploads)
            elif route.answer is Answer.HIJACK and not read(prepared.call.body, "Detach", False):
                await self._hijack(exchange, prepared, policies, trail)
            elif route.action == "system.events":
                await self._events(exchange, prepared, self.sight.view(exchange.principal, policies, unshown))
            elif route.answer is Answer.STREAM:
                await self._stream(exchange, prepared)
            elif route.action == "exec.resize" and self._is_waiting(prepared):
                self._resized(prepared)
                exchange.answer(200)
            else:
                await self._let_begin(exchange, prepared, policies, trail)
                done = _joined(done, await self._whole(exchange, prepared, policies, unshown))
                if route.action in RESIZES:
                    self._resized(prepared)
            status, is_over = exchange.status, True
        except Refused as error:
            status = exchange.status or error.status
            # What we refuse on its way is never complete at the Engine, so no name comes of it; what a client leaves may go on there.
            is_over = error.fault is Fault.CALLER and not exchange.status and not isinstance(error, ClientGone)
            raise
        finally:
            status = status or exchange.status or 500
            if route.action in ORIGINS:
                done = _joined(done, await self._names_after(prepared, uploads.named, status, is_over=is_over))
            self.owners.apply(done)
            if prepared.announced.mark and status >= 400:
                self.owners.forget(prepared.mark)
            if unshown:
                trail.observed(self.sight.unshown(route.action, unshown))
            detail = {**done.detail(), **about}
            trail.outcome(status, bytes_in=exchange.bytes_in, bytes_out=exchange.bytes_out, detail=detail, changing=route.is_changing)
            if is_over:
                claim.release()
            else:  # the Engine may still be about to give the name
                asyncio.get_running_loop().call_later(GRACE_S, claim.release)

    async def _whole(self, exchange: Exchange, prepared: Prepared, policies: PolicySet, unshown: set[str] | None) -> Deed:
        answer = await self.link.call(prepared.request, self.answer_bytes)
        action = prepared.call.route.action
        done = deed_of(prepared, answer.status, answer.body)
        self.owners.apply(done)
        if action == "volume.create" and answer.status == 201 and not done.made:
            self._check_taken(answer, exchange.principal, policies)
        if answer.status == 200 and is_veiled(action):
            try:
                said: Any = veil(action, msgspec.json.decode(answer.body), self.sight.view(exchange.principal, policies, unshown))
                if action == "exec.inspect" and self.taper.has_not_begun(str(said["ID"])):
                    said["ExitCode"] = NOT_BEGUN
            except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
                raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
            answer = WholeAnswer(answer.status, answer.headers, msgspec.json.encode(said))
        if action == "container.create" and done.made:
            done = _joined(done, await self.fresh.settle(prepared, done.made[0][1]))
        if (answer.status >= 400 or action in MADE_AT) and not self.is_observing:
            is_visible = self.sight.knows(prepared.request, exchange.principal, policies)
            answer = WholeAnswer(answer.status, answer.headers, masked_answer(answer.body, is_visible))
        if prepared.warnings and answer.status < 300:
            answer = WholeAnswer(answer.status, answer.headers, with_warnings(answer.body, prepared.warnings))
        exchange.answer_with(answer)
        return done

    def _check_taken(self, answer: WholeAnswer, principal: Principal, policies: PolicySet) -> None:
        """Refuse the volume of somebody else's that the Engine gives to who asks for a new one of that name."""
        try:
            resource = self.lookups.resource_of(Kind.VOLUME, msgspec.json.decode(answer.body))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Withheld("veil.unreadable", "the Engine's answer cannot be read, so it is not shown") from None
        if not may_see(principal, resource, policies) and not self.is_observing:
            raise Forbidden("volume.taken", f"there is a volume {resource.name} already, and it is not yours; choose another name")

    async def _stream(self, exchange: Exchange, prepared: Prepared) -> None:
        await exchange.relay(await exchange.unless_gone(self.link.open(prepared.request)))

    async def _upload(self, exchange: Exchange, prepared: Prepared, uploads: Uploads) -> None:
        stream = await self.link.open(prepared.request, uploads.judged(exchange, prepared))
        if prepared.call.route.answer is Answer.STREAM:
            await exchange.relay(stream)
        else:
            exchange.answer_with(await stream.whole(self.answer_bytes))

    async def _names_after(self, prepared: Prepared, more: tuple[str, ...], status: int, *, is_over: bool) -> Deed:
        """The image names that are there after a pull, build, import, load, tag or commit, and the images they name.

        A name that was claimed and is not there is nobody's again; but not after a call that broke off, since it may still come.
        """
        owner = prepared.resolved.known.principal.name
        given, made, gone = [], [], []
        for name, who, origin in named(prepared.call, more, owner):
            try:
                seen = await self.lookups.look(Kind.IMAGE, name)
            except Hidden:
                gone += [("Name", name)] if is_over else []
            except Refused:
                continue
            else:
                given += [(name, who, origin)] if status < 400 else []
                is_new = origin != PULL and not self.owners.owner_of_id(Kind.IMAGE, seen.resource.id) and not _was_there(prepared, seen.resource.id)
                made += [(Kind.IMAGE.value, seen.resource.id, who, "")] if is_new else []
        return Deed(made=tuple(made), named=tuple(given), gone=tuple(gone))

    async def _let_begin(self, exchange: Exchange, prepared: Prepared, policies: PolicySet, trail: Trail) -> None:
        """Hold a start until who is attached is watched; ask of a detached exec whether it may begin. Raises: Forbidden."""
        action, subject = prepared.call.route.action, prepared.resolved.subject
        if action in STARTS and subject is not None:
            await exchange.unless_gone(self.taper.may_start(exchange.principal, subject.id))
        elif action == "exec.start":
            await self.taper.admit_unseen(prepared, policies, trail, exchange.source)

    def _is_waiting(self, prepared: Prepared) -> bool:
        return prepared.resolved.subject is not None and self.taper.is_waiting(prepared.resolved.subject.id)

    def _resized(self, prepared: Prepared) -> None:
        if prepared.resolved.subject is not None:
            self.taper.resized(prepared.resolved.subject.id, prepared.call.first("w"), prepared.call.first("h"))

    async def _hijack(self, exchange: Exchange, prepared: Prepared, policies: PolicySet, trail: Trail) -> None:
        # INVARIANT: the tape is open before the Engine is asked; nothing is done that is not recorded
        taped = await self.taper.begin(prepared, policies, trail, exchange.source)
        try:
            if taped is not None and taped.must_wait:
                await self._hijack_watched(exchange, prepared, taped)
                return
            answer = await exchange.unless_gone(self._upgraded(prepared))
            if not isinstance(answer, Hijacked):
                exchange.answer_with(answer)
            elif taped is None:
                await exchange.hijack(answer)
            else:
                await exchange.hijack(answer, taped, taped.joined)
        finally:
            if taped is not None:
                await asyncio.shield(self.taper.over(taped))

    async def _hijack_watched(self, exchange: Exchange, prepared: Prepared, taped: Taped) -> None:
        """Begin the client's stream, and the Engine's only when somebody watches; what goes wrong is told in the stream."""
        upgrade = prepared.call.headers.get("upgrade", "").encode()
        exchange.begin_raw(101 if upgrade else 200, RAW_STREAM if taped.is_terminal else MULTIPLEXED, upgrade)
        taped.say_early = exchange.say
        taped.tell(taped.vigil.waiting_words)
        try:
            await exchange.unless_gone(taped.vigil.begin(), may_listen_on=True)
            answer = await exchange.unless_gone(self._upgraded(prepared), may_listen_on=True)
        except ClientGone:
            raise
        except Refused as error:
            self.taper.not_begun(taped, error.message)
            return
        if isinstance(answer, Hijacked):
            await exchange.hijack(answer, taped, taped.joined)
        else:
            self.taper.not_begun(taped, f"the Engine did not begin it: {answer.body[:MOST_SAID].decode('utf-8', 'replace').strip()}")

    async def _upgraded(self, prepared: Prepared) -> WholeAnswer | Hijacked:
        return await self.link.upgrade(prepared.request, prepared.call.headers.get("upgrade", ""))

    async def _events(self, exchange: Exchange, prepared: Prepared, view: View) -> None:
        stream = await exchange.unless_gone(self.link.open(prepared.request))
        if stream.status != 200:
            await exchange.relay(stream)
            return
        shown = _shown(stream, EventVeil(view))
        await exchange.send_chunks(stream.status, stream.headers, shown)


async def _shown(stream: StreamAnswer, events: EventVeil) -> AsyncIterator[bytes]:
    try:
        async for piece in stream.chunks():
            yield events.feed(piece)
    except ValueError:
        raise Withheld("veil.unreadable", "an event cannot be read, so nothing more is shown") from None
    finally:
        stream.close()


def _was_there(prepared: Prepared, id: str) -> bool:
    return any(resource.id == id for resource in prepared.resolved.known.found.values())


def _joined(one: Deed, other: Deed) -> Deed:
    return replace(one, made=one.made + other.made, named=one.named + other.named, gone=one.gone + other.gone)
