"""Every command by name. Only the code of the one that is asked for is loaded, so that none waits for the others'.

A new command is a line here and a file beside this one. What a single verb of a noun needs and is slow to load (a finder, a parser) is imported
in that verb's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from typer._click import Command, Context

COMMANDS: Mapping[str, str] = MappingProxyType({
    "init": "Make DIR with settings, people, starter policies and keys; what is already there is never overwritten.",
    "serve": "Serve until SIGTERM; print one line beginning `ready` once every door accepts. SIGHUP reloads policies and people.",
    "whoami": "Print the name and groups that the unix doors know you by.",
    "doctor": "Look at settings, policies, people, keys, ledger, Engine, doors and the second lock; exit 1 if anything is bad.",
    "host": "Hosts that people reach by SSH through dockwarden.",
    "ca": "The certificate authorities of the SSH door.",
    "ledger": "The record of who did what, and why it was allowed.",
    "policy": "What people may do, and why.",
    "secret": "Secrets by path, from the vault.",
    "session": "Sessions: what is recorded now, and the tapes of what was.",
    "totp": "Second factors: codes of six digits, asked for where policy wants them.",
    "vault": "The vault itself: sealed or open, and its keys.",
})
"""What `dockwarden --help` says of each, in its order. NAME's code is in NAME.py: `app` where it is a noun with verbs, else the function NAME."""

MORE: Mapping[str, tuple[str, ...]] = MappingProxyType({"session": ("replay", "locks", "keeping", "files", "search", "tapes")})
"""Nouns some of whose verbs are in files of their own, which add them to the noun's `app`."""


class Commands(TyperGroup):
    """The command tree; each branch is a name and a line of help until it is asked for."""

    def __init__(self, **more: Any) -> None:  # typer's own, passed on
        super().__init__(**more)
        self.commands = {name: TyperCommand(name, help=said) for name, said in COMMANDS.items()}

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the command that `args` begins with, its code loaded; completion comes this way, too."""
        if args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Command:
    """Load the code of one command of COMMANDS."""
    module = import_module(f"dockwarden.cli.{name}")
    for more in MORE.get(name, ()):
        import_module(f"dockwarden.cli.{more}")
    if hasattr(module, "app"):
        noun = get_group(module.app)
        noun.name, noun.help = name, COMMANDS[name]
        return noun
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, name))
    return get_command(alone)
