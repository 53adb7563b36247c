"""`dockwarden totp`: second factors for the SSH door."""

from __future__ import annotations

import base64
import sys
from typing import Annotated

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.settings import load_settings

app = typer.Typer(no_args_is_help=True)

Person = Annotated[str, typer.Argument(metavar="[PERSON]", help="whose; yours if left out")]


@app.command()
def enroll(person: Person = "", config: Config = USUAL_PLACE) -> None:
    """Make a key, and show it this once: as a picture for an authenticator on a phone, and as text.

    Example: dockwarden totp enroll
    """
    said = ask(load_settings(config), "totp/enroll", {"person": person})
    uri = base64.b64decode(said["uri"]).decode()
    if sys.stdout.isatty():
        import segno

        segno.make(uri, micro=False).terminal(compact=True)
    typer.echo(uri)
    typer.echo(f"{said['person']}: scan the picture, or copy the line; it is not shown again", err=True)


@app.command()
def remove(person: Person = "", config: Config = USUAL_PLACE) -> None:
    """Take a key away, so that another can be made.

    Example: dockwarden totp remove alice
    """
    typer.echo(f"{ask(load_settings(config), 'totp/remove', {'person': person})['person']} has no second factor any more")
