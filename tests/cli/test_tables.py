"""Lists: what is in a cell is shown as it is, whole, and obeyed by nothing."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Iterator

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from dockwarden.cli.commands import COMMANDS, load
from dockwarden.cli.tables import show


def commands() -> Iterator[tuple[str, typer.main.TyperCommand]]:
    """Every verb of every noun, and the commands that have none, by name."""
    for name in COMMANDS:
        found = load(name)
        for verb, command in getattr(found, "commands", {"": found}).items():
            yield f"{name} {verb}".strip(), command


def test_what_others_wrote_is_neither_markup_nor_a_command_to_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show(("name", "why"), [("[bold]a[/nothing]", "\x1b[2Jb"), (Text("c"), "one\ntwo")])

    assert ["name               why", "[bold]a[/nothing]  \\x1b[2Jb", "c                  one", "                   two"] == [
        line.rstrip() for line in capsys.readouterr().out.splitlines()
    ]


@pytest.mark.parametrize(("columns", "breaks_at"), [("10", 20), ("60", 30)])
def test_a_long_cell_is_broken_in_its_column_and_a_short_one_never(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, breaks_at: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show(("id", "what"), [("0" * 28, "a" * 40)])

    assert [f"id{' ' * 28}what", f"{'0' * 28}  {'a' * breaks_at}", f"{' ' * 30}{'a' * (40 - breaks_at)}"] == [
        line.rstrip() for line in capsys.readouterr().out.splitlines()
    ]


@pytest.mark.parametrize(("nothing", "said"), [("there is none", "there is none\n"), ("", "")])
def test_no_rows_are_words_or_nothing(capsys: pytest.CaptureFixture[str], nothing: str, said: str) -> None:
    show(("name",), [], nothing)

    assert said == capsys.readouterr().out


def test_what_prints_a_table_has_json_for_programs() -> None:
    tables = {name: command for name, command in commands() if "show((" in (source := inspect.getsource(command.callback)) or "show(columns" in source}

    assert {"session list", "session search", "session locks", "host list", "secret where"} <= set(tables)
    assert [] == [name for name, command in tables.items() if not any("--json" in option.opts for option in command.params)]


def test_a_person_goes_by_one_name_in_every_command() -> None:
    shown = {option for _, command in commands() for param in command.params if not getattr(param, "hidden", False) for option in param.opts}

    assert (True, False) == ("--person" in shown, "--who" in shown)


@given(st.lists(st.lists(st.integers(0, 90), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(1, 120))
def test_no_character_is_lost_whatever_the_width(sizes: list[list[int]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(out := io.StringIO()):
        patched.setenv("COLUMNS", str(width))
        show(("one", "two", "three"), [[letter * size for letter, size in zip("xy字", row, strict=True)] for row in sizes])

    assert [sum(row[number] for row in sizes) for number in range(3)] == [out.getvalue().count(letter) for letter in "xy字"]
