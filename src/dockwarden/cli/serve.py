"""`dockwarden serve`: open the doors."""

from __future__ import annotations

import os
import sys

from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.settings import load_settings


def serve(config: Config = USUAL_PLACE) -> None:
    """Serve until SIGTERM; print one line beginning `ready` once every door accepts. SIGHUP reloads policies and people.

    Example: dockwarden serve
    """
    load_settings(config)
    # The command line's own libraries would stay in memory for as long as we serve, so the serving process is a fresh one.
    os.execv(sys.executable, [sys.executable, "-m", "dockwarden.serving", str(config)])  # noqa: S606  our own interpreter, our own module
