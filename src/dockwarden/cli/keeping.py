"""`dockwarden session hold`, `release`, `delete` and `bring`: how long tapes are kept, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.cli.session import app, whole
from dockwarden.settings import load_settings

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="the sessions' ids, or their beginnings")]


@app.command()
def hold(
    ids: Ids,
    config: Config = USUAL_PLACE,
    reason: Annotated[str, typer.Option("--reason", help="what for; it is shown beside the session")] = "",
) -> None:
    """Keep tapes until they are released: nobody and no setting deletes them meanwhile. Several may hold one tape, each for a reason.

    Example: dockwarden session hold 20260131-120000-0123456789ab --reason "case 17"
    """
    _each(config, "session/hold", ids, reason, "is held")


@app.command()
def release(
    ids: Ids,
    config: Config = USUAL_PLACE,
    reason: Annotated[str, typer.Option("--reason", help="that of the hold which is meant, where there are several")] = "",
) -> None:
    """Let the hold on tapes go.

    Example: dockwarden session release 20260131-120000-0123456789ab
    """
    _each(config, "session/release", ids, reason, "is released")


@app.command()
def delete(ids: Ids, config: Config = USUAL_PLACE, reason: Annotated[str, typer.Option("--reason", help="why; it stays on record")] = "") -> None:
    """Delete tapes for good, here and in the store. That they were, by whom and why, stays; `verify` shows it.

    Example: dockwarden session delete 20260131-120000-0123456789ab --reason "made by mistake: a customer's data"
    """
    _each(config, "session/delete", ids, reason, "is deleted")


@app.command()
def bring(ids: Ids, config: Config = USUAL_PLACE) -> None:
    """Bring tapes back to this disk that are in the store alone, so that `verify` can look at them; `play` and `export` do so by themselves.

    Example: dockwarden session bring 20260131-120000-0123456789ab
    """
    _each(config, "session/bring", ids, None, "is here")


def _each(config: Path, verb: str, ids: list[str], reason: str | None, done: str) -> None:
    """Ask for one deed about each of several sessions; the first that is refused ends it, and those before are done."""
    settings = load_settings(config)
    for id in ids:
        more = {} if reason is None else {"reason": reason}
        said = ask(settings, verb, {"id": whole(config, id), **more})
        typer.echo(f"{said['id']} {done}")
