"""One client of the door: who they are, proven by a key or a certificate, and what they may open at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncssh

from dockwarden.doors.ssh.forward import Forward, Piped, PipedEnd
from dockwarden.doors.ssh.house import SshHouse, Visit
from dockwarden.doors.ssh.line import Line
from dockwarden.doors.ssh.names import Wanted, parse_wanted
from dockwarden.doors.ssh.session import SshSession
from dockwarden.doors.ssh.table import Where, row_of
from dockwarden.doors.ssh.ways import PersonWays
from dockwarden.hosts.hosts import Host
from dockwarden.upstream.ssh_wire import without_padding_packets
from dockwarden.words.errors import Refused

NOBODYS = asyncssh.import_authorized_keys(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
MOST_SESSIONS = 64
"""Sessions and forwarded connections that one client may have open at a time."""


class Door(Protocol):
    """The listener, as a client knows it."""

    def came(self, connection: SshConnection) -> None:
        """A client is there."""

    def went(self, connection: SshConnection) -> None:
        """It is gone."""

    def not_let_in(self, source: str, name: str) -> None:
        """Somebody at `source` who called themselves `name` did not prove it."""

    async def within(self, sock: socket.socket, inner: Inner, name: str) -> None:
        """Serve a connection that a client opened through another of its own; `name` is what it calls the host."""


@dataclass(frozen=True, slots=True)
class Inner:
    """What a connection within another's is: whose, to which host, and from which address.

    There the user name is a login, or the person's own name.
    """

    person: str
    host: Host
    source: str

    def wanted(self, username: str) -> Wanted:
        """Where it goes."""
        return Wanted(self.person, "" if username == self.person else username, self.host.name)


class SshConnection(asyncssh.SSHServer):
    """One client."""

    def __init__(self, door: Door, house: SshHouse, inner: Inner | None = None) -> None:
        self._door, self._house, self._inner = door, house, inner
        self.connection: asyncssh.SSHServerConnection | None = None
        self.is_known = False
        """Whether they are logged in."""
        self._visit: Visit | None = None
        self._wanted: Wanted | None = None
        self._ways: PersonWays | None = None
        self._line: Line | None = None
        self._has_key = False
        self._jumps = 0

    # --- who ---

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody is there."""
        self.connection, self._line = conn, Line(conn)
        if self._inner is not None:
            conn._peer_addr = self._inner.source  # a certificate that is good from some addresses only means the outer one
        without_padding_packets(conn)
        self._visit = self._house.desk.visit(self.source, self.dismiss)
        succeed = conn.send_userauth_success
        # The library lets in whoever proves one factor; this is where it does, so this is where more can be asked for.
        conn.send_userauth_success = lambda: self._proven(succeed)  # type: ignore[method-assign]  # of this one connection
        self._door.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        del exc
        self._door.went(self)
        if not self.is_known and self._wanted is not None:
            self._door.not_let_in(self.source, self._wanted.words)
        if self._ways is not None:
            self._ways.close()
        if self._visit is not None:
            self._visit.leave()

    @property
    def source(self) -> str:
        """From which address they come."""
        if self._inner is not None:
            return self._inner.source
        peer = self.connection.get_extra_info("peername") if self.connection is not None else None
        return str(peer[0]) if isinstance(peer, tuple) else ""

    async def begin_auth(self, username: str) -> bool:
        """Everybody proves who they are; that nobody has a name is found out no sooner than that a key is not theirs."""
        self._wanted = parse_wanted(username) if self._inner is None else self._inner.wanted(username)
        self._has_key = False
        if self.connection is not None and self._visit is not None:
            lines = await self._visit.keys(self._wanted)
            self.connection.set_authorized_keys(asyncssh.import_authorized_keys("\n".join(lines)) if lines else NOBODYS)
        return True

    def public_key_auth_supported(self) -> bool:
        """First comes a key or a certificate."""
        return not self._has_key

    def kbdint_auth_supported(self) -> bool:
        """Then a code, where policy asks for one."""
        return self._has_key

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> tuple[str, str, str, list[tuple[str, bool]]]:
        """Ask for the code."""
        del username, lang, submethods
        return "dockwarden", "", "", [("Code: ", False)]

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """Whether it is right."""
        del username
        return self._visit is not None and self._has_key and len(responses) == 1 and await self._visit.code(responses[0])

    async def _proven(self, succeed: Callable[[], Awaitable[None]]) -> None:
        """One factor is proven: let them in, ask for another, or refuse."""
        connection, visit, wanted = self.connection, self._visit, self._wanted
        if connection is None or self._line is None or visit is None or wanted is None:
            self.close()
            return
        try:
            if not await visit.enter():
                self._has_key = True
                connection.set_authorized_keys(None)  # the same factor again is not another: it is not even offered
                connection.send_userauth_failure(True)
                return
        except Refused as error:
            connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, f"dockwarden: {error.message}")
            return
        self.is_known, self._ways = True, PersonWays(self._house, visit, wanted, self._line)
        await succeed()

    # --- what may be opened ---

    def session_requested(self) -> SshSession | bool:
        """A session."""
        ways = self._ways
        return ways.entered(SshSession(ways)) if ways is not None and self._has_room() else False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """A forwarded connection: from the host of this client, or, where it names none, to a host of ours and no further."""
        del orig_host, orig_port
        wanted, ways = self._wanted, self._ways
        if wanted is None or ways is None or self._line is None or not self._has_room():
            return False
        if wanted.host:
            return ways.entered(Forward(ways, (dest_host, dest_port))).opened()
        return self._jump(wanted, dest_host, dest_port, self._line)

    def unix_connection_requested(self, dest_path: str) -> bool:
        """Forwarding to a socket."""
        del dest_path
        return self._refused(Where.CHANNEL, "direct-streamlocal@openssh.com")

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """A port on our side."""
        del listen_host, listen_port
        return self._refused(Where.GLOBAL, "tcpip-forward")

    def unix_server_requested(self, listen_path: str) -> bool:
        """A socket on our side."""
        del listen_path
        return self._refused(Where.GLOBAL, "streamlocal-forward@openssh.com")

    def tun_requested(self, unit: int | None) -> bool:
        """A tunnel."""
        del unit
        return self._refused(Where.CHANNEL, "tun@openssh.com")

    def tap_requested(self, unit: int | None) -> bool:
        """A tunnel of another kind."""
        return self.tun_requested(unit)

    def close(self) -> None:
        """End it all."""
        if self.connection is not None:
            self.connection.close()

    def dismiss(self, why: str) -> None:
        """End it all, and say why."""
        if self.connection is not None:
            self.connection.disconnect(asyncssh.DISC_BY_APPLICATION, f"dockwarden: {why}")

    def abort(self) -> None:
        """End it at once."""
        if self.connection is not None:
            self.connection.abort()

    def _has_room(self) -> bool:
        return self._line is not None and len(self._line) + self._jumps < MOST_SESSIONS

    def _refused(self, where: Where, name: str, why: str = "") -> bool:
        """Write down that something was asked for that is not open here."""
        if self._ways is not None and self._visit is not None:
            self._visit.not_open(f"{name}: {why or row_of(where, name).why}")
        return False

    async def _jump(self, wanted: Wanted, name: str, port: int, line: Line) -> Piped:
        """A connection to a host of ours. Raises: asyncssh.ChannelOpenError: it is none."""
        self._jumps += 1  # from now on: many may be asked for at once
        try:
            host = await self._visit.host_at(name, port) if self._visit is not None and not wanted.container else None
            if host is None:
                why = f"{name[:64]}:{port} is no host of ours; what a host reaches is reached through it (PERSON%HOST)"
                self._refused(Where.CHANNEL, "direct-tcpip", why)
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
            return await self._within(Inner(wanted.person, host, self.source), name, line)
        finally:
            self._jumps -= 1

    async def _within(self, inner: Inner, name: str, line: Line) -> Piped:
        """The outer end of a connection to a host of ours, which ends here as well."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        theirs.setblocking(False)
        end = PipedEnd()
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: end, sock=ours)
        piped = Piped(transport, end, line.drop)
        line.carry(piped.outward)
        await self._door.within(theirs, inner, name)
        return piped
