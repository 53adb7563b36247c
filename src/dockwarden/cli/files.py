"""`dockwarden session files`, and `session export --file`: what was copied in a session, and the contents of what is kept."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import typer
from rich.text import Text

from dockwarden.cli.control import answering, ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.outsider import Identity, Tapes
from dockwarden.cli.session import Id, app, copy_of, whole
from dockwarden.cli.tables import show
from dockwarden.cli.words import printable
from dockwarden.settings import load_settings
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.kept import Copy, contents, copies_of
from dockwarden.tape.read import frames_of
from dockwarden.words.errors import BadConfig


@app.command()
def files(id: Id, config: Config = USUAL_PLACE, tapes: Tapes = None, identity: Identity = None, as_json: AsJson = False) -> None:
    """List the files that were copied in a session by SFTP or scp, in the order in which that began. That it was listed is recorded, as an export.

    Example: dockwarden session files 20260131-120000-0123456789ab
    """
    found = _found(id, config, tapes, identity)
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in found]))
        return
    columns = ("file", "what", "path", "bytes", "SHA-256", "contents")
    show(columns, map(_cells, found), "no file was copied in it", right={"file", "bytes"})


def write_file(id: str, number: int, path: str, config: Path, tapes: Path | None, identity: Path | None, *, with_untaken: bool) -> None:
    """Write the contents of a file, named by its number or by its path as it is listed, to standard output.

    Raises:
        BadConfig: none is called so, or several are; it is not kept; its SHA-256 is another; standard output is a terminal. Answered.
    """
    if sys.stdout.isatty():
        raise BadConfig("standard output", "is a terminal, which contents of a file may harm", "write them into a file: … > copy")
    copy = _chosen(_found(id, config, tapes, identity), number, path)
    if tapes is not None:
        _, folder, key = copy_of(tapes, identity, id)
        _write(contents(lambda: frames_of(folder, key), copy, with_untaken=with_untaken), folder)
    else:
        asked = {"id": whole(config, id), "format": "raw", "file": copy.number, "with_untaken": with_untaken}
        with answering(load_settings(config), "session/export", asked) as answer:
            shutil.copyfileobj(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    typer.echo(f"file {copy.number}, {printable(copy.path)}: {_why_none(copy) or f'its SHA-256 is {copy.sha256}, as recorded'}", err=True)


def _found(id: str, config: Path, tapes: Path | None, identity: Path | None) -> tuple[Copy, ...]:
    if tapes is None:
        return msgspec.convert(ask(load_settings(config), "session/files", {"id": whole(config, id)})["files"], tuple[Copy, ...])
    _, folder, key = copy_of(tapes, identity, id)
    try:
        return copies_of(frames_of(folder, key))
    except BadSegment as error:
        raise _unreadable(folder, error) from None


def _cells(one: Copy) -> tuple[str | Text, ...]:
    path = Text(printable(one.path))  # one line, whatever the name
    return str(one.number), "upload" if one.is_upload else "download", path, str(one.bytes), one.sha256 or _why_none(one), _kept(one)


def _chosen(found: tuple[Copy, ...], number: int, path: str) -> Copy:
    chosen = [one for one in found if (one.number == number if number else path in (printable(one.path), printable(one.canonical)))]
    which = f"--file {number}" if number else f"--path {printable(path)}"
    if len(chosen) != 1:
        why = f"files {', '.join(str(one.number) for one in chosen)} are called so" if chosen else "is none of its files"
        raise BadConfig(which, why, "name one by its number: dockwarden session files ID")
    if not chosen[0].keep_bytes:
        raise BadConfig(which, "its contents are not kept, since no policy asked for that", 'write @harden("keep-files=64m") on the permit')
    return chosen[0]


def _write(pieces: Iterator[bytes], folder: Path) -> None:
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    except BadSegment as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: Path, error: BadSegment) -> BadConfig:
    return BadConfig(str(folder), str(error), "look at it with: dockwarden session verify ID")


def _why_none(copy: Copy) -> str:
    """Why there is no digest, "" where there is one."""
    if copy.sha256:
        return ""
    if not copy.has_ended:
        return "it was not closed, or is not yet"
    if copy.untaken:
        return f"the server did not take {len(copy.untaken)} of its pieces"
    return "appended to what was there" if copy.is_appended else f"moved in {copy.ranges} runs" if copy.bytes else "nothing moved"


def _kept(copy: Copy) -> str:
    how = "" if copy.is_complete else " (not complete)"
    return f"kept{how}" if copy.keep_bytes else f"not kept{how}"
