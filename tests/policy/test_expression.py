"""What Cedar expressions look at, and how they are written."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest

from dockwarden.policy.expression import alternatives, clauses, mentions, text


def body(condition: str) -> Any:
    parsed = json.loads(cedarpy.policies_to_json_str(f"permit (principal, action, resource) when {{ {condition} }};"))
    return parsed["staticPolicies"]["policy0"]["conditions"][0]["body"]


@pytest.mark.parametrize(
    ("condition", "ways"),
    [
        ("true", set()),
        ("context.binds == 0", {"context.binds"}),
        ("context.user.isRoot", {"context.user.isRoot"}),
        ("context.user == {isRoot: true}", {"context.user"}),
        ("context == {binds: 1}", {"context"}),
        ('["a"].containsAll(context.escape)', {"context.escape"}),
        ("resource.owner == principal.name", {"resource.owner", "principal.name"}),
        ("resource has name", {"resource.name"}),
        ('resource == Container::"x"', {"resource"}),
        ('resource in Container::"x"', {"resource"}),
        ("[resource].contains(resource)", {"resource"}),
        ("resource is Container", set()),
        ('resource is Container in Container::"x"', {"resource"}),
        ('principal in Group::"a"', {"principal"}),
        ('resource.hasTag("x") && resource.getTag(context.via) == "y"', {"resource.labels", "context.via"}),
        ('if context.envRestored then true else resource.name like "a*"', {"context.envRestored", "resource.name"}),
        ('{Var: "resource", a: context.door}.a == "x"', {"context.door"}),
        ('principal.name == "context.escape"', {"principal.name"}),
        ("{x: context}.x.binds == 1", {"context"}),
    ],
)
def test_every_way_from_a_variable_is_found_and_nothing_literal_is(condition: str, ways: set[str]) -> None:
    assert ways == {".".join(way) for way in mentions(body(condition))}


@pytest.mark.parametrize(
    "condition",
    [
        "context.binds == 0",
        "context.escape.isEmpty() && !context.user.isRoot",
        'context.a || context.b && context.c',
        "(context.a || context.b) && context.c",
        "!(context.a && context.b)",
        '["port:80", "port:443"].containsAll(context.escape)',
        'context.names.moves.containsAny(["shared", "other"])',
        'resource.hasTag("team") && resource.getTag("team") == "qa"',
        'principal in Group::"admins"',
        'resource in [Container::"a", Container::"b"]',
        "resource is System",
        'resource is Container in Container::"x"',
        'context.image.repository like "team/*"',
        "context.binds + 1 * 2 < 3 - (4 - 5)",
        "(context.binds < 3) == true",
        "if context.a then context.b else context.c",
        '{"a": 1, "b c": [1, 2]}.a == 1',
        'context["y z"].b',
        "context has user && -context.binds <= 3",
        'ip(context.door).isLoopback()',
        r'context.door == "a\"b\\c"',
    ],
)
def test_an_expression_is_written_back_as_a_person_would_and_means_the_same(condition: str) -> None:
    shown = text(body(condition))

    assert body(condition) == body(shown)
    assert condition == shown


def test_a_when_is_taken_apart_at_its_ands_and_an_unless_at_its_ors() -> None:
    assert ["a == 1", "b == 2 || c == 3", "d == 4"] == [
        text(part).replace("context.", "") for part in clauses(body("context.a == 1 && (context.b == 2 || context.c == 3) && context.d == 4"))
    ]
    assert ["a == 1", "b == 2", "c == 3 && d == 4"] == [
        text(part).replace("context.", "") for part in alternatives(body("context.a == 1 || context.b == 2 || context.c == 3 && context.d == 4"))
    ]
