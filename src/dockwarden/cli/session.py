"""`dockwarden session`: sessions that are or were recorded. `verify` works on the files alone; the others ask the process that serves."""

from __future__ import annotations

import base64
import datetime
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from rich.table import Table

from dockwarden.cli.control import answering, ask
from dockwarden.cli.ledger import broken
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.outsider import Key, PublicKey, believed, ledger_folder
from dockwarden.ledger.segments import entries
from dockwarden.ledger.verify import Verifier
from dockwarden.settings import load_settings
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import rows
from dockwarden.tape.frames import Kind
from dockwarden.tape.neutral import Neutral
from dockwarden.tape.opening import unwrap
from dockwarden.tape.read import opening_of
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.verify import Checked, Known, check_tape
from dockwarden.words.errors import BadConfig

app = typer.Typer(name="session", no_args_is_help=True, help="Sessions: what is recorded now, and the tapes of what was.")

Id = Annotated[str, typer.Argument(metavar="ID", help="the session's id, or its beginning")]
ID_CHARS = 28
LONGEST_PAUSE_S = 2.0
SHOWN = frozenset({Kind.OUTPUT, Kind.ERROR})


@app.command("list")
def list_(
    config: Config = USUAL_PLACE,
    as_json: AsJson = False,
    who: Annotated[str, typer.Option("--who", help="the person")] = "",
    live: Annotated[bool, typer.Option("--live", help="only those under way")] = False,
) -> None:
    """List sessions, the oldest first. Where nobody serves, the files themselves are read.

    Example: dockwarden session list --live
    """
    found = [row for row in _rows(config) if who in {"", row["person"]} and (not live or not row["ended"])]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "person", "kind", "target", "started", "length", "state", "segments"):
        table.add_column(name)
    for row in found:
        length = f"{(row['ended'] - row['started']) / 1e6:.1f} s" if row["ended"] else ""
        table.add_row(row["id"], row["person"], row["kind"], row["target"], _time(row["started"]), length, row["state"], str(row["segments"]))
    Console().print(table if found else "no session was recorded yet that you may know of")


@app.command()
def export(
    id: Id,
    config: Config = USUAL_PLACE,
    format: Annotated[str, typer.Option("--format", help="asciicast (version 3), asciicast-v2, or raw: one stream's bytes")] = "asciicast",
    stream: Annotated[str, typer.Option("--stream", help="raw: out, err, in, or both for what was shown")] = "both",
) -> None:
    """Write a tape to standard output in a form that others read. That it was exported is recorded.

    Example: dockwarden session export 20260131-120000-0123456789ab > session.cast
    """
    with answering(load_settings(config), "session/export", {"id": _whole(config, id), "format": format, "stream": stream}) as answer:
        shutil.copyfileobj(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


@app.command()
def play(
    id: Id,
    config: Config = USUAL_PLACE,
    speed: Annotated[float, typer.Option("--speed", help="how many times as fast")] = 1.0,
) -> None:
    """Show a tape in this terminal as it was; what could harm the terminal is left out, and long pauses are cut. That it was played is recorded.

    Example: dockwarden session play 20260131-120000-0123456789ab --speed 4
    """
    if speed <= 0:
        raise BadConfig("--speed", "is not above 0", "write 2 for twice as fast")
    neutral, last = Neutral(), 0
    for at_us, kind, data in _frames(config, "session/play", _whole(config, id)):
        if kind in SHOWN:
            time.sleep(min((at_us - last) / 1e6 / speed, LONGEST_PAUSE_S))
            last = at_us
            _show(neutral.feed(data))


@app.command()
def watch(id: Id, config: Config = USUAL_PLACE) -> None:
    """Show a session under way: what was shown so far, and what comes, until it ends. That it was watched is recorded, in it, too.

    Example: dockwarden session watch 20260131-120000-0123456789ab
    """
    neutral = Neutral()
    for _, kind, data in _frames(config, "session/watch", _whole(config, id)):
        if kind in SHOWN:
            _show(neutral.feed(data))
    typer.echo("\r\n-- the session is over", err=True)


@app.command()
def kill(id: Id, config: Config = USUAL_PLACE, why: Annotated[str, typer.Option("--why", help="told to the person")] = "") -> None:
    """End a session now: its stream, and the process behind it.

    Example: dockwarden session kill 20260131-120000-0123456789ab --why "maintenance"
    """
    done = ask(load_settings(config), "session/kill", {"id": _whole(config, id), "why": why})
    typer.echo(f"{done['id']} is ended")


@app.command()
def verify(
    id: Annotated[str, typer.Argument(metavar="ID", help="the session's id; without, all of them")] = "",
    config: Config = USUAL_PLACE,
    tapes: Annotated[Path | None, typer.Option("--tapes", help="the folder of tapes; default: D/state/tapes")] = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="a copy of the ledger's folder, which is verified first")] = None,
    key: Key = "",
    public_key: PublicKey = None,
    identity: Annotated[Path | None, typer.Option("--identity", help="an auditor's age key (a file): what is sealed is opened, too")] = None,
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
    every = sorted({*shelf.ids(), *known})
    ids, secret = [_among(every, id)] if id else every, _identity(identity)
    found = {one: _checked(shelf, one, public, known.get(one), secret) for one in ids}
    if as_json:
        typer.echo(json.dumps([_told(one, checked) for one, checked in found.items()]))
    else:
        _say(found, is_one=bool(id))
    raise typer.Exit(1 if any(checked.wrong for checked in found.values()) else 0)


def _say(found: Mapping[str, Checked], *, is_one: bool) -> None:
    for one, checked in found.items():
        if checked.wrong:
            typer.echo(f"{one}: BROKEN at segment {checked.segment}: {checked.wrong}", err=True)
        elif is_one:
            typer.echo(f"{one}: {checked.segments} segments are what was recorded ({checked.state}), head {checked.head.hex()}")
    if not is_one:
        typer.echo(f"{sum(not checked.wrong for checked in found.values())} of {len(found)} tapes are what was recorded")


def known_tapes(ledger: Path) -> dict[str, Known]:
    """What the ledger says of each tape; those that a recorded deed took away are not among them."""
    found: dict[str, Known] = {}
    for entry in entries(ledger, 0):
        if entry.kind == "tape" and "tape" in entry.detail:
            id, what = str(entry.detail["tape"]), entry.detail.get("what")
            if what == "tape.deleted":
                found.pop(id, None)
            else:
                found[id] = Known(int(entry.detail["segment"]), bytes.fromhex(entry.detail["head"]), what == "tape.closed")
    return found


def _checked(shelf: Shelf, id: str, public: Ed25519PublicKey, known: Known | None, identity: str) -> Checked:
    folder = shelf.path(id)
    if known is not None and not folder.is_dir():
        return Checked(None, wrong="the whole tape is missing, and the ledger has it", segment=1)
    try:
        key = unwrap(opening_of(folder), identity) if identity else b""
    except BadSegment as error:
        return Checked(None, wrong=str(error))
    return check_tape(folder, public, known, key)


def _told(id: str, checked: Checked) -> Mapping[str, Any]:
    head, state = checked.head.hex(), checked.state
    return {"id": id, "segments": checked.segments, "head": head, "state": state, "wrong": checked.wrong, "segment": checked.segment}


def _identity(file: Path | None) -> str:
    if file is None:
        return ""
    lines = file.read_text("ascii").splitlines()
    found = next((line.strip() for line in lines if line.startswith("AGE-SECRET-KEY-")), "")
    if not found:
        raise BadConfig(str(file), "holds no age key", "name the file that age-keygen made")
    return found


def _rows(config: Path) -> list[dict[str, Any]]:
    settings = load_settings(config)
    if not settings.control_socket.exists() and settings.tapes_dir.is_dir():
        return [msgspec.to_builtins(row) for row in rows(Shelf(settings.tapes_dir))]
    return list(ask(settings, "session/list")["sessions"])


def _whole(config: Path, id: str) -> str:
    """The id that begins so; as it is where it is whole."""
    return id if len(id) >= ID_CHARS else _among([row["id"] for row in _rows(config)], id)


def _among(ids: list[str], start: str) -> str:
    found = [id for id in ids if id.startswith(start)]
    if len(found) != 1:
        raise BadConfig(start, f"{len(found)} sessions begin so" if found else "no session that is here begins so", "see dockwarden session list")
    return found[0]


def _frames(config: Path, verb: str, id: str) -> Iterator[tuple[int, Kind, bytes]]:
    with answering(load_settings(config), verb, {"id": id}) as answer:
        for line in answer:
            said = msgspec.json.decode(line)
            if isinstance(said, list):
                yield said[0], Kind(said[1]), base64.b64decode(said[2])


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _time(at_us: int) -> str:
    return datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC).astimezone().isoformat(" ", "seconds") if at_us else ""
