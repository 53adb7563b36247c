"""Who is in people.toml, and what of it refuses to load."""

from __future__ import annotations

import pytest

from dockwarden.access.people import People, Person, parse_people
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import NOBODY, Account, Principal

TEXT = """
[people.alice]
uid = 20001
groups = ["developers"]

[people.bob]
uid = 20002

[people."ci.runner-1"]
groups = ["ci"]
certificate = ["runner-1.ci.corp.test", "spiffe://corp.test/ci/runner-1"]

[people.traefik]
groups = ["dashboards"]
"""


@pytest.fixture
def people() -> People:
    return parse_people(TEXT, "people.toml")


def host(uid: int) -> tuple[frozenset[str], Account | None]:
    return frozenset({"developers", "qa"}), Account(uid, 100, (100, 200))


def test_a_uid_is_the_person_with_the_groups_of_the_file_and_the_account_of_the_host(people: People) -> None:
    assert Principal("alice", frozenset({"developers"}), Account(20001, 100, (100, 200)), "unix") == people.by_uid(20001, host)


def test_without_groups_in_the_file_the_host_s_own_count(people: People) -> None:
    found = people.by_uid(20002, host)

    assert found is not None
    assert frozenset({"developers", "qa"}) == found.groups


def test_groups_that_are_written_as_none_are_none() -> None:
    """An empty list is an answer; only absence asks the host."""
    found = parse_people("[people.x]\nuid = 5\ngroups = []", "f").by_uid(5, host)

    assert found is not None
    assert frozenset() == found.groups


def test_a_uid_that_is_not_in_the_file_is_nobody(people: People) -> None:
    assert people.by_uid(0, host) is None
    assert people.by_uid(20003, host) is None


@pytest.mark.parametrize(
    ("sans", "name"),
    [
        (("runner-1.ci.corp.test",), "ci.runner-1"),
        (("other.test", "spiffe://corp.test/ci/runner-1"), "ci.runner-1"),
        (("runner-1.ci.corp.test.evil.test",), None),
        (("RUNNER-1.ci.corp.test",), None),
        (("*.ci.corp.test",), None),
        (("alice",), None),
        ((), None),
    ],
)
def test_a_certificate_is_a_person_by_an_exact_name_only(people: People, sans: tuple[str, ...], name: str | None) -> None:
    found = people.by_certificate(sans)

    assert name == (found.name if found else None)


def test_a_certificate_with_the_names_of_two_people_is_nobody_s() -> None:
    people = parse_people('[people.a]\ncertificate = ["a.test"]\n[people.b]\ncertificate = ["b.test"]', "f")

    assert people.by_certificate(("a.test", "b.test")) is None


def test_a_named_door_is_its_name_with_that_name_s_groups_and_no_account(people: People) -> None:
    assert Principal("traefik", frozenset({"dashboards"}), None, "door") == people.by_door("traefik")
    assert Principal("unheard-of", frozenset(), None, "door") == people.by_door("unheard-of")


def test_after_a_reload_a_person_who_left_is_nobody_and_one_who_moved_has_the_new_groups(people: People) -> None:
    alice = people.by_uid(20001, host)
    assert alice is not None

    moved = parse_people('[people.alice]\nuid = 20001\ngroups = ["operators"]', "f").fresh(alice)
    assert frozenset({"operators"}) == moved.groups
    assert NOBODY == parse_people("", "f").fresh(alice)
    assert NOBODY == parse_people('[people.alice]\nuid = 30001\ngroups = ["developers"]', "f").fresh(alice)


KEYS = tuple(f"ssh-ed25519 AAAA{letter}" for letter in "abc")


@pytest.mark.parametrize(("then", "is_there"), [(KEYS[:2], True), (KEYS, True), (KEYS[::-1], True), (KEYS[:1], False), (KEYS[1:], False), ((), False)])
def test_who_had_a_key_that_was_taken_out_since_is_nobody(then: tuple[str, ...], is_there: bool) -> None:
    """Which of theirs they came with is not known, so each counts."""
    alice = People({"alice": Person("alice", ssh_keys=KEYS[:2])}).by_ssh("alice")
    assert alice is not None

    assert is_there == People({"alice": Person("alice", ssh_keys=then)}).fresh(alice).is_known


@pytest.mark.parametrize(("names", "others", "is_there"), [(("a", "b"), (), True), (("b",), (), True), (("b",), ("a",), False), (("c",), (), False), ((), ("a",), False)])
def test_who_came_by_a_certificate_is_who_its_names_are_now(names: tuple[str, ...], others: tuple[str, ...], is_there: bool) -> None:
    before = parse_people('[people.alice]\ncertificate = ["a", "b"]', "f").by_certificate(("a", "b", "x"))
    assert before is not None
    text = f"[people.alice]\ncertificate = {list(names)}\n[people.bob]\ncertificate = {list(others)}".replace("'", '"')

    assert is_there == parse_people(text, "f").fresh(before).is_known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[people.alice", "TOML"),
        ("[person.alice]\nuid = 1", "[people.NAME]"),
        ("people = 3", "no table"),
        ("[people]\nalice = 3", "no table"),
        ('[people.alice]\nuid = 1\ngroup = ["x"]', "did you mean `groups`?"),
        ('[people.alice]\nuid = "1"', "no uid"),
        ("[people.alice]\nuid = -1", "no uid"),
        ("[people.alice]\nuid = true", "no uid"),
        ("[people.alice]\nuid = 4294967295", "no uid"),
        ("[people.a]\nuid = 5\n[people.b]\nuid = 5", "a's already"),
        ('[people.a]\ncertificate = ["x"]\n[people.b]\ncertificate = ["x"]', "a's already"),
        ('[people.""]\nuid = 1', "no name"),
        ('[people."al ice"]\nuid = 1', "no name"),
        ('[people."a\\nb"]\nuid = 1', "no name"),
        ('[people.alice]\ngroups = "developers"', "no list"),
        ('[people.alice]\ngroups = [""]', "no list"),
        ("[people.alice]\ncertificate = [1]", "no list"),
    ],
)
def test_what_cannot_be_meant_refuses_to_load_and_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(BadConfig) as caught:
        parse_people(text, "people.toml")

    assert says in str(caught.value)
    assert str(caught.value).startswith("people.toml")
