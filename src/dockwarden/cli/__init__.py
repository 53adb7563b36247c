"""The command line: `dockwarden NOUN VERB`, one noun a file.

Exit codes: 0 done, 1 failed, 2 refused by policy, 3 invalid input. It asks the same core as the doors and decides nothing.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from dockwarden.words.errors import BadConfig, Refused

FAILED, REFUSED, INVALID = 1, 2, 3


def build() -> typer.Typer:
    """The whole command tree."""
    from dockwarden.cli import ledger, policy, secret, vault
    from dockwarden.cli.doctor import doctor
    from dockwarden.cli.init import init
    from dockwarden.cli.serve import serve
    from dockwarden.cli.whoami import whoami

    app = typer.Typer(
        name="dockwarden", no_args_is_help=True, pretty_exceptions_enable=False, help="Privileged access for container hosts.",
    )
    for command in (init, serve, whoami, doctor):
        app.command()(command)
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(policy.app, name="policy")
    app.add_typer(secret.app, name="secret")
    app.add_typer(vault.app, name="vault")
    return app


def main() -> NoReturn:
    """Run one command and exit with its code; an operator's mistake is one line on standard error, never a traceback."""
    try:
        build()(standalone_mode=True)
    except BadConfig as error:
        sys.stderr.write(f"dockwarden: {error}\n")
        sys.exit(INVALID)
    except Refused as error:
        sys.stderr.write(f"dockwarden: {error.message}\n")
        sys.exit(REFUSED if error.status in {403, 404} else FAILED)
    except BrokenPipeError:
        sys.exit(FAILED)
    sys.exit(0)
