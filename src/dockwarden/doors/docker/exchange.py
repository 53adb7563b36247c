"""One request on a client connection, and its one answer.

A handler reads the body (`body` or `chunks`), then answers in one of six ways: `answer`, `relay`, `send_chunks`, `hijack`, `switch`, or
by raising `Refused`. An answer that was begun and cannot be ended as it should cuts the connection: a client never takes a part
for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from dockwarden.doors.docker.answer_head import BODILESS, CONTINUE, Fields, refusal_body, write_head
from dockwarden.doors.docker.grammar import RequestHead
from dockwarden.doors.docker.incoming import RequestBody
from dockwarden.doors.docker.relay import Relay, Tap, Tunnel
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.framing import CHUNKED, LAST_CHUNK, NO_BODY, UNTIL_CLOSE, Bound, Framing
from dockwarden.upstream.stream import Hijacked, StreamAnswer
from dockwarden.words.errors import Broken, Hidden, Malformed, Refused, TooLarge
from dockwarden.words.principal import Principal

if TYPE_CHECKING:
    from dockwarden.doors.docker.connection import ClientConnection

T = TypeVar("T")
JSON = ((b"content-type", b"application/json"),)


class ClientGone(Refused):
    """The client went away; nobody reads an answer any more."""

    status = 499

    def __init__(self) -> None:
        super().__init__("client.gone", "the client went away before the answer was through")


class Leaving:
    """Gives up what a task awaits, without ending the task itself, as `asyncio.timeout` does."""

    __slots__ = ("_task", "is_begun")

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self._task, self.is_begun = task, False

    def now(self) -> None:
        """Give up."""
        if self._task is not None and not self.is_begun:
            self.is_begun = True
            self._task.cancel()

    def end(self) -> None:
        """Take the request to give up back, once it was obeyed or came too late."""
        if self._task is not None and self.is_begun:
            self._task.uncancel()


class Exchange:
    """One request and its answer."""

    __slots__ = ("_body", "_connection", "_must_continue", "_raw_in", "bytes_out", "head", "is_answered", "on_gone", "status")

    def __init__(self, connection: ClientConnection, head: RequestHead) -> None:
        self._connection = connection
        self._body = None if head.framing is NO_BODY else RequestBody(head.framing, connection.hold)
        self._raw_in = 0
        self._must_continue = head.wants_continue
        self.head = head
        self.is_answered = False
        """Whether the answer's head is out."""
        self.status = 0
        """The answer's status, 0 before there is one."""
        self.bytes_out = 0
        """Bytes of the answer's body so far, as they went over the wire."""
        self.on_gone: Callable[[], None] | None = None

    # --- what is asked ---

    @property
    def principal(self) -> Principal:
        """Who is calling, proven when the connection was made."""
        return self._connection.principal

    @property
    def bytes_in(self) -> int:
        """Payload bytes of the request's body so far."""
        return self._raw_in + (self._body.size if self._body is not None else 0)

    @property
    def source(self) -> str:
        """Where the client is: `unix`, or its IP address."""
        return self._connection.source

    @property
    def is_client_gone(self) -> bool:
        """Whether the client has hung up, or will at least send no more."""
        return self._connection.is_gone

    async def body(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: `http.body_too_large`; it is longer than `limit` bytes, and the rest is not read.
            Malformed: its framing is broken. ClientGone: it ended before its end.
        """
        body = self._body
        framing = self.head.framing
        if body is None:
            return b""
        if framing.bound is Bound.LENGTH and framing.length > limit:
            raise _too_large(limit)
        self._say_continue()
        whole = await body.take()
        while not body.is_read and len(whole) <= limit:
            piece = await body.take()
            whole += piece
        if body.is_read and len(whole) <= limit:
            whole += await body.take()
        if len(whole) > limit:
            raise _too_large(limit)
        return whole

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece, none empty; while nobody takes, the client is not read.

        Raises: as `body`, but for its size.
        """
        body = self._body
        if body is None:
            return
        self._say_continue()
        while piece := await body.take():
            yield piece

    async def unless_gone(self, work: Awaitable[T], *, may_listen_on: bool = False) -> T:
        """Await `work`, but give it up as soon as the client goes away; one that sends no more has, unless it `may_listen_on`.

        Raises:
            ClientGone: the client went first; `work` was cancelled.
        """

        def is_gone() -> bool:
            return self._connection.is_lost if may_listen_on else self._connection.is_gone

        if is_gone():
            if asyncio.iscoroutine(work):
                work.close()
            raise ClientGone
        leaving = Leaving(asyncio.current_task())
        self.on_gone = lambda: leaving.now() if is_gone() else None
        try:
            return await work
        except asyncio.CancelledError:
            if leaving.is_begun:
                raise ClientGone from None
            raise
        finally:
            self.on_gone = None
            leaving.end()

    # --- what is answered ---

    def answer(self, status: int, headers: Iterable[tuple[bytes, bytes]] = JSON, body: bytes = b"") -> None:
        """Answer at once and whole. Of `headers` (names in lower case) those in `answer_head.PASSED` go out; framing is ours."""
        framing = Framing(Bound.LENGTH, len(body))
        if self.head.method == "HEAD" or status in BODILESS:
            framing, body = _head_framing(status, headers, framing), b""
        self._begin(status, headers, framing, body)

    def answer_with(self, answer: WholeAnswer) -> None:
        """Answer with what the Engine answered."""
        self.answer(answer.status, answer.headers, answer.body)

    def refuse(self, error: Refused, *, closes: bool = False) -> None:
        """Answer with the Engine's error shape; if an answer was begun already, cut it."""
        if self.is_answered:
            self._connection.cut()
            return
        if closes:
            self._connection.stop_after_this()
        headers = error.headers if isinstance(error, Hidden) and error.headers else JSON
        self.answer(error.status, headers, refusal_body(error))

    async def relay(self, stream: StreamAnswer) -> None:
        """Pass an answer on as it comes, byte for byte behind a head of ours, until its end; constant memory.

        Raises:
            ClientGone: the client went away, and the Engine was told so at once.
            Refused, or what an upload raised: the Engine's answer was cut, and so was ours.
        """
        framing = stream.framing
        if self.head.is_old:
            stream.close()
            raise _too_old()
        if framing.bound is Bound.CLOSE:
            await self.send_chunks(stream.status, stream.headers, stream.chunks())
            return
        if framing is NO_BODY:
            self.answer_with(await stream.whole(0))
            return
        relay = Relay(self._connection, stream)
        self.on_gone = relay.client_gone
        self._begin(stream.status, stream.headers, framing, b"")
        try:
            await relay.run()
        finally:
            self.on_gone = None
            self.bytes_out += relay.size

    async def send_chunks(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], pieces: AsyncIterator[bytes], *, length: int | None = None
    ) -> None:
        """Answer with a stream of our own making; each piece goes out as it comes, empty ones not at all. `length` is its, where known.

        Raises:
            ClientGone: the client went away; `pieces` was closed. What `pieces` raises: the answer was cut.
            Broken: `door.other_length`; `pieces` were not so many bytes, and the answer was cut.
        """
        if self.head.is_old and length is None:
            raise _too_old()
        if self.head.method == "HEAD" or status in BODILESS:
            self.answer(status, (*headers, *(((b"content-length", b"%d" % length),) if length is not None else ())))
            return
        self._begin(status, headers, CHUNKED if length is None else Framing(Bound.LENGTH, length), b"")
        await self.unless_gone(self._send(pieces) if length is None else self._send_so_many(pieces, length))

    def begin_raw(self, status: int, headers: Iterable[tuple[bytes, bytes]], upgrade: bytes) -> None:
        """Begin a raw stream before the Engine is joined: `say` what there is to say, then `hijack`, or return, which ends it."""
        if self.head.is_old:
            raise _too_old()
        self._connection.stop_after_this()
        self._begin(status, headers, UNTIL_CLOSE, b"", upgrade)

    def say(self, words: bytes) -> None:
        """Put something of our own into a raw stream that was begun."""
        self._connection.write(words)

    async def hijack(self, hijacked: Hijacked, tap: Tap | None = None, joined: Callable[[Tunnel], None] | None = None) -> None:
        """Join client and Engine, raw both ways, until both have ended or one is gone; what the client sent early goes first.

        `tap` sees every piece before it is passed on (see `relay.Tap`); what it raises ends the stream. `joined` is given the tunnel.
        Raises:
            ClientGone: the client's connection was lost. Unavailable: `engine.answer_cut`; the Engine's was.
        """
        if self.head.is_old:
            hijacked.close()
            raise _too_old()
        if not self.is_answered:
            upgrade = next((value for name, value in hijacked.headers if name == b"upgrade"), b"tcp") if hijacked.status == 101 else b""
            self.begin_raw(hijacked.status, hijacked.headers, upgrade)
        tunnel = Tunnel(self._connection, hijacked.connection, tap)
        if joined is not None:
            joined(tunnel)
        try:
            await tunnel.run()
        finally:
            self.bytes_out += tunnel.down.size
            self._raw_in += tunnel.up.size

    def switch(self, protocol: bytes, headers: Iterable[tuple[bytes, bytes]]) -> ClientConnection:
        """Answer 101: from now on another protocol is spoken. Whoever asks for it gives the connection a sink, sends, and closes it."""
        self._connection.stop_after_this()
        self._begin(101, headers, UNTIL_CLOSE, b"", protocol)
        return self._connection

    # --- within ---

    @property
    def is_body_read(self) -> bool:
        """Whether nothing of this request is still to come."""
        return self._body is None or self._body.is_read

    def take(self, data: bytes) -> bytes:
        """Bytes from the client: the body's are kept, what follows is returned. Raises: Malformed."""
        return data if self._body is None else self._body.feed(data)

    def gone(self) -> None:
        """The client sends no more."""
        if self._body is not None and not self._body.is_read:
            self._body.fail(ClientGone())
        if self.on_gone is not None:
            self.on_gone()

    def _say_continue(self) -> None:
        if self._must_continue and self._body is not None and not self._body.is_read and not self._body.size:
            self._connection.write(CONTINUE)
        self._must_continue = False

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]], framing: Framing, body: bytes, upgrade: bytes = b"") -> None:
        if self.is_answered:
            raise Broken("door.answered_twice", "a call was answered twice; please report this")
        self.is_answered, self.status = True, status
        self.bytes_out += len(body)
        is_last = self._connection.is_last(self)
        self._connection.write(write_head(status, headers, Fields(framing, upgrade, is_last)) + body)

    async def _send(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            if piece:
                self.bytes_out += len(piece)
                await self._connection.write_out(b"%x\r\n%s\r\n" % (len(piece), piece))
        self._connection.write(LAST_CHUNK)

    async def _send_so_many(self, pieces: AsyncIterator[bytes], length: int) -> None:
        left = length
        async for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            if piece:
                self.bytes_out += len(piece)
                await self._connection.write_out(piece)
        if left:
            raise Broken("door.other_length", "an answer was not as long as it said, and was cut; please report this")


def _head_framing(status: int, headers: Iterable[tuple[bytes, bytes]], framing: Framing) -> Framing:
    """An answer without a body says how long the body would be only where that is known and allowed."""
    if status in BODILESS:
        return NO_BODY
    said = next((value for name, value in headers if name == b"content-length"), None)
    if said is not None and said.isdigit():
        return Framing(Bound.LENGTH, int(said))
    return framing if framing.length else NO_BODY


def _too_old() -> Malformed:
    """HTTP/1.0 ends a streamed answer with the connection, so that a cut one would look whole."""
    return Malformed("http.too_old", "this answer is a stream, which HTTP/1.0 cannot end reliably; use HTTP/1.1")


def _too_large(limit: int) -> TooLarge:
    return TooLarge("http.body_too_large", f"the request body is larger than {limit} bytes; send less")
