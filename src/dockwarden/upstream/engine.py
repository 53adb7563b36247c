"""The way to the Engine: whole calls, answers that stream, uploads and hijacked streams, over a pool of connections.

Follows no redirect, retries nothing but a GET or HEAD whose kept connection had ended unseen, and says of every failure
whether the call was sent. Read `connection.py` for what an answer must look like.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from dockwarden.engine.call import Request
from dockwarden.upstream import faults
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.connection import EngineConnection, Stale, Want
from dockwarden.upstream.framing import LAST_CHUNK
from dockwarden.upstream.heads import AnswerHead, AnswerHeads
from dockwarden.upstream.read_buffer import ReadBuffer
from dockwarden.upstream.request import write_request
from dockwarden.upstream.stream import Hijacked, StreamAnswer
from dockwarden.words.errors import Broken

REPEATABLE = frozenset({"GET", "HEAD"})
ANSWER_BYTES = 64 << 20


class EngineLink:
    """Connections to one Engine. Belongs to the loop it is first used in."""

    def __init__(self, address: str, *, pool: int = 256, timeout_s: float = 10.0) -> None:
        """`address` is `unix:///PATH` or `tcp://HOST:PORT`; `pool` bounds the idle connections that are kept."""
        self._address = urlsplit(address)
        self._pool_size, self._timeout_s = pool, timeout_s
        self._idle: list[EngineConnection] = []
        self._open: set[EngineConnection] = set()
        self._buffer = ReadBuffer()
        self._heads = AnswerHeads()

    async def call(self, request: Request, limit: int = ANSWER_BYTES) -> WholeAnswer:
        """Send `request` and return the whole answer, whatever its status.

        Raises:
            Unavailable: `engine.unreachable` (never sent), `engine.answer_lost` or `engine.answer_cut` (sent).
            Withheld: the answer is a redirect, an upgrade, larger than `limit` bytes, or no HTTP.
        """
        message = write_request(request)
        connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return await self._answer(connection, message, request.method, Want.WHOLE, limit)
            except Stale:
                if request.method not in REPEATABLE:
                    raise faults.answer_lost() from None
        return await self._first(await self._connect(), message, request.method, Want.WHOLE, limit)

    async def open(self, request: Request, upload: AsyncIterator[bytes] | None = None, length: int | None = None) -> StreamAnswer:
        """Send `request` and return once the answer's head is here. With `upload`, that is the body: chunked, or `length` bytes long.

        The Engine may answer before the upload is through: an answer of 400 and above ends the upload; after any other it goes on
        until the answer ends. An upload that fails cuts the call, and what it raised is raised here or by who reads the answer.
        Raises: as `call`, and what `upload` raises.
        """
        if upload is None:
            return await self._stream(request)
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        message = write_request(request, framing)
        connection = await self._connect()
        future = connection.ask(message, request.method, Want.HEAD, is_whole=False)
        connection.carry_upload(asyncio.ensure_future(_send_body(connection, upload, length)))
        head = await _settled(connection, future)
        if head.status >= 400:
            connection.stop_upload()
        return StreamAnswer(head, connection)

    async def upgrade(self, request: Request, protocol: str = "tcp", limit: int = ANSWER_BYTES) -> Hijacked | WholeAnswer:
        """Send `request`, asking for `protocol` ("tcp", "websocket", or "" to hijack without an upgrade).

        Returns a `Hijacked` connection, or the whole answer of an Engine that would not.
        Raises: as `call`.
        """
        connection = await self._connect()
        message = write_request(request, upgrade=protocol)
        try:
            answer = await _settled_any(connection, connection.ask(message, request.method, Want.HIJACK, limit))
        except Stale:
            raise faults.answer_lost() from None
        return Hijacked(answer, connection) if isinstance(answer, AnswerHead) else answer

    @property
    def open_connections(self) -> int:
        """How many connections to the Engine there are, idle ones included."""
        return len(self._open)

    def close(self) -> None:
        """End every connection, used or not."""
        for connection in tuple(self._open):
            connection.abort()

    async def _stream(self, request: Request) -> StreamAnswer:
        message = write_request(request)
        connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                head = await _settled_any(connection, connection.ask(message, request.method, Want.HEAD))
                return StreamAnswer(head, connection)  # type: ignore[arg-type]  # what HEAD was asked for
            except Stale:
                if request.method not in REPEATABLE:
                    raise faults.answer_lost() from None
        connection = await self._connect()
        return StreamAnswer(await _settled(connection, connection.ask(message, request.method, Want.HEAD)), connection)

    async def _first(self, connection: EngineConnection, message: bytes, method: str, want: Want, limit: int) -> WholeAnswer:
        try:
            return await self._answer(connection, message, method, want, limit)
        except Stale:
            raise faults.answer_lost() from None

    async def _answer(self, connection: EngineConnection, message: bytes, method: str, want: Want, limit: int) -> WholeAnswer:
        future = connection.ask(message, method, want, limit)
        try:
            return await future  # type: ignore[return-value]  # what WHOLE was asked for
        except asyncio.CancelledError:
            connection.abort()
            raise

    async def _connect(self) -> EngineConnection:
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._dial(self._connection)
        except TimeoutError:
            raise faults.never_sent(f"no connection within {self._timeout_s:g} s") from None
        except OSError as error:
            raise faults.never_sent(error.strerror or "connection failed") from None
        self._open.add(connection)
        return connection

    async def _dial(self, make: Callable[[], EngineConnection]) -> EngineConnection:
        """A connection that is open. Raises: OSError."""
        loop = asyncio.get_running_loop()
        if self._address.scheme == "unix":
            return (await loop.create_unix_connection(make, self._address.path))[1]
        return (await loop.create_connection(make, self._address.hostname or "", self._address.port or 0))[1]

    def _connection(self) -> EngineConnection:
        return EngineConnection(self._buffer, self._heads, self._freed, self._ended)

    def _freed(self, connection: EngineConnection) -> None:
        if len(self._idle) < self._pool_size:
            self._idle.append(connection)
        else:
            connection.close()

    def _ended(self, connection: EngineConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


async def _settled_any(connection: EngineConnection, future: asyncio.Future[WholeAnswer | AnswerHead]) -> WholeAnswer | AnswerHead:
    try:
        return await future
    except asyncio.CancelledError:
        connection.abort()
        raise


async def _settled(connection: EngineConnection, future: asyncio.Future[WholeAnswer | AnswerHead]) -> AnswerHead:
    try:
        return await _settled_any(connection, future)  # type: ignore[return-value]  # what HEAD was asked for
    except Stale:
        raise faults.answer_lost() from None


async def _send_body(connection: EngineConnection, upload: AsyncIterator[bytes], length: int | None) -> None:
    """Send all of `upload`; if it fails, cut the call, so that the Engine never takes a part for the whole."""
    left = length
    try:
        async for piece in upload:
            if not piece:
                continue
            if left is None:
                await connection.write(b"%x\r\n" % len(piece), piece, b"\r\n")
                continue
            left -= len(piece)
            if left < 0:
                raise Broken("upstream.upload_length", "an upload is longer than was announced")
            await connection.write(piece)
        if left:
            raise Broken("upstream.upload_length", "an upload is shorter than was announced")
        if left is None:
            await connection.write(LAST_CHUNK)
        connection.sent()
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001  a task's root: what the source raised is raised where the answer is awaited
        connection.abort(error)
