"""What a person typed, as far as the terminal showed it: a password that is asked for without echo is not kept. Pure.

Printable input waits until its line is entered. It is kept if all of it came back, in order, in what the terminal showed before it showed
the line's end; else only that something was typed. Keys that print nothing are kept at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dockwarden.tape.frames import Kind

_KEYS = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f\x1b]+|\x1b")
ENTER = frozenset(b"\r\n")
LONGEST_LINE = 4096

Kept = tuple[Kind, bytes]


class Typed:
    """One terminal's input. `feed` takes what is typed, `shown` what the terminal shows; both return what is to be recorded."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._entered: list[bytes] = []
        self._seen = 0

    def feed(self, data: bytes) -> list[Kept]:
        """Take some input."""
        return list(self._keys(data))

    def shown(self, data: bytes) -> list[Kept]:
        """Take some output."""
        kept: list[Kept] = []
        at = 0
        while self._entered:
            end = data.find(b"\n", at)
            found = self._match(self._entered[0], data[at : end + 1 if end >= 0 else len(data)])
            if end < 0:
                return kept
            kept.append(self._judged(self._entered.pop(0), is_shown=found))
            self._seen, at = 0, end + 1
        self._match(bytes(self._line), data[at:])
        return kept

    def finish(self) -> list[Kept]:
        """The session is over: what was not seen is not kept."""
        kept = [self._judged(line, is_shown=not number and self._seen >= len(line)) for number, line in enumerate(self._entered)]
        if self._line:
            kept.append(self._judged(bytes(self._line), is_shown=not self._entered and self._seen >= len(self._line)))
        self._entered, self._line = [], bytearray()
        return kept

    def _keys(self, data: bytes) -> Iterator[Kept]:
        for found in _KEYS.finditer(data):
            key = found[0]
            if key[0] in ENTER:
                self._entered.append(bytes(self._line))
                if len(self._entered) == 1:
                    self._seen = min(self._seen, len(self._line))
                self._line.clear()
            elif key[0] < 0x20 or key[0] == 0x7F:
                yield Kind.INPUT, key
            else:
                self._line += key
                if len(self._line) > LONGEST_LINE:
                    yield Kind.HIDDEN, b""
                    self._line.clear()
                    self._seen = 0

    def _match(self, line: bytes, shown: bytes) -> bool:
        at = 0
        while self._seen < len(line):
            at = shown.find(line[self._seen : self._seen + 1], at) + 1
            if not at:
                return False
            self._seen += 1
        return True

    @staticmethod
    def _judged(line: bytes, *, is_shown: bool) -> Kept:
        if not line:
            return Kind.INPUT, b"\r"
        return (Kind.INPUT, line + b"\r") if is_shown else (Kind.HIDDEN, b"")
