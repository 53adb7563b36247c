"""One connection to the Engine: one call at a time, its answer read strictly.

It decides nothing but whether it may carry another call: only after an answer read to its last byte, whose request was sent to
its last byte, that was not hijacked, and where nothing followed that was not asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from dockwarden.upstream import faults
from dockwarden.upstream.answers import Sink, WholeAnswer
from dockwarden.upstream.framing import NO_BODY, BadChunk, Bound, ChunkReader, Framing
from dockwarden.upstream.heads import AnswerHead, AnswerHeads, BadHead
from dockwarden.upstream.read_buffer import ReadBuffer
from dockwarden.words.errors import Broken, Refused

HEAD_BYTES = 64 << 10
HEAD_END = b"\r\n\r\n"
REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})


class Stale(Exception):
    """The connection ended before a byte of the answer came."""


Told = Callable[["EngineConnection"], None]
Awaited = asyncio.Future[WholeAnswer | AnswerHead]


class Want(Enum):
    """What the caller waits for."""

    WHOLE = "whole"
    HEAD = "head"
    HIJACK = "hijack"


class _Phase(Enum):
    IDLE, HEAD, COLLECT, HELD, FLOW, TUNNEL, DEAD = range(7)


_IDLE, _HEAD, _COLLECT, _HELD, _FLOW, _TUNNEL, _DEAD = _Phase


class EngineConnection(asyncio.BufferedProtocol):
    """The protocol of one connection; `on_free` is called when it may carry another call."""

    def __init__(self, buffer: ReadBuffer, heads: AnswerHeads, on_free: Told, on_end: Told) -> None:
        self._buffer, self._heads, self._on_free, self._on_end = buffer, heads, on_free, on_end
        self._phase = _IDLE
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[WholeAnswer | AnswerHead] | None = None
        self._method = ""
        self._want = Want.WHOLE
        self._limit = 0
        self._data = b""
        self._head: AnswerHead | None = None
        self._chunks: ChunkReader | None = None
        self._left = 0
        self._is_until_close = False
        self._parts: list[bytes] = []
        self._size = 0
        self._sink: Sink | None = None
        self._is_sent = True
        self._is_ended = False
        self._is_finished = False
        self.is_full = False
        self._is_held = False
        self._error: Exception | None = None
        self._upload: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.on_room: Callable[[bool], None] | None = None

    # --- what the link does with it ---

    @property
    def is_idle(self) -> bool:
        """Whether it may carry a call now."""
        return self._phase is _IDLE

    def ask(self, message: bytes, method: str, want: Want, limit: int = 0, *, is_whole: bool = True) -> Awaited:
        """Send `message` and return the future of what `want` says; `is_whole` is False where a body follows by `write`.

        The future raises `Stale` if the connection ends before a byte of an answer, else Unavailable or Withheld.
        """
        if self._phase is not _IDLE:
            raise Broken("upstream.busy", "two calls met on one connection to the Engine; please report this")
        self._phase, self._method, self._want, self._limit, self._is_sent = _HEAD, method, want, limit, is_whole
        self._future = self._loop.create_future()
        self._transport.write(message)
        return self._future

    async def write(self, *parts: bytes) -> None:
        """Send a part of the request's body, waiting while the Engine takes no more."""
        if self._transport.is_closing():
            return
        self._transport.writelines(parts)
        if self.is_full:
            self._drained = self._loop.create_future()
            await self._drained

    def carry_upload(self, task: asyncio.Task[None]) -> None:
        """Let `task`, which sends the request's body, end with the call."""
        self._upload = task

    def sent(self) -> None:
        """Say that the request's body was sent to its end."""
        self._is_sent = True
        self._upload = None

    def stop_upload(self) -> None:
        """Send no more of the request's body; the connection carries no further call then."""
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None

    def flow_to(self, sink: Sink) -> None:
        """Give the answer's body to `sink`, from its first byte."""
        if self._phase is _DEAD:
            sink.cut(self._error or faults.answer_cut())
            return
        if self._phase is not _HELD:
            raise Broken("upstream.taken", "an answer's body was taken twice; please report this")
        self._sink = sink
        self._phase = _TUNNEL if self._want is Want.HIJACK else _FLOW
        early, self._data = self._data, b""
        if early:
            self._take(early, memoryview(early), len(early))
        elif self._phase is _FLOW and self._is_read():
            self._complete(False)
        if self._phase is not _FLOW and self._phase is not _TUNNEL:
            return
        if self._is_ended:
            self._ended()
        elif not sink.is_full:
            self.resume()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._is_held and not self._transport.is_closing():
            self._is_held = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._is_held and not self._transport.is_closing():
            self._is_held = False
            self._transport.resume_reading()

    def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Hijacked: send on; True if some of `data` waits in memory (`on_room` tells when there is room again)."""
        if self._transport.is_closing():
            return False
        self._transport.write(data)
        return self._transport.get_write_buffer_size() > 0

    def end_sending(self) -> None:
        """Half-close: we have sent all; the Engine may still send."""
        if self._phase is not _DEAD and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """End the connection once what was written is out."""
        self._die()
        self._transport.close()

    def abandon(self) -> None:
        """End the connection if its answer's body was never taken."""
        if self._phase is _HELD:
            self.abort()

    def abort(self, error: Exception | None = None) -> None:
        """End the connection now; whoever waits for an answer gets `error`."""
        self._fail(error or faults.answer_lost())

    # --- what the loop does with it ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop made the connection."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no subclass
        self._transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the loop's signature
        """Where the loop reads to."""
        return self._buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """The loop read `nbytes` into the buffer."""
        phase = self._phase
        if phase is _HEAD:
            self._read_head(bytes(self._buffer.view[:nbytes]))
        elif phase is _IDLE or phase is _DEAD:
            self.close()
        elif phase is _HELD:
            self._data += bytes(self._buffer.view[:nbytes])
        else:
            self._take(self._buffer.array, self._buffer.view, nbytes)

    def eof_received(self) -> bool:
        """The other side has sent all it will; True keeps our own side open."""
        self._is_ended = True
        if self._phase in {_IDLE, _DEAD}:
            self.close()
        elif self._phase is not _HELD:
            self._ended()
        return self._phase in {_TUNNEL, _HELD}

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        """The connection is gone, both ways."""
        self._is_ended = True
        if self._phase is _TUNNEL:
            self._fail(faults.answer_cut())
        elif self._phase is not _DEAD and self._phase is not _HELD:
            self._ended()
        if self._phase is not _HELD:
            self._die()
        self._wake()

    def pause_writing(self) -> None:
        """The other side takes no more for now."""
        self.is_full = True
        if self.on_room is not None:
            self.on_room(False)

    def resume_writing(self) -> None:
        """The other side takes more again."""
        self.is_full = False
        self._wake()
        if self.on_room is not None:
            self.on_room(True)

    # --- reading the answer ---

    def _read_head(self, data: bytes) -> None:
        if self._data:
            data = self._data + data
        end = data.find(HEAD_END)
        if end < 0:
            self._data = data
            if len(data) > HEAD_BYTES:
                self._fail(faults.unreadable("its head is too large"))
            return
        end += 4
        try:
            head = self._heads.read(data[:end], self._method)
        except BadHead as error:
            self._fail(faults.unreadable(str(error)))
            return
        refusal = self._objection(head)
        if refusal is not None:
            self._fail(refusal)
            return
        self._head = head
        self._begin(head, data[end:])

    def _objection(self, head: AnswerHead) -> Refused | None:
        if head.status == 101:
            return None if self._want is Want.HIJACK else faults.unasked_upgrade()
        if head.status < 200:
            return faults.unreadable(f"status {head.status}")
        return faults.redirected(head.status) if head.status in REDIRECTS else None

    def _begin(self, head: AnswerHead, rest: bytes) -> None:
        framing = head.framing
        if self._want is Want.WHOLE and framing.bound is Bound.LENGTH and framing.length == len(rest) <= self._limit:
            self._data = b""
            self._complete(False, rest)  # most answers: all of it came at once
            return
        if self._want is Want.HIJACK and not (head.status == 101 or (head.status == 200 and framing.bound is Bound.CLOSE)):
            self._want = Want.WHOLE
        if self._want is not Want.WHOLE:
            self._hold(head, rest)
            return
        self._frame(framing)
        self._phase = _COLLECT
        self._data = b""
        if framing is NO_BODY:
            self._complete(bool(rest))
        elif framing.bound is Bound.LENGTH and framing.length > self._limit:
            self._fail(faults.too_large(self._limit))
        elif rest:
            self._take(rest, memoryview(rest), len(rest))

    def _hold(self, head: AnswerHead, rest: bytes) -> None:
        """Keep the body where it is until somebody takes it."""
        self._frame(head.framing)
        self._phase = _HELD
        self._data = rest
        self.pause()
        self._settle(head)

    def _frame(self, framing: Framing) -> None:
        self._left = framing.length
        self._is_until_close = framing.bound is Bound.CLOSE
        self._chunks = ChunkReader() if framing.bound is Bound.CHUNKED else None

    def _take(self, array: bytes | bytearray, view: memoryview, end: int) -> None:
        """Take body bytes: collect them, or pass them on."""
        if self._phase is _TUNNEL:
            self._pass_on(view[:end])
            return
        payload: list[bytes] | None = [] if self._sink is None or self._sink.wants_payload else None
        try:
            used = self._follow(array, end, payload)
        except BadChunk as error:
            self._fail(faults.unreadable(str(error)))
            return
        if payload is None:
            self._pass_on(view[:used])
        elif self._sink is not None:
            self._pass_on(memoryview(b"".join(payload)))
        elif not self._collected(payload):
            return
        if self._is_read() and self._phase is not _DEAD:
            self._complete(used < end)

    def _follow(self, array: bytes | bytearray, end: int, payload: list[bytes] | None) -> int:
        if self._chunks is not None:
            return self._chunks.feed(array, end, payload)
        used = end if self._is_until_close else min(end, self._left)
        self._left -= used
        if payload is not None:
            payload.append(bytes(memoryview(array)[:used]))
        return used

    def _pass_on(self, data: memoryview) -> None:
        if self._sink is not None and len(data) and self._sink.feed(data):
            self._buffer.renew()

    def _collected(self, payload: list[bytes]) -> bool:
        self._size += sum(map(len, payload))
        self._parts += payload
        if self._size > self._limit:
            self._fail(faults.too_large(self._limit))
            return False
        return True

    def _is_read(self) -> bool:
        if self._chunks is not None:
            return self._chunks.is_done
        return not self._is_until_close and not self._left

    # --- ends ---

    def _complete(self, has_more: bool, body: bytes | None = None) -> None:
        """The answer is read to its last byte: hand over, and be free for the next call if nothing is left over."""
        head, sink, self._sink = self._head, self._sink, None
        if head is None:
            return
        answer = None
        if sink is None:
            answer = WholeAnswer(head.status, head.headers, b"".join(self._parts) if body is None else body)
        self._head = None
        if body is None:
            self._parts, self._size, self._chunks = [], 0, None
        if self._upload is not None:
            self.stop_upload()
        if head.is_last or has_more or not self._is_sent or self._is_ended:
            self.close()
        else:
            self._phase = _IDLE
            if self._is_held:
                self.resume()
            self._on_free(self)
        if sink is not None:
            sink.finish()
        elif answer is not None:
            self._settle(answer)

    def _ended(self) -> None:
        """The Engine sends no more: an end only where the answer ends with the connection."""
        if self._phase is _TUNNEL:
            if self._sink is not None and not self._is_finished:
                self._is_finished = True
                self._sink.finish()
        elif self._phase is _HEAD:
            self._fail(Stale() if not self._data else faults.answer_lost())
        elif self._is_until_close:
            self._complete(False)
        else:
            self._fail(faults.answer_cut())

    def _fail(self, error: Exception) -> None:
        if self._phase is _DEAD:
            return
        future, sink = self._future, self._sink
        self._error = error
        self._die()
        self._transport.abort()
        if future is not None and not future.done():
            self._future = None
            future.set_exception(error)
        elif sink is not None:
            sink.cut(error)

    def _die(self) -> None:
        if self._phase is not _DEAD:
            self._phase = _DEAD
            self._sink = None
            self._parts, self._data = [], b""
            self.stop_upload()
            self._on_end(self)

    def _settle(self, result: WholeAnswer | AnswerHead) -> None:
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(result)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
