"""A call judged without an Engine: what an Engine would have told is supposed, and said to be.

Facts, verdict and hardening are those of a door; only the looking up is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from dockwarden.access.owners import SHARED_NETWORKS, full_name
from dockwarden.cli.dockerline import Call
from dockwarden.doors.docker.judge import Judgement, judge, refusal
from dockwarden.doors.docker.resolve import DESCRIBED, Resolved
from dockwarden.doors.docker.sight import may_see
from dockwarden.engine.call import EngineCall, Takes
from dockwarden.engine.fields import read
from dockwarden.engine.harden import harden
from dockwarden.engine.images import parse_reference
from dockwarden.engine.known import ENGINE_SOCKETS, BindSource, ContainerState, ImageConfig, Known
from dockwarden.engine.mounts import clean
from dockwarden.engine.obligations import parse_obligations
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.references import Reference, moved_names, references
from dockwarden.engine.runs import NO_LIST, run_of_create
from dockwarden.policy.explain import Explanation, explain
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Hidden, Malformed, Refused
from dockwarden.words.principal import Account, Principal

if TYPE_CHECKING:
    from dockwarden.cli.deeds import HostDeed

SOMEBODY = "somebody-else"
USUAL_UID = 1000
"""As whom a user runs that goes by a name, unless the name is root."""

Describe = Callable[[str, Sequence[str], Account | None], BindSource]


@dataclass(frozen=True, slots=True)
class World:
    """What is supposed. Names that are in none of `others`, `shared` and `own` are the caller's, images excepted: those are for all.

    `image_user` is the USER of every image. `accounts` and `host_groups` are ids that the host knows. `describe` asks the host about
    bind sources; one that cannot be asked is supposed to be the caller's to use.
    """

    others: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    image_user: str = ""
    bind_roots: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ENGINE_SOCKETS
    accounts: frozenset[int] = frozenset()
    host_groups: frozenset[int] = frozenset()
    describe: Describe | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """How one call, or deed on a host, came out: `permit`, `refuse`, `hide` (the Engine's own 404) or `malformed`.

    `message` is what the caller would read, "" for a permit. `explanation` is `None` where it never came to policy. `hardened` are
    the fields of the body that obligations would set.
    """

    call: Call | HostDeed
    outcome: str
    action: str = ""
    message: str = ""
    judgement: Judgement | None = None
    explanation: Explanation | None = None
    hardened: Mapping[str, Any] = field(default_factory=dict)


def judge_supposed(call: Call, principal: Principal, world: World, policies: PolicySet) -> Judged:
    """Return how `call` would come out for `principal`. Total: what a door would answer with an error is an outcome here."""
    action = ""
    try:
        headers = [(b"content-type", b"application/json")] if call.body else []
        head = read_head(call.method, call.target.encode("utf-8", "surrogateescape"), headers)
        action = head.route.action
        read_whole = read_call(head, call.body.encode("utf-8", "surrogatepass") if head.route.takes is not Takes.TAR else b"")
        resolved = suppose(read_whole, principal, world)
        judgement = judge(read_whole, resolved, policies)
        explanation = explain(judgement.ask, policies)
        if judgement.verdict.is_allowed:
            return Judged(call, "permit", action, "", judgement, explanation, _hardened(read_whole, judgement, resolved))
        is_hidden = resolved.subject is not None and not may_see(principal, resolved.subject, policies)
        return Judged(call, "hide" if is_hidden else "refuse", action, refusal(judgement).message, judgement, explanation)
    except Refused as error:
        outcome = "hide" if isinstance(error, Hidden) else "malformed" if isinstance(error, Malformed) else "refuse"
        return Judged(call, outcome, action, f"{error.message} ({error.code})")


def suppose(call: EngineCall, principal: Principal, world: World) -> Resolved:
    """Return what a call refers to, as `world` has it."""
    found = {reference: _resource(reference, principal, world) for reference in references(call)}
    account = principal.account
    container = None
    if call.route.action in DESCRIBED:
        user = f"{account.uid}:{account.gid}" if account and account.uid else f"{USUAL_UID}:{USUAL_UID}"
        container = ContainerState(id="supposed", user=user)
    known = Known(
        principal=principal, found=found, image=_image(call, found, world), container=container, binds=_binds(call, principal, world),
        names={name: _held(name, principal, world) for name in moved_names(call)}, accounts=world.accounts, host_groups=world.host_groups,
        sockets=world.sockets, bind_roots=world.bind_roots,
    )
    subject = next((thing for reference, thing in found.items() if reference.place == "path"), None)
    return Resolved(known, {reference: thing.id for reference, thing in found.items()}, subject)


def _resource(reference: Reference, principal: Principal, world: World) -> Resource:
    kind, name = reference.kind, reference.text
    if kind is Kind.IMAGE:
        held = _held(name, principal, world)
        owner = {"other": SOMEBODY, "own": principal.name}.get(held, "")
        return Resource(kind, name, name, owner, is_shared=not owner)
    if name in world.shared or (kind is Kind.NETWORK and name in SHARED_NETWORKS and name not in world.own | world.others):
        return Resource(kind, name, name, is_shared=True)
    if kind in {Kind.NODE, Kind.PLUGIN}:
        return Resource(kind, name, name)
    return Resource(kind, name, name, SOMEBODY if name in world.others else principal.name)


def _held(name: str, principal: Principal, world: World) -> str:
    """Whose an image name is: the caller's where it begins with their name, else nobody's yet."""
    full = full_name(name)
    for state, names in (("other", world.others), ("shared", world.shared), ("own", world.own)):
        if full in {full_name(each) for each in names}:
            return state
    return "own" if principal.name and full.split("/")[1:2] == [principal.name] else "new"


def _image(call: EngineCall, found: Mapping[Reference, Resource], world: World) -> ImageConfig | None:
    """The image that a call runs or is about: it is there, and a registry vouched for it."""
    name = next((reference.text for reference in found if reference.kind is Kind.IMAGE), "")
    if not name and call.route.action != "exec.create":
        return None
    users = {word for text in (str(read(call.body, "User", "")), world.image_user) for word in text.split(":") if word}
    groups = {*users, *read(read(call.body, "HostConfig", None), "GroupAdd", NO_LIST)}
    named = sorted(word for word in users | groups if not word.isdecimal() and word != "root" and word.isidentifier())
    try:
        reference = parse_reference(name).tagged() if name else None
    except Refused:
        reference = None
    return ImageConfig(
        id=f"sha256:{'0' * 64}", user=world.image_user, names=(reference.full,) if reference else (),
        digests=(f"{reference.name}@sha256:{'0' * 64}",) if reference else (),
        passwd="".join(f"{word}:x:{USUAL_UID}:{USUAL_UID}::/:/bin/sh\n" for word in named) + "root:x:0:0::/:/bin/sh\n",
        group="".join(f"{word}:x:{USUAL_UID}:\n" for word in named) + "root:x:0:\n",
    )


def _binds(call: EngineCall, principal: Principal, world: World) -> dict[str, BindSource]:
    if call.route.action != "container.create":
        return {}
    sources = sorted({mount.source for mount in run_of_create(call.body).mounts if mount.kind == "bind"})
    return {source: _source(source, principal, world) for source in sources}


def _source(path: str, principal: Principal, world: World) -> BindSource:
    if world.describe is not None:
        try:
            return world.describe(path, world.bind_roots, principal.account)
        except Refused:  # only root can look with another's eyes
            pass
    root = max((root for root in map(clean, world.bind_roots) if path == root or path.startswith(f"{root}/")), key=len, default="")
    return BindSource(path, root, path[len(root):].strip("/") or "." if root else "", exists=True, can_read=True, can_write=True, is_dir=True)


def _hardened(call: EngineCall, judgement: Judgement, resolved: Resolved) -> dict[str, Any]:
    """The fields that differ once the obligations are done, by their way."""
    after = harden(call, parse_obligations(judgement.verdict.harden), resolved.known)
    before = dict(_flat("", msgspec.to_builtins(call.body)))
    changed = {way: value for way, value in _flat("", msgspec.to_builtins(after.body)) if before.get(way) != value}
    changed.update({name: list(values) for name, values in after.query.items() if call.query.get(name) != values})
    return changed


def _flat(way: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(f"{way}.{name}" if way else str(name), item)
    else:
        yield way, value
