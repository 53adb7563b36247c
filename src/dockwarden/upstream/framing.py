"""How the body of an HTTP/1.1 message is bounded, and the one strict reader of chunked bodies: both doors and upstream use it.

Nothing is guessed: chunk extensions, trailers, bare line feeds, signs, blanks and sizes of more than 15 digits are refused
(RFC 9112 §7.1 allows the first two; no client and no Engine sends them, and they are where two parsers disagree).
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
SIZE_LINE_MAX = 17
LAST_CHUNK = b"0\r\n\r\n"


class Bound(Enum):
    """What says where a body ends."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Framing(msgspec.Struct, frozen=True, gc=False):
    """A body's bounds; `length` counts for `Bound.LENGTH` alone and is then >= 0."""

    bound: Bound
    length: int = 0


NO_BODY = Framing(Bound.NONE)
CHUNKED = Framing(Bound.CHUNKED)
UNTIL_CLOSE = Framing(Bound.CLOSE)


class BadChunk(ValueError):
    """The bytes are no chunked body; carries no bytes of it."""


class _Part(Enum):
    SIZE, DATA, DATA_END, LAST, DONE = range(5)


class ChunkReader:
    """Follows a chunked body through pieces of any size. After `BadChunk` it must not be used again."""

    __slots__ = ("_held", "_left", "_part")

    def __init__(self) -> None:
        self._part = _Part.SIZE
        self._left = 0
        self._held = b""

    @property
    def is_done(self) -> bool:
        """Whether the last chunk and the line after it were seen."""
        return self._part is _Part.DONE

    def feed(self, data: bytes | bytearray, end: int, into: list[bytes] | None) -> int:
        """Follow `data[:end]`; append the payload to `into` if given; return how many bytes belonged to the body.

        Fewer than `end` only where the body is done. Raises: BadChunk.
        """
        at = 0
        while at < end and self._part is not _Part.DONE:
            if self._part is _Part.DATA:
                take = min(self._left, end - at)
                if into is not None:
                    into.append(bytes(memoryview(data)[at : at + take]))
                at += take
                self._left -= take
                if not self._left:
                    self._part = _Part.DATA_END
            elif self._part is _Part.SIZE:
                at = self._size(data, at, end)
            else:
                at = self._line_end(data, at, end)
        return at

    def _size(self, data: bytes | bytearray, at: int, end: int) -> int:
        if not self._held:
            found = SIZE_LINE.match(data, at, end)
            if found is not None:
                self._begin(int(found[1], 16))
                return found.end()
        line_end = data.find(b"\n", at, min(end, at + SIZE_LINE_MAX))
        stop = line_end + 1 if line_end >= 0 else min(end, at + SIZE_LINE_MAX)
        self._held += bytes(data[at:stop])
        found = SIZE_LINE.fullmatch(self._held)
        if found is not None:
            self._held = b""
            self._begin(int(found[1], 16))
        elif line_end >= 0 or not _may_become_size(self._held):
            raise BadChunk("bad chunk size")
        return stop

    def _begin(self, size: int) -> None:
        self._left = size
        self._part = _Part.DATA if size else _Part.LAST

    def _line_end(self, data: bytes | bytearray, at: int, end: int) -> int:
        need = 2 - len(self._held)
        self._held += bytes(data[at : min(end, at + need)])
        if self._held != b"\r\n"[: len(self._held)]:
            raise BadChunk("bad chunk end" if self._part is _Part.DATA_END else "a trailer")
        if len(self._held) == 2:
            self._held = b""
            self._part = _Part.SIZE if self._part is _Part.DATA_END else _Part.DONE
        return min(end, at + need)


MAYBE_SIZE = re.compile(rb"[0-9A-Fa-f]{0,15}|[0-9A-Fa-f]{1,15}\r")


def _may_become_size(held: bytes) -> bool:
    return MAYBE_SIZE.fullmatch(held) is not None
