"""A WebSocket that is only told things: what the client says is heard as far as the protocol needs it. Source: RFC 6455."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, generate_accept_token

from dockwarden.doors.docker.exchange import ClientGone, Exchange
from dockwarden.words.errors import Malformed

ASKED_EVERY_S = 20.0
"""How often a client is asked whether it is there, and judged again; one that has not answered by the next time is gone."""
STALLED_S = 60.0
"""How long a client may take for the next `PIECE_BYTES`, or the next message where that is longer."""
PIECE_BYTES = 64 << 10
CLOSE_S = 2.0
KEY_BYTES = 16

Lines = AsyncGenerator[Iterable[bytes], None]


def read_handshake(headers: Mapping[str, str], known: Iterable[str]) -> tuple[bytes, str]:
    """Return what proves to a client that it was understood, and the first of the `known` protocols that it offers ("" if it offers none).

    Raises:
        Malformed: `tapes.websocket`.
    """
    is_upgrade = "upgrade" in _listed(headers, "connection") and headers.get("upgrade", "").lower() == "websocket"
    if not is_upgrade or headers.get("sec-websocket-version") != "13":
        raise Malformed("tapes.websocket", "a session that goes on is watched by WebSocket, version 13; use wss://")
    key = headers.get("sec-websocket-key", "")
    with contextlib.suppress(binascii.Error, ValueError):
        if len(base64.b64decode(key, validate=True)) == KEY_BYTES:
            offered = _listed(headers, "sec-websocket-protocol")
            chosen = next((protocol for protocol in known if protocol in offered), "")
            if not offered or chosen:
                return generate_accept_token(key.encode()), chosen
            raise Malformed("tapes.websocket", f"none of these protocols is spoken here; offer one of {', '.join(known)}")
    raise Malformed("tapes.websocket", "the handshake's key is none")


def _listed(headers: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in headers.get(name, "").lower().split(",") if word.strip()]


class WebSocket:
    """One of them, open: the sink of what its client sends."""

    wants_payload = False
    is_full = False

    def __init__(self, exchange: Exchange, accept: bytes, protocol: str) -> None:
        """Answer the handshake."""
        self._frames = Connection(ConnectionType.SERVER)
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_heard = True
        self._asked: Ping | None = None
        self._exchange = exchange
        headers = [(b"sec-websocket-accept", accept), *([(b"sec-websocket-protocol", protocol.encode())] if protocol else [])]
        self._connection = exchange.switch(b"websocket", headers)
        self._connection.flow_to(self)
        self._connection.on_room = self._room
        self._connection.on_retire = self._leave

    async def tell(self, lines: Lines, may_go_on: Callable[[], bool]) -> None:
        """Send each line as a message, to the last, and close. Return early where the client has gone, does not listen, or may no longer.

        Raises: what `lines` raises; the client was told that it is our failure.
        """
        sending, minding = asyncio.ensure_future(self._send(lines)), asyncio.ensure_future(self._mind(may_go_on))
        try:
            await asyncio.wait({sending, minding, self._gone, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not self._gone.done():
                await self._finish(sending)
            elif self._leaving.done():
                await self._close(CloseReason.GOING_AWAY)
        except asyncio.CancelledError:  # who watches may no longer
            await self._close(CloseReason.POLICY_VIOLATION)
            raise
        finally:
            sending.cancel()
            minding.cancel()
            await asyncio.gather(sending, minding, return_exceptions=True)
            self._connection.on_room = self._connection.on_retire = None
            self._connection.close()

    async def _finish(self, sending: asyncio.Future[None]) -> None:
        failure = sending.exception()
        if isinstance(failure, ClientGone | TimeoutError):
            self._connection.cut()
            return
        await self._close(CloseReason.INTERNAL_ERROR if failure else CloseReason.NORMAL_CLOSURE)
        sending.result()

    async def _send(self, lines: Lines) -> None:
        async with contextlib.aclosing(lines):
            async for some in lines:
                data = b""
                for line in some:
                    data += self._frames.send(TextMessage(data=line.decode()))
                    if len(data) >= PIECE_BYTES:
                        await self._send_out(data)
                        data = b""
                if data:
                    await self._send_out(data)

    async def _send_out(self, frames: bytes) -> None:
        """Send whole frames, at once: what is said in between must not land within one. Raises: TimeoutError, ClientGone."""
        async with asyncio.timeout(STALLED_S):
            await self._connection.write_out(frames)
        self._exchange.bytes_out += len(frames)
        self._is_heard = True

    async def _mind(self, may_go_on: Callable[[], bool]) -> None:
        """Return once the client has not been heard of for a while, or may not go on."""
        while self._is_heard:
            if not may_go_on():
                await self._close(CloseReason.POLICY_VIOLATION)
                return
            self._is_heard = False
            self._connection.write(self._frames.send(Ping()))
            await asyncio.sleep(ASKED_EVERY_S)
        self._connection.cut()

    async def _close(self, code: CloseReason) -> None:
        """Say that this is the end, and wait a moment for the client to say it, too."""
        with contextlib.suppress(LocalProtocolError):
            self._connection.write(self._frames.send(CloseConnection(code=code)))
        await asyncio.wait({self._gone}, timeout=CLOSE_S)

    # --- what the client sends ---

    def feed(self, data: memoryview) -> bool:
        """Hear."""
        self._is_heard = True
        with contextlib.suppress(LocalProtocolError):  # all is said already
            self._frames.receive_data(bytes(data))
            for event in self._frames.events():
                if isinstance(event, Ping):
                    self._asked = event
                    self._room(not self._connection.is_full)
                elif not isinstance(event, Pong):
                    code = event.code if isinstance(event, CloseConnection) else CloseReason.UNSUPPORTED_DATA
                    self._end(code)
                    break
        return False

    def finish(self) -> None:
        """The client sends no more."""
        self._over()

    def cut(self, error: Exception) -> None:  # noqa: ARG002  a sink's signature
        """The client is gone."""
        self._over()

    def _end(self, code: int) -> None:
        """The client closes, breaks the protocol, or talks: answer so, and be done."""
        with contextlib.suppress(LocalProtocolError):
            self._connection.write(self._frames.send(CloseConnection(code=code)))
        self._over()

    def _room(self, has_room: bool) -> None:
        """Answer the latest ping, once the client takes something: who takes nothing is not answered without end (RFC 6455 §5.5.3)."""
        if has_room and self._asked is not None:
            event, self._asked = self._asked, None
            with contextlib.suppress(LocalProtocolError):
                self._connection.write(self._frames.send(event.response()))

    def _leave(self) -> None:
        """This door closes."""
        if not self._leaving.done():
            self._leaving.set_result(None)

    def _over(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
