"""Variables are found where they stand in `.env` and compose files, and nothing else of the file changes."""

from __future__ import annotations

import pytest

from dockwarden.cli.imports import HIDDEN, clashes, path_of, rewritten, variables
from dockwarden.words.errors import BadConfig

ENV = """\
# the shop
PORT=8080
export DB_PASSWORD='Tr0ub4dor and 3'
API_TOKEN = "with \\"quotes\\"\\nand two lines"
  # DB_PASSWORD=commented
EMPTY=
DB_HOST=db
"""
COMPOSE = """\
services:
  web:
    image: web   # keep this comment
    environment:
      DB_PASSWORD: "Tr0ub4dor-and-3"   # and this one
      PORT: 8080
  db:
    environment:
      - POSTGRES_PASSWORD=Tr0ub4dor-and-3
      - 'MYSQL_ROOT_PASSWORD=it''s'
      - PASSED_ON
"""


def found(text: str, file: str) -> dict[str, str]:
    return {one.name: one.value.reveal().decode() for one in variables(text, file)}


def test_an_env_file_is_read_as_compose_reads_it() -> None:
    assert {
        "PORT": "8080", "DB_PASSWORD": "Tr0ub4dor and 3", "API_TOKEN": 'with "quotes"\nand two lines', "EMPTY": "", "DB_HOST": "db",
    } == found(ENV, ".env")  # fmt: skip
    assert {"DB_PASSWORD", "API_TOKEN"} == {one.name for one in variables(ENV, ".env") if one.kind}


def test_a_compose_file_is_read_in_both_forms() -> None:
    assert {
        "DB_PASSWORD": "Tr0ub4dor-and-3", "PORT": "8080", "POSTGRES_PASSWORD": "Tr0ub4dor-and-3", "MYSQL_ROOT_PASSWORD": "it's",
    } == found(COMPOSE, "compose.yaml")  # fmt: skip


@pytest.mark.parametrize(("text", "file"), [(ENV, ".env"), (COMPOSE, "compose.yml")])
def test_only_values_change_and_the_rest_stays_to_the_letter(text: str, file: str) -> None:
    chosen = [one for one in variables(text, file) if one.kind]
    fresh = rewritten(text, chosen, "people/alice/shop/")
    for one in chosen:
        assert f"dockwarden://people/alice/shop/{one.name}" in fresh
    assert text.count("\n") == fresh.count("\n")
    assert [] == [one for one in variables(fresh, file) if one.kind]
    same = [line for line in text.splitlines() if not any(one.name in line for one in chosen) or line.strip().startswith("#")]
    assert set(same) <= set(fresh.splitlines())
    assert ("# and this one" in text) == ("# and this one" in fresh)


def test_what_is_shown_hides_the_values() -> None:
    chosen = [one for one in variables(COMPOSE, "compose.yaml") if one.kind]

    shown = rewritten(COMPOSE, chosen, "x", hides=True)
    assert "Tr0ub4dor" not in shown + repr(chosen)
    assert shown.count(HIDDEN) == len(chosen)


def test_one_name_with_two_values_is_told() -> None:
    text = "services: {a: {environment: {P: x}}, b: {environment: [P=y, Q=z]}, c: {environment: [Q=z]}}"

    assert ["P"] == clashes(variables(text, "compose.yml"))


@pytest.mark.parametrize("text", ["", "[]", "services:", "services: {a: }", "services: {a: {environment: 3}}", "- x"])
def test_other_files_give_nothing(text: str) -> None:
    assert [] == variables(text, "c.yml")


def test_what_is_no_yaml_is_said_with_its_line() -> None:
    with pytest.raises(BadConfig, match=r"c\.yml:[23]: is no YAML"):
        variables("services:\n  a: [\n", "c.yml")


def test_a_path_is_the_prefix_and_the_name() -> None:
    assert "a/b/PORT" == path_of("/a/b/", variables("PORT=1", ".env")[0])
