"""Explanations: what decided, what came near, and which condition stood in the way."""

from __future__ import annotations

from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.model import UserFacts
from dockwarden.policy.explain import explain, in_words
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import SYSTEM, Ask, Kind, Resource, Why
from dockwarden.words.principal import Principal

ALICE = Principal("alice", frozenset({"developers"}), None, "unix")
NEW = Resource(Kind.CONTAINER, "", "web", "alice")
BOBS = Resource(Kind.CONTAINER, "b" * 64, "db", "bob")


def test_a_permit_is_named_with_its_place_and_what_it_obliges(starter: PolicySet) -> None:
    found = explain(Ask(ALICE, "container.create", NEW, Facts().context()), starter)

    assert ["developers-run"] == [weighed.rule.id for weighed in found.deciding]
    assert () == found.nearest
    said = "\n".join(in_words(found))
    assert said.startswith('permitted  container.create on Container "web" (of alice) for alice in developers')
    assert "developers.cedar:" in said
    assert "run-as-caller" in said


def test_a_forbid_is_named_with_the_facts_that_made_it_and_the_permit_that_it_overruled(starter: PolicySet) -> None:
    facts = Facts(escape=frozenset({"privileged"}), user=UserFacts(is_root=True, is_given=True))
    found = explain(Ask(ALICE, "container.create", NEW, facts.context()), starter)

    assert Why.FORBIDDEN is found.verdict.why
    assert ["developers-no-escape", "developers-no-root-in-run"] == [weighed.rule.id for weighed in found.deciding]
    assert ["developers-run"] == [weighed.rule.id for weighed in found.nearest]
    said = "\n".join(in_words(found))
    assert "no     unless context.escape.isEmpty()    (context.escape is privileged)" in said
    assert "yes    when   context.user.isGiven    (context.user.isGiven is yes)" in said
    assert "advice: User is root" in said
    assert "developers-run would permit it, but a forbid beats every permit" in said


def test_a_default_deny_shows_the_nearest_permits_and_which_condition_missed(starter: PolicySet) -> None:
    found = explain(Ask(ALICE, "container.logs", BOBS), starter)

    assert Why.NO_POLICY is found.verdict.why
    assert "developers-look" == found.nearest[0].rule.id
    assert ["resource.owner == principal.name || resource.isShared || resource is System"] == [clause.text for clause in found.nearest[0].missing]
    assert {"principal.name": '"alice"', "resource.isShared": "no", "resource.owner": '"bob"'} == dict(found.nearest[0].missing[0].values)
    said = in_words(found)
    assert any(line.strip().startswith("NO     when   resource.owner == principal.name") for line in said)


def test_a_permit_for_somebody_else_is_farther_than_any_condition() -> None:
    policies = load({
        "f": '@id("others") permit (principal in Group::"x", action, resource);'
        '@id("hers") permit (principal in Group::"developers", action, resource)'
        " when { context.binds > 0 && context.user.isRoot && context.envRestored };"
    })

    found = explain(Ask(ALICE, "container.create", NEW), policies)

    assert ["hers", "others"] == [weighed.rule.id for weighed in found.nearest]
    assert 3 == len(found.nearest[0].missing)


def test_an_action_that_no_permit_is_about_is_told(starter: PolicySet) -> None:
    without_admins = load({"f": '@id("a") permit (principal, action in Action::"look", resource);'})

    assert () == explain(Ask(ALICE, "swarm.init", SYSTEM), without_admins).nearest
    assert "no permit is about swarm.init" in "\n".join(in_words(explain(Ask(ALICE, "swarm.init", SYSTEM), without_admins)))
    assert ["admins-everything"] == [weighed.rule.id for weighed in explain(Ask(ALICE, "swarm.init", SYSTEM), starter).nearest]


def test_a_head_that_names_a_thing_or_a_kind_is_a_condition_too() -> None:
    policies = load({"f": '@id("a") permit (principal == User::"alice", action == Action::"container.logs", resource == Container::"c");'})

    (near,) = explain(Ask(ALICE, "container.logs", BOBS), policies).nearest

    assert ['principal == User::"alice"', 'action == Action::"container.logs"', 'resource == Container::"c"'] == [clause.text for clause in near.clauses]
    assert [True, True, False] == [clause.is_met for clause in near.clauses]


def test_a_condition_that_cannot_be_evaluated_is_shown_as_broken() -> None:
    policies = load({"f": '@id("a") permit (principal, action, resource) when { context.binds * 9223372036854775807 > 1 && context.binds > 0 };'})

    found = explain(Ask(ALICE, "container.create", NEW, Facts(binds=2).context()), policies)

    assert Why.POLICY_BROKEN is found.verdict.why
    assert [None, True] == [clause.is_met for clause in found.nearest[0].clauses]
    assert "a policy could not be evaluated, and doubt refuses" in "\n".join(in_words(found))


def test_the_verdict_of_an_explanation_is_the_one_that_is_given(starter: PolicySet) -> None:
    from dockwarden.policy.decide import decide

    for action in ("container.create", "container.logs", "image.pull", "swarm.init"):
        for resource in (NEW, BOBS, SYSTEM):
            ask = Ask(ALICE, action, resource, Facts(escape=frozenset({"cap:BPF"})).context())
            assert decide(ask, starter) == explain(ask, starter).verdict
