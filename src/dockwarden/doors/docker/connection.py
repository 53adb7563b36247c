"""One connection of a client: requests one after the other, in order, each handed to the handler when its head is whole.

What is malformed is answered and the connection closed; so is it after an answer that left a part of a request unread, since
those bytes must never be read as a request of their own.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from dockwarden.doors.docker.endless import is_endless
from dockwarden.doors.docker.exchange import ClientGone, Exchange
from dockwarden.doors.docker.grammar import HeadTooLarge, RequestHead, refuse_early
from dockwarden.upstream.answers import Sink
from dockwarden.upstream.framing import NO_BODY
from dockwarden.words.errors import Broken, Malformed, Refused
from dockwarden.words.principal import NOBODY, Principal

if TYPE_CHECKING:
    from dockwarden.doors.docker.server import Server

HEAD_END = b"\r\n\r\n"
LINGER_S = 1.0
LINGER_BYTES = 4 << 20
STALLED_S = 60.0
UNREADABLE = RequestHead("GET", b"/", (), NO_BODY, False, False)


class HeadTimeout(Malformed):
    """A request that does not arrive."""

    status = 408


class _State(Enum):
    WAIT, BUSY, TUNNEL, LINGER, CLOSING, DEAD = range(6)


_WAIT, _BUSY, _TUNNEL, _LINGER, _CLOSING, _DEAD = _State


class ClientConnection(asyncio.BufferedProtocol):
    """The protocol of one connection."""

    def __init__(self, server: Server, source: str = "") -> None:
        """`source` is where the client is, if the socket does not say so."""
        self._server, self._source = server, source
        self._buffer = server.buffer
        self._limits = server.limits
        self._loop = server.loop
        self._transport: asyncio.Transport
        self._state = _WAIT
        self._data = b""
        self._seen = 0
        self._since = 0.0
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._sink: Sink | None = None
        self._is_last = False
        self._must_go_on = False
        self._lingered = 0
        self._waiting_bytes = 0
        self._drained: asyncio.Future[None] | None = None
        self._refusal: Refused | None = None
        self.principal: Principal = NOBODY
        self.is_counted = False
        self.is_full = False
        self.is_gone = False
        self.is_lost = False
        self.on_room: Callable[[bool], None] | None = None
        self.on_retire: Callable[[], None] | None = None

    @property
    def source(self) -> str:
        """Where the client is: `unix`, or its IP address."""
        peer = self._transport.get_extra_info("peername")
        return self._source or (str(peer[0]) if isinstance(peer, tuple) else "unix")

    # --- what the loop does with it ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop made the connection."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no subclass
        self._transport.set_write_buffer_limits(high=0)
        self._since = self._loop.time()
        try:
            self.principal = self._server.welcome(self, self._transport)
        except Refused as error:
            self._refusal = error
        except Exception as error:  # noqa: BLE001  a peer that cannot be proven is answered, and heard no further
            self._server.report(error)
            self._refusal = Broken("door.identity", "who you are could not be proven; the operator was told")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the loop's signature
        """Where the loop reads to."""
        return self._buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """The loop read `nbytes` into the buffer."""
        state = self._state
        if state is _WAIT:
            self._receive(bytes(self._buffer.view[:nbytes]))
        elif state is _BUSY:
            self._receive_more(bytes(self._buffer.view[:nbytes]))
        elif state is _TUNNEL:
            if self._sink is not None and self._sink.feed(self._buffer.view[:nbytes]):
                self._buffer.renew()
        elif state is _LINGER:
            self._lingered += nbytes
            if self._lingered > LINGER_BYTES:
                self._transport.abort()

    def eof_received(self) -> bool:
        """The other side has sent all it will; True keeps our own side open."""
        self.is_gone = True
        self.is_lost = self._is_hung_up()
        if self._state is _BUSY and self._exchange is not None:
            self._exchange.gone()
        elif self._state is _TUNNEL and self._sink is not None:
            if self.is_lost:
                self._sink.cut(ClientGone())
            else:
                self._sink.finish()
        else:
            self.close()
        return self._state in {_BUSY, _TUNNEL}

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        """The connection is gone, both ways."""
        state, self._state = self._state, _DEAD
        self.is_gone = self.is_lost = True
        self.is_full = False
        self._wake()
        if state is _TUNNEL and self._sink is not None:
            self._sink.cut(ClientGone())
        if self._exchange is not None:
            self._exchange.gone()
        self._server.farewell(self)

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
        if self._must_go_on:
            self._must_go_on = False
            self._next()

    # --- reading requests ---

    def _receive(self, data: bytes) -> None:
        """Bytes while the next request is awaited."""
        if self._data:
            data = self._data + data
        else:
            self._since = self._loop.time()
        end = data.find(HEAD_END, max(0, self._seen - 3)) + 4
        try:
            most = self._limits.header_bytes
            if (end if end > 3 else len(data)) > most:
                raise HeadTooLarge("http.head_too_large", f"request line and headers are larger than {most} bytes; send less")
            if end == 3:
                refuse_early(data, self._seen)
                self._data, self._seen = data, len(data)
                return
            self._start(self._server.heads.read(data[:end]), data[end:])
        except Refused as error:
            self._refuse_unheard(error)

    def _start(self, head: RequestHead, rest: bytes) -> None:
        exchange = Exchange(self, head)
        self._data, self._seen = exchange.take(rest) if rest else b"", 0
        if self._refusal is not None:
            raise self._refusal
        self._state, self._exchange = _BUSY, exchange
        self._task = self._loop.create_task(self._run(exchange))

    def _refuse_unheard(self, error: Refused) -> None:
        """Answer what no handler hears of, and close."""
        self._data = b""
        self._state = _BUSY
        Exchange(self, UNREADABLE).refuse(error, closes=True)
        self._linger()

    def _receive_more(self, data: bytes) -> None:
        """Bytes while a request is under way: the rest of its body, then what belongs to a later one."""
        exchange = self._exchange
        if exchange is not None and not exchange.is_body_read:
            try:
                data = exchange.take(data)
            except Malformed:
                self._is_last = True
                return
        if data:
            self._data += data
            if len(self._data) >= self._limits.header_bytes:
                self.pause()

    async def _run(self, exchange: Exchange) -> None:
        """Have one request handled: the root of its task, where every failure becomes a refusal."""
        try:
            await self._server.handler(exchange)
            if not exchange.is_answered:
                raise Broken("door.unanswered", "no answer was given; please report this")
        except ClientGone:
            self.cut()
        except Refused as error:
            exchange.refuse(error, closes=isinstance(error, Malformed))
        except asyncio.CancelledError:
            self.cut()
            raise
        except Exception as error:  # noqa: BLE001  the task's root: what nobody foresaw refuses
            self._server.report(error)
            exchange.refuse(Broken("door.failed", "a failure inside dockwarden refuses the call; the operator was told"), closes=True)
        finally:
            self._exchange = self._task = None
        self._finished(exchange)

    def _finished(self, exchange: Exchange) -> None:
        if self._state is not _BUSY:
            return
        if not exchange.is_body_read:
            self._linger()
        elif self.is_last(exchange) or self.is_gone:
            self.close()
        elif self.is_full:
            self._must_go_on = True
        else:
            self._next()

    def _next(self) -> None:
        """Await the next request, which may be here already."""
        if self._state is not _BUSY:
            return
        self._state = _WAIT
        self._since = self._loop.time()
        data, self._data = self._data, b""
        if len(data) >= self._limits.header_bytes:
            self.resume()
        if data:
            self._receive(data)

    # --- what an exchange does with it ---

    def is_last(self, exchange: Exchange) -> bool:
        """Whether the connection ends after this exchange; once said, so it is."""
        if not exchange.head.keep_alive or not exchange.is_body_read or self._server.is_draining:
            self._is_last = True
        return self._is_last

    def stop_after_this(self) -> None:
        """Take no further request."""
        self._is_last = True

    def write(self, data: bytes) -> None:
        """Send; what the client does not take at once waits in memory."""
        if self._state is not _DEAD and self._state is not _CLOSING:
            self._transport.write(data)

    async def write_out(self, data: bytes) -> None:
        """Send, and wait until the client has taken it. Raises: ClientGone."""
        self.write(data)
        if self.is_full:
            self._drained = self._loop.create_future()
            await self._drained
        if self.is_lost:
            raise ClientGone

    def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Send; True if some of `data` waits in memory (`on_room` tells when there is room again)."""
        if self._state is _DEAD or self._state is _CLOSING:
            return False
        self._transport.write(data)
        return self._transport.get_write_buffer_size() > 0

    def hold(self, must_hold: bool) -> None:
        """Read no more of the client for now, or read on."""
        if must_hold:
            self.pause()
        else:
            self.resume()

    def pause(self) -> None:
        """Read no more for now."""
        if self._state is not _DEAD and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._state is not _DEAD and not self._transport.is_closing():
            self._transport.resume_reading()

    def flow_to(self, sink: Sink) -> None:
        """Give all that comes from now on to `sink`, what is here already first."""
        if self._state is not _BUSY:
            sink.cut(ClientGone())
            return
        self._state, self._sink = _TUNNEL, sink
        early, self._data = self._data, b""
        if early:
            sink.feed(memoryview(early))
        if self.is_gone:
            sink.finish()
        elif not sink.is_full:
            self.resume()

    def end_sending(self) -> None:
        """Half-close: all is sent; the client may still send."""
        if self._state is not _DEAD and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def lost(self) -> ClientGone:
        """What to raise when nobody is there any more."""
        return ClientGone()

    def close(self) -> None:
        """End once all is out."""
        if self._state is not _DEAD:
            self._state = _CLOSING
            self._since = self._loop.time()
            self._transport.close()

    def cut(self) -> None:
        """End now, so that a begun answer cannot look whole."""
        if self._state is not _DEAD:
            self._state = _CLOSING
            self._transport.abort()

    # --- what the server does with it ---

    @property
    def is_hijacked(self) -> bool:
        """Whether it carries a raw stream."""
        return self._state is _TUNNEL

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self._state is _BUSY or self._state is _TUNNEL

    @property
    def is_stream(self) -> bool:
        """Whether what is under way has no end of its own: a raw stream, or an answer that goes on until a container ends, or for ever."""
        exchange = self._exchange
        return self.is_hijacked or (self._state is _BUSY and exchange is not None and is_endless(exchange.head))

    def retire(self) -> None:
        """Close now if idle, else after the answer under way; a stream is told, if it wants to be, and cut when it does not end."""
        self._is_last = True
        if self.on_retire is not None:
            self.on_retire()
        if self._state is _WAIT:
            self.close()

    def kill(self) -> None:
        """End whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        self.cut()

    def look(self, now: float) -> None:
        """Enforce the time limits; called every second or so."""
        waited = now - self._since
        if self._state is _WAIT:
            if self._data and waited > self._limits.header_timeout_s:
                self._refuse_unheard(HeadTimeout("http.head_timeout", "the request took too long to arrive"))
            elif not self._data and waited > self._limits.idle_s:
                self.close()
        elif self._state is _LINGER and waited > LINGER_S:
            self.cut()
        elif self._state is _CLOSING:
            self._look_closing(now, waited)
        elif self.is_gone and not self.is_lost and self._is_hung_up():
            self.connection_gone()

    def connection_gone(self) -> None:
        """A client that had half-closed has now gone for good."""
        self.is_lost = True
        if self._state is _TUNNEL and self._sink is not None:
            self._sink.cut(ClientGone())
        elif self._exchange is not None:
            self._exchange.gone()

    def _look_closing(self, now: float, waited: float) -> None:
        """Give a slow reader time as long as it reads."""
        waiting = self._transport.get_write_buffer_size()
        if waiting != self._waiting_bytes:
            self._waiting_bytes, self._since = waiting, now
        elif waited > STALLED_S:
            self.cut()

    def _linger(self) -> None:
        """Half-close and discard what still comes for a moment, so that the client can read the answer before it meets a closed socket."""
        if self._transport.is_closing() or self.is_gone or not self._transport.can_write_eof():
            self.close()
            return
        self._state = _LINGER
        self._since = self._loop.time()
        self._loop.call_later(LINGER_S, self.look, self._since + 2 * LINGER_S)
        self._transport.write_eof()
        self._transport.resume_reading()

    def _is_hung_up(self) -> bool:
        """Whether the peer has closed both ways. Known on unix sockets at once; on TCP only a failed write tells."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
