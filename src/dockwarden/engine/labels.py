"""Labels: those under `dockwarden.` are written by us alone (DESIGN §3, invariant 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dockwarden.engine.fields import read
from dockwarden.engine.references import Way, at_way, json_map, place_of, put_at
from dockwarden.words.errors import Forbidden

if TYPE_CHECKING:
    from dockwarden.engine.call import EngineCall

RESERVED = "dockwarden."
ASKING = "dockwarden.secret."
"""What a create may say under our prefix: which secret it wants as which file; it does not stay a label."""
RENEW = "dockwarden.renew"
"""What a create may say, too: `signal:HUP` or `exec:COMMAND`, sent to the container once a secret of its own has changed."""
OWNER, CALL = "dockwarden.owner", "dockwarden.call"

LABELLED: Mapping[str, tuple[Way, ...]] = {
    "container.create": (("Labels",),),
    "network.create": (("Labels",),),
    "volume.create": (("Labels",),),
    "service.create": (("Labels",), ("TaskTemplate", "ContainerSpec", "Labels")),
    "service.update": (("Labels",), ("TaskTemplate", "ContainerSpec", "Labels")),
    "secret.create": (("Labels",),),
    "secret.update": (("Labels",),),
    "config.create": (("Labels",),),
    "config.update": (("Labels",),),
    "image.commit": (("Labels",),),
    "node.update": (("Labels",),),
    "swarm.init": (("Spec", "Labels"),),
    "swarm.update": (("Labels",),),
}
"""Where a body carries labels, for each action."""

STAMPED: Mapping[str, tuple[Way, ...]] = {
    action: LABELLED[action]
    for action in (
        "container.create", "network.create", "volume.create", "service.create", "service.update", "secret.create", "config.create",
    )
}
"""Where ours are written. An image is not stamped: that would make two equal builds differ."""

MOUNTS: Mapping[str, Way] = {
    "container.create": ("HostConfig", "Mounts"),
    "service.create": ("TaskTemplate", "ContainerSpec", "Mounts"),
    "service.update": ("TaskTemplate", "ContainerSpec", "Mounts"),
}


def is_reserved(name: str) -> bool:
    """Whether `name` is one of ours, in any case."""
    return name.strip().casefold().startswith(RESERVED)


def is_asking(name: str) -> bool:
    """Whether a create's label of ours is a wish of the caller's and not a claim."""
    return name.startswith(ASKING) or name == RENEW


def refuse_reserved(names: Iterable[str], place: str) -> None:
    """Raise if one of `names` is ours.

    Raises:
        Forbidden: `ownership.reserved_label`.
    """
    for name in names:
        if is_reserved(name):
            message = f"{place}: labels under {RESERVED} say who owns what and are set by dockwarden alone; leave {name} out"
            raise Forbidden("ownership.reserved_label", message)


def check_labels(call: EngineCall) -> None:
    """Raise if the caller sets a label of ours anywhere in `call`; the instructions of builds and changes are judged with their facts.

    Raises:
        Forbidden: `ownership.reserved_label`.
        Malformed: `engine.bad_parameter`.
    """
    for place, names in _label_names(call):
        refuse_reserved(names, place)


def _label_names(call: EngineCall) -> Iterator[tuple[str, Iterable[str]]]:
    action = call.route.action
    for way in LABELLED.get(action, ()):
        labels = at_way(call.body, way)
        if isinstance(labels, Mapping):
            asks = action == "container.create"
            yield place_of(way), (name for name in labels if not (asks and is_asking(name)))
    if action == "image.build":
        yield "query parameter labels", json_map(call, "labels")
    way = MOUNTS.get(action, ())
    mounts = at_way(call.body, way) if way else None
    for at, mount in enumerate(mounts if isinstance(mounts, (list, tuple)) else ()):
        labels = read(read(mount, "VolumeOptions", None), "Labels", None)
        if isinstance(labels, Mapping):
            yield place_of((*way, at, "VolumeOptions", "Labels")), labels


def stamp(call: EngineCall, owner: str, nonce: str, more: Mapping[str, str] | None = None) -> EngineCall:
    """Return `call` with our labels wherever what it makes can carry them: `dockwarden.owner`, `dockwarden.call`, and `more`.

    `more` holds further names under `dockwarden.`, such as the image's name as the caller wrote it.
    """
    ours = {OWNER: owner, CALL: nonce, **(more or {})}
    body: object = call.body
    for way in STAMPED.get(call.route.action, ()):
        parent = at_way(body, way[:-1]) if len(way) > 1 else body
        if parent is None:
            continue
        labels = at_way(body, way)
        body = put_at(body, way, {**(labels if isinstance(labels, Mapping) else {}), **ours})
    return replace(call, body=body) if body is not call.body else call  # type: ignore[arg-type]  # a body stays of its class
