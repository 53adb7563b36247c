"""`dockwarden ledger`: read, search, verify and export the record. It works on the files; no server need run."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import PUBLIC, read_public_key
from dockwarden.ledger.segments import entries, newest, segments
from dockwarden.ledger.verify import Verifier
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON objects, one a line")]
KINDS = ("intent", "outcome", "read", "refused", "observed", "event", "opened", "closed", "recovered", "retired", "vault")
OWN_LIFE = frozenset({"checkpoint", "segment"})
FOLLOW_S = 0.2


@app.command()
def tail(
    config: Config = USUAL_PLACE,
    count: Annotated[int, typer.Option("-n", help="how many entries")] = 20,
    follow: Annotated[bool, typer.Option("-f", help="go on with new ones as they come")] = False,
    as_json: AsJson = False,
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
    who: Annotated[str, typer.Option("--who", help="the person")] = "",
    action: Annotated[str, typer.Option("--action", help="the action, or its beginning (container.)")] = "",
    kind: Annotated[str, typer.Option("--kind", help=", ".join(KINDS))] = "",
    call: Annotated[str, typer.Option("--call", help="the id of one call: its intent and its outcome")] = "",
    since: Annotated[str, typer.Option("--since", help="a time (2026-01-31 or 2026-01-31T12:00) or an age (15m, 2h, 7d)")] = "",
    until: Annotated[str, typer.Option("--until", help="as --since")] = "",
    limit: Annotated[int, typer.Option("--limit", help="how many at most, the newest")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Find entries.

    Example: dockwarden ledger search --who alice --kind refused --since 2h
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
            entry.at <= last and entry.kind not in OWN_LIFE and who in {"", entry.principal} and entry.action.startswith(action)
            and kind in {"", entry.kind} and call in {"", entry.call}
        )
        if fits and (not text or text in msgspec.json.encode(entry).decode()):
            found.append(entry)
    _show(list(reversed(found)), as_json)


@app.command()
def verify(
    config: Config = USUAL_PLACE,
    public_key: Annotated[Path | None, typer.Option("--public-key", help="the key to believe; default: the one beside the ledger")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry, checkpoint and segment; exit 1 and name the first broken entry if one is.

    Example: dockwarden ledger verify
    """
    folder = load_settings(config).ledger_dir
    key = read_public_key(public_key or folder / PUBLIC)
    size = sum(file.stat().st_size for file in segments(folder))
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("verifying", total=size)
        found = Verifier(folder, key, lambda read: progress.advance(task, read)).run()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    elif found.flaw is None:
        typer.echo(f"in order: {found.entries} entries ({found.first} to {found.last}), {found.checkpoints} checkpoints, signed up to {found.signed}")
    else:
        typer.echo(f"BROKEN at entry {found.flaw.seq} ({found.flaw.segment} line {found.flaw.line}): {found.flaw.what}", err=True)
    raise typer.Exit(1 if found.flaw else 0)


@app.command()
def export(config: Config = USUAL_PLACE, since: Annotated[int, typer.Option("--since-seq", help="only entries after this one")] = 0) -> None:
    """Print every entry as JSON Lines.

    Example: dockwarden ledger export > ledger.jsonl
    """
    out = sys.stdout.buffer
    for entry in entries(load_settings(config).ledger_dir, since):
        out.write(msgspec.json.encode(entry) + b"\n")


def micros(text: str, option: str) -> int:
    """Microseconds since 1970 of a time or an age."""
    if not text:
        return 0
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdecimal() and text[-1] in units:
        return (time.time_ns() // 1000) - int(text[:-1]) * units[text[-1]] * 10**6
    try:
        return int(datetime.datetime.fromisoformat(text).astimezone().timestamp() * 1e6)
    except ValueError:
        raise BadConfig(option, f"{text!r} is no time", "write 2026-01-31, 2026-01-31T12:00, 15m, 2h or 7d") from None


def _show(found: list[Entry], as_json: bool) -> None:
    if as_json:
        for entry in found:
            typer.echo(msgspec.json.encode(entry).decode())
        return
    if not found:
        return
    table = Table("time", "who", "what", "about", "came of it", "why", box=None, pad_edge=False)
    for entry in found:
        table.add_row(*_cells(entry))
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    Console(width=width).print(table)


def _cells(entry: Entry) -> Iterator[Text]:
    when = datetime.datetime.fromtimestamp(entry.at / 1e6).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    colour = {"refused": "red", "observed": "yellow", "intent": "cyan"}.get(entry.kind, "")
    came = f"{entry.kind} {entry.status or ''}".strip()
    why = str(entry.detail.get("message") or ", ".join(entry.policies) or entry.detail.get("what") or "")
    about = entry.resource if len(entry.resource) < 40 else entry.resource[:22] + "…"
    cells = ((when, ""), (entry.principal or "-", ""), (entry.action or "-", ""), (about, ""), (came, colour), (why, ""))
    for text, style in cells:
        yield Text(printable(text), style=style)


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal, or make a line look like another, spelt out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
