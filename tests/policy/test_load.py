"""What loads, and what an operator reads of what does not."""

from __future__ import annotations

import re

import pytest

from dockwarden.policy.load import load
from dockwarden.words.errors import BadConfig

GOOD = '@id("a")\npermit (principal, action, resource);\n'


@pytest.mark.parametrize(
    ("text", "line", "what", "mend"),
    [
        ("// one\n\npermit (principal, action, resource);", 3, "has no @id", '@id("what-it-is-for")'),
        ('@id("")\npermit (principal, action, resource);', 1, "has no @id", "@id"),
        (GOOD + '@id("b")\npermit (principal, action, resource)\nwhen { context.escape.isEmpty( };', 3, "not Cedar", "policy check"),
        (GOOD + "\0", 3, "not Cedar", "policy check"),
        (GOOD + '@id("b")\npermit (principal == ?principal, action, resource);', 4, "template", "write the policy out"),
        ('@id("a")\npermit (principal, action, resource)\nwhen {\n  context.escpe.isEmpty()\n};', 4, "escpe", "did you mean escape?"),
        ('@id("a")\npermit (principal, action, resource)\nwhen { context.user.isRot };', 3, "isRot", "did you mean isRoot?"),
        ('// "container.crate"\n@id("a")\npermit (principal,\naction == Action::"container.crate", resource);', 4, "crate", "did you mean container.create?"),
        ('@id("a")\npermit (principal, action in Action::"loook", resource);', 2, "loook", "did you mean look?"),
        ('@id("a")\npermit (principal, action, resource is Containr);', 2, "Containr", "did you mean Container?"),
        ('@id("a")\npermit (principal, action == Action::"container.create", resource is Volume);', 1, "applicable action", "never asked"),
        ('@id("a")\npermit (principal, action, resource) when { context.binds == "x" };', 1, "not compatible", "policy schema"),
        ('@id("a")\npermit (principal, action, resource)\nwhen { resource.getTag("t") == "x" };', 3, "tag", "hasTag"),
        (GOOD + '@id("a")\nforbid (principal, action, resource);', 3, "taken by f.cedar:1", "name of its own"),
        ('@id("a")\n@advise("x")\nforbid (principal, action, resource);', 2, "@advise", "did you mean @advice?"),
        ('@id("a")\n@whatever\nforbid (principal, action, resource);', 2, "@whatever", "@harden"),
        ('@id("a")\n\n@harden("pids=5, no-new-priv")\npermit (principal, action, resource);', 3, "no-new-priv", "no-new-privileges"),
        ('@id("a")\n@harden("pids=5")\nforbid (principal, action, resource);', 2, "forbid", "move @harden to a permit"),
    ],
)
def test_a_bad_policy_is_told_by_file_line_what_and_mend(text: str, line: int, what: str, mend: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load({"f.cedar": text})

    assert f"f.cedar:{line}" == caught.value.where
    assert what in caught.value.what
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("condition", "word", "mend"),
    [
        ('context.escape.contains("priviledged")', "priviledged", 'did you mean "privileged"?'),
        ('context.escape.contains("cap:sys_admin")', "cap:sys_admin", 'did you mean "cap:SYS_ADMIN"?'),
        ('context.escape.contains("cap:CAP_SYS_ADMIN")', "cap:CAP_SYS_ADMIN", 'did you mean "cap:SYS_ADMIN"?'),
        ('context.escape.contains("bind:")', "bind:", "always has a value"),
        ('["port:80", "namespace:host-netwrk"].containsAll(context.escape)', "namespace:host-netwrk", 'did you mean "namespace:host-network"?'),
        ('context.escape == ["cgroup-parnt"]', "cgroup-parnt", 'did you mean "cgroup-parent"?'),
        ('context.foreign.contains("networks")', "networks", 'did you mean "network"?'),
        ('context.names.moves.containsAny(["new", "others"])', "others", 'did you mean "other"?'),
        ('context.image.state == "remote"', "remote", "local, pulled"),
        ('!(context.via == "http")', "http", "it is one of door, raw, ssh, tls, unix"),
        ('if context.binds == 0 then context.escape.contains("x:y") else false', "x:y", "docs/facts.md"),
    ],
)
def test_a_word_that_no_fact_ever_is_refuses_since_it_would_be_silently_without_effect(condition: str, word: str, mend: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load({"f.cedar": f'@id("a")\nforbid (principal, action, resource)\nwhen {{ {condition} }};'})

    assert ("f.cedar:3", f'no fact is ever "{word}"') == (caught.value.where, caught.value.what)
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    "condition",
    [
        '["port:80", "bind:/srv/x", "cap:NET_ADMIN", "device:/dev/fuse", "log-driver:syslog"].containsAll(context.escape)',
        'context.foreign.contains("network") && context.names.moves.contains("refresh") && context.image.state == "pulled"',
        'context.image.repository == "anything"',
        'context.image.state == ""',
    ],
)
def test_words_that_facts_can_be_load(condition: str) -> None:
    assert ["a"] == list(load({"f.cedar": f'@id("a")\nforbid (principal, action, resource) when {{ {condition} }};'}).rules)


def test_a_validation_error_reads_the_same_every_time() -> None:
    """Cedar checks an unbounded policy against every action and names one of them."""
    said = set()
    for _ in range(10):
        with pytest.raises(BadConfig) as caught:
            load({"f.cedar": '@id("a")\npermit (principal, action, resource) when { context.foo };'})
        said.add(str(caught.value))

    assert 1 == len(said)


def test_an_id_of_another_file_is_told_with_its_place() -> None:
    with pytest.raises(BadConfig, match=re.escape('b.cedar:1: @id("a") is taken by a.cedar:1')):
        load({"b.cedar": GOOD, "a.cedar": GOOD})


def test_rules_carry_what_was_written() -> None:
    text = '\n@id("x")\n@description("why")\n@harden("pids=5, init")\npermit (principal, action, resource);\n@id("y")\n@advice("do this")\nforbid (principal, action, resource) when { context.binds > 3 };'
    x, y = load({"f.cedar": text}).rules.values()

    assert ("x", "permit", "f.cedar", 2, "why", ("pids=5", "init")) == (x.id, x.effect, x.file, x.line, x.description, x.harden)
    assert ("y", "forbid", 6, "do this", ()) == (y.id, y.effect, y.line, y.advice, y.harden)


def test_the_version_is_of_texts_and_names_and_of_nothing_else() -> None:
    assert load({"a": GOOD}).version == load({"a": GOOD}).version
    assert load({"a": GOOD}).version != load({"b": GOOD}).version
    assert load({"a": GOOD}).version != load({"a": GOOD + "\n"}).version


def test_what_policies_look_at_is_known() -> None:
    found = load({"f": '@id("a")\npermit (principal, action, resource) when { context.via == "tls" && resource.hasTag("x") && resource.name == "n" };'})
    whole = load({"f": '@id("a")\npermit (principal, action, resource == Container::"x") when { [context].contains(context) };'})

    assert frozenset({"context.via", "labels", "name"}) == found.needs
    assert {"id", "context.via", "context.door", "context.escape"} <= whole.needs


def test_no_files_are_a_set_that_permits_nothing() -> None:
    assert {} == load({}).rules
    assert {} == load({"empty.cedar": "// nothing\n"}).rules
