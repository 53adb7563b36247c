"""Slices decide as the whole set does."""

from __future__ import annotations

import contextlib
import time

from hypothesis import given
from hypothesis import strategies as st

from dockwarden.policy import slices
from dockwarden.policy.decide import authorize, evaluate
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import Principal

PRINCIPALS = (
    "principal", 'principal == User::"alice"', 'principal in User::"alice"', 'principal in Group::"a"', "principal is User",
    'principal is User in Group::"b"',
)
ACTIONS = (
    "action", 'action == Action::"container.create"', 'action in Action::"run"', 'action in [Action::"look", Action::"image.pull"]',
    'action in Action::"container.list"',
)
RESOURCES = ("resource", "resource is Container", 'resource == Image::"x"', 'resource in Container::"x"', 'resource is Container in Container::"x"')


def many() -> PolicySet:
    """Every kind of head, permits and forbids by turns."""
    texts = {}
    number = 0
    for principal in PRINCIPALS:
        for action in ACTIONS:
            for resource in RESOURCES:
                number += 1
                effect = "forbid" if number % 7 == 0 else "permit"
                text = f'@id("p{number}")\n{effect} ({principal}, {action}, {resource}) when {{ context.binds <= {number % 3} }};'
                with contextlib.suppress(BadConfig):  # heads that fit no ask at all do not load
                    load({"f": text})
                    texts[f"{number}"] = text
    return load(texts)


SET = many()


@given(
    name=st.sampled_from(["alice", "bob", ""]), groups=st.frozensets(st.sampled_from(["a", "b", "c"])),
    action=st.sampled_from(["container.create", "container.list", "image.pull", "system.info", "volume.create"]),
    kind=st.sampled_from([Kind.CONTAINER, Kind.IMAGE, Kind.SYSTEM]), id=st.sampled_from(["x", "y", ""]),
)
def test_a_slice_answers_as_the_whole_set(name: str, groups: frozenset[str], action: str, kind: Kind, id: str) -> None:
    assert len(SET.rules) >= slices.WORTH_SLICING
    ask = Ask(Principal(name, groups), action, Resource(kind, id))

    whole, sliced = authorize(ask, SET.slices.whole), authorize(ask, SET.slices.of(ask))

    assert whole.decision == sliced.decision
    assert sorted(whole.diagnostics.reasons) == sorted(sliced.diagnostics.reasons)
    assert sorted(whole.diagnostics.errors) == sorted(sliced.diagnostics.errors)


def test_a_caller_s_own_policies_cost_the_same_among_a_thousand_of_others() -> None:
    text = "\n".join(
        f'@id("p{n}") permit (principal in Group::"g{n}", action in Action::"run", resource) when {{ resource.owner == principal.name }};' for n in range(1_000)
    )
    found = load({"f": text})
    ask = Ask(Principal("alice", frozenset({"g7"})), "container.create", Resource(Kind.CONTAINER, "", "", "alice"))
    whole, sliced = 1.0, 1.0
    for _ in range(5):
        for is_whole in (True, False):
            begin = time.perf_counter()
            for _ in range(10):
                authorize(ask, found.slices.whole) if is_whole else evaluate(ask, found)
            took = time.perf_counter() - begin
            whole, sliced = (min(whole, took), sliced) if is_whole else (whole, min(sliced, took))

    assert ("p7",) == evaluate(ask, found).policies
    assert sliced < whole / 2


def test_slices_are_a_bounded_number() -> None:
    for number in range(slices.MOST_SLICES + 50):
        SET.slices.of(Ask(Principal("alice"), f"action.{number}", Resource(Kind.CONTAINER)))

    assert len(SET.slices._slices) <= slices.MOST_SLICES
