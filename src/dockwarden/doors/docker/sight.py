"""What one caller may see of an answer: every row is a thing, and what may be inspected may be seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from dockwarden.access.owners import PULL, Owners, full_name
from dockwarden.engine.call import Request
from dockwarden.engine.veil.veil import View, opened
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.policy.schema import ENV_READ, HOST_READ, SECRET_READ
from dockwarden.words.ask import SYSTEM, Ask, Kind, Resource
from dockwarden.words.errors import Hidden
from dockwarden.words.principal import Principal

BY_OWNER = frozenset({Kind.CONTAINER, Kind.VOLUME})
"""Kinds of which nothing but its owner decides who sees a thing, where no policy asks for more (networks and images may be shared)."""
MOST_TOLD = 20
ROW_NEEDS = frozenset({"id", "name", "labels"})
INSPECT: Mapping[Kind, str] = {kind: f"{kind.value.lower()}.inspect" for kind in Kind if kind is not Kind.SYSTEM} | {Kind.SYSTEM: "system.info"}


def may_see(principal: Principal, resource: Resource, policies: PolicySet) -> bool:
    """Whether `principal` may know that `resource` is there."""
    return decide(Ask(principal, INSPECT[resource.kind], resource), policies).is_allowed


@dataclass(frozen=True, slots=True)
class Sight:
    """What callers see through one door: by who owns what, which environment values are shown, and which binds are ours."""

    owners: Owners
    env_shown: frozenset[str]
    plugin: str

    def unshown(self, action: str, things: Collection[str]) -> Hidden:
        """What the ledger says of an answer that showed more than policy does, since nothing is refused yet."""
        some = sorted(things)[:MOST_TOLD]
        more = f" and {len(things) - len(some)} more" if len(things) > len(some) else ""
        return Hidden("veil.hidden", f"{action} would not show {', '.join(some)}{more}")

    def knows(self, request: Request, principal: Principal, policies: PolicySet) -> Callable[[str], bool]:
        """Whether an id (or its beginning) in the Engine's words may be told to `principal`: it was in their call, or is of what they may see."""
        asked = request.target + request.body.decode("utf-8", "replace")

        def is_visible(id: str) -> bool:
            if id in asked:
                return True
            things = [(kind, full, owned.owner) for (kind, full), owned in self.owners.owned.items() if full.removeprefix("sha256:").startswith(id)]
            seen = [may_see(principal, Resource(Kind(kind), full, owner=owner), policies) for kind, full, owner in things]
            return all(seen) if seen else may_see(principal, Resource(Kind.CONTAINER, id), policies)

        return is_visible

    def view(self, principal: Principal, policies: PolicySet, unshown: set[str] | None = None) -> View:
        """The view that `principal` has under `policies`; given `unshown`, all is shown, and what would not be is put there."""
        view = self._view(principal, policies)
        return view if unshown is None else opened(view, unshown)

    def _view(self, principal: Principal, policies: PolicySet) -> View:
        owners = self.owners
        is_by_owner = not policies.needs & ROW_NEEDS
        by_owner: dict[tuple[Kind, str], bool] = {}

        def sees(kind: Kind, id: str, name: str, labels: Mapping[str, str], tags: tuple[str, ...]) -> bool:
            if not is_by_owner or kind not in BY_OWNER:
                return may_see(principal, owners.resource(kind, id, name, labels, tags, principal.name), policies)
            owner = owners.owner_of(kind, id, labels)
            is_seen = by_owner.get((kind, owner))
            if is_seen is None:
                is_seen = by_owner[kind, owner] = may_see(principal, Resource(kind, id, name, owner), policies)
            return is_seen

        def sees_env(kind: Kind, id: str) -> bool:
            resource = Resource(kind, id, owner=owners.owner_of_id(kind, id), is_shared=kind is Kind.IMAGE)
            return decide(Ask(principal, ENV_READ, resource), policies).is_allowed

        def sees_secrets(kind: Kind, id: str) -> bool:
            resource = Resource(kind, id, owner=owners.owner_of_id(kind, id), is_shared=kind is Kind.IMAGE)
            return decide(Ask(principal, SECRET_READ, resource), policies).is_allowed

        def sees_name(tag: str) -> bool:
            held = owners.held.get(full_name(tag))
            if held is None or held.origin == PULL:
                return True
            return may_see(principal, Resource(Kind.IMAGE, "", tag, held.owner, owners.is_sharing(held.owner)), policies)

        sees_host = decide(Ask(principal, HOST_READ, SYSTEM), policies).is_allowed
        return View(sees, sees_env, sees_secrets, sees_name, sees_host, self.env_shown, self.plugin)
