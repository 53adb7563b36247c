"""A tape as an asciicast. Pure. Source: docs.asciinema.org, asciicast v2 and v3."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening

Version = Literal[2, 3]
WIDTH, HEIGHT = 80, 24
TYPED = "•"


class Heard(NamedTuple):
    """How far a cast has come: the moments of the last frame and of the last event, and the bytes of characters that are not whole yet."""

    at_us: int = 0
    last_us: int = 0
    output: bytes = b""
    error: bytes = b""
    input: bytes = b""


class Caster:
    """Makes a cast's lines of frames, some at a time. `heard` is all that it remembers: who has it goes on from there.

    Total: bytes that are no UTF-8 show as U+FFFD; a character that is cut between two frames is whole.
    """

    def __init__(self, opening: Opening, version: Version = 3, heard: Heard | None = None) -> None:
        self._opening, self._version, self.heard = opening, version, heard or Heard()

    def begin(self) -> bytes:
        """The first line: what the cast is of."""
        opening, version = self._opening, self._version
        columns, rows = opening.columns or WIDTH, opening.rows or HEIGHT
        terminal = opening.detail.get("term", "xterm-256color")
        title = f"{opening.person} {opening.kind} {opening.target}"
        moment = opening.at // 1_000_000
        if version == 2:
            return _line({"version": 2, "width": columns, "height": rows, "timestamp": moment, "title": title, "env": {"TERM": terminal}})
        return _line({"version": 3, "term": {"cols": columns, "rows": rows, "type": terminal}, "timestamp": moment, "title": title})

    def feed(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        """Yield the lines of what happened next; empty ones may be among them."""
        for frame in frames:
            self.heard = self.heard._replace(at_us=frame.at_us)
            for code, data in self._events(frame):
                yield self._event(code, data)

    def end(self) -> Iterator[bytes]:
        """Yield the last lines, as `feed`: nothing more happens."""
        yield from (self._event(code, data) for code, data in self._left())

    def _events(self, frame: Frame) -> Iterator[tuple[str, str]]:
        match frame.kind:
            case Kind.OUTPUT:
                text, rest = _text(self.heard.output + frame.data)
                self.heard = self.heard._replace(output=rest)
                yield "o", self._shown(text)
            case Kind.ERROR:
                text, rest = _text(self.heard.error + frame.data)
                self.heard = self.heard._replace(error=rest)
                yield "o", self._shown(text)
            case Kind.INPUT:
                text, rest = _text(self.heard.input + frame.data)
                self.heard = self.heard._replace(input=rest)
                yield "i", text
            case Kind.HIDDEN:
                yield "i", TYPED
            case Kind.RESIZE:
                yield "r", frame.data.decode("ascii", "replace")
            case Kind.EXIT:
                yield from self._left()
                yield "x", frame.data.decode("ascii", "replace")
            case Kind.MARK | Kind.SIGNAL:
                yield "m", frame.data.decode("utf-8", "replace")
            case Kind.LOST:
                yield "m", "something is missing here"

    def _left(self) -> Iterator[tuple[str, str]]:
        """What was held back of characters that will not be whole any more."""
        heard, self.heard = self.heard, self.heard._replace(output=b"", error=b"", input=b"")
        for code, rest in (("o", heard.output), ("o", heard.error), ("i", heard.input)):
            yield code, rest.decode("utf-8", "replace")

    def _shown(self, text: str) -> str:
        """Output as a terminal would have been sent it: where there was none, nobody has put a carriage return before a line feed yet."""
        return text if self._opening.is_terminal else text.replace("\n", "\r\n")

    def _event(self, code: str, data: str) -> bytes:
        """One line; none for an event in which nothing is said."""
        if not data and code in "oi":
            return b""
        at_us, last_us, *_ = self.heard
        when_us = at_us if self._version == 2 else max(at_us - last_us, 0)
        self.heard = self.heard._replace(last_us=max(at_us, last_us))
        if code == "x" and self._version == 2:  # version 2 has no exit
            code, data = "m", f"exit {data}"
        return _line([when_us / 1e6, code, data])


def _text(data: bytes) -> tuple[str, bytes]:
    """What can be read of `data`, and the bytes of a last character that is not whole yet."""
    text, used = codecs.utf_8_decode(data, "replace", False)
    return text, data[used:]


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
