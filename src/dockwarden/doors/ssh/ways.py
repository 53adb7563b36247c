"""Where one client's sessions go: to a host, into a container, to the Docker API.

1. The house judges the place before anything goes there, and again once it is known what can be reached from it.
2. What is about to be done is in the ledger, and the tape's first segment on the disk, before the channel at the other end is asked for.
3. The other end is opened and joined; what the client has sent meanwhile goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh

from dockwarden.doors.ssh.copies import Copying
from dockwarden.doors.ssh.ends import ForwardEnd, HostEnd
from dockwarden.doors.ssh.files.relay import Relay
from dockwarden.doors.ssh.files.scp import ScpRelay
from dockwarden.doors.ssh.files.scp_command import read_scp
from dockwarden.doors.ssh.forward import Forward
from dockwarden.doors.ssh.house import Beginning, Errand, Place, SshHouse, Visit
from dockwarden.doors.ssh.inside import InsideLink, api_end, container_end
from dockwarden.doors.ssh.joint import Joint
from dockwarden.doors.ssh.line import Line
from dockwarden.doors.ssh.names import Wanted
from dockwarden.doors.ssh.session import Program, SshSession
from dockwarden.hosts.hosts import Host
from dockwarden.policy.schema import SSH_EXEC, SSH_FILES, SSH_FORWARD, SSH_SHELL
from dockwarden.tape.frames import Kind
from dockwarden.upstream.ssh import connect
from dockwarden.upstream.ssh_wire import WINDOW_BYTES
from dockwarden.words.errors import Forbidden, Refused, Unavailable

LONGEST_COPY = 16 << 10
"""Of a command that is read as scp's; a longer one is a program like any other."""
OPEN_S = 15.0
"""How long a host may take to open a channel."""
S = TypeVar("S", SshSession, Forward)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A connection to a host; `to` is all that it was made by."""

    connection: asyncssh.SSHClientConnection
    line: Line
    to: tuple[object, ...]


class PersonWays:
    """The ways of one person's connection. See `session.Ways` and `forward.Opener`."""

    def __init__(self, house: SshHouse, visit: Visit, wanted: Wanted, line: Line) -> None:
        """`visit` is the client, who is in; `line` its connection."""
        self._house, self._visit, self._wanted, self._line = house, visit, wanted, line
        self._inside = InsideLink(visit.docker)
        self._upstreams: list[Upstream] = []
        self._upstream_lock = asyncio.Lock()
        self._is_closed = False
        self._reaches_engine = True
        self._errands: dict[Joint, Errand] = {}

    def entered(self, stream: S) -> S:
        """A session or a forwarded connection that is asked for; it counts from now on."""
        self._line.carry(stream.joint.outward)
        return stream

    def close(self) -> None:
        """The client is gone: so is the way to the host."""
        self._is_closed = True
        self._inside.close()
        for upstream in self._upstreams:
            upstream.connection.close()

    # --- sessions ---

    async def begin(self, session: SshSession) -> None:
        """See `session.Ways`."""
        wanted, program = self._wanted, session.program
        await self._visit.still()
        if program.is_dial_stdio and not wanted.host and not wanted.container:
            session.joined(await api_end(session.joint, self._inside))
        elif wanted.container:
            if program.subsystem:
                raise Forbidden("ssh.not_open", f"{program.subsystem} goes to hosts; into a container files go by docker cp")
            end = await container_end(session.joint, self._inside, wanted.container, program.command or "", program.terminal, program.size[:2])
            session.joined(end)
            end.start()
        elif wanted.host:
            await self._to_host(session)
        else:
            raise Forbidden("ssh.no_place", await self._visit.places())

    async def _to_host(self, session: SshSession) -> None:
        program = session.program
        copy = None if program.terminal or program.command is None or len(program.command) > LONGEST_COPY else read_scp(program.command.encode())
        action = SSH_FILES if program.subsystem or copy else SSH_SHELL if program.command is None else SSH_EXEC
        errand = self._visit.errand(action)
        try:
            place, upstream = await self._reached(errand)
            if copy is not None and copy.hides_folders and place.looks_at_files:
                raise Forbidden("ssh.hides_folders", "policy looks at folders, and a pattern hides which: name the folder, or copy by sftp")
            columns, rows = program.size[:2] if program.terminal else (0, 0)
            beginning = Beginning(program.words, self._reaches_engine, session.joint.is_terminal, columns, rows)
            await self._begun(session.joint, errand, beginning, upstream)
            if session.environment:
                session.joint.said(Kind.MARK, f"environment: {' '.join(session.environment)}")
            command = os.fsdecode(copy.line) if copy is not None else program.command
            options: dict[str, Any] = {"encoding": None, "env": session.environment, "subsystem": program.subsystem or None, **_terminal(program)}
            end = HostEnd(session.joint)
            async with _opening(end):
                await upstream.connection.create_session(lambda: end, command, **options)
        except Refused as error:
            errand.refused(error)
            raise
        relay = Relay() if program.subsystem else ScpRelay(copy) if copy is not None else None
        through = Copying(session.joint, relay, errand.judge, errand.told) if relay is not None else None
        session.joined(end, through)

    # --- forwarding ---

    async def open(self, forward: Forward) -> None:
        """See `forward.Opener`."""
        errand = self._visit.errand(SSH_FORWARD, forward.place)
        host, port = forward.place
        try:
            _, upstream = await self._reached(errand)
            await self._begun(forward.joint, errand, Beginning(f"{host}:{port}", self._reaches_engine), upstream)
            end = ForwardEnd(forward.joint)
            async with _opening(end):
                await upstream.connection.create_connection(lambda: end, host, port, encoding=None, window=WINDOW_BYTES)
        except Refused as error:
            errand.refused(error)
            forward.joint.stop(error.message)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"dockwarden: {error.message}") from None
        except (OSError, asyncssh.Error) as error:
            forward.joint.stop("the host does not reach it")
            words = f"dockwarden: the host does not reach it ({type(error).__name__})"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, words) from None
        forward.joint.joined(end)

    # --- what they have in common ---

    async def _reached(self, errand: Errand) -> tuple[Place, Upstream]:
        """The host that is wanted, as whom, and the connection to it. Raises: Refused."""
        place = await errand.place()
        return place, await self._connected(errand, place.host, place.login)

    async def _connected(self, errand: Errand, host: Host, login: str) -> Upstream:
        """The connection to the host: one for all sessions of this client, for as long as the host stays what it is."""
        async with self._upstream_lock:
            to = host.address, login, host.host_keys, host.secret, host.certificate
            self._upstreams = [one for one in self._upstreams if not one.connection.is_closed()]
            if not self._upstreams or self._upstreams[-1].to != to:  # what is open by a way that was goes on, and nothing new goes by it
                connection = await connect(host.place, login, host.host_keys, *await errand.credential())
                if self._is_closed:  # nobody would close it any more
                    connection.close()
                    raise Unavailable("ssh.gone", "the client was gone before it began")
                self._upstreams.append(Upstream(connection, Line(connection), to))
                self._reaches_engine = await self._house.reaches.ask(host, login, connection, self._house.engine_sockets)
            return self._upstreams[-1]

    async def _begun(self, joint: Joint, errand: Errand, beginning: Beginning, upstream: Upstream) -> None:
        """Have it admitted and recorded from now on, and return once it may be: where it must be watched, somebody watches.

        Raises:
            Forbidden: `session.…`, `policy.…`. Unavailable: `tape.refused`, `ledger.unwritable`. OSError: the client is gone.
        """
        kept = await errand.open(beginning, joint)
        if joint.is_over:  # since it was last asked about
            gone = Unavailable("ssh.gone", "the client was gone before it began")
            if kept.session is not None:
                await kept.session.tape.end(gone.message)
            errand.refused(gone)
            errand.over(0, 0, "")
            raise ConnectionResetError(gone.message)
        if kept.session is not None:
            joint.taped(kept.session, is_strict=kept.is_strict)
        joint.kept(kept.vigil)
        upstream.line.carry(joint.inward)
        self._errands[joint] = errand
        await kept.vigil.begin()

    def over(self, joint: Joint) -> None:
        """See `session.Ways`."""
        self._line.drop(joint.outward)
        for upstream in self._upstreams:
            upstream.line.drop(joint.inward)
        errand = self._errands.pop(joint, None)
        if errand is not None:
            errand.over(joint.bytes_in, joint.bytes_out, joint.ending.words)


def _terminal(program: Program) -> dict[str, Any]:
    """The terminal that the other end is asked for: the client's own, or none."""
    if not program.terminal:
        return {"request_pty": False}
    return {"request_pty": "force", "term_type": program.terminal, "term_size": program.size, "term_modes": program.modes}


@contextlib.asynccontextmanager
async def _opening(end: HostEnd | ForwardEnd) -> AsyncIterator[None]:
    """Open a channel for `end` in here: within `OPEN_S`, and nothing of it stays where that failed."""
    try:
        async with asyncio.timeout(OPEN_S):
            yield
    except BaseException:
        end.close()
        raise
