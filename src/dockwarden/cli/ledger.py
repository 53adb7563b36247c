"""`dockwarden ledger`: read, search, verify and export the record. It works on the files; no server need run."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from dockwarden.cli.options import USUAL_PLACE, AsJson, Config, FormerPerson, Person
from dockwarden.cli.outsider import WRITE_KEY, Key, PublicKey, believed, kept_checkpoints, ledger_folder, verifier_key
from dockwarden.cli.tables import show
from dockwarden.cli.words import broken, micros, printable
from dockwarden.ledger.chain import HASH_CHARS
from dockwarden.ledger.checkpoint import ledger_key
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import PUBLIC, read_public_key
from dockwarden.ledger.proof import BadProof, read_proof
from dockwarden.ledger.prove import prove as make_proof
from dockwarden.ledger.segments import entries, newest, segments
from dockwarden.ledger.verify import Verifier
from dockwarden.ledger.witness import lag_of, read_place
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig
from dockwarden.words.moment import moment

app = typer.Typer(no_args_is_help=True)

AsLines = Annotated[bool, typer.Option("--json", help="print JSON objects, one a line")]
Dir = Annotated[Path | None, typer.Option("--dir", help="the ledger's folder or a copy of it, instead of the one that settings name")]
KINDS = ("intent", "outcome", "read", "refused", "observed", "event", "opened", "closed", "recovered", "retired", "vault")
OWN_LIFE = frozenset({"checkpoint", "segment"})
FOLLOW_S = 0.2


@app.command()
def tail(
    config: Config = USUAL_PLACE,
    count: Annotated[int, typer.Option("-n", help="how many entries")] = 20,
    follow: Annotated[bool, typer.Option("-f", help="go on with new ones as they come")] = False,
    as_json: AsLines = False,
) -> None:
    """Show the newest entries.

    Example: dockwarden ledger tail -f
    """
    folder = load_settings(config).ledger_dir
    shown = [entry for _, entry in zip(range(count), (entry for entry in newest(folder) if entry.kind not in OWN_LIFE), strict=False)]
    _show(list(reversed(shown)), as_json)
    last = max((entry.seq for entry in shown), default=0)
    while follow:
        time.sleep(FOLLOW_S)
        fresh = list(entries(folder, last))
        last = max((entry.seq for entry in fresh), default=last)
        _show([entry for entry in fresh if entry.kind not in OWN_LIFE], as_json)


@app.command()
def search(
    config: Config = USUAL_PLACE,
    text: Annotated[str, typer.Argument(help="words that an entry must hold, anywhere")] = "",
    person: Person = "",
    who: FormerPerson = "",
    action: Annotated[str, typer.Option("--action", help="the action, or its beginning (container.)")] = "",
    kind: Annotated[str, typer.Option("--kind", help=", ".join(KINDS))] = "",
    call: Annotated[str, typer.Option("--call", help="the id of one call: its intent and its outcome")] = "",
    since: Annotated[str, typer.Option("--since", help="a time (2026-01-31 or 2026-01-31T12:00) or an age (15m, 2h, 7d)")] = "",
    until: Annotated[str, typer.Option("--until", help="as --since")] = "",
    limit: Annotated[int, typer.Option("--limit", help="how many at most, the newest")] = 1000,
    as_json: AsLines = False,
) -> None:
    """Find entries.

    Example: dockwarden ledger search --person alice --kind refused --since 2h
    """
    folder = load_settings(config).ledger_dir
    if kind and kind not in KINDS:
        raise BadConfig("--kind", f"no entry is a {kind!r}", f"there are {', '.join(KINDS)}")
    first, last = micros(since, "--since"), micros(until, "--until") or sys.maxsize
    found: list[Entry] = []
    for entry in newest(folder):
        if entry.at < first or len(found) >= limit:
            break
        fits = (
            entry.at <= last and entry.kind not in OWN_LIFE and (person or who) in {"", entry.principal} and entry.action.startswith(action)
            and kind in {"", entry.kind} and call in {"", entry.call}
        )
        if fits and (not text or text in msgspec.json.encode(entry).decode()):
            found.append(entry)
    _show(list(reversed(found)), as_json)


@app.command()
def verify(
    config: Config = USUAL_PLACE,
    folder: Dir = None,
    key: Key = "",
    public_key: PublicKey = None,
    kept: Annotated[list[Path] | None, typer.Option("--checkpoint", help="one that was copied away: the ledger must go on from it")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry, checkpoint, segment and tile; exit 1 and name the first broken entry if one is.

    It needs no server; with --dir and --key, no settings either.

    Example: dockwarden ledger verify --dir COPY/state/ledger --key ledger.vkey
    """
    folder = ledger_folder(config, folder)
    public, checkpoints = believed(folder, key, public_key), kept_checkpoints(kept or [])
    size = sum(file.stat().st_size for file in segments(folder))
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("verifying", total=size)
        found = Verifier(folder, public, lambda read: progress.advance(task, read), checkpoints).run()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    elif found.flaw is None:
        typer.echo(f"in order: {found.entries} entries ({found.first} to {found.last}), {found.checkpoints} checkpoints, signed up to {found.signed}")
        if found.root:
            typer.echo(f"{found.origin}: {found.size} entries have the root {found.root}")
    else:
        typer.echo(f"BROKEN at {broken(found.flaw)}", err=True)
    raise typer.Exit(1 if found.flaw else 0)


@app.command()
def key(config: Config = USUAL_PLACE, folder: Dir = None) -> None:
    """Print the ledger's key for those who check it: auditors, witnesses.

    Example: dockwarden ledger key > ledger.vkey
    """
    typer.echo(ledger_key(read_public_key(ledger_folder(config, folder) / PUBLIC)).written())


@app.command()
def prove(
    seq: Annotated[int, typer.Argument(metavar="N", help="the entry's number (seq)")],
    config: Config = USUAL_PLACE,
    folder: Dir = None,
) -> None:
    """Print what shows that entry N is in the ledger, to whoever has the ledger's key and nothing else of it.

    Example: dockwarden ledger prove 1234 > 1234.tlog-proof
    """
    typer.echo(make_proof(ledger_folder(config, folder), seq).written(), nl=False)


@app.command("check-proof")
def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what dockwarden ledger prove printed")],
    key: Key = "",
    witness: Annotated[str, typer.Option("--witness", metavar="VKEY", help="a witness who must have signed, too: its key, or a file with it")] = "",
) -> None:
    """Check a proof and print the entry that it shows; exit 1 if it shows none. It needs no ledger, no server and no settings.

    Example: dockwarden ledger check-proof 1234.tlog-proof --key ledger.vkey
    """
    if not key:
        raise BadConfig("--key", "is missing", WRITE_KEY)
    log, cosigner = verifier_key(key), verifier_key(witness, "--witness") if witness else None
    try:
        proof = read_proof(file.read_bytes())
        proof.check(log)
        if cosigner and cosigner.signed_at(proof.signed.note) is None:
            raise BadProof(f"its checkpoint is not signed by the witness {cosigner.name}")
    except BadProof as error:
        typer.echo(f"{printable(str(file))}: proves nothing: {error}", err=True)
        raise typer.Exit(1) from None
    witnessed = f", witnessed by {cosigner.name}" if cosigner else ""
    typer.echo(f"entry {proof.index + 1} of {proof.signed.checkpoint.size} in the tree of {log.name}{witnessed}", err=True)
    typer.echo(proof.line[HASH_CHARS + 1 :].decode())


@app.command()
def witness(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Say how far the witness has signed; exit 1 where one is named in the settings and lags or is silent.

    Example: dockwarden ledger witness
    """
    settings = load_settings(config)
    if not settings.ledger.witness:
        typer.echo("{}" if as_json else "no witness is named in the settings ([ledger] witness)")
        return
    found = lag_of(settings.ledger_dir, read_place(settings.ledger.witness, settings.ledger.witness_key))
    if as_json:
        typer.echo(json.dumps({**dataclasses.asdict(found), "at_us": found.at * 1_000_000}))
    else:
        typer.echo(f"{settings.ledger.witness}: {found}")
    raise typer.Exit(1 if found.is_late else 0)


@app.command()
def export(config: Config = USUAL_PLACE, since: Annotated[int, typer.Option("--since-seq", help="only entries after this one")] = 0) -> None:
    """Print every entry as JSON Lines.

    Example: dockwarden ledger export > ledger.jsonl
    """
    out = sys.stdout.buffer
    for entry in entries(load_settings(config).ledger_dir, since):
        out.write(msgspec.json.encode(entry) + b"\n")


def _show(found: list[Entry], as_json: bool) -> None:
    if as_json:
        for entry in found:
            typer.echo(msgspec.json.encode(entry).decode())
        return
    show(("time", "person", "what", "about", "came of it", "why"), map(_cells, found))


def _cells(entry: Entry) -> tuple[str | Text, ...]:
    colour = {"refused": "red", "observed": "yellow", "intent": "cyan"}.get(entry.kind, "")
    came = f"{entry.kind} {entry.status or ''}".strip()
    why = str(entry.detail.get("message") or ", ".join(entry.policies) or entry.detail.get("what") or "")
    about = entry.resource if len(entry.resource) < 40 else entry.resource[:22] + "…"
    return moment(entry.at), entry.principal or "-", entry.action or "-", about, Text(printable(came), style=colour), why
