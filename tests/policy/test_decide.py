"""One ask, one verdict: total, remembered by what is looked at alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.model import UserFacts
from dockwarden.policy.decide import decide, evaluate
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import SYSTEM, Ask, Kind, Resource, Verdict, Why
from dockwarden.words.principal import NOBODY, Principal

ALICE = Principal("alice", frozenset({"developers"}), None, "unix")
HERS = Resource(Kind.CONTAINER, "a" * 64, "web", "alice", False, {"team": "qa"})


def policies(*texts: str) -> PolicySet:
    return load({"f.cedar": "\n".join(f'@id("p{number}")\n{text}' for number, text in enumerate(texts))})


def test_what_nothing_permits_is_refused_and_a_stranger_is_told_apart() -> None:
    empty = load({})

    assert Verdict.refuse(Why.NO_POLICY) == decide(Ask(ALICE, "container.list", HERS), empty)
    assert Verdict.refuse(Why.UNKNOWN_CALLER) == decide(Ask(NOBODY, "container.list", HERS), empty)


def test_a_forbid_beats_every_permit_and_gives_its_advice() -> None:
    found = decide(
        Ask(ALICE, "container.list", HERS),
        policies("permit (principal, action, resource);", '@advice("ask later") forbid (principal, action, resource);', "forbid (principal, action, resource);"),
    )

    assert Verdict.refuse(Why.FORBIDDEN, ("p1", "p2"), ("ask later",)) == found


def test_the_obligations_of_every_permit_that_decides_add_up() -> None:
    found = decide(
        Ask(ALICE, "container.list", HERS),
        policies(
            '@harden("pids=5, init") permit (principal, action, resource);',
            '@harden("init, memory=1g") permit (principal, action, resource is Container);',
            '@harden("cpus=1") permit (principal, action, resource is Volume);',
        ),
    )

    assert Verdict.permit(("p0", "p1"), ("init", "memory=1g", "pids=5")) == found


def test_a_policy_that_cannot_be_evaluated_refuses_though_another_permits() -> None:
    """Cedar alone would skip it: a forbid that errs would forbid nothing."""
    broken = policies("permit (principal, action, resource);", "forbid (principal, action, resource) when { context.binds * 9223372036854775807 > 3 };")
    ask = Ask(ALICE, "container.create", HERS, Facts(binds=2).context())

    assert Why.POLICY_BROKEN == decide(ask, broken).why
    assert decide(replace(ask, context=Facts(binds=0).context()), broken).is_allowed


@pytest.mark.parametrize(
    "context",
    [{"binds": 1}, {"escape": "privileged"}, {"escape": None}, {"escape": {1, 2}}, {"user": 3}, {1: 2}, {"binds": 2**70}, {"via": "\ud800"}],
)
def test_a_context_of_another_shape_refuses_and_never_raises(context: Any, starter: PolicySet) -> None:
    verdict = decide(Ask(ALICE, "container.create", replace(HERS, id=""), context), starter)

    assert not verdict.is_allowed


@given(
    name=st.text(max_size=8), groups=st.frozensets(st.text(max_size=8), max_size=3), action=st.text(max_size=12), id=st.text(max_size=8),
    owner=st.text(max_size=8), labels=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
)
def test_whatever_is_asked_there_is_a_verdict(
    starter: PolicySet, name: str, groups: frozenset[str], action: str, id: str, owner: str, labels: dict[str, str]
) -> None:
    ask = Ask(Principal(name, groups), action, Resource(Kind.VOLUME, id, "", owner, False, labels))

    verdict = decide(ask, starter)

    assert isinstance(verdict, Verdict)
    assert not verdict.is_allowed or verdict.policies


@pytest.mark.parametrize("text", ["alice", "\ud800", "\0", 'x"::y', "Ünïcode", "a\nb", "x" * 10_000])
def test_odd_texts_are_texts_or_refused(text: str) -> None:
    """A name can never be read as Cedar's own syntax."""
    everything = policies('permit (principal == User::"alice", action, resource);')

    assert ("alice" == text) == decide(Ask(Principal(text), "container.list", Resource(Kind.CONTAINER, text, text, text)), everything).is_allowed


LOOKS = {
    "resource.owner == principal.name": ({"owner": "bob"}, {"name": "other", "id": "b" * 64, "labels": {}}),
    'resource.name == "web"': ({"name": "other"}, {"id": "b" * 64, "labels": {}}),
    'resource.id != "x"': ({"id": "x"}, {"name": "other", "labels": {}}),
    'resource != Container::"x"': ({"id": "x"}, {"name": "other", "labels": {}}),
    'resource.hasTag("team") && resource.getTag("team") == "qa"': ({"labels": {"team": "ops"}}, {"name": "other", "id": "b" * 64}),
    "!resource.isShared": ({"is_shared": True}, {"name": "other"}),
}


@pytest.mark.parametrize("condition", LOOKS)
def test_a_remembered_verdict_is_for_asks_that_differ_in_nothing_looked_at(condition: str) -> None:
    """INVARIANT of `_key`: what a policy looks at tells two asks apart, what none looks at does not."""
    changing, idle = LOOKS[condition]
    found = policies(f"permit (principal, action, resource is Container) when {{ {condition} }};")
    ask = Ask(ALICE, "container.inspect", HERS)

    assert decide(ask, found).is_allowed
    assert not decide(replace(ask, resource=replace(HERS, **changing)), found).is_allowed
    remembered = len(found.verdicts)
    assert decide(replace(ask, resource=replace(HERS, **idle)), found).is_allowed
    assert remembered == len(found.verdicts)


def test_a_head_that_names_a_thing_tells_things_apart() -> None:
    found = policies('permit (principal, action, resource == Container::"x");')

    assert not decide(Ask(ALICE, "container.inspect", HERS), found).is_allowed
    assert decide(Ask(ALICE, "container.inspect", replace(HERS, id="x")), found).is_allowed


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ("context.escape.isEmpty()", Facts(escape=frozenset({"privileged"}))),
        ("!context.user.isRoot", Facts(user=UserFacts(is_root=True))),
        ("context.user.uid < 5", Facts(user=UserFacts(uid=7))),
        ("context.binds == 0", Facts(binds=1)),
        ("!context.ports.contains(80)", Facts(ports=frozenset({80}))),
        ('context.via != "tls"', Facts(via="tls")),
        ('context.user == {isRoot: false, isGiven: false, isCaller: false, isOtherAccount: false, uid: -1, gid: -1}', Facts(user=UserFacts(gid=0))),
    ],
)
def test_facts_that_are_looked_at_tell_asks_apart(condition: str, other: Facts) -> None:
    found = policies(f"permit (principal, action, resource) when {{ {condition} }};")

    assert decide(Ask(ALICE, "container.create", HERS, Facts().context()), found).is_allowed
    assert not decide(Ask(ALICE, "container.create", HERS, other.context()), found).is_allowed
    assert decide(Ask(ALICE, "container.create", HERS, Facts(door="another", env_restored=True).context()), found).is_allowed
    assert 2 == len(found.verdicts)


def test_an_ask_without_facts_is_still_one_of_a_caller_who_was_known_somehow() -> None:
    found = policies('permit (principal, action, resource);', 'forbid (principal, action, resource) when { context.via == "door" };')
    ask = Ask(ALICE, "container.list", HERS)

    assert decide(ask, found).is_allowed
    assert not decide(replace(ask, principal=replace(ALICE, via="door")), found).is_allowed


@given(
    escape=st.frozensets(st.sampled_from(["privileged", "cap:SYS_ADMIN", "bind:/etc"]), max_size=2), binds=st.integers(0, 2),
    is_root=st.booleans(), is_given=st.booleans(), foreign=st.frozensets(st.sampled_from(["network", "image"]), max_size=2),
    groups=st.frozensets(st.sampled_from(["developers", "operators", "auditors", "ci", "admins"])),
    action=st.sampled_from(["container.create", "container.list", "exec.create", "image.pull", "system.info", "container.start", "swarm.init"]),
    owner=st.sampled_from(["alice", "bob", ""]), is_shared=st.booleans(),
)
def test_a_remembered_verdict_is_the_fresh_one(
    starter: PolicySet, escape: frozenset[str], binds: int, is_root: bool, is_given: bool, foreign: frozenset[str], groups: frozenset[str],
    action: str, owner: str, is_shared: bool,
) -> None:
    facts = Facts(escape=escape, foreign=foreign, binds=binds, user=UserFacts(is_root=is_root, is_given=is_given))
    ask = Ask(Principal("alice", groups), action, Resource(Kind.CONTAINER, "", "x", owner, is_shared), facts.context())

    assert evaluate(ask, starter) == decide(ask, starter)


def test_a_list_of_5000_containers_of_ten_owners_costs_ten_decisions(starter: PolicySet) -> None:
    before = len(starter.verdicts)
    mallory = Principal("mallory", frozenset({"developers"}), None, "unix")

    for number in range(5_000):
        decide(Ask(mallory, "container.inspect", Resource(Kind.CONTAINER, f"{number:064x}", f"n{number}", f"o{number % 10}", False, {"n": str(number)})), starter)

    assert 10 == len(starter.verdicts) - before


def test_a_caller_who_asks_for_something_new_every_time_fills_no_memory(starter: PolicySet) -> None:
    kept = Ask(ALICE, "system.info", SYSTEM)
    found = policies('permit (principal, action, resource) when { resource.name != "x" };')
    limit = 4_096
    for number in range(3 * limit):
        found.verdicts.put(number, Verdict.refuse(Why.NO_POLICY))
        decide(kept, found)

    assert limit <= len(found.verdicts) <= 2 * limit + 1
    assert decide(kept, found).is_allowed
