"""The schema against the route table and the facts."""

from __future__ import annotations

import json

import cedarpy

from dockwarden.engine.facts import Facts
from dockwarden.engine.routes.table import ROUTES
from dockwarden.policy.schema import GROUPS, actions, groups_of, schema_text
from dockwarden.words.ask import Kind


def test_every_route_has_an_action_and_every_group_holds_real_actions() -> None:
    assert {route.action for route in ROUTES} <= actions().keys()
    for name, members in GROUPS.items():
        assert set(members) <= actions().keys(), name
        assert name not in actions()


def test_no_starter_group_holds_an_action_that_reaches_the_host() -> None:
    """Groups are handed out whole; swarm, plugins, BuildKit and the like are named one by one or not at all."""
    handed_out = {action for members in GROUPS.values() for action in members if not action.startswith("service.")}

    assert not any(action.startswith(("swarm.", "plugin.", "secret.", "config.", "node.", "debug.", "checkpoint.")) for action in handed_out)
    assert not handed_out & {"build.session", "build.grpc", "build.prune", "build.cancel", "image.push", "image.prune", "container.attach.ws"}


def test_the_groups_of_an_action_are_those_that_hold_it() -> None:
    assert ("run", "uses-image") == groups_of("container.create")
    assert () == groups_of("swarm.init")


def test_the_facts_that_calls_have_are_the_context_that_the_schema_promises() -> None:
    """Validated by Cedar itself: every attribute there, of its type, and none besides."""
    policy = "permit (principal, action, resource);"
    context = {name: sorted(value) if isinstance(value, frozenset | tuple) else value for name, value in Facts().context().items()}
    context |= {"names": {"moves": []}, "env_secrets": {"names": [], "kinds": []}, "image": {**Facts().context()["image"], "env_secrets": []}}  # type: ignore[dict-item]
    for kind in Kind:
        action = next(action for action, kinds in actions().items() if kind in kinds)
        request = {"principal": 'User::"a"', "action": f'Action::"{action}"', "resource": f'{kind.value}::"x"', "context": context}
        attributes = {"id": "x", "name": "", "owner": "", "isShared": False}
        entities = [
            {"uid": {"type": kind.value, "id": "x"}, "attrs": attributes, "tags": {"l": "v"}, "parents": []},
            {"uid": {"type": "User", "id": "a"}, "attrs": {"name": "a"}, "parents": []},
        ]
        answer = cedarpy.is_authorized(request, policy, entities, schema_text())
        assert answer.allowed, (kind, answer.diagnostics.errors)

        for change in ({"extra": True}, {"binds": "1"}):
            wrong = cedarpy.is_authorized({**request, "context": {**context, **change}}, policy, entities, schema_text())
            assert not wrong.allowed, json.dumps(change)


def test_every_action_is_asked_about_something() -> None:
    assert all(kinds for kinds in actions().values())
