"""Where one client's sessions go: to a host, into a container, to the Docker API.

1. Policy is asked about the place before anything goes there, and again once it is known what can be reached from it.
2. What is about to be done is in the ledger, and the tape's first segment on the disk, before the channel at the other end is asked for.
3. The other end is opened and joined; what the client has sent meanwhile goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import asyncssh

from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.docker.trail import said as told
from dockwarden.doors.ssh.copies import Copying, Judge, Told
from dockwarden.doors.ssh.ends import ForwardEnd, HostEnd
from dockwarden.doors.ssh.files.operations import Deed, FileOp, Right, plain, shown
from dockwarden.doors.ssh.files.relay import Relay
from dockwarden.doors.ssh.files.scp import ScpRelay
from dockwarden.doors.ssh.files.scp_command import read_scp
from dockwarden.doors.ssh.forward import Forward
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.doors.ssh.inside import InsideLink, api_end, container_end
from dockwarden.doors.ssh.joint import Joint
from dockwarden.doors.ssh.line import Line
from dockwarden.doors.ssh.names import Wanted
from dockwarden.doors.ssh.session import SshSession, Wish
from dockwarden.engine.facts import Facts
from dockwarden.engine.obligations import Recording
from dockwarden.hosts.hosts import LOGIN, Host
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SSH_EXEC, SSH_FILES, SSH_FORWARD, SSH_READ, SSH_SHELL, SSH_WRITE
from dockwarden.tape.admission import Admitted
from dockwarden.tape.admission import Wish as SessionWish
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.opening import Opening
from dockwarden.tape.sessions import Session
from dockwarden.tape.terms import State
from dockwarden.tape.vigil import Vigil
from dockwarden.upstream.ssh import connect
from dockwarden.upstream.ssh_wire import WINDOW_BYTES
from dockwarden.words.ask import Ask, Plain, Resource, Verdict
from dockwarden.words.ask import Kind as ResourceKind
from dockwarden.words.errors import Forbidden, Hidden, Refused, Unavailable
from dockwarden.words.principal import Principal

LONGEST_COMMAND = 300
NOWHERE = ("", 0)
ACTION_OF = {Right.READ: SSH_READ, Right.WRITE: SSH_WRITE}
CHANGES = frozenset(Deed) - {Deed.READ, Deed.LIST, Deed.STAT, Deed.READLINK, Deed.SPACE, Deed.NAMES, Deed.RESOLVE}
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


@dataclass(frozen=True, slots=True)
class Reached:
    """A host that somebody may go to, the connection to it, and what was asked and answered about that."""

    host: Host
    login: str
    upstream: Upstream
    context: Mapping[str, Plain]
    harden: tuple[str, ...]


class PersonWays:
    """The ways of one person's connection. See `session.Ways` and `forward.Opener`."""

    def __init__(self, house: SshHouse, principal: Principal, wanted: Wanted, source: str, line: Line) -> None:
        """`source` is the client's address, `line` its connection."""
        self._house, self._principal, self._wanted, self._source, self._line = house, principal, wanted, source, line
        self._keys = self._keys_now()
        self._inside = InsideLink(lambda sock: house.docker(principal).adopt(sock, source))
        self._upstreams: list[Upstream] = []
        self._upstream_lock = asyncio.Lock()
        self._reaches_engine = True
        self._trails: dict[Joint, Trail] = {}

    def entered(self, stream: S) -> S:
        """A session or a forwarded connection that is asked for; it counts from now on."""
        self._line.carry(stream.joint.outward)
        return stream

    def close(self) -> None:
        """The client is gone: so is the way to the host."""
        self._inside.close()
        for upstream in self._upstreams:
            upstream.connection.close()

    # --- sessions ---

    async def begin(self, session: SshSession) -> None:
        """See `session.Ways`."""
        wanted, wish = self._wanted, session.wish
        try:
            self._still()
        except Refused as error:
            self.trail("ssh.open").refused(error)
            raise
        if wish.is_dial_stdio and not wanted.host and not wanted.container:
            session.joined(await api_end(session.joint, self._inside))
        elif wanted.container:
            if wish.subsystem:
                raise Forbidden("ssh.not_open", f"{wish.subsystem} goes to hosts; into a container files go by docker cp")
            end = await container_end(session.joint, self._inside, wanted.container, wish.command or "", wish.terminal, wish.size[:2])
            session.joined(end)
            end.start()
        elif wanted.host:
            await self._to_host(session)
        else:
            raise Forbidden("ssh.no_place", self._no_place())

    async def _to_host(self, session: SshSession) -> None:
        wish = session.wish
        copy = None if wish.terminal or wish.command is None or len(wish.command) > LONGEST_COPY else read_scp(wish.command.encode())
        action = SSH_FILES if wish.subsystem or copy else SSH_SHELL if wish.command is None else SSH_EXEC
        trail = self.trail(action)
        try:
            reached = await self._reached(action, trail)
            host, login, upstream = reached.host, reached.login, reached.upstream.connection
            if copy is not None and copy.hides_folders and self._looks_at_files():
                raise Forbidden("ssh.hides_folders", "policy looks at folders, and a pattern hides which: name the folder, or copy by sftp")
            await trail.intent({"login": login, "command": told(wish.words, LONGEST_COMMAND)})
            columns, rows = wish.size[:2] if wish.terminal else (0, 0)
            opening = self._opening(trail, action, host, login, columns=columns, rows=rows)
            about = f"{action}: {wish.words}" if wish.words else action
            await self._begun(session.joint, opening, about, trail, reached)
            if session.environment:
                session.joint.said(Kind.MARK, f"environment: {' '.join(session.environment)}")
            command = os.fsdecode(copy.line) if copy is not None else wish.command
            options: dict[str, Any] = {"encoding": None, "env": session.environment, "subsystem": wish.subsystem or None, **_terminal(wish)}
            end = HostEnd(session.joint)
            async with _opening(end):
                await upstream.create_session(lambda: end, command, **options)
        except Refused as error:
            trail.refused(error)
            raise
        relay = Relay() if wish.subsystem else ScpRelay(copy) if copy is not None else None
        through = Copying(session.joint, relay, *self._of_files(host, login)) if relay is not None else None
        session.joined(end, through)

    # --- files ---

    def _of_files(self, host: Host, login: str) -> tuple[Judge, Told]:
        """What judges a deed, and what writes down how it ended."""

        async def judge(op: FileOp) -> None:
            trail = self._file_trail(op, host, login)
            if op.rights and op.deed in CHANGES:
                await trail.intent({"deed": str(op.deed), "path": shown(op.path), "other": shown(op.other)})

        def ended(op: FileOp, detail: dict[str, Any]) -> None:
            trail = self.trail(_action_of(op))
            trail.outcome(200, detail=detail, changing=op.deed in CHANGES)

        return judge, ended

    def _file_trail(self, op: FileOp, host: Host, login: str) -> Trail:
        """The record of a deed that is permitted. Raises: Forbidden: it is not, and that is written down."""
        file = (str(op.deed), plain(shown(op.path)), plain(shown(op.other)))
        trail = self.trail(_action_of(op))
        actions = [ACTION_OF[right] for right in sorted(op.rights)]
        try:
            for action in actions:
                trail.action = action
                self._judge(action, host, login, trail, Facts(reaches_engine=self._reaches_engine, file=file))
            if not actions:
                self._judge_either(host, login, trail, file)
        except Refused as error:
            trail.refused(error)
            raise
        return trail

    def _judge_either(self, host: Host, login: str, trail: Trail, file: tuple[str, str, str]) -> None:
        facts = Facts(reaches_engine=self._reaches_engine, file=file)
        with contextlib.suppress(Forbidden):
            self._judge(SSH_READ, host, login, trail, facts)
            return
        self._judge(SSH_WRITE, host, login, trail, facts)

    def _looks_at_files(self) -> bool:
        facts = self._house.rulebook.rules.policies.looks[ResourceKind.HOST].facts
        return any(way[:1] in {(), ("file",)} for way in facts)

    # --- forwarding ---

    async def open(self, forward: Forward) -> None:
        """See `forward.Opener`."""
        trail = self.trail(SSH_FORWARD)
        host, port = forward.place
        try:
            reached = await self._reached(SSH_FORWARD, trail, forward.place)
            login = reached.login
            await trail.intent({"login": login, "forward": f"{host}:{port}"})
            about = f"{SSH_FORWARD}: {host}:{port}"
            opening = self._opening(trail, SSH_FORWARD, reached.host, login, forward=f"{host}:{port}")
            await self._begun(forward.joint, opening, about, trail, reached)
            end = ForwardEnd(forward.joint)
            async with _opening(end):
                await reached.upstream.connection.create_connection(lambda: end, host, port, encoding=None, window=WINDOW_BYTES)
        except Refused as error:
            trail.refused(error)
            forward.joint.stop(error.message)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"dockwarden: {error.message}") from None
        except (OSError, asyncssh.Error) as error:
            forward.joint.stop("the host does not reach it")
            words = f"dockwarden: the host does not reach it ({type(error).__name__})"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, words) from None
        forward.joint.joined(end)

    # --- what they have in common ---

    def trail(self, action: str) -> Trail:
        """The record of one thing that is asked."""
        trail = Trail(self._house.ledger, self._house.metrics, self._principal, self._house.listen, self._wanted.host or self._wanted.container)
        trail.action = action
        return trail

    def _still(self) -> Principal:
        """Who is there, as people stand now. Raises: Forbidden: they are gone from there, or one of the keys is that they had as they came in."""
        person = self._house.rulebook.rules.people.fresh(self._principal)
        if not person.is_known or not self._keys <= self._keys_now():
            raise Forbidden("ssh.changed", "who you are, or which keys you have, was changed since you came in: log in again")
        return person

    def _keys_now(self) -> frozenset[str]:
        person = self._house.rulebook.rules.people.by_name.get(self._principal.name)
        return frozenset(person.ssh_keys) if person is not None else frozenset()

    async def _reached(self, action: str, trail: Trail, forward: tuple[str, int] = NOWHERE) -> Reached:
        """The host that is wanted, as whom, and the connection to it. Raises: Refused."""
        name = self._wanted.host
        host = self._house.hosts.get(name)
        login = self._wanted.login or (host.login if host else "")
        self._judge(action, host, login, trail, Facts(forward=forward))  # nothing goes there for who may not in any case
        if host is None:
            raise _unseen(name)
        if not LOGIN.fullmatch(login):
            raise Forbidden("ssh.login", f"{login[:40]!r} is no account's name")
        upstream = await self._connected(host, login)
        facts = Facts(reaches_engine=self._reaches_engine, forward=forward)
        verdict = self._judge(action, host, login, trail, facts)
        return Reached(host, login, upstream, facts.context(), verdict.harden)

    def _judge(self, action: str, host: Host | None, login: str, trail: Trail, facts: Facts) -> Verdict:
        """Return the verdict if it permits it. Raises: Hidden, Forbidden."""
        name, principal = self._wanted.host, self._still()
        about = Resource(ResourceKind.HOST, name, name, "", False, host.labels if host else {})
        known = replace(facts, via="ssh", door=self._house.listen, login=login)
        verdict = decide(Ask(principal, action, about, known.context()), self._house.rulebook.rules.policies)
        trail.judged(about, verdict, None)
        if verdict.is_allowed:
            return verdict
        if host is None:
            raise _unseen(name)
        reasons = "; ".join(verdict.advice) or "no policy permits it; ask an admin"
        words = f"{action} on {name} as {login} is refused for {principal.name}: {reasons}"
        raise Forbidden(verdict.why.value, words, policies=verdict.policies)

    async def _connected(self, host: Host, login: str) -> Upstream:
        """The connection to the host: one for all sessions of this client, for as long as the host stays what it is."""
        async with self._upstream_lock:
            to = host.address, login, host.host_keys, host.secret, host.certificate
            self._upstreams = [one for one in self._upstreams if not one.connection.is_closed()]
            if not self._upstreams or self._upstreams[-1].to != to:  # what is open by a way that was goes on, and nothing new goes by it
                if host.certificate:
                    credential, certificate = await self._house.authority.let_in(login, f"dockwarden {self._principal.name}")
                else:
                    credential, certificate = (await self._house.keeper.run(lambda vault: vault.get(host.secret))).value, ""
                connection = await connect(host.place, login, host.host_keys, credential, certificate)
                self._upstreams.append(Upstream(connection, Line(connection), to))
                self._reaches_engine = await self._house.reaches.ask(host, login, connection, self._house.engine_sockets)
            return self._upstreams[-1]

    def _opening(self, trail: Trail, action: str, host: Host, login: str, *, columns: int = 0, rows: int = 0, forward: str = "") -> Opening:
        detail = {"login": login, "address": host.address} | ({"forward": forward} if forward else {})
        return Opening(
            id="", at=0, person=self._principal.name, kind=action, target=host.name, call=trail.call_id, columns=columns, rows=rows, detail=detail
        )

    async def _begun(self, joint: Joint, opening: Opening, about: str, trail: Trail, reached: Reached) -> None:
        """Admit what is about to be opened, record it from now on, and return once it may be: where it must be watched, somebody watches.

        Raises:
            Forbidden: `session.…`, `policy.…`. Unavailable: `tape.refused`, `ledger.unwritable`, `ssh.gone`.
        """
        host, house = reached.host, self._house
        names = frozenset({host.address, f"{reached.login}@{host.name}"})
        wish = SessionWish(self._still(), opening, self._source, names, host.labels, reached.context, reached.harden)
        admitted = house.admissions.admit(wish, house.rulebook.rules.policies)
        if admitted.observed is not None:
            trail.observed(admitted.observed)
        vigil = Vigil(admitted.whose, admitted.terms, house.patience, joint)
        if admitted.recording is not Recording.OFF:
            await self._taped(joint, admitted, vigil, about, trail)
        if joint.is_over:
            raise Unavailable("ssh.gone", "the client was gone before it began")
        reached.upstream.line.carry(joint.inward)
        joint.kept(vigil)
        house.sessions.attend(vigil)
        if vigil.state is State.WAITING:
            joint.tell(vigil.waiting_words)
        await vigil.begin()
        self._trails[joint] = trail

    async def _taped(self, joint: Joint, admitted: Admitted, vigil: Vigil, about: str, trail: Trail) -> None:
        try:
            tape = await self._house.recorder.begin(admitted, joint.broken, entry=trail.entry_of_tape())
        except Unavailable:
            if admitted.recording is Recording.ALARM:
                return
            raise
        if joint.is_over:
            await tape.end("the client was gone before it began")
            return
        # of a forward and a copy, the bytes as they are are the evidence
        finds = self._house.sessions.masks_found and tape.opening.kind in {SSH_SHELL, SSH_EXEC}
        intake = Intake(tape, is_terminal=joint.is_terminal, finds=finds)
        vigil.id, vigil.mark = tape.id, lambda words: intake.say(Kind.MARK, words)
        session = Session(tape, intake, frozenset(), joint.end, vigil)
        joint.taped(session, is_strict=admitted.recording is Recording.STRICT)
        self._house.sessions.add(session)
        with contextlib.suppress(Unavailable):  # the next piece ends the session, if recording has failed by now
            intake.say(Kind.MARK, about)

    def over(self, joint: Joint) -> None:
        """See `session.Ways`."""
        self._line.drop(joint.outward)
        for upstream in self._upstreams:
            upstream.line.drop(joint.inward)
        trail = self._trails.pop(joint, None)
        if joint.vigil is not None:
            self._house.sessions.leave(joint.vigil)
        if trail is not None:
            ended = {"ended": joint.ending.words} if joint.ending.words else {}
            with contextlib.suppress(Refused):
                trail.outcome(200, bytes_in=joint.bytes_in, bytes_out=joint.bytes_out, detail=ended, changing=True)

    def _no_place(self) -> str:
        """Where there is to go, in one line."""
        person = self._principal.name
        policies = self._house.rulebook.rules.policies
        about = [(name, host) for name in self._house.hosts.names() if (host := self._house.hosts.get(name)) is not None]
        seen = [
            name for name, host in about
            if decide(Ask(self._principal, "host.list", Resource(ResourceKind.HOST, name, name, "", False, host.labels)), policies).is_allowed
        ]  # fmt: skip
        hosts = f"; hosts that you may know of: {', '.join(seen[:20])}" if seen else ""
        return f"there is no shell here: name a host ({person}%HOST) or a container ({person}%container.NAME) before the @{hosts}"


def _action_of(op: FileOp) -> str:
    """The action that a deed is recorded as: the graver one, where it is two."""
    return SSH_WRITE if Right.WRITE in op.rights else SSH_READ


def _terminal(wish: Wish) -> dict[str, Any]:
    """The terminal that the other end is asked for: the client's own, or none."""
    if not wish.terminal:
        return {"request_pty": False}
    return {"request_pty": "force", "term_type": wish.terminal, "term_size": wish.size, "term_modes": wish.modes}


@contextlib.asynccontextmanager
async def _opening(end: HostEnd | ForwardEnd) -> AsyncIterator[None]:
    """Open a channel for `end` in here: within `OPEN_S`, and nothing of it stays where that failed."""
    try:
        async with asyncio.timeout(OPEN_S):
            yield
    except BaseException:
        end.close()
        raise


def _unseen(name: str) -> Hidden:
    return Hidden("ssh.no_host", f"there is no host {name}, or it is not for you to know; see dockwarden host list")
