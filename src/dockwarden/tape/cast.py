"""A terminal's tape as an asciicast. Pure. Source: docs.asciinema.org, asciicast v2 and v3."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening

Version = Literal[2, 3]
WIDTH, HEIGHT = 80, 24
TYPED = "•"


def cast(opening: Opening, frames: Iterable[Frame], version: Version = 3) -> Iterator[bytes]:
    """Yield the lines of a cast of `frames`. Total: bytes that are no UTF-8 show as U+FFFD; a character cut between two frames is whole."""
    yield _line(_header(opening, version))
    last_us = 0
    for at_us, code, data in _events(frames):
        when = at_us / 1e6 if version == 2 else max(at_us - last_us, 0) / 1e6
        last_us = max(at_us, last_us)
        if code == "x" and version == 2:  # version 2 has no exit
            code, data = "m", f"exit {data}"
        yield _line([round(when, 6), code, data])


def _header(opening: Opening, version: Version) -> dict[str, object]:
    columns, rows = opening.columns or WIDTH, opening.rows or HEIGHT
    terminal = opening.detail.get("term", "xterm-256color")
    title = f"{opening.person} {opening.kind} {opening.target}"
    moment = opening.at // 1_000_000
    if version == 2:
        return {"version": 2, "width": columns, "height": rows, "timestamp": moment, "title": title, "env": {"TERM": terminal}}
    return {"version": 3, "term": {"cols": columns, "rows": rows, "type": terminal}, "timestamp": moment, "title": title}


def _events(frames: Iterable[Frame]) -> Iterator[tuple[int, str, str]]:
    make = codecs.getincrementaldecoder("utf-8")
    out, typed = make("replace"), make("replace")
    at_us = 0
    for at_us, kind, data in frames:
        match kind:
            case Kind.OUTPUT | Kind.ERROR:
                if text := out.decode(data):
                    yield at_us, "o", text
            case Kind.INPUT:
                if text := typed.decode(data):
                    yield at_us, "i", text
            case Kind.HIDDEN:
                yield at_us, "i", TYPED
            case Kind.RESIZE:
                yield at_us, "r", data.decode("ascii", "replace")
            case Kind.EXIT:
                yield at_us, "x", data.decode("ascii", "replace")
            case Kind.MARK | Kind.SIGNAL:
                yield at_us, "m", data.decode("utf-8", "replace")
            case Kind.LOST:
                yield at_us, "m", "something is missing here"
    if left := out.decode(b"", final=True):
        yield at_us, "o", left


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
