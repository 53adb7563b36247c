"""The body of a request, as it comes: framed strictly, never more of it in memory than its reader asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dockwarden.upstream.framing import BadChunk, Bound, ChunkReader, Framing
from dockwarden.words.errors import Malformed, Refused

HELD_BYTES = 256 << 10


class RequestBody:
    """One body. `hold` is called with True when enough waits here, and with False when there is room again."""

    __slots__ = ("_chunks", "_error", "_hold", "_is_held", "_left", "_parts", "_size", "_waiter", "is_read", "size")

    def __init__(self, framing: Framing, hold: Callable[[bool], None]) -> None:
        self._hold = hold
        self._chunks = ChunkReader() if framing.bound is Bound.CHUNKED else None
        self._left = framing.length
        self._parts: list[bytes] = []
        self._size = 0
        self._is_held = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Refused | None = None
        self.is_read = framing.bound is Bound.NONE
        """Whether the last byte came from the client."""
        self.size = 0
        """Payload bytes so far."""

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; return what follows it.

        Raises:
            Malformed: the framing is broken; so does every later reading.
        """
        if self._error is not None:
            return b""
        if self._chunks is None:
            used = min(self._left, len(data))
            self._left -= used
            self._keep(data if used == len(data) else data[:used])
            self.is_read = not self._left
        else:
            used = self._feed_chunked(self._chunks, data)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        elif self._size >= HELD_BYTES and not self._is_held:
            self._is_held = True
            self._hold(True)
        return data[used:] if used < len(data) else b""

    def _feed_chunked(self, chunks: ChunkReader, data: bytes) -> int:
        pieces: list[bytes] = []
        try:
            used = chunks.feed(data, len(data), pieces)
        except BadChunk as error:
            self.fail(Malformed("http.malformed", f"malformed request: {error} in a chunked body"))
            raise self._error from None  # type: ignore[misc]  # set one line above
        for piece in pieces:
            self._keep(piece)
        self.is_read = chunks.is_done
        return used

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._parts.append(piece)
            self._size += len(piece)
            self.size += len(piece)

    def fail(self, error: Refused) -> None:
        """The rest will not come, or cannot be read: whoever reads gets `error`."""
        self._error = self._error or error
        self._parts, self._size = [], 0
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> bytes:
        """Return what came since the last call, waiting for some; empty at the end. Raises what the body failed with."""
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self.is_read:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            if self._is_held:
                self._is_held = False
                self._hold(False)
            await self._waiter
            self._waiter = None
        piece = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._size = [], 0
        if self._is_held:
            self._is_held = False
            self._hold(False)
        return piece
