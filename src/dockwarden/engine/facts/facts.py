"""From a call to its facts: what every call has, and the family that its action belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dockwarden.engine.call import EngineCall
from dockwarden.engine.delivery import refuse_elsewhere
from dockwarden.engine.facts.build import build_facts
from dockwarden.engine.facts.container import (
    archive_facts,
    connect_facts,
    create_facts,
    exec_facts,
    service_facts,
    start_facts,
    top_facts,
    update_facts,
)
from dockwarden.engine.facts.environment import secrets_in_clear
from dockwarden.engine.facts.image import changes_escapes, image_facts, moves_of, names_an_image, trigger_escapes
from dockwarden.engine.facts.model import Facts
from dockwarden.engine.facts.things import network_facts, value_facts, volume_facts
from dockwarden.engine.fields import read
from dockwarden.engine.images import ID_PREFIX
from dockwarden.engine.known import Known
from dockwarden.engine.labels import check_labels
from dockwarden.engine.references import references
from dockwarden.engine.runs import NO_LIST
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Forbidden

MAY_BE_NEW = frozenset({Kind.VOLUME, Kind.IMAGE})
"""What need not be there yet: a volume is made, an image is pulled or its absence is the Engine's to say."""
JOINS = frozenset({"HostConfig.NetworkMode", "HostConfig.PidMode", "HostConfig.IpcMode", "HostConfig.Cgroup", "query:networkmode"})
NAMING = {
    "container.create": "query", "container.rename": "query", "network.create": "body", "service.create": "body", "secret.create": "body",
    "config.create": "body",
}
"""Where a call names a new thing that is also found by the beginning of its id."""


def facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of `call`. Total: what cannot be told is a fact, or is refused.

    Raises:
        Forbidden: `ownership.reserved_label`, `name.like_an_id`, `user.unknown`, `user.unclear`.
        Malformed: `mount.unreadable`, `image.bad_reference`, `engine.bad_parameter`.
    """
    check_labels(call)
    refuse_elsewhere(call)
    check_new_name(call)
    found = FAMILIES.get(call.route.action, _no_facts)(call, known)
    others = tuple(_others(call, known))
    escape = set(found.escape)
    if any(kind is Kind.CONTAINER and place in JOINS for place, kind in others):
        escape.add("namespace:join-foreign")
    escape.update("namespace:host-network" for reference, thing in known.found.items() if _is_host_network(reference.kind, thing, call))
    return replace(
        found,
        escape=frozenset(escape),
        foreign=frozenset(kind.value.lower() for _, kind in others),
        via=known.principal.via,
        door=known.door,
        env_restored=known.env_restored,
        env_secrets=secrets_in_clear(call, known),
    )


def _is_host_network(kind: Kind, thing: Resource, call: EngineCall) -> bool:
    """Whether a network that the call would join is the host's own, under whatever name or id it was given."""
    return kind is Kind.NETWORK and thing.name == "host" and call.route.action not in {"network.inspect", "network.disconnect"}


def _others(call: EngineCall, known: Known) -> Iterator[tuple[str, Kind]]:
    """What the call refers to, beside what it is about, that is neither the caller's nor shared; not found is nobody's to use."""
    named = references(call)
    built = [reference for reference in known.found if reference.place.startswith("Dockerfile[")]
    for reference in (*named, *built):
        if reference.place == "path":
            continue
        thing = known.found.get(reference)
        if thing is None:
            if reference.kind not in MAY_BE_NEW:
                yield reference.place, reference.kind
        elif not (thing.is_shared or (thing.owner and thing.owner == known.principal.name)):
            yield reference.place, reference.kind


def check_new_name(call: EngineCall) -> None:
    """Raise if the call names something so that it would be found in place of another's id.

    Raises:
        Forbidden: `name.like_an_id`.
    """
    match NAMING.get(call.route.action):
        case "query":
            name = call.first("name").removeprefix("/")
        case "body":
            name = read(call.body, "Name", "")
        case _:
            return
    if ID_PREFIX.fullmatch(name):
        raise Forbidden("name.like_an_id", f"the name {name} would be taken for an id; choose one with another character than 0-9 and a-f")


def _no_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    return Facts()


def _about_an_image(call: EngineCall, known: Known) -> Facts:
    """Pull, push, import, commit, tag, load: the image by name, the names it moves, and what changes would put into it."""
    escape = set(changes_escapes(call.query.get("changes", ())))
    if call.route.action == "image.import" and call.first("fromSrc") not in {"", "-"}:
        escape.add("import-remote")
    if call.route.action == "image.commit":
        escape.update(trigger_escapes(read(call.body, "OnBuild", NO_LIST)))
    return Facts(escape=frozenset(escape), image=names_an_image(call), moves=moves_of(call, known))


def _image_itself(call: EngineCall, known: Known) -> Facts:
    return Facts(image=image_facts(call.names.get(call.route.ref, ""), known.image))


FAMILIES: Mapping[str, Callable[[EngineCall, Known], Facts]] = {
    "container.create": create_facts,
    "container.update": update_facts,
    "container.start": start_facts,
    "container.top": top_facts,
    "container.archive.get": archive_facts,
    "container.archive.put": archive_facts,
    "container.archive.stat": archive_facts,
    "checkpoint.create": start_facts,
    "checkpoint.list": start_facts,
    "checkpoint.remove": start_facts,
    "exec.create": exec_facts,
    "service.create": service_facts,
    "service.update": service_facts,
    "network.create": network_facts,
    "network.connect": connect_facts,
    "volume.create": volume_facts,
    "volume.update": volume_facts,
    "secret.create": value_facts,
    "secret.update": value_facts,
    "config.create": value_facts,
    "config.update": value_facts,
    "image.build": build_facts,
    "image.pull": _about_an_image,
    "image.push": _about_an_image,
    "image.import": _about_an_image,
    "image.commit": _about_an_image,
    "image.tag": _about_an_image,
    "image.load": _about_an_image,
    "image.distribution": _about_an_image,
    "image.inspect": _image_itself,
    "image.remove": _image_itself,
}
"""The actions that have facts of their own; the rest are judged by who, what and whose."""
