"""`dockwarden doctor`: whether everything is as it should be, one line a part, and what to do about what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", help="the settings file: D/dockwarden.toml")]


def doctor(config: Config) -> None:
    """Look at settings, policies, keys, Engine, sockets and ledger.

    Example: dockwarden doctor --config D/dockwarden.toml
    """
    raise NotImplementedError(config)
