"""What a call refers to by name, and full ids in place of the names.

`references(call)` names everything that must be looked up, and whose must be judged, before the call may pass; `pin` writes what was
found in its place, so that a rename between check and use changes nothing (DESIGN §3, invariant 3). `moved_names` is the other half for
images: names that the call would give to, or take from, an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from dockwarden.engine.fields import read
from dockwarden.engine.images import ALL_TAGS, ImageReference, combine, is_id, parse_reference, with_repo_tag
from dockwarden.engine.runs import NO_LIST, NO_OBJECTS
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Malformed

if TYPE_CHECKING:
    from dockwarden.engine.call import EngineCall

BUILT_IN_NETWORKS = frozenset({"", "default", "bridge", "none", "host", "nat"})
"""Words of NetworkMode that name no network of anybody."""
KEEPS_ITS_NAME = frozenset({
    "image.push", "image.remove", "image.inspect", "image.history", "image.attestations", "image.distribution",
    "volume.inspect", "volume.remove", "volume.update",
})
"""Actions whose path goes on as written: the name is what they are about, or the thing has no id."""


SAVES = frozenset({"image.save"})
"""Actions that keep the name, but for which a name without a tag means every tag."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing named in a call: what kind, as written there, and where.

    `place` is `path`, `query:NAME` or the way to the field (`HostConfig.VolumesFrom[0]`). Two places naming one thing are two
    references.
    """

    kind: Kind
    text: str
    place: str


Put = Callable[["EngineCall", str], "EngineCall"]
"""Returns the call with an id in one place."""


@dataclass(frozen=True, slots=True)
class _Slot:
    reference: Reference
    put: Put


def references(call: EngineCall) -> tuple[Reference, ...]:
    """Return every reference of `call`, the path's first, in a fixed order.

    A volume or an image that is not found may be about to be made or pulled; anything else that is not found is refused by
    the flow with the Engine's own words.
    """
    return tuple(slot.reference for slot in _slots(call))


def pin(call: EngineCall, ids: Mapping[Reference, str]) -> EngineCall:
    """Return `call` with the full id in every place whose reference is in `ids`; what goes by name only stays as it is.

    Raises:
        Malformed: `engine.named_twice`; two keys of a map turned out to name one network.
    """
    for slot in _slots(call):
        if slot.reference in ids:
            call = slot.put(call, ids[slot.reference])
    return call


def _slots(call: EngineCall) -> Iterator[_Slot]:
    yield from _path(call)
    action = call.route.action
    if action == "container.create":
        yield from _create(call)
    elif action in {"service.create", "service.update"}:
        yield from _service(call)
    elif action in {"network.connect", "network.disconnect"}:
        yield from _text(call, Kind.CONTAINER, ("Container",))
        yield from _endpoint_links(call, ("EndpointConfig",))
    elif action == "network.create":
        yield from _text(call, Kind.NETWORK, ("ConfigFrom", "Network"))
    elif action == "volume.create":
        yield from _text(call, Kind.VOLUME, ("Name",), is_kept=True)
    elif action == "image.commit":
        yield from _query(call, Kind.CONTAINER, "container")
    elif action == "image.save":
        yield from _query(call, Kind.IMAGE, "names")
    elif action == "image.build":
        yield from _build(call)


def _path(call: EngineCall) -> Iterator[_Slot]:
    route = call.route
    if not route.ref or not call.names.get(route.ref):
        return

    def put(call: EngineCall, id: str) -> EngineCall:
        if route.action in SAVES:
            return replace(call, names={**call.names, route.ref: _one_tag(call.names[route.ref], id)})
        return call if route.action in KEEPS_ITS_NAME else replace(call, names={**call.names, route.ref: id})

    text = call.names[route.ref]
    yield _Slot(Reference(route.kind, _pushed(text, call.first("tag")) if route.action == "image.push" else text, "path"), put)


def _one_tag(text: str, id: str) -> str:
    """An image as a save is asked for it: a name without a tag would save all of its tags, though `latest` is what was judged."""
    if is_id(text) or id.removeprefix("sha256:").startswith(text):
        return id
    named = parse_reference(text)
    return text if named.digest or named.tag else named.tagged().familiar


def _pushed(text: str, tag: str) -> str:
    """An image as a push names it: repository and tag apart."""
    named = with_repo_tag(text, tag) if tag else None
    return named.familiar if named else text


def _query(call: EngineCall, kind: Kind, name: str, *, is_kept: bool = False) -> Iterator[_Slot]:
    values = call.query.get(name, ())
    for at, text in enumerate(values):

        def put(call: EngineCall, id: str, at: int = at) -> EngineCall:
            now = call.query[name]
            sent = _one_tag(now[at], id) if call.route.action in SAVES else id
            return call if is_kept else replace(call, query={**call.query, name: (*now[:at], sent, *now[at + 1 :])})

        if text:
            yield _Slot(Reference(kind, text, f"query:{name}" if len(values) == 1 else f"query:{name}[{at}]"), put)


def _build(call: EngineCall) -> Iterator[_Slot]:
    mode = call.first("networkmode")

    def put(call: EngineCall, id: str) -> EngineCall:
        text = f"container:{id}" if mode.startswith("container:") else id
        return replace(call, query={**call.query, "networkmode": (text,)})

    if mode.startswith("container:"):
        yield _Slot(Reference(Kind.CONTAINER, mode.removeprefix("container:"), "query:networkmode"), put)
    elif mode not in BUILT_IN_NETWORKS:
        yield _Slot(Reference(Kind.NETWORK, mode, "query:networkmode"), put)
    for at, image in enumerate(json_texts(call, "cachefrom")):
        yield _Slot(Reference(Kind.IMAGE, image, f"query:cachefrom[{at}]"), _keep)


def json_texts(call: EngineCall, name: str) -> tuple[str, ...]:
    """Return the texts of a query parameter that holds a JSON list.

    Raises:
        Malformed: `engine.bad_parameter`.
    """
    found: tuple[str, ...] = ()
    for value in call.query.get(name, ()):
        if value:
            found += _decoded(name, value, tuple[str, ...] | None) or ()
    return found


def json_map(call: EngineCall, name: str) -> dict[str, str | None]:
    """Return the map of texts that a query parameter holds as JSON.

    Raises:
        Malformed: `engine.bad_parameter`.
    """
    found: dict[str, str | None] = {}
    for value in call.query.get(name, ()):
        if value:
            found.update(_decoded(name, value, dict[str, str | None] | None) or {})
    return found


def json_names(call: EngineCall, name: str) -> tuple[str, ...]:
    """Return the `Name` of each object in a query parameter that holds a JSON list of them.

    Raises:
        Malformed: `engine.bad_parameter`.
    """
    values = (_decoded(name, value, tuple[dict[str, Any], ...] | None) or () for value in call.query.get(name, ()) if value)
    return tuple(str(one.get("Name", "")) for objects in values for one in objects)


def _decoded(name: str, value: str, shape: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Malformed("engine.bad_parameter", f"query parameter {name} is not the JSON that the Engine takes; mend it") from None


def _keep(call: EngineCall, id: str) -> EngineCall:  # noqa: ARG001  it is a Put that puts nothing
    return call


# -- bodies ------------------------------------------------------------------------------------------------------------------

Way = tuple[str | int, ...]


def at_way(thing: object, way: Way) -> object:
    """Return what lies at `way` in a body, `None` where the way ends early."""
    for step in way:
        if isinstance(step, int):
            thing = thing[step] if isinstance(thing, (list, tuple)) and step < len(thing) else None
        elif isinstance(thing, Mapping):
            thing = thing.get(step)
        else:
            thing = read(thing, step, None)
    return thing


def put_at(thing: object, way: Way, value: object) -> object:
    """Return a copy of a body with `value` at `way`, which leads to something that is there."""
    if not way:
        return value
    step, rest = way[0], way[1:]
    if isinstance(step, int):
        items = list(thing) if isinstance(thing, (list, tuple)) else []
        return [*items[:step], put_at(items[step], rest, value), *items[step + 1 :]]
    if isinstance(thing, Mapping):
        return {**thing, step: put_at(thing.get(step), rest, value)}
    return replace_fields(thing, {step: put_at(read(thing, step, None), rest, value)})


def replace_fields(thing: object, changes: Mapping[str, object]) -> Any:
    """Return a copy of a body's struct with some fields changed."""
    return msgspec.structs.replace(thing, **changes)  # type: ignore[type-var]  # all that has fields in a body is a struct


def place_of(way: Way) -> str:
    """Return `way` as people write it: `HostConfig.VolumesFrom[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way).removeprefix(".")


def put_in_body(call: EngineCall, way: Way, value: object) -> EngineCall:
    """Return `call` with `value` at `way` in its body."""
    return replace(call, body=put_at(call.body, way, value))  # type: ignore[arg-type]  # a body stays of its class


def _text(
    call: EngineCall, kind: Kind, way: Way, *, is_kept: bool = False, prefix: str = "", suffix: str = "", text: str = ""
) -> Iterator[_Slot]:
    """The slot of one text field: `prefix` and `suffix` stay around the id."""
    found = text or at_way(call.body, way)
    if isinstance(found, str) and found:
        put = _keep if is_kept else (lambda call, id: put_in_body(call, way, f"{prefix}{id}{suffix}"))
        yield _Slot(Reference(kind, found, place_of(way)), put)


def _create(call: EngineCall) -> Iterator[_Slot]:
    host = read(call.body, "HostConfig", None)
    yield from _text(call, Kind.IMAGE, ("Image",))
    for name in ("NetworkMode", "PidMode", "IpcMode", "Cgroup"):
        mode = read(host, name, "")
        if mode.startswith("container:"):
            yield from _text(call, Kind.CONTAINER, ("HostConfig", name), prefix="container:", text=mode.removeprefix("container:"))
        elif name == "NetworkMode" and mode not in BUILT_IN_NETWORKS and ":" not in mode:
            yield from _text(call, Kind.NETWORK, ("HostConfig", name))
    for at, text in enumerate(read(host, "VolumesFrom", NO_LIST)):
        container, colon, mode = text.partition(":")
        yield from _text(call, Kind.CONTAINER, ("HostConfig", "VolumesFrom", at), text=container, suffix=colon + mode)
    yield from _links(call, ("HostConfig", "Links"), read(host, "Links", NO_LIST))
    for at, bind in enumerate(read(host, "Binds", NO_LIST)):
        source, colon, _ = bind.partition(":")
        if colon and not source.startswith("/"):
            yield from _text(call, Kind.VOLUME, ("HostConfig", "Binds", at), text=source, is_kept=True)
    yield from _mounts(call, ("HostConfig", "Mounts"), read(host, "Mounts", NO_OBJECTS))
    yield from _endpoints(call)


def _links(call: EngineCall, way: Way, texts: tuple[str, ...] | list[str]) -> Iterator[_Slot]:
    """Links as the Engine reads them: `name`, `name:alias`, or `/name:/other/alias` as it once showed them itself."""
    for at, text in enumerate(texts):
        name, colon, alias = text.partition(":")
        alias = alias if colon else name
        if name.startswith("/"):
            name, alias = name[1:], alias.rpartition("/")[2]
        yield from _text(call, Kind.CONTAINER, (*way, at), text=name, suffix=f":{alias}")


def _mounts(call: EngineCall, way: Way, entries: Iterable[object]) -> Iterator[_Slot]:
    for at, entry in enumerate(entries):
        kind, source = read(entry, "Type", ""), read(entry, "Source", "")
        if kind in {"volume", "cluster"} and source:
            yield from _text(call, Kind.VOLUME, (*way, at, "Source"), is_kept=True)
        elif kind == "image" and source:
            yield from _text(call, Kind.IMAGE, (*way, at, "Source"))


def _endpoints(call: EngineCall) -> Iterator[_Slot]:
    way: Way = ("NetworkingConfig", "EndpointsConfig")
    settings = at_way(call.body, way)
    for name in settings if isinstance(settings, Mapping) else ():
        if name in BUILT_IN_NETWORKS:
            continue

        def put(call: EngineCall, id: str, name: str = name) -> EngineCall:
            now = at_way(call.body, way)
            now = now if isinstance(now, Mapping) else {}
            if id in now and id != name:
                raise Malformed("engine.named_twice", f"NetworkingConfig.EndpointsConfig names network {name} twice; name it once")
            return put_in_body(call, way, {id if key == name else key: value for key, value in now.items()})

        # INVARIANT: what lies below a key is replaced before the key is, since its way leads through the key.
        yield from _text(call, Kind.NETWORK, (*way, name, "NetworkID"))
        yield from _endpoint_links(call, (*way, name))
        yield _Slot(Reference(Kind.NETWORK, name, place_of((*way, name))), put)


def _endpoint_links(call: EngineCall, way: Way) -> Iterator[_Slot]:
    links = at_way(call.body, (*way, "Links"))
    if isinstance(links, (list, tuple)):
        yield from _links(call, (*way, "Links"), links)


def _service(call: EngineCall) -> Iterator[_Slot]:
    """A service's images and volumes are looked up on whichever node runs it, so they go on by name."""
    spec: Way = ("TaskTemplate", "ContainerSpec")
    yield from _text(call, Kind.IMAGE, (*spec, "Image"), is_kept=True)
    for way in (("TaskTemplate", "Networks"), ("Networks",)):
        targets = at_way(call.body, way)
        for at, target in enumerate(targets if isinstance(targets, (list, tuple)) else ()):
            if read(target, "Target", "") not in BUILT_IN_NETWORKS:
                yield from _text(call, Kind.NETWORK, (*way, at, "Target"))
    for kind, name, key in ((Kind.SECRET, "Secrets", "SecretID"), (Kind.CONFIG, "Configs", "ConfigID")):
        entries = at_way(call.body, (*spec, name))
        for at, _ in enumerate(entries if isinstance(entries, (list, tuple)) else ()):
            yield from _text(call, kind, (*spec, name, at, key))
    yield from _text(call, Kind.CONFIG, (*spec, "Privileges", "CredentialSpec", "Config"))
    mounts = at_way(call.body, (*spec, "Mounts"))
    if isinstance(mounts, (list, tuple)):
        for slot in _mounts(call, (*spec, "Mounts"), mounts):
            yield _Slot(slot.reference, _keep)


# -- names that move -------------------------------------------------------------------------------------------------------


def moved_names(call: EngineCall) -> tuple[str, ...]:
    """Return the full image names, tag included, that the call would give to an image or fetch anew; `…:*` is every tag of one.

    A digest moves no name. What a load or a build's own pulls move is not in the call: `facts` takes it from `Known`.

    Raises:
        Malformed: `image.bad_reference`.
    """
    names: tuple[ImageReference, ...] = ()
    match call.route.action:
        case "image.pull":
            fetched = combine(call.first("fromImage"), call.first("tag"))
            names = () if fetched.digest else (fetched,)
        case "image.import" | "image.commit" | "image.tag":
            named = with_repo_tag(call.first("repo"), call.first("tag"))
            names = (named,) if named else ()
        case "image.build":
            given = (with_repo_tag(text, "") for text in call.query.get("t", ()))
            names = tuple(name for name in given if name)
    return tuple(dict.fromkeys(name.full for name in names))


def is_every_tag(name: str) -> bool:
    """Whether a moved name stands for all tags of its repository."""
    return name.endswith(f":{ALL_TAGS}")


