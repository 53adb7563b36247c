"""What comes back from the Engine: a whole answer, or the head of one that is still under way."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dockwarden.upstream.heads import Headers


class WholeAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer read to its end. Header names are in lower case; `body` is the payload, unframed."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case)."""
        return first_of(self.headers, name)


def first_of(headers: Headers, name: bytes) -> bytes | None:
    """The first value of `name` (lower case), if any."""
    for field, value in headers:
        if field == name:
            return value
    return None


class Sink(Protocol):
    """Who takes the body of an answer, or one direction of a hijacked stream.

    `wants_payload` is False where the bytes are taken just as they came, framing included. `is_full` asks that nothing be read
    yet. `feed` gets a view that is good during the call only, and returns True if it lets the bytes live on; `finish` says that
    the body is complete (or, hijacked, that the other side has sent all it will send); `cut` that it will never be, or, after a
    hijacked stream's `finish`, that the connection is gone.
    """

    wants_payload: bool

    @property
    def is_full(self) -> bool:
        """Whether nothing should be read yet."""

    def feed(self, data: memoryview) -> bool:
        """Take some bytes, at least one."""

    def finish(self) -> None:
        """All is said."""

    def cut(self, error: Exception) -> None:
        """It breaks off."""
