"""What an answered call made, moved or removed: from the call and the Engine's answer alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dockwarden.access.owners import PULL, Deed, full_name
from dockwarden.doors.docker.prepare import PRUNES, Prepared
from dockwarden.engine.call import EngineCall
from dockwarden.engine.labels import CALL
from dockwarden.engine.references import moved_names
from dockwarden.words.ask import Kind

MADE_AT: Mapping[str, tuple[Kind, str]] = {
    "container.create": (Kind.CONTAINER, "Id"),
    "network.create": (Kind.NETWORK, "Id"),
    "volume.create": (Kind.VOLUME, "Name"),
    "service.create": (Kind.SERVICE, "ID"),
    "secret.create": (Kind.SECRET, "ID"),
    "config.create": (Kind.CONFIG, "ID"),
}
"""Which field of the answer holds the id of what was made."""
REMOVES = frozenset({"container.remove", "network.remove", "volume.remove", "service.remove", "secret.remove", "config.remove"})
NEW = "new"
PRUNED = {"container.prune": "ContainersDeleted", "network.prune": "NetworksDeleted", "volume.prune": "VolumesDeleted"}
ORIGINS = {"image.pull": PULL, "image.build": "build", "image.tag": "tag", "image.commit": "commit", "image.import": "import", "image.load": "load"}


def deed_of(prepared: Prepared, status: int, body: bytes) -> Deed:
    """What a whole answer says was done; nothing where the call failed or cannot be read."""
    action = prepared.call.route.action
    if not 200 <= status < 300:
        return Deed()
    said = _decoded(body)
    owner = prepared.resolved.known.principal.name
    if action in MADE_AT and isinstance(said, dict):
        kind, field = MADE_AT[action]
        if kind is Kind.VOLUME and not is_made_by(prepared.mark, said):
            return Deed()  # it was there before: the Engine answers as if it had made it
        return Deed(made=((kind.value, str(said.get(field, "")), owner, prepared.mark),))
    if action in REMOVES and prepared.resolved.subject is not None:
        return Deed(gone=((prepared.resolved.subject.kind.value, prepared.resolved.subject.id),))
    if action in PRUNED and isinstance(said, dict):
        return Deed(gone=tuple((PRUNES[action].value, str(id)) for id in said.get(PRUNED[action]) or ()))
    if action == "image.remove":
        return Deed(gone=tuple(_untagged(said)))
    if action == "image.commit" and isinstance(said, dict):
        return Deed(made=((Kind.IMAGE.value, str(said.get("Id", "")), owner, ""),))
    return Deed()


def is_made_by(mark: str, volume: Mapping[str, Any]) -> bool:
    """Whether a volume, as the Engine describes it, was made by the call of that mark."""
    return bool(mark) and (volume.get("Labels") or {}).get(CALL) == mark


def claims(prepared: Prepared) -> tuple[tuple[str, str, str], ...]:
    """The image names that are nobody's yet, and that the call may give."""
    known, owner = prepared.resolved.known, prepared.resolved.known.principal.name
    return tuple(row for row in named(prepared.call, (), owner) if known.names.get(row[0]) == NEW)


def named(call: EngineCall, more: tuple[str, ...], owner: str) -> tuple[tuple[str, str, str], ...]:
    """The image names that `call` gives, and `more` that its upload gave."""
    origin = ORIGINS.get(call.route.action, "")
    return tuple((name, owner, origin) for name in dict.fromkeys((*moved_names(call), *more)))


def _untagged(said: Any) -> list[tuple[str, str]]:
    gone = []
    for row in said if isinstance(said, list) else ():
        if row.get("Untagged"):
            gone.append(("Name", full_name(str(row["Untagged"]))))
        if row.get("Deleted"):
            gone.append((Kind.IMAGE.value, str(row["Deleted"])))
    return gone


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
