"""`dockwarden serve`: open the doors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dockwarden.settings import load_settings

Config = Annotated[Path, typer.Option("--config", help="the settings file: D/dockwarden.toml")]


def serve(config: Config) -> None:
    """Serve until SIGTERM; print one line beginning `ready` once every door accepts. SIGHUP reloads policies and people.

    Example: dockwarden serve --config /etc/dockwarden/dockwarden.toml
    """
    load_settings(config)
    # The command line's own libraries would stay in memory for as long as we serve, so the serving process is a fresh one.
    os.execv(sys.executable, [sys.executable, "-m", "dockwarden.wiring", str(config)])  # noqa: S606  our own interpreter, our own module
