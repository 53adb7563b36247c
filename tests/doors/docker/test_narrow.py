"""A narrowed list is exactly the list that would have been shown, or it is not narrowed."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from dockwarden.access.owners import Deed, Owners
from dockwarden.doors.docker.narrow import MOST_IDS, NO_ID, Narrower
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.write import write_call
from dockwarden.policy.load import PolicySet, load
from fixtures.calls import ALICE

OWN = """@id("own") permit (principal, action, resource) when { resource.owner == principal.name };"""


def made(**counts: int) -> Owners:
    owners = Owners()
    for number, (owner, count) in enumerate(counts.items()):
        owners.apply(Deed(made=tuple(("Container", f"{number:032x}{place:032x}", owner, "") for place in range(count))))
    return owners


def filters(owners: Owners, policies: str | PolicySet = OWN, target: str = "/v1.41/containers/json?all=1") -> dict[str, list[str]]:
    """By what the Engine is asked to filter."""
    rules = load({"a": policies}) if isinstance(policies, str) else policies
    call = read_call(read_head("GET", target.encode(), ()), b"")
    asked = Narrower(owners, "1.41").narrowed(call, write_call(call), ALICE, rules)
    query = parse_qs(urlsplit(asked.target).query)
    return {name: sorted(values) for name, values in json.loads(query.get("filters", ["{}"])[0]).items()}


def test_a_developer_s_list_is_asked_for_by_their_own_ids() -> None:
    assert {"id": [f"{0:032x}{place:032x}" for place in range(3)]} == filters(made(alice=3, bob=5000))


def test_who_may_see_nothing_asks_for_what_there_is_not() -> None:
    assert {"id": [NO_ID]} == filters(made(bob=2))


def test_the_caller_s_own_filters_stay() -> None:
    asked = filters(made(alice=1, bob=1), target='/v1.41/containers/json?filters={"status":["exited"]}')

    assert {"status": ["exited"], "id": [f"{0:032x}{0:032x}"]} == asked


def test_a_filter_by_id_is_left_as_it_is_since_the_engine_would_take_either() -> None:
    assert {"id": ["ab"]} == filters(made(alice=1, bob=1), target='/v1.41/containers/json?filters={"id":["ab"]}')


@pytest.mark.parametrize("policies", [
    OWN + '@id("labels") permit (principal, action, resource) when { resource.hasTag("team") && resource.getTag("team") == "qa" };',
    OWN + '@id("names") permit (principal, action, resource) when { resource.name == "web" };',
    OWN + '@id("nobodys") permit (principal, action, resource) when { resource.owner == "" };',
    '@id("all") permit (principal, action, resource);',
])  # fmt: skip
def test_where_more_than_the_owner_decides_or_nobody_s_are_shown_nothing_is_narrowed(policies: str) -> None:
    assert {} == filters(made(alice=1, bob=1), policies)


def test_what_a_policy_shows_of_another_is_asked_for_too() -> None:
    policies = OWN + '@id("bobs") permit (principal, action, resource) when { resource.owner == "bob" };'

    assert {"id": [f"{number:032x}{0:032x}" for number in (0, 1)]} == filters(made(alice=1, bob=1, carol=1), policies)


def test_too_many_are_not_named_one_by_one() -> None:
    assert {} == filters(made(alice=MOST_IDS + 1))
    assert MOST_IDS == len(filters(made(alice=MOST_IDS))["id"])


def test_a_container_whose_making_is_not_known_yet_is_looked_for_among_all() -> None:
    owners = made(alice=1)
    owners.apply(Deed("mark", "Container", "alice"))
    assert {} == filters(owners)

    owners.forget("mark")
    assert 1 == len(filters(owners)["id"])


def test_what_is_made_later_is_in_the_next_list() -> None:
    owners, rules = made(alice=1), load({"a": OWN})
    narrower = Narrower(owners, "1.41")
    call = read_call(read_head("GET", b"/v1.41/containers/json", ()), b"")
    first = narrower.narrowed(call, write_call(call), ALICE, rules)
    assert first == narrower.narrowed(call, write_call(call), ALICE, rules)
    owners.apply(Deed(made=(("Container", "f" * 64, "alice", ""),)))

    assert "f" * 64 in narrower.narrowed(call, write_call(call), ALICE, rules).target
