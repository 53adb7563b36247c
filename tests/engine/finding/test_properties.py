"""Whatever comes: no error, no value in a finding, spans in order and inside, masking twice is masking once, and work in proportion."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.finding import LOOKED_AT, all_findings, find, find_in_arguments, find_in_text, masked

PIECES = st.sampled_from(
    [
        "PASSWORD", "password", "=", ": ", " ", "'", '"', "\\", ";", "&", "\0", "\n", "-p", "--token ", "://", "a:b@h", "mysql ", "curl -u ", "pwd=", "${X}", "$(x)", "{", "}", ",",
        "Bearer ", "Basic ", "eyJhbGciOiJIUzI1NiJ9.", "ghp_" + "aB3dE6gH9j" * 4, "Ab3kZ9qPm2Lx7RtV5wYc8Nd4", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "dockwarden:masked",
        "cG9zdGdyZXM6Ly9hcHA6aHVudGVyMkBkYi94", "identified by 'x'", "ENV ", "<x>", "hunter2", "/run/x", "é", "\U0001f600", "\ud800", "sig=", "|", "chpasswd", "pass:",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=14).map("".join))


@given(TEXTS, TEXTS)
def test_a_finding_is_one_of_those_that_there_are(name: str, value: str) -> None:
    """None is made of a name or a value, so none can show one."""
    found = find(name, value)

    assert found is None or found in all_findings()


@given(TEXTS)
def test_spans_are_in_order_apart_and_inside(text: str) -> None:
    spans = find_in_text(text)
    edges = [edge for span in spans for edge in (span.start, span.end)]

    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(span.finding in all_findings() for span in spans)


@given(st.lists(TEXTS, max_size=6))
def test_spans_are_inside_of_their_arguments(arguments: list[str]) -> None:
    found = find_in_arguments(arguments)

    assert len(arguments) == len(found)
    assert all(0 <= span.start < span.end <= len(argument) for argument, spans in zip(arguments, found, strict=True) for span in spans)


@given(TEXTS)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = masked(text)

    assert once == masked(once)


@given(TEXTS)
def test_a_canary_under_a_passwords_name_is_nowhere_in_what_is_said(noise: str) -> None:
    canary = "canary7391x"
    text = f"{noise}\nDB_PASSWORD={canary}\n"

    assert canary not in repr((find("DB_PASSWORD", canary + noise), find("X", text), find_in_text(text), find_in_arguments(["--password", canary])))


UNITS = [
    "a", "A", "=", "-", "--a ", "a=", "password=", "password: ", "password ", "'", '"', '\\"', "://", "://a:", "a:b@", "eyJ", "eyJa.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "mysql ", "curl -u ",
    "<", "${", "$(", "{{", "[", "/", "/a", "a_", "bearer ", "identified by ", "ENV A ", "\0", "--password\0", "login a password ", "pass:", "root:a", "sk-", "M" * 30 + ".", 'password="\\', "password='", "jdbc:oracle:thin:a/",
    "a:5432:b:c:", "aB3dE6gH9jK2mN5pQ8rS1tU4 ", '{"password":', "password=,a=", "pwd=", ";pwd=a", "$2y$10$", "a' b\" ", ",,,,", "x.", "secret=>", "htpasswd -b ", "echo a|", "eyJ-", "eyJ_a", "eyJaaaaaaaa.-", "-eyJaaaaaaaa", "pypi-AgE-", "ya29.-", "xoxb-", "sk-a1-", "glpat-.", "hvs.-", "fm2_+", "$argon2id$a", "auth=", "auth=a\0", "ENV A_TOKEN 1 ",
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_the_work_is_in_proportion_to_what_is_looked_at(unit: str) -> None:
    """A mebibyte costs what its first 64 KiB do, and these cost some 0.1 s at worst; a quadratic rule would take minutes."""
    text = (unit * ((1 << 20) // len(unit) + 1))[: 1 << 20]
    start = time.process_time()

    find("X", text)
    find("SOME_PASSWORD", text)
    find(text, "x")
    find_in_text(text)
    masked(text[:LOOKED_AT])

    assert time.process_time() - start < 4
