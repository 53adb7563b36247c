"""`dockwarden session verify`: whether tapes are what was recorded. It works on the files, the ledger and a public key alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.outsider import Identity, Key, PublicKey, Tapes, age_key, believed, ledger_folder
from dockwarden.cli.session import among, app
from dockwarden.cli.words import broken
from dockwarden.ledger.segments import entries
from dockwarden.ledger.verify import Verifier
from dockwarden.settings import Settings, load_settings
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.marks import DELETED, absent
from dockwarden.tape.opening import unwrap
from dockwarden.tape.read import opening_of
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.verify import Checked, Gone, Known, check_kept, known_tapes
from dockwarden.words.moment import moment


@app.command()
def verify(
    id: Annotated[str, typer.Argument(metavar="ID", help="the session's id; without, all of them")] = "",
    config: Config = USUAL_PLACE,
    tapes: Tapes = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="a copy of the ledger's folder, which is verified first")] = None,
    key: Key = "",
    public_key: PublicKey = None,
    identity: Identity = None,
    as_json: AsJson = False,
) -> None:
    """Check that tapes are what was recorded, from their files, the ledger and a public key; exit 1 and name the first bad segment if one is not.

    With --tapes, --ledger and --key it needs no settings.

    Example: dockwarden session verify 20260131-120000-0123456789ab
    """
    shelf = Shelf(tapes or load_settings(config).tapes_dir)
    folder = ledger_folder(config, ledger)
    public = believed(folder, key, public_key)
    if ledger is not None and (flaw := Verifier(folder, public).run().flaw):
        typer.echo(f"the ledger is BROKEN at {broken(flaw)}", err=True)
        raise typer.Exit(1)
    known = known_tapes(folder)
    since = next((entry.seq for entry in entries(folder)), 0)
    every = sorted({*shelf.ids(), *known})
    ids, secret = [among(every, id)] if id else every, age_key(identity)
    if id and tapes is None:
        _bring_back(load_settings(config), shelf, ids[0])
    found = {one: _checked(shelf, one, public, known.get(one), secret, since) for one in ids}
    if as_json:
        typer.echo(json.dumps([_told(one, checked) for one, checked in found.items()]))
    else:
        _say(found, is_one=bool(id))
    raise typer.Exit(1 if any(checked.wrong for checked in found.values()) else 0)


def _say(found: Mapping[str, Checked], *, is_one: bool) -> None:
    for one, checked in found.items():
        if checked.wrong:
            typer.echo(f"{one}: BROKEN at segment {checked.segment}: {checked.wrong}", err=True)
        elif checked.deleted is not None:
            if is_one:
                typer.echo(f"{one}: {_deleted(checked, checked.deleted)}")
        elif is_one:
            typer.echo(f"{one}: {checked.segments} segments are what was recorded ({checked.state}), head {checked.head.hex()}")
    if not is_one:
        gone, away = (sum(checked.state == state for checked in found.values()) for state in ("deleted", "away"))
        right = sum(not checked.wrong for checked in found.values()) - gone - away
        said = f"{right} of {len(found) - gone - away} tapes are what was recorded"
        said += f"; {gone} were deleted, as the ledger has it" if gone else ""
        typer.echo(said + (f"; {away} are in the store alone, and are looked at one by one: session verify ID" if away else ""))


def _checked(shelf: Shelf, id: str, public: Ed25519PublicKey, known: Known | None, identity: str, since: int) -> Checked:
    folder = shelf.path(id)
    if known is not None and not known.deleted and not folder.is_dir():
        return Checked(None, wrong="the whole tape is missing, and the ledger has it", segment=1)
    try:
        key = unwrap(opening_of(folder), identity) if identity and not (known and known.deleted) else b""
    except BadSegment as error:
        return Checked(None, wrong=str(error))
    return check_kept(folder, public, known, key, since=since)


def _bring_back(settings: Settings, shelf: Shelf, id: str) -> None:
    """See that a tape which is in the store alone is here to be looked at. Raises: Answered; BadConfig: nobody serves who could."""
    folder = shelf.path(id)
    if folder.is_dir() and not (folder / DELETED).exists() and absent(folder):
        ask(settings, "session/bring", {"id": id})


def _told(id: str, checked: Checked) -> Mapping[str, Any]:
    head, state = checked.head.hex(), checked.state
    deleted = asdict(checked.deleted) if checked.deleted else None
    said = {"id": id, "segments": checked.segments, "head": head, "state": state, "wrong": checked.wrong, "segment": checked.segment}
    return {**said, "deleted": deleted}


def _deleted(checked: Checked, gone: Gone) -> str:
    rule = f" ({gone.rule})" if gone.rule else ""
    head = f"{checked.segments} segments, head {checked.head.hex()}"
    return f"deleted on {moment(gone.at)} by {gone.by}: {gone.why}{rule}; it had {head}"
