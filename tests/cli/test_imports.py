"""Variables are found where they stand in `.env` and compose files, and nothing else of the file changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.cli.imports import DOLLAR, DOUBTFUL, HIDDEN, NO_TEXT, NO_VALUE, ODD_NAME, clashes, path_of, plan, rewritten, variables
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
    done = plan(COMPOSE, "compose.yaml", "x")

    shown = "\n".join(done.change)
    assert "Tr0ub4dor" not in shown + repr(done)
    assert 3 == len(done.chosen) == shown.count(HIDDEN) == shown.count("dockwarden://x/")
    assert f"-      - POSTGRES_PASSWORD={HIDDEN}" in done.change


@pytest.mark.parametrize(
    ("line", "value", "hurdle"),
    [
        ('A="val" # c', "val", ""), ("A='val' # c", "val", ""), ("A='val'#c", "val", ""), ("A=val # c", "val", ""), ("A=val#c", "val#c", ""), ("A=val  \t", "val", ""),
        ("export A=val", "val", ""), ("  A = val", "val", ""), ("A: val", "val", ""), ("A='it\\'s'", "it's", ""), (r"A='a\n$x'", r"a\n$x", ""), ("A='a\nb'", "a\nb", ""),
        (r'A="a\nb\tc\rd"', "a\nb\tc\rd", ""), (r'A="\\n"', r"\n", ""), (r'A="\"q\""', '"q"', ""), (r'A="\q\'"', r"\q\'", ""), (r'A="\$x"', "$x", ""), ("A=a$$b", "a$b", ""),
        ('A="a # b"', "a # b", ""), ("A=a\"b\"", 'a"b"', ""), ("A=", "", NO_VALUE), ('A=""', "", NO_VALUE), ("A=a$b", "a$b", DOLLAR), ('A="${B}"', "${B}", DOLLAR), ("A=$", "$", DOLLAR),
        (r'A="\$$x"', "$$$x", DOLLAR), ("A=#x", "#x", DOUBTFUL), ("A=x\t# c", "x\t# c", DOUBTFUL), (r'A="\0101"', r"\0101", DOUBTFUL), ('A="x\r\ny"', "x\r\ny", DOUBTFUL), ("A=x\r", "x", ""),
        ("A=a\x1c", "a\x1c", ""), ("A=a\u2028b", "a\u2028b", ""),
    ],
)  # fmt: skip
def test_a_line_means_what_compose_makes_of_it(line: str, value: str, hurdle: str) -> None:
    """Source: compose-go, dotenv/parser.go; alone, before another line, and after one."""
    for text in (line, f"{line}\nB=1", f"# x\nB=1\n\n{line}\n"):
        one = next(one for one in variables(text, ".env") if one.name == "A")
        assert (value, hurdle) == (one.value.reveal().decode(), one.hurdle)


@pytest.mark.parametrize(
    ("written", "value", "hurdle"),
    [
        ("val", "val", ""), ("'it''s'", "it's", ""), ('"a\\nb"', "a\nb", ""), ("12", "12", ""), ("'012'", "012", ""), ("012", "012", NO_TEXT), ("12345e6", "12345e6", NO_TEXT), ("0x1F", "0x1F", NO_TEXT),
        ("2001-01-01", "2001-01-01", NO_TEXT), ("yes", "yes", NO_TEXT), ("~", "", NO_VALUE), ("null", "", NO_VALUE), ("", "", NO_VALUE), ("!!binary aGk=", "aGk=", NO_TEXT),
        ("it's$$ok", "it's$ok", ""), ("$X", "$X", DOLLAR), ("'${X}'", "${X}", DOLLAR), ("a$", "a$", DOLLAR),
    ],
)  # fmt: skip
def test_a_scalar_means_what_compose_makes_of_it(written: str, value: str, hurdle: str) -> None:
    (one,) = variables(f"services:\n  a:\n    environment:\n      A: {written}\n", "c.yml")
    assert (value, hurdle) == (one.value.reveal().decode(), one.hurdle)


def test_a_name_that_no_reference_can_have_is_left() -> None:
    assert [ODD_NAME] == [one.hurdle for one in variables("db.password=Tr0ub4dor-and-3", ".env")]


@pytest.mark.parametrize("text", ["a: &a [*a]", "services: &a\n  b:\n    <<: *a\n    environment: {<<: *a}", "a: &a [x]\nb: &b [*a, *a]\nservices: {c: {environment: *b}}"])
def test_aliases_in_a_circle_end(text: str) -> None:
    assert [] == plan(text, "c.yml", "u").chosen


def test_many_aliases_of_aliases_take_no_time() -> None:
    """A document of a few hundred bytes that means 10^20 values is read, merged and compared without writing them out."""
    rows = ["x0: &x0 {<<: {}, P: Tr0ub4dor-and-3}", *(f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 10)}], L: [{', '.join([f'*x{n - 1}'] * 10)}]}}" for n in range(1, 21))]
    text = "\n".join([*rows, "services: {a: {environment: *x20}, b: {environment: {DB_PASSWORD: Tr0ub4dor-and-3}}}"])

    assert ["DB_PASSWORD"] == [one.name for one in plan(text, "c.yml", "u", ["DB_PASSWORD"]).chosen]


@given(st.text(alphabet="AB=:'\"\\$# \n\t\rn0{}x", max_size=40))
def test_any_env_file_is_planned_or_refused_and_stays_what_it_was(text: str) -> None:
    """Parses, or raises the one error; what is chosen reads as a reference then, and everything else as it did."""
    try:
        names = {one.name for one in variables(text, ".env") if not one.hurdle}
        done = plan(text, ".env", "u", names) if names else None
    except BadConfig:
        return
    if done is not None:
        old, new = variables(text, ".env"), variables(done.fresh, ".env")
        assert [one.name for one in old] == [one.name for one in new]
        assert all(b"dockwarden://u/" in now.value.reveal() if was.name in names else was.value == now.value for was, now in zip(old, new, strict=True))


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
