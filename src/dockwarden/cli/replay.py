"""`dockwarden session watch`, `play` and `export`: what a session showed, or shows, in this terminal or as a file of another kind."""

from __future__ import annotations

import base64
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from dockwarden.cli.control import answering
from dockwarden.cli.files import write_file
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.cli.outsider import Identity, Tapes
from dockwarden.cli.session import Id, app, copy_of, whole
from dockwarden.settings import load_settings
from dockwarden.tape.exported import CASTS, STREAMS, Exported, FormName
from dockwarden.tape.frames import Kind
from dockwarden.tape.neutral import Neutral
from dockwarden.tape.read import frames_of
from dockwarden.words.errors import BadConfig

RAW = "raw"
LONGEST_PAUSE_S = 2.0
SHOWN = frozenset({Kind.OUTPUT, Kind.ERROR})


@app.command()
def watch(id: Id, config: Config = USUAL_PLACE) -> None:
    """Show a session under way: what was shown so far, and what comes, until it ends. That it was watched is recorded, in it, too.

    Example: dockwarden session watch 20260131-120000-0123456789ab
    """
    neutral = Neutral()
    for _, kind, data in _frames(config, "session/watch", whole(config, id)):
        if kind in SHOWN:
            _show(neutral.feed(data))
    typer.echo("\r\n-- the session is over", err=True)


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
        _, folder, key = copy_of(tapes, identity, id)
        frames: Iterator[tuple[int, Kind, bytes]] = frames_of(folder, key)
    else:
        frames = _frames(config, "session/play", whole(config, id))
    for at_us, kind, data in frames:
        if kind in SHOWN:
            time.sleep(min((at_us - last) / 1e6 / speed, LONGEST_PAUSE_S) if at_us > start_s * 1e6 else 0)
            last = at_us
            _show(neutral.feed(data))


@app.command()
def export(
    id: Id,
    config: Config = USUAL_PLACE,
    format: Annotated[str, typer.Option("--format", help="asciicast (version 3), asciicast-v2, or raw: one stream's bytes")] = "asciicast",
    stream: Annotated[str, typer.Option("--stream", help="raw: out, err, in, or both for what was shown")] = "both",
    file: Annotated[int, typer.Option("--file", help="the contents of a file that was copied and kept, by its number")] = 0,
    path: Annotated[str, typer.Option("--path", help="the same, by its path as session files shows it")] = "",
    with_untaken: Annotated[bool, typer.Option("--with-untaken", help="of a file, also what the server was sent and did not take")] = False,
    tapes: Tapes = None,
    identity: Identity = None,
) -> None:
    """Write a tape to standard output in a form that others read, or a file that was copied. That it was exported is recorded.

    With --tapes and --identity an auditor reads a copy with their own key, and no server.

    Example: dockwarden session export 20260131-120000-0123456789ab > session.cast
    """
    if file or path:
        write_file(id, file, path, config, tapes, identity, with_untaken=with_untaken)
        return
    form = _form(format, stream)
    if tapes is not None:
        opening, folder, key = copy_of(tapes, identity, id)
        for piece in Exported(opening, folder, key, form).pieces():
            sys.stdout.buffer.write(piece)
    else:
        asked = {"id": whole(config, id), "format": format, "stream": stream}
        with answering(load_settings(config), "session/export", asked) as answer:
            shutil.copyfileobj(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _form(format: str, stream: str) -> FormName:
    """The form that is meant. Raises: BadConfig: there is none such; it says which there are."""
    if format not in {*CASTS, RAW}:
        raise BadConfig("--format", f"{format!r} is none", f"there are {', '.join(CASTS)} and {RAW}")
    if stream not in STREAMS:
        raise BadConfig("--stream", f"{stream!r} is none", f"there are {', '.join(STREAMS)}")
    return CASTS.get(format) or cast(FormName, stream)


def _frames(config: Path, verb: str, id: str) -> Iterator[tuple[int, Kind, bytes]]:
    with answering(load_settings(config), verb, {"id": id}) as answer:
        for line in answer:
            said = msgspec.json.decode(line)
            if isinstance(said, list):
                yield said[0], Kind(said[1]), base64.b64decode(said[2])


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
