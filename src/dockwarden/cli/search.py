"""`dockwarden session search` and `reindex`: sessions found again, by what is known of them and by what they showed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from dockwarden.cli.control import answering, ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config, Person
from dockwarden.cli.session import app
from dockwarden.cli.tables import show
from dockwarden.cli.words import micros
from dockwarden.settings import load_settings
from dockwarden.words.moment import moment

FROM_INPUT = "-"


@app.command()
def search(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help='words that were shown; "two words" in quotes stand together; -: from input')] = "",
    config: Config = USUAL_PLACE,
    person: Person = "",
    target: Annotated[str, typer.Option("--target", help="the host or container: a part of its name, or the beginning of its id")] = "",
    kind: Annotated[str, typer.Option("--kind", help="exec, attach, …")] = "",
    since: Annotated[str, typer.Option("--since", help="begun after: a time (2026-01-31 or 2026-01-31T12:00) or an age (15m, 2h, 7d)")] = "",
    until: Annotated[str, typer.Option("--until", help="begun before; as --since")] = "",
    command: Annotated[str, typer.Option("--command", help="words of a command that was given")] = "",
    exit: Annotated[str, typer.Option("--exit", help="how it ended: a status, or a signal's name")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="at most so many, the newest")] = 50,
    commands: Annotated[bool, typer.Option("--commands", help="list the commands of each; those marked derived were read off the screen")] = False,
    as_json: AsJson = False,
) -> None:
    """Find sessions, the newest first. That it was searched, and for what, is recorded. Sessions are found once they have ended.

    Example: dockwarden session search "permission denied" --person alice --since 7d
    """
    asked = {
        "text": sys.stdin.readline().strip() if text == FROM_INPUT else text, "person": person, "target": target, "kind": kind, "command": command,
        "exit": exit, "since": micros(since, "--since"), "until": micros(until, "--until"), "limit": limit, "commands": commands,
    }  # fmt: skip
    found = ask(load_settings(config), "session/search", asked)
    if as_json:
        typer.echo(json.dumps(found["sessions"]))
    else:
        columns = ("id", "person", "kind", "target", "started", "exit", "what")
        show(columns, map(_cells, found["sessions"]), "no session that you may find is so")
    _say_what_is_left_out(found, limit)


def _say_what_is_left_out(found: Mapping[str, Any], limit: int) -> None:
    if found["more"]:
        typer.echo(f"-- there may be more: these are the newest {min(limit, len(found['sessions']))}; narrow it, or give a higher --limit", err=True)
    if found["waiting"]:
        typer.echo(f"-- {found['waiting']} sessions are not in the index yet; ask again soon", err=True)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    what = [*map(_hit, row["hits"]), *map(_hit, row["commands"]), *([f"-- {row['said']}"] if row["said"] else [])]
    return row["id"], row["person"], row["kind"], row["target"], moment(row["started"]), row["exit"], "\n".join(what)


def _hit(hit: Mapping[str, Any]) -> str:
    mark = " (derived)" if hit["derived"] else ""
    return f"at {hit['at_us'] / 1e6:.1f}s{mark}: {'$ ' if hit['is_command'] else ''}{hit['text']}"


@app.command()
def reindex(config: Config = USUAL_PLACE) -> None:
    """Make the search index anew from the tapes; until it is done, not all of them are found.

    Example: dockwarden session reindex
    """
    done = unread = 0
    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with answering(load_settings(config), "session/reindex") as answer, bar:
        task = bar.add_task("tapes", total=None)
        for line in answer:
            said = msgspec.json.decode(line)
            done, unread = said["done"], said["unread"]
            bar.update(task, completed=done, total=said["of"])
    typer.echo(f"{done} tapes are in the index" + (f"; {unread} of them could not be read, and the log says why" if unread else ""))
