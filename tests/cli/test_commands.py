"""A command loads what it needs and no more, so that a prompt comes back before one has begun to wait."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from dockwarden.cli.commands import COMMANDS, load

LIGHT = {"cryptography", "msgspec", "pyrage", "rich", "typer", "zstandard"}
"""Libraries that are loaded in a few hundredths of a second. Others are imported in the function that needs them."""
OURS = ("dockwarden.doors", "dockwarden.engine", "dockwarden.policy", "dockwarden.serving", "dockwarden.upstream", "dockwarden.wiring")
"""What judges and serves: its tables take half a second."""
JUDGES = {"doctor", "init", "policy"}
"""Commands that have to weigh policies, whatever they are asked."""
RUN = """import sys
from dockwarden.cli import main
try:
    main()
except SystemExit:
    print("LOADED", *sys.modules)
"""


def loaded(*words: str) -> set[str]:
    """The modules that one command line loaded."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.rpartition("LOADED")[2].split())


def libraries(modules: set[str]) -> set[str]:
    """Those of our dependencies that are among `modules`."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = {need.partition(">")[0].partition("[")[0].lower() for need in project["dependencies"]}
    owners = packages_distributions()
    return needed & {owner.lower() for module in modules for owner in owners.get(module.partition(".")[0], ())}


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS if name not in JUDGES), ["session", "list", "--help"]])
def test_help_and_quick_commands_load_nothing_heavy(words: list[str]) -> None:
    found = loaded(*words)

    assert "typer" in libraries(found)
    assert set() == libraries(found) - LIGHT
    assert [] == sorted(module for module in found if module.startswith(OURS))


def test_one_noun_does_not_load_another() -> None:
    found = loaded("session", "list", "--help")

    assert {"session"} == {name for name in COMMANDS if f"dockwarden.cli.{name}" in found}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_one_line_of_the_list_is_what_the_command_s_own_help_begins_with(name: str) -> None:
    assert COMMANDS[name] == (load(name).help or "").partition("\n")[0]
