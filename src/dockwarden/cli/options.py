"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

USUAL_PLACE = Path("/etc/dockwarden/dockwarden.toml")
"""Where the settings are, unless `--config` or the environment says otherwise."""
CONFIG_VARIABLE = "DOCKWARDEN_CONFIG"

Config = Annotated[Path, typer.Option("--config", envvar=CONFIG_VARIABLE, help="the settings file: D/dockwarden.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Person = Annotated[str, typer.Option("--person", help="the person")]
FormerPerson = Annotated[str, typer.Option("--who", hidden=True)]
"""What `--person` was called where there was a `--who`; scripts may have it."""
