"""The facts of a session are in the context of session.start alone, and cost nobody else a remembered verdict."""

from __future__ import annotations

import pytest

from dockwarden.engine.facts import Facts
from dockwarden.policy.decide import decide
from dockwarden.policy.load import load
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import Principal

BY_HOUR = """@id("all") permit (principal, action, resource);
@id("night") @advice("by day") forbid (principal, action == Action::"session.start", resource)
when { context.hour < 8 && context.session.kind == "exec" };"""
ALICE = Principal("alice")
SESSION = {"source": "unix", "address": {"__extn": {"fn": "ip", "arg": "127.0.0.1"}}, "weekday": 1, "session": {"kind": "exec", "isTerminal": True}}


def test_a_policy_about_the_hour_leaves_the_memory_of_other_asks_as_it_is() -> None:
    policies = load({"a.cedar": BY_HOUR})
    for _ in range(3):
        assert decide(Ask(ALICE, "container.create", Resource(Kind.CONTAINER), Facts().context()), policies).is_allowed

    assert 1 == len(policies.verdicts)


def test_each_hour_is_decided_by_itself_and_once() -> None:
    policies = load({"a.cedar": BY_HOUR})
    found = [
        decide(Ask(ALICE, "session.start", Resource(Kind.SESSION), {**Facts().context(), **SESSION, "hour": hour}), policies).is_allowed
        for hour in (7, 8, 7, 8, 7)
    ]

    assert [False, True, False, True, False] == found
    assert 2 == len(policies.verdicts)


def test_no_other_action_has_these_facts_and_that_is_told() -> None:
    with pytest.raises(BadConfig, match="hour"):
        load({"a.cedar": '@id("x") permit (principal, action, resource) when { context.hour > 8 };'})
