"""A list of containers asked for by id, where our own index alone says which ones the caller may see.

A host of thousands then costs a developer their own few rows. It is done only where it is exact: where nothing but its owner decides
who sees a container, and nobody's containers are not shown. Every row is judged again all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from dockwarden.access.owners import Owners
from dockwarden.doors.docker.shown import Basis
from dockwarden.doors.docker.sight import ROW_NEEDS, may_see
from dockwarden.engine.call import EngineCall, Request
from dockwarden.engine.query import written
from dockwarden.engine.write import write_call
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.principal import Principal

MOST_IDS = 64
"""So that a request line stays of a size that everything takes."""
NO_ID = "0" * 64
"""What no container is called: asked for where the caller may see none."""
KEPT = 256


def with_filter(call: EngineCall, name: str, values: Sequence[str]) -> EngineCall:
    """Return `call` with one more filter; what the caller filtered by stays."""
    filters: dict[str, dict[str, bool]] = msgspec.json.decode(call.first("filters") or "{}")
    filters[name] = {**filters.get(name, {}), **dict.fromkeys(values, True)}
    return replace(call, query={**call.query, "filters": (written(filters),)})


class Narrower:
    """Narrows lists for one door; remembers the latest request of each caller."""

    def __init__(self, owners: Owners, version: str) -> None:
        self._owners, self._version = owners, version
        self._known: dict[Basis, tuple[Basis, Request]] = {}

    def narrowed(self, call: EngineCall, request: Request, principal: Principal, policies: PolicySet) -> Request:
        """What to ask in place of `request`, which is what `call` is written as."""
        if call.route.action != "container.list":
            return request
        basis = Basis(request.target, principal, policies, self._owners.version)
        known = self._known.get(basis)
        if known is not None and known[0].is_as(basis):
            return known[1]
        ids = self._visible(principal, policies)
        filters = msgspec.json.decode(call.first("filters") or "{}")
        if ids is not None and not filters.get("id"):
            request = write_call(with_filter(call, "id", ids or (NO_ID,)), self._version)
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known.pop(basis, None)
        self._known[basis] = basis, request
        return request

    def _visible(self, principal: Principal, policies: PolicySet) -> tuple[str, ...] | None:
        """The full ids of all containers that `principal` may see; `None` where the index alone cannot tell, or they are many."""
        if policies.needs & ROW_NEEDS or any(kind == Kind.CONTAINER.value for kind, _ in self._owners.pending.values()):
            return None
        sees: dict[str, bool] = {"": may_see(principal, Resource(Kind.CONTAINER), policies)}
        if sees[""]:
            return None
        ids: list[str] = []
        for (kind, id), owned in self._owners.owned.items():
            if kind != Kind.CONTAINER.value:
                continue
            if owned.owner not in sees:
                sees[owned.owner] = may_see(principal, Resource(Kind.CONTAINER, owner=owned.owner), policies)
            if sees[owned.owner]:
                ids.append(id)
                if len(ids) > MOST_IDS:
                    return None
        return tuple(sorted(ids))
