"""The listener of a Docker door: sockets, limits, the way out.

It hands every request to one handler and knows nothing of what is asked. Read `exchange.py` for what a handler can do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import stat
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from dockwarden.doors.docker.connection import ClientConnection
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.grammar import RequestHeads
from dockwarden.doors.docker.tls import TlsSide
from dockwarden.logs import get_logger
from dockwarden.upstream.read_buffer import READ_BYTES, ReadBuffer
from dockwarden.words.errors import BadConfig, Busy
from dockwarden.words.principal import Principal

BACKLOG = 4096
LOOK_EVERY_S = 1.0
GONE_S = 0.5
"""How long the connection of somebody who is no longer in `people.toml` is left: what is shown there may still say why it ends."""
STREAMS_S = 2.0
"""How long a drain leaves streams open: enough for a short `docker exec` to end."""

Handler = Callable[[Exchange], Awaitable[None]]


class PeerSocket(Protocol):
    """What may be asked of a client's socket: who is at the other end."""

    def fileno(self) -> int:
        """The descriptor."""

    def getsockopt(self, level: int, name: int, length: int = ..., /) -> int | bytes:
        """A socket option."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. `certificate` is the client's verified one (DER), empty where TLS is not spoken."""

    socket: PeerSocket
    is_unix: bool
    certificate: bytes


Identify = Callable[[Peer], Principal]
"""Proves who a peer is, once a connection, when it is made. `NOBODY` for a stranger; Refused where nothing may be answered."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may cost, and how much is read at once. Streams under way are never cut for being idle."""

    header_bytes: int = 32 << 10
    connections_per_principal: int = 256
    header_timeout_s: float = 10.0
    idle_s: float = 300.0
    read_bytes: int = READ_BYTES


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain had to cut: calls that did not end in time, and streams, raw or endless."""

    calls: int
    streams: int


class Server:
    """One door's connections. Make it inside the running loop."""

    def __init__(self, handler: Handler, identify: Identify, limits: Limits | None = None) -> None:
        self.handler, self._identify = handler, identify
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.buffer = ReadBuffer(self.limits.read_bytes)
        self.heads = RequestHeads()
        self.is_draining = False
        self._connections: set[ClientConnection] = set()
        self._held: Counter[Principal] = Counter()
        self._listeners: list[asyncio.Server] = []
        self._files: list[SocketFile] = []
        self._log = get_logger("dockwarden.door")
        self._looking = self.loop.call_later(LOOK_EVERY_S, self._look)

    async def listen(self, address: str, *, mode: int = 0o666, tls: ssl.SSLContext | None = None, refusal: Refusal | None = None) -> None:
        """Accept on `unix:///PATH` (with permission bits `mode`) or `tcp://HOST:PORT` (with `tls`, if given).

        Raises:
            BadConfig: the address cannot be had; `refusal` has its place and mend, where it is not a door's of the settings.
        """
        sock = open_listener(address, mode, refusal or Refusal())
        self._files.append(SocketFile(address))
        await self.listen_on(sock, tls)

    async def listen_on(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept on a socket that listens already, as a service manager hands one over."""
        sock.setblocking(False)
        if tls is not None:
            tls.options |= ssl.OP_NO_RENEGOTIATION
        if sock.family == socket.AF_UNIX:
            server = await self.loop.create_unix_server(self._connection, sock=sock, backlog=BACKLOG)
        else:
            make = self._connection if tls is None else lambda: TlsSide(tls, self._connection())
            server = await self.loop.create_server(make, sock=sock, backlog=BACKLOG)
        self._listeners.append(server)

    async def adopt(self, sock: socket.socket, source: str) -> None:
        """Take a connection that is there already: one end of a pair that somebody in this process made, for a client at `source`."""
        await self.loop.connect_accepted_socket(lambda: self._connection(source), sock)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def refresh(self, fresh: Callable[[Principal], Principal]) -> None:
        """Give every open connection its principal anew, as people are now; those of who is no longer among them end, in a moment."""
        for connection in self._connections:
            if connection.is_counted:
                was = connection.principal
                self._uncount(was)
                connection.principal = fresh(was)
                self._held[connection.principal] += 1
                if was.is_known and not connection.principal.is_known:
                    self.loop.call_later(GONE_S, connection.kill)

    async def drain(self, seconds: float, streams_s: float = STREAMS_S) -> Drained:
        """Accept no more, let calls under way end for `seconds` and streams for `streams_s` of them, then cut what is left.

        A stream has no end of its own (`events`, `logs -f`, a raw one), so waiting for it would be waiting for nothing. The socket
        files go that `listen` made, if they are still ours.
        """
        self.is_draining = True
        self._looking.cancel()
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._connections):
            connection.retire()
        await self._until_idle(min(streams_s, seconds), lambda connection: connection.is_busy)
        streams = self._kill([one for one in self._connections if one.is_stream])
        await self._until_idle(seconds - streams_s, lambda connection: connection.is_busy and not connection.is_stream)
        streams += self._kill([one for one in self._connections if one.is_stream])
        calls = self._kill(tuple(self._connections))
        await asyncio.sleep(0)
        for file in self._files:
            file.remove()
        return Drained(calls, streams)

    async def _until_idle(self, seconds: float, counts: Callable[[ClientConnection], bool]) -> None:
        end = self.loop.time() + seconds
        while any(map(counts, self._connections)) and self.loop.time() < end:  # noqa: ASYNC110  it ends but once
            await asyncio.sleep(0.02)

    @staticmethod
    def _kill(connections: Iterable[ClientConnection]) -> int:
        """Cut `connections`; return how many of them were busy."""
        chosen = tuple(connections)
        busy = sum(one.is_busy for one in chosen)
        for connection in chosen:
            connection.kill()
        return busy

    # --- what a connection asks ---

    def welcome(self, connection: ClientConnection, transport: asyncio.Transport) -> Principal:
        """Count a new connection and prove who it is. Raises: Busy, and what `identify` raises."""
        self._connections.add(connection)
        sock = transport.get_extra_info("socket")
        tls = transport.get_extra_info("ssl_object")
        certificate = (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""
        principal = self._identify(Peer(sock, sock.family == socket.AF_UNIX, certificate))
        connection.principal = principal
        if self._held[principal] >= self.limits.connections_per_principal:
            raise Busy("door.connections", f"you hold {self.limits.connections_per_principal} connections already; close one")
        connection.is_counted = True
        self._held[principal] += 1
        return principal

    def farewell(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        if not connection.is_counted:
            return
        self._uncount(connection.principal)

    def _uncount(self, principal: Principal) -> None:
        self._held[principal] -= 1
        if self._held[principal] <= 0:
            del self._held[principal]

    def report(self, error: Exception) -> None:
        """Tell the operator of a failure: its kind and place, never its text, which may hold what a caller sent."""
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        self._log.error("call failed", kind=type(error).__name__, at=[f"{frame.filename}:{frame.lineno}" for frame in frames])

    def _connection(self, source: str = "") -> ClientConnection:
        return ClientConnection(self, source)

    def _look(self) -> None:
        now = self.loop.time()
        for connection in tuple(self._connections):
            connection.look(now)
        self._looking = self.loop.call_later(LOOK_EVERY_S, self._look)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an operator reads of an address that cannot be had: the setting that names it, and what to do about a taken one."""

    where: str = "[[door]] listen"
    mend: str = "stop what listens there, or choose another path"


def open_listener(address: str, mode: int = 0o666, refusal: Refusal = Refusal()) -> socket.socket:
    """Return a listening socket at `address`; a dead unix socket of that name is replaced, a live one is not.

    Raises:
        BadConfig: the address cannot be had; `refusal` has its place and mend.
    """
    parts = urlsplit(address)
    try:
        if parts.scheme == "unix":
            return _unix_listener(parts.path, mode, refusal)
        family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((parts.hostname, parts.port))
        sock.listen(BACKLOG)
        return sock
    except FileNotFoundError:
        folder = Path(parts.path).parent
        raise BadConfig(refusal.where, f"{address} cannot be had: its folder is not there", f"mkdir -p {folder}, or choose another path") from None
    except OSError as error:
        what = f"{address} cannot be had ({error.strerror or error})"
        raise BadConfig(refusal.where, what, refusal.mend) from None


def _unix_listener(path: str, mode: int, refusal: Refusal) -> socket.socket:
    if os.path.lexists(path):
        _remove_dead(path, refusal)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    return sock


def _remove_dead(path: str, refusal: Refusal) -> None:
    """Remove the socket file of a process that is gone; whatever else is there stays."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise BadConfig(refusal.where, f"{path} is there already and is no socket", "remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(path)
        raise BadConfig(refusal.where, f"somebody listens at {path} already", refusal.mend)
    Path(path).unlink()


class SocketFile:
    """The file of a unix socket that this process has just made, so that no other's is ever taken away.

    It is held open, since the number of a file that is gone may be given to the next one of that name.
    """

    def __init__(self, address: str) -> None:
        """`address` is where the socket listens; of a tcp one there is no file."""
        parts = urlsplit(address)
        self._path = Path(parts.path)
        self._fd = os.open(parts.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC) if parts.scheme == "unix" else -1

    def remove(self) -> None:
        """Take the file away if it is still ours. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            if os.path.samestat(os.fstat(fd), self._path.lstat()):
                self._path.unlink()
        except FileNotFoundError:
            pass
        finally:
            os.close(fd)
