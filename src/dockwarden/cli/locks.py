"""`dockwarden session lock`, `unlock` and `locks`: whose sessions, or on what, none may be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config, Person
from dockwarden.cli.session import app
from dockwarden.cli.tables import show
from dockwarden.settings import load_settings
from dockwarden.words.duration import seconds_of
from dockwarden.words.errors import BadConfig
from dockwarden.words.moment import moment


@app.command()
def lock(
    reason: Annotated[str, typer.Option("--reason", help="told to who is locked")],
    config: Config = USUAL_PLACE,
    person: Person = "",
    target: Annotated[str, typer.Option("--target", help="on what: a name as session list shows it, or a container's id")] = "",
    for_: Annotated[str, typer.Option("--for", help="how long: 90s, 15m, 2h, 3d; without, until somebody unlocks them")] = "",
) -> None:
    """End the sessions of a person, or on a target, and let none begin for a while.

    Example: dockwarden session lock --person alice --for 2h --reason "her laptop was stolen"
    """
    for_s = seconds_of(for_)
    if for_ and not for_s:
        raise BadConfig("--for", f"{for_!r} is no length of time", "write 90s, 15m, 2h or 3d, at most ten years")
    done = ask(load_settings(config), "session/lock", {"person": person, "target": target, "reason": reason, "for_s": for_s})
    ended = "1 session was" if done["ended"] == 1 else f"{done['ended']} sessions were"
    typer.echo(f"{done['id']}: {ended} ended, and none begins {_until(done)}")
    if not done["is_known"]:
        typer.echo(f"note: nobody in people.toml is called {person}; dockwarden session unlock {done['id']} takes it away", err=True)


@app.command()
def unlock(id: Annotated[str, typer.Argument(metavar="ID", help="the lock's id")], config: Config = USUAL_PLACE) -> None:
    """Take a lock away before its time.

    Example: dockwarden session unlock lock-0123abcd
    """
    typer.echo(f"{ask(load_settings(config), 'session/unlock', {'id': id})['id']} is gone")


@app.command()
def locks(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """List the locks that count now.

    Example: dockwarden session locks --json
    """
    found = ask(load_settings(config), "session/locks")["locks"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    show(("id", "person", "target", "by", "until", "reason"), map(_cells, found), "nothing is locked that you may know of")


def _cells(lock: Mapping[str, Any]) -> tuple[str, ...]:
    return lock["id"], lock["person"] or "everybody", lock["target"] or "everywhere", lock["by"], _until(lock), lock["reason"]


def _until(lock: Mapping[str, Any]) -> str:
    return f"until {moment(lock['until_us'])}" if lock["until"] else "until somebody unlocks them"
