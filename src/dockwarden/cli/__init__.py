"""The command line: `dockwarden NOUN VERB`, one noun a file.

Exit codes: 0 done, 1 failed, 2 refused by policy, 3 invalid input (an unknown option, too). It asks the same core as the doors and decides nothing.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from dockwarden import __version__
from dockwarden.words.errors import BadConfig, Refused

FAILED, REFUSED, INVALID = 1, 2, 3
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 refused by policy, 3 invalid input. --config is /etc/dockwarden/dockwarden.toml, or $DOCKWARDEN_CONFIG."
USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""What a command line that cannot be meant raises; typer gives only its subclass a public name."""


def build() -> typer.Typer:
    """The whole command tree."""
    from dockwarden.cli import ledger, policy, search, secret, vault
    from dockwarden.cli.doctor import doctor
    from dockwarden.cli.init import init
    from dockwarden.cli.serve import serve
    from dockwarden.cli.whoami import whoami

    app = typer.Typer(
        name="dockwarden", no_args_is_help=True, pretty_exceptions_enable=False, help="Privileged access for container hosts.",
        epilog=EXIT_CODES,
    )
    app.callback()(_top)
    for command in (init, serve, whoami, doctor):
        app.command()(command)
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(policy.app, name="policy")
    app.add_typer(secret.app, name="secret")
    app.add_typer(search.app, name="session")
    app.add_typer(vault.app, name="vault")
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
