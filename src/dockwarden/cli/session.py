"""`dockwarden session`: sessions that are or were recorded. Here are `list` and `kill`, and how a session is named; the other verbs are in
the files that commands.py has beside this one. `verify` works on the files alone; the others ask the process that serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config, FormerPerson, Person
from dockwarden.cli.outsider import age_key
from dockwarden.cli.tables import show
from dockwarden.settings import load_settings
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import rows
from dockwarden.tape.opening import Opening, unwrap
from dockwarden.tape.read import opening_of
from dockwarden.tape.shelf import Shelf
from dockwarden.words.errors import BadConfig
from dockwarden.words.moment import moment

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="the session's id, or its beginning")]
ID_CHARS = 28


@app.command("list")
def list_(
    config: Config = USUAL_PLACE,
    as_json: AsJson = False,
    person: Person = "",
    who: FormerPerson = "",
    live: Annotated[bool, typer.Option("--live", help="only those under way")] = False,
) -> None:
    """List sessions, the oldest first. Where nobody serves, the files themselves are read.

    Example: dockwarden session list --live
    """
    found = [row for row in _rows(config) if (person or who) in {"", row["person"]} and (not live or not row["ended"])]
    if as_json:
        typer.echo(json.dumps(found))
        return
    columns = ("id", "person", "kind", "target", "started", "length", "state", "watched by")
    show(columns, map(_cells, found), "no session was recorded yet that you may know of")
    for row in found:
        for note in _notes(row):
            typer.echo(f"{row['id']}: {note}")


@app.command()
def kill(id: Id, config: Config = USUAL_PLACE, why: Annotated[str, typer.Option("--why", help="told to the person")] = "") -> None:
    """End a session now: its stream, and the process behind it.

    Example: dockwarden session kill 20260131-120000-0123456789ab --why "maintenance"
    """
    done = ask(load_settings(config), "session/kill", {"id": whole(config, id), "why": why})
    typer.echo(f"{done['id']} is ended")


def whole(config: Path, id: str) -> str:
    """The id that begins so, or whose last part does; as it is where it is whole."""
    return id if len(id) >= ID_CHARS else among([row["id"] for row in _rows(config)], id)


def among(ids: list[str], start: str) -> str:
    """The one of `ids` that begins so, or whose last part does. Raises: BadConfig: none or several do."""
    found = [id for id in ids if id.startswith(start) or id.rpartition("-")[2].startswith(start)]
    if len(found) != 1:
        raise BadConfig(start, f"{len(found)} sessions begin so" if found else "no session that is here begins so", "see dockwarden session list")
    return found[0]


def copy_of(tapes: Path, identity: Path | None, id: str) -> tuple[Opening, Path, bytes]:
    """A tape of a folder of copies, and its key. Raises: BadConfig: it is not there, or not for that identity."""
    shelf = Shelf(tapes)
    folder = shelf.path(among(list(shelf.ids()), id))
    try:
        opening = opening_of(folder)
        return opening, folder, unwrap(opening, age_key(identity))
    except BadSegment as error:
        raise BadConfig(str(folder), str(error), "name the age key of one of its recipients with --identity") from None


def _rows(config: Path) -> list[dict[str, Any]]:
    settings = load_settings(config)
    if not settings.control_socket.exists() and settings.tapes_dir.is_dir():
        return [msgspec.to_builtins(row) for row in rows(Shelf(settings.tapes_dir))]
    return list(ask(settings, "session/list")["sessions"])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    length = f"{(row['ended'] - row['started']) / 1e6:.1f} s" if row["ended"] else ""
    return row["id"], row["person"], row["kind"], row["target"], moment(row["started"]), length, _state(row), ", ".join(row["watchers"])


def _state(row: Mapping[str, Any]) -> str:
    """A session's state in a table: who ended it if it did not end by itself, whether it is held, and where it is."""
    state = f"killed by {row['killed']['by']}" if row["killed"] and row["state"] == "ended" else str(row["state"])
    return state + (", held" if row["holds"] else "") + (", in the store alone" if row["is_away"] else "")


def _notes(row: Mapping[str, Any]) -> Iterator[str]:
    """Who killed a session, who holds it and who deleted it, when, and why."""
    if killed := row["killed"]:
        yield f"killed {moment(killed['at'])} by {killed['by']}" + (f": {killed['why']}" if killed["why"] else "")
    if gone := row["deleted"]:
        yield f"deleted {moment(gone['at'])} by {gone['by']}: {gone['why']}" + (f" ({gone['rule']})" if gone["rule"] else "")
    for one in row["holds"]:
        yield f"held since {moment(one['at'])} by {one['by']}: {one['reason']}"
