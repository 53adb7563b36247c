"""Uploads judged as they pass: what decides is held back until it was judged, so that a refused upload is never whole at the Engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from dockwarden.access.claims import Claim
from dockwarden.access.owners import Deed, Owners
from dockwarden.doors.docker.deeds import NEW, ORIGINS
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.judge import Judgement, refusal, rejudge
from dockwarden.doors.docker.prepare import Prepared
from dockwarden.doors.docker.resolve import Resolver
from dockwarden.doors.docker.trail import Trail
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.build import build_references, pulled_names
from dockwarden.engine.facts.image import loaded_names
from dockwarden.engine.tar import LOAD_RULES, Captured, Links, TarRules, TarUpload, archive_rules, build_rules
from dockwarden.engine.users import atoi
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Ask

ANYTHING = TarRules(may_set_id=True, may_devices=True, may_hard_links=True, symlinks=Links.ANY)
SPECIAL_FILES = "archive-special"
PIECE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Announcer:
    """Claims names that an upload turns out to give, for its call alone and in the ledger, before the Engine hears of them."""

    owners: Owners
    trail: Trail
    claim: Claim

    def take(self, names: tuple[str, ...]) -> None:
        """Keep others from making them meanwhile. Raises: Busy."""
        self.claim.take(names)

    async def announce(self, new: tuple[str, ...], owner: str, origin: str) -> None:
        """Write down that they will be `owner`'s. Raises: Unavailable: `ledger.unwritable`."""
        if new:
            deed = Deed(claims=tuple((name, owner, origin) for name in new))
            await self.trail.intent(deed.detail())
            self.owners.apply(deed)


class Uploads:
    """Reads the tar streams of archive, build and load calls."""

    def __init__(self, resolver: Resolver, policies: PolicySet, announcer: Announcer, is_observing: bool) -> None:
        self._resolver, self._policies, self._announcer, self._is_observing = resolver, policies, announcer, is_observing
        self.named: tuple[str, ...] = ()
        """The names that a load gives, as far as its manifest was read."""

    async def judged(self, exchange: Exchange, prepared: Prepared) -> AsyncIterator[bytes]:
        """The upload's bytes, each once it may pass.

        Raises:
            Forbidden, Malformed, TooLarge: what it holds is refused; the call is cut.
        """
        rules = self.rules(prepared)
        if rules is ANYTHING:
            async for chunk in exchange.chunks():
                yield chunk
            return
        upload = TarUpload(rules)
        async for chunk in exchange.chunks():
            for part in upload.feed(chunk):
                yield await self._passed(part, prepared)
        for part in upload.end():
            yield await self._passed(part, prepared)
        if prepared.call.route.action == "image.build" and not upload.seen:
            await self._build(prepared, "")

    def rules(self, prepared: Prepared) -> TarRules:
        """What this upload may hold; who may do everything to the container may put anything into it."""
        match prepared.call.route.action:
            case "image.build":
                return build_rules(prepared.call.first("dockerfile"))
            case "image.load":
                return LOAD_RULES
            case "container.archive.put":
                ask = prepared.judgement.ask
                special = Facts(escape=frozenset({SPECIAL_FILES})).context()
                if decide(Ask(ask.principal, ask.action, ask.resource, special), self._policies).is_allowed:
                    return ANYTHING
                return archive_rules(*_owner(prepared))
        return ANYTHING

    async def _passed(self, part: bytes | memoryview | Captured, prepared: Prepared) -> bytes:
        if not isinstance(part, Captured):
            return bytes(part)
        if prepared.call.route.action == "image.build":
            await self._build(prepared, part.content.decode("utf-8", "replace"))
        else:
            await self._load(prepared, loaded_names(part.name, part.content))
        return part.wire

    async def _build(self, prepared: Prepared, dockerfile: str) -> None:
        call = prepared.call
        known = await self._resolver.more(prepared.resolved, build_references(call, dockerfile), pulled_names(call, dockerfile))
        self._check(rejudge(call, replace(known, dockerfile=dockerfile), prepared.judgement.ask.resource, self._policies))

    async def _load(self, prepared: Prepared, names: tuple[str, ...]) -> None:
        self._announcer.take(names)
        self.named = tuple(dict.fromkeys((*self.named, *names)))
        known = await self._resolver.more(prepared.resolved, (), self.named)
        self._check(rejudge(prepared.call, replace(known, loaded=self.named), prepared.judgement.ask.resource, self._policies))
        new = tuple(name for name in names if known.names.get(name) == NEW)
        await self._announcer.announce(new, known.principal.name, ORIGINS[prepared.call.route.action])

    def _check(self, judgement: Judgement) -> None:
        if not judgement.verdict.is_allowed and not self._is_observing:
            raise refusal(judgement)


def _owner(prepared: Prepared) -> tuple[int, int]:
    """The container's user as numbers; what cannot be told becomes nobody's."""
    container = prepared.resolved.known.container
    user, _, group = (container.user if container else "").partition(":")
    return atoi(user or "0") or 0, atoi(group or "0") or 0
