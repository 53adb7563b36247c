"""`dockwarden session`: sessions that are or were recorded. `verify` works on the files alone; the others ask the process that serves."""

from __future__ import annotations

import base64
import datetime
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from rich.table import Table

from dockwarden.cli.control import answering, ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.outsider import Key, PublicKey, believed, ledger_folder
from dockwarden.cli.words import broken
from dockwarden.ledger.segments import entries
from dockwarden.ledger.verify import Verifier
from dockwarden.settings import Settings, load_settings
from dockwarden.tape import deletion
from dockwarden.tape.exported import STREAMS, Exported, FormName
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import rows
from dockwarden.tape.frames import Kind
from dockwarden.tape.marks import DELETED, absent
from dockwarden.tape.neutral import Neutral
from dockwarden.tape.opening import Opening, unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.verify import Checked, Gone, Known, check_kept
from dockwarden.words.duration import seconds_of
from dockwarden.words.errors import BadConfig

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="the session's id, or its beginning")]
Tapes = Annotated[Path | None, typer.Option("--tapes", help="the folder of tapes; default: D/state/tapes")]
Identity = Annotated[Path | None, typer.Option("--identity", help="an auditor's age key (a file): what is sealed is opened, too")]
FORMS = {"asciicast": "v3", "asciicast-v2": "v2"}
ID_CHARS, WIDE = 28, 200
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="the sessions' ids, or their beginnings")]
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
    table.add_column("id", no_wrap=True, min_width=ID_CHARS)
    for name in ("person", "kind", "target", "started", "length", "state", "watched by"):
        table.add_column(name)
    for row in found:
        length = f"{(row['ended'] - row['started']) / 1e6:.1f} s" if row["ended"] else ""
        words = row["id"], row["person"], row["kind"], row["target"], local_time(row["started"]), length, _state(row)
        table.add_row(*words, ", ".join(row["watchers"]))
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    Console(width=width).print(table if found else "no session was recorded yet that you may know of")
    for row in found:
        for note in _notes(row):
            typer.echo(f"{row['id']}: {note}")


@app.command()
def export(
    id: Id,
    config: Config = USUAL_PLACE,
    format: Annotated[str, typer.Option("--format", help="asciicast (version 3), asciicast-v2, or raw: one stream's bytes")] = "asciicast",
    stream: Annotated[str, typer.Option("--stream", help="raw: out, err, in, or both for what was shown")] = "both",
    tapes: Tapes = None,
    identity: Identity = None,
) -> None:
    """Write a tape to standard output in a form that others read. That it was exported is recorded.

    With --tapes and --identity an auditor reads a copy with their own key, and no server.

    Example: dockwarden session export 20260131-120000-0123456789ab > session.cast
    """
    if tapes is not None:
        opening, folder, key = _copy(tapes, identity, id)
        form = stream if format == "raw" else FORMS.get(format, "")
        if form not in {*FORMS.values(), *STREAMS}:
            raise BadConfig("--format, --stream", f"{format} {stream} is none", "write asciicast, asciicast-v2, or raw with out, err, in or both")
        for piece in Exported(opening, folder, key, cast(FormName, form)).pieces():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with answering(load_settings(config), "session/export", {"id": _whole(config, id), "format": format, "stream": stream}) as answer:
        shutil.copyfileobj(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


@app.command()
def play(
    id: Id,
    config: Config = USUAL_PLACE,
    speed: Annotated[float, typer.Option("--speed", help="how many times as fast")] = 1.0,
    start_s: Annotated[float, typer.Option("--from", help="seconds into it from which it is shown as it was; what was before, at once")] = 0.0,
    tapes: Tapes = None,
    identity: Identity = None,
) -> None:
    """Show a tape in this terminal as it was; what could harm the terminal is left out, and long pauses are cut. That it was played is recorded.

    With --tapes and --identity an auditor reads a copy with their own key, and no server.

    Example: dockwarden session play 20260131-120000-0123456789ab --speed 4
    """
    if speed <= 0:
        raise BadConfig("--speed", "is not above 0", "write 2 for twice as fast")
    neutral, last = Neutral(), 0
    if tapes is not None:
        _, folder, key = _copy(tapes, identity, id)
        frames: Iterator[tuple[int, Kind, bytes]] = frames_of(folder, key)
    else:
        frames = _frames(config, "session/play", _whole(config, id))
    for at_us, kind, data in frames:
        if kind in SHOWN:
            time.sleep(min((at_us - last) / 1e6 / speed, LONGEST_PAUSE_S) if at_us > start_s * 1e6 else 0)
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
def lock(
    reason: Annotated[str, typer.Option("--reason", help="told to who is locked")],
    config: Config = USUAL_PLACE,
    person: Annotated[str, typer.Option("--person", help="whose sessions")] = "",
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
    table = Table("id", "person", "target", "by", "until", "reason", box=None, pad_edge=False)
    for row in found:
        table.add_row(row["id"], row["person"] or "everybody", row["target"] or "everywhere", row["by"], _until(row), row["reason"])
    Console().print(table if found else "nothing is locked that you may know of")


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
    ids, secret = [_among(every, id)] if id else every, _identity(identity)
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


def known_tapes(ledger: Path) -> dict[str, Known]:
    """What the ledger says of each tape, and whether a recorded deed took it away."""
    found: dict[str, Known] = {}
    for entry in entries(ledger, 0):
        if entry.kind == "tape" and "tape" in entry.detail:
            id, what = str(entry.detail["tape"]), entry.detail.get("what")
            gone = None
            if what == deletion.WHAT:
                gone = Gone(entry.at, entry.principal, str(entry.detail["why"]), str(entry.detail.get("rule", "")), entry.seq)
            is_closed = what in {"tape.closed", deletion.WHAT, deletion.KEPT}
            found[id] = Known(int(entry.detail["segment"]), bytes.fromhex(entry.detail["head"]), is_closed, gone)
    return found


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
    return f"deleted on {local_time(gone.at)} by {gone.by}: {gone.why}{rule}; it had {head}"


def _state(row: Mapping[str, Any]) -> str:
    """A session's state in a table: whether it is held, and where it is."""
    return str(row["state"]) + (", held" if row["holds"] else "") + (", in the store alone" if row["is_away"] else "")


def _notes(row: Mapping[str, Any]) -> Iterator[str]:
    """Who holds a session and who deleted it, when, and why."""
    if gone := row["deleted"]:
        yield f"deleted {local_time(gone['at'])} by {gone['by']}: {gone['why']}" + (f" ({gone['rule']})" if gone["rule"] else "")
    for one in row["holds"]:
        yield f"held since {local_time(one['at'])} by {one['by']}: {one['reason']}"


def _each(config: Path, verb: str, ids: list[str], reason: str | None, done: str) -> None:
    """Ask for one deed about each of several sessions; the first that is refused ends it, and those before are done."""
    settings = load_settings(config)
    for id in ids:
        more = {} if reason is None else {"reason": reason}
        said = ask(settings, verb, {"id": _whole(config, id), **more})
        typer.echo(f"{said['id']} {done}")


def _identity(file: Path | None) -> str:
    if file is None:
        return ""
    lines = file.read_text("ascii").splitlines()
    found = next((line.strip() for line in lines if line.startswith("AGE-SECRET-KEY-")), "")
    if not found:
        raise BadConfig(str(file), "holds no age key", "name the file that age-keygen made")
    return found


def _copy(tapes: Path, identity: Path | None, id: str) -> tuple[Opening, Path, bytes]:
    """A tape of a folder of copies, and its key. Raises: BadConfig: it is not there, or not for that identity."""
    shelf = Shelf(tapes)
    folder = shelf.path(_among(list(shelf.ids()), id))
    try:
        opening = opening_of(folder)
        return opening, folder, unwrap(opening, _identity(identity))
    except BadSegment as error:
        raise BadConfig(str(folder), str(error), "name the age key of one of its recipients with --identity") from None


def _rows(config: Path) -> list[dict[str, Any]]:
    settings = load_settings(config)
    if not settings.control_socket.exists() and settings.tapes_dir.is_dir():
        return [msgspec.to_builtins(row) for row in rows(Shelf(settings.tapes_dir))]
    return list(ask(settings, "session/list")["sessions"])


def _whole(config: Path, id: str) -> str:
    """The id that begins so, or whose last part does; as it is where it is whole."""
    return id if len(id) >= ID_CHARS else _among([row["id"] for row in _rows(config)], id)


def _among(ids: list[str], start: str) -> str:
    found = [id for id in ids if id.startswith(start) or id.rpartition("-")[2].startswith(start)]
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


def _until(lock: Mapping[str, Any]) -> str:
    return f"until {local_time(lock['until'] * 1_000_000)}" if lock["until"] else "until somebody unlocks them"


def local_time(at_us: int) -> str:
    """A moment as it is printed, "" for none."""
    return datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC).astimezone().isoformat(" ", "seconds") if at_us else ""
