"""The command line: `dockwarden NOUN VERB`, one noun a file; which there are is in commands.py.

Exit codes: 0 done, 1 failed, 2 refused by policy, 3 invalid input (an unknown option, too). It asks the same core as the doors and decides nothing.

What holds for every command, so that who knows one knows the others:

- A list is a table (tables.py), the same on a terminal and into a pipe: what is printed never depends on who reads it. `--json` beside it is
  for programs: one JSON document, or an object a line where there may be no end to them (`ledger tail`, `search`).
- A moment is `2026-01-31T12:00:00Z` for people (words/moment.py). In JSON it is an integer, microseconds since 1970, in a new key one that ends in
  `_us`. A key that is there is never renamed, and never means something else: `session locks` and `ledger witness` began with seconds in
  `at` and `until`, `vault status` with words in `ends`; each has its `_us` beside it.
- A moment that is asked for (`--since`, `--until`) is an age, or ISO 8601; without a zone it is this machine's own.
- A person is `--person`, a host or container `--target`, a reason that stays on record `--reason`. `--as` is who is supposed to ask.
- A word of a few is checked before anything is asked for, and the error says which there are.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from dockwarden import __version__
from dockwarden.cli.commands import Commands
from dockwarden.words.errors import BadConfig, Refused

FAILED, REFUSED, INVALID = 1, 2, 3
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 refused by policy, 3 invalid input. --config is /etc/dockwarden/dockwarden.toml, or $DOCKWARDEN_CONFIG."
USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""What a command line that cannot be meant raises; typer gives only its subclass a public name."""


def build() -> typer.Typer:
    """The whole command tree."""
    app = typer.Typer(
        cls=Commands, name="dockwarden", no_args_is_help=True, pretty_exceptions_enable=False, help="Privileged access for container hosts.",
        epilog=EXIT_CODES,
    )
    app.callback()(_top)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dockwarden {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="print the version")] = False,
) -> None:
    """Privileged access for container hosts."""


def main() -> NoReturn:
    """Run one command and exit with its code; an operator's mistake is one line on standard error, never a traceback."""
    try:
        sys.exit(build()(standalone_mode=False) or 0)
    except USAGE as error:
        error.show()  # type: ignore[attr-defined]  # it is click's, whose types do not come with typer
        sys.exit(INVALID)
    except typer.Abort:
        sys.stderr.write("dockwarden: aborted\n")
        sys.exit(FAILED)
    except BadConfig as error:
        sys.stderr.write(f"dockwarden: {error}\n")
        sys.exit(INVALID)
    except Refused as error:
        sys.stderr.write(f"dockwarden: {error.message}\n")
        sys.exit(REFUSED if error.status in {403, 404} else FAILED)
    except BrokenPipeError:
        sys.exit(FAILED)
    except PermissionError as error:
        sys.stderr.write(f"dockwarden: {error.filename}: you may not ({error.strerror}); run this as root, or ask an admin\n")
        sys.exit(INVALID)
    except OSError as error:
        sys.stderr.write(f"dockwarden: {error.filename or 'this'}: {error.strerror or error}\n")
        sys.exit(FAILED)
