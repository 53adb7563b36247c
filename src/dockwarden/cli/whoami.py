"""`dockwarden whoami`: who a door takes you for."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from dockwarden.access.peer import NO_PLACE, host_groups
from dockwarden.access.people import parse_people
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def whoami(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Print the name and groups that the unix doors know you by.

    Example: dockwarden whoami
    """
    settings = load_settings(config)
    people = parse_people(settings.people_file.read_text("utf-8"), str(settings.people_file))
    uid = os.getuid()
    principal = people.by_uid(uid, host_groups)
    name, groups = (principal.name, sorted(principal.groups)) if principal else ("", [])
    if as_json:
        typer.echo(json.dumps({"uid": uid, "name": name, "groups": groups, "bind_roots": list(settings.binds.roots)}))
    elif name:
        typer.echo(f"{name} (uid {uid}), groups: {', '.join(groups) or 'none'}")
        typer.echo(f"folders that containers may mount from: {', '.join(settings.binds.roots) or 'none'}")
    else:
        typer.echo(NO_PLACE.format(uid=uid))
    if not name:
        raise typer.Exit(1)
