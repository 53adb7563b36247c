"""Secrets that a call would leave in clear: in variables, build arguments, Dockerfiles and labels, where `inspect` shows them to everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dockwarden.engine.call import EngineCall
from dockwarden.engine.delivery import refuse_reference
from dockwarden.engine.dockerfile import read_changes
from dockwarden.engine.facts.build import wants_of
from dockwarden.engine.finding import LOOKED_AT, find
from dockwarden.engine.known import Known
from dockwarden.engine.labels import LABELLED, RESERVED
from dockwarden.engine.references import at_way, json_map
from dockwarden.engine.veil.mask import MARK

ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "container.create": ("Env",),
    "exec.create": ("Env",),
    "image.commit": ("Env",),
    "service.create": ("TaskTemplate", "ContainerSpec", "Env"),
    "service.update": ("TaskTemplate", "ContainerSpec", "Env"),
}


UNREAD = "too-long-to-look-through"


def secrets_in_clear(call: EngineCall, known: Known) -> tuple[tuple[str, str], ...]:
    """Return the name and kind of each, sorted; never a value. A masked value that comes back is none: it was there before.

    Raises:
        Malformed: `engine.bad_parameter`. TooLarge: `build.too_large`. Forbidden: `secret.not_here`.
    """
    found = {name: kind for name, value in _pairs(call, known) if MARK not in value and (kind := _kind(name, value))}
    return tuple(sorted(found.items()))


def _kind(name: str, value: str) -> str:
    """Of what kind the secret in `value` is, "" for none. What is too long to be looked through may hold one."""
    if len(value) > LOOKED_AT:
        return UNREAD
    finding = find(name, value)
    return finding.kind if finding else ""


def _pairs(call: EngineCall, known: Known) -> Iterator[tuple[str, str]]:
    """Every name and value of `call` that its maker wrote to be seen by programs or people."""
    action = call.route.action
    entries = at_way(call.body, ENVIRONMENTS[action]) if action in ENVIRONMENTS and call.body is not None else None
    for entry in entries if isinstance(entries, list | tuple) else ():
        name, _, value = str(entry).partition("=")
        yield name, value
    if action == "image.build":
        yield from ((name, value) for name, value in json_map(call, "buildargs").items() if isinstance(value, str))
        yield from ((name, str(value)) for name, value in json_map(call, "labels").items())
    if action == "image.build" and known.dockerfile is not None:
        yield from _without_references(wants_of(call, known.dockerfile).values)
    if changes := call.query.get("changes"):
        yield from _without_references(read_changes(changes)[0].values)
    for place in LABELLED.get(action, ()) if call.body is not None else ():
        labels = at_way(call.body, place)
        yield from ((name, value) for name, value in (labels.items() if isinstance(labels, Mapping) else ()) if not name.startswith(RESERVED))


def _without_references(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        refuse_reference(name, value)
        yield name, value
