"""`dockwarden ca`: the authorities that prove the SSH door to hosts and to clients."""

from __future__ import annotations

from typing import Annotated

import typer

from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.hosts.public import NAMES, read_public
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _noun() -> None:
    pass


@app.command()
def show(name: Annotated[str, typer.Argument(help=" or ".join(NAMES))], config: Config = USUAL_PLACE) -> None:
    """Print the public key of an authority: ssh-user for the TrustedUserCAKeys of hosts, ssh-host for the known_hosts of clients.

    Example: dockwarden ca show ssh-user
    """
    if name not in NAMES:
        raise BadConfig(name, "is no authority", f"there are {' and '.join(NAMES)}")
    typer.echo(read_public(load_settings(config).authority_dir, name), nl=False)
