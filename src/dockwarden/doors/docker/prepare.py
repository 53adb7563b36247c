"""A permitted call made ready: hardened, stamped, its binds given to our driver, ids in place of names, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dockwarden.access.owners import Deed
from dockwarden.doors.docker.judge import Judgement
from dockwarden.doors.docker.lookups import Asked, Lookups
from dockwarden.doors.docker.narrow import with_filter
from dockwarden.doors.docker.reasons import way_out
from dockwarden.doors.docker.resolve import Resolved
from dockwarden.doors.docker.sight import may_see
from dockwarden.engine.call import EngineCall, Request
from dockwarden.engine.delivery import NO_VARIABLES, asked_files, held_by, to_files, to_held
from dockwarden.engine.driver import to_driver
from dockwarden.engine.fields import read
from dockwarden.engine.harden import harden, lowered
from dockwarden.engine.images import parse_reference
from dockwarden.engine.labels import CALL, OWNER, stamp
from dockwarden.engine.obligations import parse_obligations
from dockwarden.engine.references import pin, put_in_body
from dockwarden.engine.runs import Run, run_of_create
from dockwarden.engine.veil.mask import masked_sources, refuse_masks, restored, unrestorable
from dockwarden.engine.veil.veil import IMAGE_LABEL
from dockwarden.engine.write import write_call
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.policy.schema import ENV_READ
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Forbidden, Refused, Unavailable
from dockwarden.words.secret import Secret

MARKED: Mapping[str, Kind] = {
    "container.create": Kind.CONTAINER, "network.create": Kind.NETWORK, "volume.create": Kind.VOLUME, "service.create": Kind.SERVICE,
    "secret.create": Kind.SECRET, "config.create": Kind.CONFIG,
}
"""What a call makes that can carry our mark."""
PRUNES: Mapping[str, Kind] = {"container.prune": Kind.CONTAINER, "network.prune": Kind.NETWORK, "volume.prune": Kind.VOLUME}
SOMEBODY = "\x00somebody else"

Seal = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as it will be sent. `announced` is what its intent says may be made; `volumes` are to be made before it, `warnings` are told.

    `run` is what a create runs, `None` for any other call.
    """

    call: EngineCall
    request: Request
    resolved: Resolved
    judgement: Judgement
    mark: str
    announced: Deed
    volumes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    run: Run | None = None


class Preparer:
    """Makes calls ready. `seal` is `None` where our volume driver does not serve this Engine, so that binds stay binds."""

    def __init__(self, *, ask: Asked, lookups: Lookups, plugin: str, seal: Seal | None, version: str) -> None:
        self._ask, self._lookups, self._plugin, self._seal, self._version = ask, lookups, plugin, seal, version

    async def prepare(
        self, call: EngineCall, resolved: Resolved, judgement: Judgement, policies: PolicySet, mark: str,
        variables: Mapping[str, Secret] = NO_VARIABLES,
    ) -> Prepared:
        """Return `call` ready to be sent. `variables` are secrets that policy lets be variables.

        Raises:
            Forbidden: an obligation cannot be fulfilled, or a masked value cannot be restored.
        """
        known, principal = resolved.known, resolved.known.principal
        call = await self._unmasked(call, resolved, policies)
        image = str(read(call.body, "Image", ""))
        obligations = parse_obligations(judgement.verdict.harden)
        asked, call = call, harden(call, obligations, known)
        warnings = lowered(asked, call)
        if obligations.warn_secrets:
            warnings += tuple(way_out(name, kind, principal.name, call.route.action) for name, kind in judgement.facts.env_secrets)
        call = pin(call, resolved.ids)
        more = {IMAGE_LABEL: image} if call.route.action == "container.create" and image else None
        call = stamp(call, principal.name, mark, more)
        call = self._with_secrets(call, resolved, judgement, variables)
        if self._seal is not None:
            call = to_driver(call, known, self._plugin, self._seal)
        call = self._narrowed(call, resolved, policies)
        kind = MARKED.get(call.route.action)
        announced = Deed(mark, kind.value, principal.name) if kind else Deed()
        run = run_of_create(call.body) if call.route.action == "container.create" else None
        volumes = self._new_volumes(run, resolved) if run is not None else ()
        return Prepared(call, write_call(call, self._version), resolved, judgement, mark, announced, volumes, warnings, run)

    def _with_secrets(self, call: EngineCall, resolved: Resolved, judgement: Judgement, variables: Mapping[str, Secret]) -> EngineCall:
        """The call with the secrets it names as files: mounted by our driver in a create, those that are there already in an exec.

        Raises:
            Unavailable: `secret.no_driver`, `secret.remapped`. Missing: `secret.not_held`. Forbidden: `secret.place`, `secret.user`,
                `secret.no_text`.
        """
        files = asked_files(call)
        if not files:
            return call
        if call.route.action == "exec.create":
            container = next(thing.answer for reference, thing in resolved.seen.items() if reference.kind is Kind.CONTAINER)
            return to_held(call, files, held_by(container, self._plugin))
        if self._seal is None:
            message = "secrets reach containers by our volume driver, which needs an Engine on this machine, at a unix socket"
            raise Unavailable("secret.no_driver", message)
        if resolved.known.userns_remap and read(read(call.body, "HostConfig", None), "UsernsMode", "") != "host":
            message = "this Engine remaps users, and a secret's file would be nobody's in the container; it is not given"
            raise Unavailable("secret.remapped", message)
        facts = msgspec.json.encode(judgement.facts.context()).decode()
        return to_files(call, files, resolved.known.principal.name, facts, self._plugin, self._seal, variables)

    async def make_volumes(self, prepared: Prepared) -> Deed:
        """Make the named volumes that a create would make by naming them, with our labels; return what was made.

        Raises:
            Unavailable: `engine.volume_not_made`.
        """
        owner = prepared.resolved.known.principal.name
        for name in prepared.volumes:
            body = msgspec.json.encode({"Name": name, "Labels": {OWNER: owner, CALL: prepared.mark}})
            answer = await self._ask(Request("POST", "/volumes/create", (("content-type", "application/json"),), body))
            if answer.status != 201:
                raise Unavailable("engine.volume_not_made", f"volume {name} could not be made (status {answer.status}); the call was not sent")
            if not _has_mark(answer.body, prepared.mark):
                raise Forbidden("volume.taken", f"somebody made a volume {name} in this moment; choose another name")
        return Deed(made=tuple((Kind.VOLUME.value, name, owner, prepared.mark) for name in prepared.volumes))

    @staticmethod
    def _new_volumes(run: Run, resolved: Resolved) -> tuple[str, ...]:
        """Named local volumes of a create that are not there yet; the Engine would make them without our labels."""
        found = {reference.text for reference in resolved.known.found if reference.kind is Kind.VOLUME}
        named = (m for m in run.mounts if m.kind == "volume" and m.source and not m.options and m.driver in {"", "local"})
        return tuple(dict.fromkeys(mount.source for mount in named if mount.source not in found))

    @staticmethod
    def _narrowed(call: EngineCall, resolved: Resolved, policies: PolicySet) -> EngineCall:
        """A prune of what is the caller's alone, unless policy lets them prune everybody's."""
        kind = PRUNES.get(call.route.action)
        if kind is None:
            return call
        principal = resolved.known.principal
        everybodys = Ask(principal, call.route.action, Resource(kind, owner=SOMEBODY))
        if decide(everybodys, policies).is_allowed:
            return call
        return with_filter(call, "label", (f"{OWNER}={principal.name}",))

    async def _unmasked(self, call: EngineCall, resolved: Resolved, policies: PolicySet) -> EngineCall:
        """The call with masked values that came back set to the real ones.

        A value comes back only into the same image with the same command: whoever may recreate a container but not read it must not get
        to print it.
        """
        if call.route.action in {"exec.create", "image.commit"}:
            refuse_masks(call.body)
        if call.route.action != "container.create":
            return call
        sources = masked_sources(call.body)
        principal = resolved.known.principal
        values: dict[str, str] = {}
        for name, source in sources.items():
            try:
                seen = await self._lookups.look(Kind.CONTAINER, source)
            except Refused:
                raise unrestorable(name) from None
            may_read = decide(Ask(principal, ENV_READ, seen.resource), policies).is_allowed
            if not may_see(principal, seen.resource, policies) or not (may_read or _is_recreate(call, seen.answer)):
                raise unrestorable(name)
            real = dict(entry.partition("=")[::2] for entry in (seen.answer.get("Config") or {}).get("Env") or ())
            if name not in real:
                raise unrestorable(name)
            values[name] = real[name]
        return put_in_body(call, ("Env",), restored(read(call.body, "Env", []), values)) if values else call


def _has_mark(body: bytes, mark: str) -> bool:
    """Whether a volume that the Engine says it made is ours: for one that is there already it says the same."""
    try:
        labels = msgspec.json.decode(body).get("Labels") or {}
        return bool(labels.get(CALL) == mark)
    except (msgspec.DecodeError, AttributeError):
        return False


def _is_recreate(call: EngineCall, said: Mapping[str, Any]) -> bool:
    config = said.get("Config") or {}
    before = (config.get("Labels") or {}).get(IMAGE_LABEL) or config.get("Image") or ""
    try:
        is_same_image = parse_reference(str(read(call.body, "Image", ""))).name == parse_reference(str(before)).name
    except Refused:
        is_same_image = False
    return is_same_image and all(read(call.body, name, None) in (None, config.get(name)) for name in ("Cmd", "Entrypoint"))
