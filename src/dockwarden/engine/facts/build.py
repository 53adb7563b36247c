"""Facts of a classic build, of its query first and of its Dockerfile once that was read. Source: THREATS 2.7."""

from __future__ import annotations

from dockwarden.engine.call import EngineCall
from dockwarden.engine.dockerfile import Wants, read_dockerfile
from dockwarden.engine.facts.image import moves, moves_of, names_an_image, trigger_escapes
from dockwarden.engine.facts.model import Facts
from dockwarden.engine.facts.run import limit_escapes, split_security_opt
from dockwarden.engine.images import is_id, parse_reference
from dockwarden.engine.known import Known
from dockwarden.engine.labels import refuse_reserved
from dockwarden.engine.references import Reference, json_map, json_names
from dockwarden.engine.runs import Limits
from dockwarden.words.ask import Kind

FALSE = frozenset({"", "0", "no", "false", "none"})


def build_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of a build.

    Raises:
        Forbidden: `ownership.reserved_label`, `name.like_an_id`.
        Malformed: `image.bad_reference`, `engine.bad_parameter`.
        TooLarge: `build.too_large`.
    """
    escape = _query_escapes(call)
    moved = set(moves_of(call, known))
    if known.dockerfile is not None:
        wants = wants_of(call, known.dockerfile)
        refuse_reserved(wants.labels, "LABEL")
        escape |= wants.escapes
        moved |= moves(_pulled(call, wants, known), known)
    escape.update(trigger_escapes(known.on_build))
    return Facts(escape=frozenset(escape), moves=frozenset(moved), image=names_an_image(call))


def _query_escapes(call: EngineCall) -> set[str]:
    found = set()
    if call.first("remote") not in {"", "client-session"}:
        found.add("build-remote")
    is_streamed = call.first("remote") == "client-session" or call.first("stream") not in FALSE
    if call.first("version") not in {"", "1"} or call.first("session") or is_streamed:
        found.add("buildkit")
    if call.first("outputs") not in {"", "[]", "null"}:
        found.add("build-output")
    if call.first("cgroupparent"):
        found.add("cgroup-parent")
    if call.first("isolation") not in {"", "default"}:
        found.add(f"isolation:{call.first('isolation')}")
    found.update(f"storage-opt:{name}" for name in json_map(call, "storageopt") if name != "size")
    found.update(limit_escapes(Limits(ulimits=json_names(call, "ulimits"))))
    mode = call.first("networkmode")
    if mode == "host":
        found.add("namespace:host-network")
    elif ":" in mode and not mode.startswith("container:"):
        found.add(f"namespace:other:network={mode}")
    for option in call.query.get("securityopt", ()):
        name, value = split_security_opt(option)
        found.add(f"{name}:{value}" if name in {"seccomp", "apparmor", "label"} else f"security-opt:{name}")
    return found


def wants_of(call: EngineCall, dockerfile: str) -> Wants:
    """Return what `dockerfile` reaches for with the build arguments of `call`.

    Raises:
        Malformed: `engine.bad_parameter`.
        TooLarge: `build.too_large`.
    """
    return read_dockerfile(dockerfile, {name: value for name, value in json_map(call, "buildargs").items() if value is not None})


def build_references(call: EngineCall, dockerfile: str) -> tuple[Reference, ...]:
    """Return the images that the Dockerfile builds on or copies from; to be looked up and put into `Known.found` like the call's own.

    Raises:
        Malformed: `engine.bad_parameter`.
        TooLarge: `build.too_large`.
    """
    return tuple(Reference(Kind.IMAGE, image, f"Dockerfile[{at}]") for at, image in enumerate(wants_of(call, dockerfile).images))


def pulled_names(call: EngineCall, dockerfile: str) -> tuple[str, ...]:
    """Return the full names that the build may fetch: whoever judges it must say in `Known.names` how they are held.

    Raises:
        Malformed: `image.bad_reference`, `engine.bad_parameter`.
        TooLarge: `build.too_large`.
    """
    return _names(wants_of(call, dockerfile).images)


def _names(images: list[str]) -> tuple[str, ...]:
    named = (parse_reference(image) for image in images if not is_id(image))
    return tuple(dict.fromkeys(reference.tagged().full for reference in named if not reference.digest))


def _pulled(call: EngineCall, wants: Wants, known: Known) -> tuple[str, ...]:
    """The names that the build will fetch: those not here, and with `pull` all of them."""
    is_refreshed = call.first("pull").lower() not in FALSE
    here = {reference.text for reference in known.found if reference.place.startswith("Dockerfile[")}
    return _names([image for image in wants.images if is_refreshed or image not in here])
