"""The way to our own Docker door, for somebody who came by SSH: the API as it is, and an exec in a container as their session.

What goes there is judged, recorded and owned as if the client had come by a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast
from urllib.parse import quote

import msgspec

from dockwarden.doors.ssh.joint import Joint
from dockwarden.doors.ssh.sides import Ending
from dockwarden.engine.call import Request
from dockwarden.engine.multiplex import Demultiplexer, Stream
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.connection import EngineConnection
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked
from dockwarden.words.errors import Refused, Unavailable

JSON = (("Content-Type", "application/json"),)
NOT_KNOWN = 255


class InsideLink(EngineLink):
    """A link to a Docker door of our own; `pair` opens one more connection to it, as the person who came, and returns our end."""

    def __init__(self, pair: Callable[[], Awaitable[socket.socket]]) -> None:
        super().__init__("", pool=4)
        self.pair = pair
        self._is_closed = False

    def close(self) -> None:
        """End every connection, and make no more: nobody would end those."""
        self._is_closed = True
        super().close()

    async def _dial(self, make: Callable[[], EngineConnection]) -> EngineConnection:
        connection = (await asyncio.get_running_loop().create_connection(make, sock=await self.pair()))[1]
        if self._is_closed:
            connection.abort()
            raise ConnectionResetError(0, "the client is gone")
        return connection


class _Raw(asyncio.Protocol):
    """The bytes of a connection to the door."""

    def __init__(self, end: ApiEnd, joint: Joint) -> None:
        self._end, self._joint = end, joint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._joint.shown(data)

    def eof_received(self) -> bool:
        self._joint.shown_all()
        return False  # dial-stdio ends with what is shown: clients wait for that

    def pause_writing(self) -> None:
        self._joint.far_full()

    def resume_writing(self) -> None:
        self._joint.far_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        self._joint.far_gone(Ending(0 if exc is None else NOT_KNOWN))


class _Within:
    """What no stream of our own door's has."""

    def resize(self, columns: int, rows: int, width: int, height: int) -> None:
        """The API has no terminal."""

    def signal(self, name: str) -> None:
        """The Engine passes no signal on to an exec."""

    def send_break(self, milliseconds: int) -> bool:
        """There is no such thing in a container."""
        del milliseconds
        return False


class ApiEnd(_Within):
    """The Docker API, raw: what `docker system dial-stdio` is answered with."""

    transport: asyncio.Transport

    def write(self, data: bytes) -> None:
        """Send."""
        self.transport.write(data)

    def write_eof(self) -> None:
        """Nothing more is sent; a hijacked stream may still show what there is."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def hold(self) -> None:
        """Show no more for now."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Show it again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """End it."""
        self.transport.close()


async def api_end(joint: Joint, link: InsideLink) -> ApiEnd:
    """Open the API. Call `joint.joined` before anything else is awaited."""
    end = ApiEnd()
    await asyncio.get_running_loop().create_connection(lambda: _Raw(end, joint), sock=await link.pair())
    return end


class ExecEnd(_Within):
    """A hijacked exec of a container's: a sink of what it shows. `start` it once the joint has it."""

    wants_payload = False

    def __init__(self, joint: Joint, link: InsideLink, id: str, hijacked: Hijacked, *, is_terminal: bool) -> None:
        self._joint, self._link, self._id, self._hijacked = joint, link, id, hijacked
        self._connection = hijacked.connection
        self._parts = None if is_terminal else Demultiplexer()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ended = False
        self.is_full = False

    def start(self) -> None:
        """Show what comes."""
        self._connection.on_room = self._room
        self._connection.flow_to(self)

    # --- the joint's end ---

    def write(self, data: bytes) -> None:
        """Send."""
        self._connection.send(data)

    def write_eof(self) -> None:
        """Nothing more is sent."""
        self._connection.end_sending()

    def hold(self) -> None:
        """Show no more for now."""
        self.is_full = True
        self._connection.pause()

    def go_on(self) -> None:
        """Show it again."""
        self.is_full = False
        self._connection.resume()

    def close(self) -> None:
        """End it."""
        self._is_ended = True
        self._connection.close()

    def resize(self, columns: int, rows: int, width: int, height: int) -> None:
        """Tell the Engine of another size."""
        del width, height
        self._do(self.resized(columns, rows))

    async def resized(self, columns: int, rows: int) -> None:
        """Tell the Engine of another size; a terminal that is gone has none."""
        with contextlib.suppress(Refused):
            await asked(self._link, "POST", f"/exec/{self._id}/resize?h={rows}&w={columns}")

    # --- the sink ---

    def feed(self, data: memoryview) -> bool:
        """It shows something."""
        piece = bytes(data)
        if self._parts is None:
            self._joint.shown(piece)
            return False
        try:
            for stream, part in self._parts.feed(piece):
                self._joint.shown(part, is_error=stream is not Stream.STDOUT)
        except Refused as error:
            self._joint.stop(error.message)
        return False

    def finish(self) -> None:
        """It has shown all."""
        self._joint.shown_all()
        self._do(self._ended())

    def cut(self, error: Exception) -> None:
        """The connection is gone."""
        del error
        self._do(self._ended())

    def _room(self, has_room: bool) -> None:
        if has_room:
            self._joint.far_ready()
        else:
            self._joint.far_full()

    async def _ended(self) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        status: Any = None
        with contextlib.suppress(Refused):
            status = (await asked(self._link, "GET", f"/exec/{self._id}/json")).get("ExitCode")
        self._joint.far_gone(Ending(status if isinstance(status, int) else NOT_KNOWN))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def container_end(joint: Joint, link: InsideLink, container: str, command: str, terminal: str, size: tuple[int, int]) -> ExecEnd:
    """An exec in a container, begun.

    Raises:
        Refused: as the door or the Engine says.
    """
    is_terminal = bool(terminal)
    body = {
        "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": is_terminal, "Cmd": ["sh", "-c", command] if command else ["sh"],
        "Env": [f"TERM={terminal}"] if is_terminal else [],
    }  # fmt: skip
    id = str((await asked(link, "POST", f"/containers/{quote(container, safe='')}/exec", body)).get("Id", ""))
    started = await link.upgrade(Request("POST", f"/exec/{id}/start", JSON, msgspec.json.encode({"Detach": False, "Tty": is_terminal})))
    if isinstance(started, WholeAnswer):
        raise _refused(started)
    end = ExecEnd(joint, link, id, started, is_terminal=is_terminal)
    if is_terminal:
        await end.resized(*size)
    return end


async def asked(link: InsideLink, method: str, target: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask one thing of the door, and return what it says.

    Raises:
        Refused: as the door or the Engine says.
    """
    answer = await link.call(Request(method, target, JSON, b"" if body is None else msgspec.json.encode(body)))
    if answer.status >= 400:
        raise _refused(answer)
    return dict(msgspec.json.decode(answer.body)) if answer.body else {}


def _refused(answer: WholeAnswer) -> Refused:
    try:
        message = str(msgspec.json.decode(answer.body)["message"]).removeprefix("dockwarden: ")
    except (msgspec.DecodeError, KeyError, TypeError):
        message = "the Engine does not say why"
    return Unavailable("ssh.container", message)
