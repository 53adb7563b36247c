"""What an attach or an exec without a terminal sends: pieces of output and errors, each after a header of eight bytes.

    byte      stream: 0 stdin, 1 stdout, 2 stderr
    3 bytes   0
    u32       length of the piece, big-endian

Source: Engine API, ContainerAttach, "Stream format".
"""

from __future__ import annotations

from enum import IntEnum

from dockwarden.words.errors import Withheld

HEADER_BYTES = 8


class Stream(IntEnum):
    """Where a piece was written to."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    SYSTEM = 3
    """Errors of the Engine's own while it streams."""


class Demultiplexer:
    """Reads one such stream, however it is cut into pieces."""

    def __init__(self) -> None:
        self._front = b""
        self._left = 0
        self._stream = Stream.STDOUT

    @property
    def is_between(self) -> bool:
        """Whether another piece may begin here."""
        return not self._left and not self._front

    def feed(self, data: bytes | memoryview) -> list[tuple[Stream, bytes]]:
        """Return what `data` holds of each stream, in order; of a view, copies.

        Raises:
            Withheld: `stream.unreadable`; these bytes are no such stream.
        """
        found: list[tuple[Stream, bytes]] = []
        at = 0
        while at < len(data):
            if self._left:
                piece = bytes(data[at : at + self._left])
                found.append((self._stream, piece))
                self._left -= len(piece)
                at += len(piece)
                continue
            wanted = HEADER_BYTES - len(self._front)
            self._front += bytes(data[at : at + wanted])
            at += wanted
            if len(self._front) == HEADER_BYTES:
                self._begin()
        return found

    def _begin(self) -> None:
        front, self._front = self._front, b""
        if front[0] > Stream.SYSTEM or any(front[1:4]):
            raise Withheld("stream.unreadable", "the Engine's stream is not the one that it said, so it cannot be recorded, and ends here")
        self._stream, self._left = Stream(front[0]), int.from_bytes(front[4:], "big")


def multiplexed(stream: Stream, data: bytes) -> bytes:
    """One piece as it is sent."""
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data
