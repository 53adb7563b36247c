"""The tables against the Engine's own API descriptions: no route, parameter or field of any version is missing, and each has its mark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from msgspec import UnsetType

from dockwarden.engine.bodies.body import Body
from dockwarden.engine.call import Route, Takes
from dockwarden.engine.gojson import fold, marks_of
from dockwarden.engine.routes.table import ROUTES, find
from dockwarden.words.errors import Refused

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "engine-api"
FILES = sorted(FOLDER.glob("*.yaml")) if FOLDER.is_dir() else []
IGNORED_HEADERS = {"content-type"}

described = pytest.mark.skipif(not FILES, reason="the Engine's API descriptions are not beside this checkout")


def load(file: Path) -> dict[str, Any]:
    said: dict[str, Any] = yaml.load(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return said


def operations(said: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "head", "post", "put", "delete", "options"}:
                yield method.upper(), path, operation


def route_of(method: str, path: str) -> Route:
    found = find(method, path.replace("{id}", "x1").replace("{name}", "x1"))
    assert found is not None, f"{method} {path} is not in the tables"
    return found[0]


def resolved(said: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = said["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def fields(said: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    schema = resolved(said, schema)
    found = {name: part for whole in schema.get("allOf", ()) for name, part in fields(said, whole).items()}
    return {**found, **(schema.get("properties") or {})}


def inner_body(kind: Any) -> type[Body] | None:
    """The closed body within a field's type, if it has one."""
    if isinstance(kind, type) and issubclass(kind, Body):
        return kind
    return next((body for part in get_args(kind) if part is not UnsetType and (body := inner_body(part))), None) if get_origin(kind) else None


def check_body(said: Mapping[str, Any], schema: Mapping[str, Any], body: type[Body], place: str, seen: set[Any]) -> Iterator[str]:
    from typing import get_type_hints

    hints, marks = get_type_hints(body), marks_of(body)
    named = {fold(name): name for name in hints}
    for described_name, part in fields(said, schema).items():
        name = named.get(fold(described_name), "")  # a description may spell a field otherwise than the Engine's own types do
        if not name:
            yield f"{place}.{described_name} is not in {body.__name__}"
            continue
        if name not in marks or not marks[name].why:
            yield f"{place}.{name} has no mark"
        item = resolved(said, part)
        while item.get("type") == "array" or (item.get("type") == "object" and isinstance(item.get("additionalProperties"), dict) and not item.get("properties")):
            item = resolved(said, item["items"] if item.get("type") == "array" else item["additionalProperties"])
        inner = inner_body(hints[name])
        if inner is None and fields(said, item).keys() - {"additionalProperties"}:
            yield f"{place}.{name} has fields in the description and none here"
        if fields(said, item) and inner is not None and (body, name) not in seen:
            seen.add((body, name))
            yield from check_body(said, item, inner, f"{place}.{name}", seen)


def without_a_body(said: Mapping[str, Any], route: Route, parameter: Mapping[str, Any]) -> bool:
    """Whether a described body is one that the table has no closed type for, and needs one."""
    schema = resolved(said, parameter["schema"])
    items = resolved(said, schema["items"]) if schema.get("type") == "array" else schema
    is_text = items.get("type") == "string"  # a stream, or a list of words
    return route.body is None and not (is_text and (route.takes is not Takes.JSON or route.is_body_list))


def described_filters(operation: Mapping[str, Any]) -> set[str]:
    """The filters that a description lists, one a line: "- `label=<key>`"."""
    text = next((str(parameter.get("description")) for parameter in operation.get("parameters", ()) if parameter["name"] == "filters"), "")
    return set(re.findall(r"^\s*-?\s*`([a-z][a-z._-]*!?)(?:=|`=?<|`)", text.partition("vailable filters")[2], re.MULTILINE))


@described
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_described_filter_is_taken(file: Path) -> None:
    said, missing, count = load(file), [], 0
    for method, path, operation in operations(said):
        for name in described_filters(operation):
            count += 1
            try:
                route_of(method, path).query["filters"].read(json.dumps({name: ["x"]}))
            except Refused:
                missing.append(f"{method} {path}: {name}")

    assert ([], True) == (missing, count > 40)


@described
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_described_route_parameter_header_and_field_is_in_the_tables(file: Path) -> None:
    said = load(file)
    missing: list[str] = []
    for method, path, operation in operations(said):
        route = route_of(method, path)
        for parameter in operation.get("parameters", ()):
            name, place = parameter["name"], parameter["in"]
            if place == "query":
                known = route.query.get(name)
                if known is None or not known.mark.why:
                    missing.append(f"{method} {path}: query {name}")
            elif place == "header" and name.lower() not in route.headers | IGNORED_HEADERS:
                missing.append(f"{method} {path}: header {name}")
            elif place not in {"path", "body", "header"}:
                missing.append(f"{method} {path}: {place} {name}")
            elif place == "body" and route.action != "image.pull" and without_a_body(said, route, parameter):
                missing.append(f"{method} {path}: takes a body")
            elif place == "body" and route.body is not None:
                schema = resolved(said, parameter["schema"])
                if schema.get("type") == "array":
                    schema = schema["items"]
                missing += check_body(said, schema, route.body, f"{method} {path}: body", set())
    assert [] == missing


def test_every_field_of_every_body_has_a_mark_with_a_reason() -> None:
    from typing import get_type_hints

    bodies, waiting = set(), [route.body for route in ROUTES if route.body]
    while waiting:
        body = waiting.pop()
        if body in bodies:
            continue
        bodies.add(body)
        waiting += [inner for hint in get_type_hints(body).values() if (inner := inner_body(hint))]
    unmarked = [f"{body.__name__}.{name}" for body in bodies for name in get_type_hints(body) if not marks_of(body).get(name)]

    assert [] == unmarked
    assert all(mark.why for body in bodies for mark in marks_of(body).values())


def test_every_parameter_has_a_mark_with_a_reason() -> None:
    assert [] == [f"{route.action}: {name}" for route in ROUTES for name, parameter in route.query.items() if not parameter.mark.why]


@pytest.mark.parametrize(
    ("call", "action"),
    [("POST /session", "build.session"), ("POST /grpc", "build.grpc"), ("GET /containers/x1/attach/ws", "container.attach.ws"),
     ("GET /containers/x1/checkpoints", "checkpoint.list"), ("DELETE /containers/x1/checkpoints/c", "checkpoint.remove"),
     ("GET /distribution/a/b/json", "image.distribution"), ("GET /debug/pprof/heap", "debug.profile.named"), ("GET /debug/vars", "debug.vars"),
     ("GET /containers/json/json", "container.inspect"), ("GET /images/get", "image.save"), ("GET /images/a/b/get", "image.save"),
     ("GET /networks/create", "network.inspect"), ("GET /networks/", "network.list"), ("POST /build/cancel", "build.cancel"),
     ("GET /swarm/unlockkey", "swarm.unlockkey"), ("GET /plugins/privileges", "plugin.privileges"), ("GET /plugins/a/b/json", "plugin.inspect")],
)
def test_routes_that_no_description_has_or_that_look_alike_are_told_apart(call: str, action: str) -> None:
    assert action == route_of(*call.split(" ")).action
