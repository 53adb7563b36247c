"""Lists: what is in a cell is shown as it is, whole, and obeyed by nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import typer
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


def test_a_narrow_terminal_breaks_words_and_never_an_id(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show(("id", "what"), [("0123456789", "a" * 20)], whole={"id"})

    assert ["id          what", "0123456789  aaaaaaaa", "            aaaaaaaa", "            aaaa"] == [
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
