"""What was permitted to somebody is asked again when people change, and of them alone."""

from __future__ import annotations

from dockwarden.access.people import parse_people
from dockwarden.access.rulebook import Rules, no_longer
from dockwarden.policy.load import load
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.principal import NOBODY, Principal

ALICE = Principal("alice", frozenset({"developers", "choir"}), None, "unix")
SHELL = Ask(ALICE, "session.start", Resource(Kind.SESSION, "", "web", "alice"))
POLICIES = load({"some.cedar": '@id("some-of-developers") permit (principal in Group::"developers", action, resource);'})


def asked(people: str, ask: Ask = SHELL) -> str:
    return no_longer(ask, Rules(parse_people(people, "f"), POLICIES))


def test_who_is_gone_is_told_so_and_who_has_lost_a_group_only_if_it_mattered() -> None:
    assert "alice is no longer in people.toml, so this ends" == asked("[people.bob]")
    assert "" == asked('[people.alice]\ngroups = ["developers", "choir"]')
    assert "" == asked('[people.alice]\ngroups = ["developers"]')
    lost = "alice is no longer in developers, and without that session.start is not permitted, so this ends"
    assert lost == asked('[people.alice]\ngroups = ["choir", "operators"]')


def test_a_policy_that_changed_ends_nothing_that_has_begun() -> None:
    rules = Rules(parse_people('[people.alice]\ngroups = ["developers", "choir", "more"]', "f"), load({}))

    assert "" == no_longer(SHELL, rules)


def test_whom_nobody_vouched_for_is_not_gone() -> None:
    assert "" == asked("", Ask(NOBODY, "session.start", SHELL.resource))
