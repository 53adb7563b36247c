"""An answer of the Engine that is still under way: its head is here, its body comes when somebody takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dockwarden.upstream import faults
from dockwarden.upstream.answers import Sink, WholeAnswer, first_of
from dockwarden.upstream.connection import EngineConnection
from dockwarden.upstream.framing import Framing
from dockwarden.upstream.heads import AnswerHead, Headers

QUEUE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """The head of an answer, and the right to its body, once: by `chunks`, by `whole`, or by `flow_to`.

    Whoever does not take it to its end calls `close`, which tells the Engine at once that nobody listens any more.
    """

    head: AnswerHead
    connection: EngineConnection

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status

    @property
    def headers(self) -> Headers:
        """The fields, names in lower case."""
        return self.head.headers

    @property
    def framing(self) -> Framing:
        """What bounds the body."""
        return self.head.framing

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case)."""
        return first_of(self.head.headers, name)

    def flow_to(self, sink: Sink) -> None:
        """Push the body into `sink` as it comes; `connection.pause` and `resume` hold it back."""
        self.connection.flow_to(sink)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The payload, piece by piece as it comes; at most some hundred KiB wait in memory.

        Raises:
            Unavailable: `engine.answer_cut`; what came before was only a part.
        """
        queue = PayloadQueue(self.connection)
        self.connection.flow_to(queue)
        try:
            while piece := await queue.take():
                yield piece
        finally:
            if not queue.is_done:
                self.close()

    async def whole(self, limit: int) -> WholeAnswer:
        """Read the body to its end.

        Raises:
            Withheld: `engine.answer_too_large`; the rest is not read.
            Unavailable: `engine.answer_cut`.
        """
        parts: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                self.close()
                raise faults.too_large(limit)
            parts.append(piece)
        return WholeAnswer(self.status, self.headers, b"".join(parts))

    def close(self) -> None:
        """Want no more of it."""
        self.connection.abort()

    def __del__(self) -> None:
        # INVARIANT: a body that nobody took does not keep a connection: a handler may fail before it takes it
        self.connection.abandon()


class PayloadQueue:
    """A sink whose other end is awaited."""

    wants_payload = True
    is_full = False

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self.is_done = False

    def feed(self, data: memoryview) -> bool:
        """Keep a copy."""
        self._parts.append(bytes(data))
        self._size += len(data)
        if self._size >= QUEUE_BYTES and not self._is_paused:
            self._is_paused = True
            self._connection.pause()
        self._wake()
        return False

    def finish(self) -> None:
        """The body is complete."""
        self.is_done = True
        self._wake()

    def cut(self, error: Exception) -> None:
        """The body ends here, incomplete."""
        self.is_done, self._error = True, error
        self._wake()

    async def take(self) -> bytes:
        """Return all that came since, waiting for some; empty at the end. Raises what the body was cut with."""
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self.is_done:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = b"".join(self._parts)
        self._parts, self._size = [], 0
        if self._is_paused and not self.is_done:
            self._is_paused = False
            self._connection.resume()
        return piece

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Hijacked:
    """A connection that is no longer HTTP: raw bytes both ways from here on. Never used again for a call."""

    head: AnswerHead
    connection: EngineConnection

    @property
    def status(self) -> int:
        """101, or 200 where no upgrade was asked for."""
        return self.head.status

    @property
    def headers(self) -> Headers:
        """The fields, names in lower case."""
        return self.head.headers

    def close(self) -> None:
        """Give it up."""
        self.connection.abort()

    def __del__(self) -> None:
        self.connection.abandon()
