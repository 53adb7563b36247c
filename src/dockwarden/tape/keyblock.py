"""The lines of a private key, masked one by one as they come. Pure.

What passes for a key's line is bounded, so that nothing else is hidden after a line that says that a key begins: letters of base64 alone, as many in
each line as in the first, which are at least `LEAST`; one shorter line ends it. A command or a file's name is no such line.
"""

from __future__ import annotations

import re

from dockwarden.engine.finding.beginnings import ESCAPE
from dockwarden.tape.mask import MARK

LEAST, MOST = 32, 8192
"""Letters of the first line: an armour has 64 to 76; a key whose line ends were taken out has one line."""
MOST_BYTES = 32 << 10
MOST_BETWEEN = 80
GAP = re.compile(rb"(?:[ \t\r\n]|\\+[rn]|" + ESCAPE + rb")*")
UNSURE = re.compile(rb"(?:\\+|\x1b(?:\[[0-9;]{0,16})?)\Z")
HEADER = re.compile(rb"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ")
NAME = re.compile(rb"[A-Za-z-]{0,12}")
HEADER_VALUE = re.compile(rb"[^\r\n\x1b\\]*")
LONGEST_HEADER = 128
BODY = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
AFTER = frozenset((b"\r", b"\n", b"\\", b'"', b"'", b"-", b"\x1b"))
"""What may stand right after a line of a key: no space, after which a command would go on."""


class KeyBlock:
    """What comes after the line that begins a private key."""

    def __init__(self) -> None:
        self.is_over = False
        self.masked_bytes = 0
        self._width = 0
        self._between = 0
        self._in_header = 0

    def take(self, raw: bytes, at: int, out: list[bytes], *, is_end: bool) -> int:
        """Put what is kept of `raw` from `at` on into `out`; return up to where that is decided."""
        while True:
            at = self._between_lines(raw, at, out)
            if self.is_over or at == len(raw) or (not is_end and UNSURE.match(raw, at)):
                break
            end = self._line(raw, at, out, is_end=is_end)
            if end < 0:
                break
            at = end
        if is_end:
            self.is_over = True
        return at

    def _between_lines(self, raw: bytes, at: int, out: list[bytes]) -> int:
        """Keep the rest of a header, line ends and indents; return where they end."""
        if self.is_over:
            return at
        start = at
        if self._in_header:
            at = _end(HEADER_VALUE, raw, at, at + self._in_header)
            self._in_header -= at - start
            if at < len(raw):
                self._in_header = 0
        if not self._in_header:
            end = _end(GAP, raw, at, at + MOST_BETWEEN - self._between)
            self._between += end - at
            self.is_over = self._between >= MOST_BETWEEN
            at = end
        out.append(raw[start:at])
        return at

    def _line(self, raw: bytes, at: int, out: list[bytes], *, is_end: bool) -> int:
        """Mask one line of the key; return its end, -1 if it is not whole yet."""
        if not self._width:
            if not is_end and _end(NAME, raw, at, len(raw)) + 2 > len(raw):
                return -1
            if header := HEADER.match(raw, at):
                out.append(header[0])
                self._between, self._in_header = 0, LONGEST_HEADER
                return header.end()
        end = _end(BODY, raw, at, at + MOST + 1)
        if end == len(raw) and end - at <= MOST and not is_end:
            return -1
        after = raw[end : end + 1]
        if not after or after in AFTER or (after == b" " and end - at == self._width):
            return self._judged(raw[at:end], at, out)
        self.is_over = True
        return at

    def _judged(self, body: bytes, at: int, out: list[bytes]) -> int:
        size = len(body)
        self._between = 0
        if not self._width and 0 < size <= 4 and body.isdigit():  # how many lines of a PuTTY key follow
            out.append(body)
            return at + size
        if not (0 < size <= self._width if self._width else LEAST <= size <= MOST):
            self.is_over = True
            return at
        out.append(MARK)
        self._width = self._width or size
        self.masked_bytes += size
        self.is_over = size < self._width or body.endswith(b"=") or self.masked_bytes >= MOST_BYTES
        return at + size


def _end(shape: re.Pattern[bytes], raw: bytes, at: int, limit: int) -> int:
    """Where what `shape` matches at `at` ends: it may be nothing."""
    found = shape.match(raw, at, limit)
    return found.end() if found else at
