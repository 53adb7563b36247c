"""The house's own side of the SSH door: who comes in, what they may, what is written down and recorded of it. It knows nothing of channels.

1. Policy is asked about a place before anything goes there, and again once it is known what can be reached from it.
2. What is about to be done is in the ledger, and the tape's first segment on the disk, before `open` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import asyncssh

from dockwarden.access.rulebook import Rulebook
from dockwarden.access.totp import SecondFactors
from dockwarden.doors.docker.server import GONE_S, Server
from dockwarden.doors.docker.trail import Trail, said
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.ssh.files.events import Allowed
from dockwarden.doors.ssh.files.operations import MOVING, Deed, FileOp, Right, plain, shown
from dockwarden.doors.ssh.house import NOWHERE, Beginning, Place, Streams
from dockwarden.doors.ssh.names import Wanted
from dockwarden.engine.facts import Facts
from dockwarden.engine.obligations import Recording, parse_obligations
from dockwarden.hosts.authority import Authority
from dockwarden.hosts.hosts import LOGIN, Host
from dockwarden.hosts.pinned import PinnedHosts
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SSH_EXEC, SSH_FORWARD, SSH_LOGIN, SSH_READ, SSH_SHELL, SSH_WRITE
from dockwarden.tape.admission import Admissions, Admitted, Wish
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.opening import Opening
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.sessions import Session, Sessions
from dockwarden.tape.terms import Patience, State
from dockwarden.tape.vigil import Vigil
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.ask import Ask, Resource, Verdict
from dockwarden.words.ask import Kind as ResourceKind
from dockwarden.words.errors import Forbidden, Hidden, Refused, Unavailable
from dockwarden.words.principal import NOBODY, Principal
from dockwarden.words.secret import Secret

SSH = Resource(ResourceKind.SYSTEM, id="ssh", name="ssh")
LONGEST_COMMAND = 300
ACTION_OF = {Right.READ: SSH_READ, Right.WRITE: SSH_WRITE}
CHANGES = frozenset(Deed) - {Deed.READ, Deed.LIST, Deed.STAT, Deed.READLINK, Deed.SPACE, Deed.NAMES, Deed.RESOLVE}


@dataclass(frozen=True)
class OwnDesk:
    """What stands behind one door. See `house.Desk`."""

    listen: str
    key: asyncssh.SSHKey
    rulebook: Rulebook
    ledger: Ledger
    metrics: Metrics
    recorder: Recorder
    sessions: Sessions
    keeper: KeepsSecrets
    hosts: PinnedHosts
    authority: Authority
    docker: Callable[[Principal], Server]
    admissions: Admissions
    patience: Patience
    factors: SecondFactors
    user_ca: tuple[str, ...] = ()
    visits: set[OwnVisit] = field(default_factory=set)
    """Of clients that are in."""

    def visit(self, source: str, dismiss: Callable[[str], None]) -> OwnVisit:
        """See `house.Desk`."""
        return OwnVisit(self, source, dismiss)

    def refresh(self, fresh: Callable[[Principal], Principal]) -> None:
        """People are others now: who is no longer among them is told so and leaves, a moment after their sessions."""
        for visit in self.visits:
            now = fresh(visit.principal)
            if visit.principal.is_known and not now.is_known:
                asyncio.get_running_loop().call_later(GONE_S, visit.dismiss, now.why_not)

    async def certify(self, names: list[str]) -> bytes | None:
        """A certificate of the door's own key for `names`; None where the vault does not let us sign."""
        with contextlib.suppress(Refused):
            return bytes((await self.authority.prove_host(self.key, names)).export_certificate())
        return None

    def trail(self, principal: Principal, action: str, target: str) -> Trail:
        """The record of one thing that is asked."""
        trail = Trail(self.ledger, self.metrics, principal, self.listen, target)
        trail.action = action
        return trail


class OwnVisit:
    """One client. See `house.Visit`."""

    def __init__(self, desk: OwnDesk, source: str, dismiss: Callable[[str], None]) -> None:
        self._desk, self.source, self.dismiss = desk, source, dismiss
        self._person = ""
        self.wanted = Wanted("")
        self.principal = NOBODY
        self._has_key = self._has_code = self._is_gone = False

    # --- who ---

    async def keys(self, wanted: Wanted | None) -> tuple[str, ...]:
        """See `house.Visit`."""
        self.wanted, self.principal = wanted or Wanted(""), NOBODY
        self._has_key = self._has_code = False
        person = self._desk.rulebook.rules.people.by_name.get(self.wanted.person)
        if person is None:
            return ()
        return (*person.ssh_keys, *(f'cert-authority,principals="{person.name}" {key}' for key in self._desk.user_ca))

    async def enter(self) -> bool:
        """See `house.Visit`."""
        person = self._desk.rulebook.rules.people.by_ssh(self.wanted.person)
        if person is None:
            raise Forbidden("ssh.changed", "nobody is known by that name any more")
        trail = self._desk.trail(person, SSH_LOGIN, "ssh")
        if not self._has_code and await self._wants_second(person, trail):
            self._has_key = True
            return False
        trail.outcome(200, detail={"source": self.source, "name": said(self.wanted.words)}, changing=False)
        self.principal = person
        if not self._is_gone:  # nobody would take it away again
            self._desk.visits.add(self)
        return True

    async def _wants_second(self, person: Principal, trail: Trail) -> bool:
        """Whether policy lets them in only with a second factor. What refuses them is written down.

        Raises:
            Forbidden: policy permits no login, or asks for a second factor that they do not have.
            Refused: that cannot be found out now.
        """
        try:
            facts = Facts(via="ssh", door=self._desk.listen)
            verdict = decide(Ask(person, SSH_LOGIN, SSH, facts.context()), self._desk.rulebook.rules.policies)
            trail.judged(SSH, verdict, None)
            if not verdict.is_allowed:
                reasons = "; ".join(verdict.advice) or "no policy permits it; ask an admin"
                raise Forbidden(verdict.why.value, f"{SSH_LOGIN} is refused for {person.name}: {reasons}", policies=verdict.policies)
            if not parse_obligations(verdict.harden).second_factor:
                return False
            if not await self._desk.factors.is_enrolled(person.name):
                words = "policy asks for a second factor, and you have none yet; make one on that machine: dockwarden totp enroll"
                raise Forbidden("totp.none", words)
        except Refused as error:
            trail.refused(error)
            raise
        return True

    async def code(self, code: str) -> bool:
        """See `house.Visit`."""
        if not self._has_key:
            return False
        with contextlib.suppress(Refused):  # a vault that is sealed lets nobody in
            self._has_code = await self._desk.factors.check(self.wanted.person, code)
        person = self._desk.rulebook.rules.people.by_ssh(self.wanted.person)
        if not self._has_code and person is not None:
            refused = Forbidden("totp.wrong", "the key was right, and the code was not, or was used, or there were too many")
            with contextlib.suppress(Refused):
                self._desk.trail(person, SSH_LOGIN, "ssh").refused(refused, detail={"source": self.source})
        return self._has_code

    async def still(self) -> None:
        """See `house.Visit`."""
        try:
            self.fresh()
        except Refused as error:
            self.trail("ssh.open").refused(error)
            raise

    def fresh(self) -> Principal:
        """Who is there, as people stand now. Raises: Forbidden: they are gone from there, or one of the keys is that they had as they came in."""
        person = self._desk.rulebook.rules.people.fresh(self.principal)
        if not person.is_known:
            raise Forbidden("ssh.changed", "who you are, or which keys you have, was changed since you came in: log in again")
        return person

    # --- where to ---

    async def host_at(self, address: str, port: int) -> Host | None:
        """See `house.Visit`."""
        return self._desk.hosts.at(address, port)

    async def places(self) -> str:
        """See `house.Visit`."""
        person, hosts = self.principal.name, self._desk.hosts
        policies = self._desk.rulebook.rules.policies
        about = [(name, host) for name in hosts.names() if (host := hosts.get(name)) is not None]
        seen = [
            name for name, host in about
            if decide(Ask(self.principal, "host.list", Resource(ResourceKind.HOST, name, name, "", False, host.labels)), policies).is_allowed
        ]  # fmt: skip
        known = f"; hosts that you may know of: {', '.join(seen[:20])}" if seen else ""
        return f"there is no shell here: name a host ({person}%HOST) or a container ({person}%container.NAME) before the @{known}"

    def not_open(self, why: str) -> None:
        """See `house.Visit`."""
        with contextlib.suppress(Refused):
            self.trail("ssh.open").refused(Forbidden("ssh.not_open", why))

    async def docker(self) -> socket.socket:
        """See `house.Visit`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        theirs.setblocking(False)
        await self._desk.docker(self.principal).adopt(theirs, self.source)
        return ours

    def errand(self, action: str, forward: tuple[str, int] = NOWHERE) -> OwnErrand:
        """See `house.Visit`."""
        return OwnErrand(self._desk, self, action, forward)

    def trail(self, action: str) -> Trail:
        """The record of one thing that is asked."""
        return self._desk.trail(self.principal, action, self.wanted.host or self.wanted.container)

    def leave(self) -> None:
        """See `house.Visit`."""
        self._is_gone = True
        self._desk.visits.discard(self)


@dataclass(frozen=True, slots=True)
class OwnKept:
    """See `house.Kept`."""

    vigil: Vigil
    session: Session | None
    is_strict: bool


class OwnErrand:
    """One thing that a client wants of a host. See `house.Errand`."""

    def __init__(self, desk: OwnDesk, visit: OwnVisit, action: str, forward: tuple[str, int]) -> None:
        self._desk, self._visit, self._action, self._forward = desk, visit, action, forward
        self._trail = visit.trail(action)
        self._host: Host | None = None
        self._login = ""
        self._reaches_engine = True
        self._obligations: tuple[str, ...] = ()
        self._is_recorded = False
        self._vigil: Vigil | None = None
        self._has_begun = False

    # --- may it ---

    async def place(self) -> Place:
        """See `house.Errand`."""
        name = self._visit.wanted.host
        host = self._desk.hosts.get(name)
        self._login = self._visit.wanted.login or (host.login if host else "")
        self._judge(self._action, host, self._trail, Facts(forward=self._forward))  # nothing goes there for who may not in any case
        if host is None:
            raise _unseen(name)
        if not LOGIN.fullmatch(self._login):
            raise Forbidden("ssh.login", f"{self._login[:40]!r} is no account's name")
        self._host = host
        return Place(host, self._login, self._looks_at_files())

    async def credential(self) -> tuple[Secret, str]:
        """See `house.Errand`."""
        host = self._known()
        if host.certificate:
            return await self._desk.authority.let_in(self._login, f"dockwarden {self._visit.principal.name}")
        return (await self._desk.keeper.run(lambda vault: vault.get(host.secret))).value, ""

    def _known(self) -> Host:
        if self._host is None:
            raise Forbidden("ssh.no_place", "nothing was asked about that host")
        return self._host

    def _judge(self, action: str, host: Host | None, trail: Trail, facts: Facts) -> Verdict:
        """Return the verdict if it permits it. Raises: Hidden, Forbidden."""
        ask = self._ask(action, host, facts)
        verdict = decide(ask, self._desk.rulebook.rules.policies)
        trail.judged(ask.resource, verdict, None)
        if verdict.is_allowed:
            return verdict
        if host is None:
            raise _unseen(ask.resource.name)
        reasons = "; ".join(verdict.advice) or "no policy permits it; ask an admin"
        words = f"{action} on {host.name} as {self._login} is refused for {ask.principal.name}: {reasons}"
        raise Forbidden(verdict.why.value, words, policies=verdict.policies)

    def _ask(self, action: str, host: Host | None, facts: Facts) -> Ask:
        """What policy is asked. Raises: as `OwnVisit.fresh`."""
        name, known = self._visit.wanted.host, replace(facts, via="ssh", door=self._desk.listen, login=self._login)
        about = Resource(ResourceKind.HOST, name, name, "", False, host.labels if host else {})
        return Ask(self._visit.fresh(), action, about, known.context())

    def _looks_at_files(self) -> bool:
        facts = self._desk.rulebook.rules.policies.looks[ResourceKind.HOST].facts
        return any(way[:1] in {(), ("file",)} for way in facts)

    # --- it begins ---

    async def open(self, beginning: Beginning, stream: Streams) -> OwnKept:
        """See `house.Errand`.

        Raises:
            Forbidden: `session.…`, `policy.…`. Unavailable: `tape.refused`, `ledger.unwritable`, `ssh.gone`.
        """
        host, trail = self._known(), self._trail
        self._reaches_engine = beginning.reaches_engine
        facts = Facts(reaches_engine=self._reaches_engine, forward=self._forward)
        harden = self._judge(self._action, host, trail, facts).harden
        what = {"forward": beginning.words} if self._action == SSH_FORWARD else {"command": said(beginning.words, LONGEST_COMMAND)}
        await trail.intent({"login": self._login, **what})
        names = frozenset({host.address, f"{self._login}@{host.name}"})
        opening = self._opening(beginning, host)
        asked = self._ask(self._action, host, facts)
        wish = Wish(asked.principal, opening, self._visit.source, names, host.labels, facts.context(), harden, asked)
        admitted = self._desk.admissions.admit(wish, self._desk.rulebook.rules.policies)
        if admitted.observed is not None:
            trail.observed(admitted.observed)
        self._obligations = (*harden, *admitted.verdict.harden)
        return await self._kept(admitted, beginning, stream)

    def _opening(self, beginning: Beginning, host: Host) -> Opening:
        detail = {"login": self._login, "address": host.address} | ({"forward": beginning.words} if self._action == SSH_FORWARD else {})
        return Opening(
            id="", at=0, person=self._visit.principal.name, kind=self._action, target=host.name, call=self._trail.call_id,
            columns=beginning.columns, rows=beginning.rows, detail=detail,
        )  # fmt: skip

    async def _kept(self, admitted: Admitted, beginning: Beginning, stream: Streams) -> OwnKept:
        vigil = self._vigil = Vigil(admitted.whose, admitted.terms, self._desk.patience, stream)
        session = await self._taped(admitted, beginning, vigil, stream) if admitted.recording is not Recording.OFF else None
        try:
            if stream.is_over:
                raise Unavailable("ssh.gone", "the client was gone before it began")
            self._desk.sessions.attend(vigil)
        except Refused as error:
            self._desk.sessions.leave(vigil)
            if session is not None:
                await session.tape.end(error.message)
            raise
        if vigil.state is State.WAITING:
            stream.tell(vigil.waiting_words)
        self._has_begun, self._is_recorded = True, session is not None
        return OwnKept(vigil, session, is_strict=admitted.recording is Recording.STRICT)

    async def _taped(self, admitted: Admitted, beginning: Beginning, vigil: Vigil, stream: Streams) -> Session | None:
        try:
            tape = await self._desk.recorder.begin(admitted, stream.broken, entry=self._trail.entry_of_tape())
        except Unavailable:
            if admitted.recording is Recording.ALARM:
                return None
            raise
        # of a forward and a copy, the bytes as they are are the evidence
        finds = self._desk.sessions.masks_found and self._action in {SSH_SHELL, SSH_EXEC}
        intake = Intake(tape, is_terminal=beginning.is_terminal, finds=finds)
        vigil.id, vigil.mark = tape.id, lambda words: intake.say(Kind.MARK, words)
        session = Session(tape, intake, frozenset(), stream.end, vigil)
        self._desk.sessions.add(session)
        with contextlib.suppress(Unavailable):  # the next piece ends the session, if recording has failed by now
            intake.say(Kind.MARK, f"{self._action}: {beginning.words}" if beginning.words else self._action)
        return session

    # --- files ---

    async def judge(self, op: FileOp) -> Allowed:
        """See `house.Errand`."""
        trail, keep_bytes = self._judged_file(op)
        if op.rights and op.deed in CHANGES:
            await trail.intent({"deed": str(op.deed), "path": shown(op.path), "other": shown(op.other)})
        return Allowed(keep_bytes)

    def told(self, op: FileOp, detail: dict[str, Any]) -> None:
        """See `house.Errand`."""
        self._visit.trail(_action_of(op)).outcome(200, detail=detail, changing=op.deed in CHANGES)

    def _judged_file(self, op: FileOp) -> tuple[Trail, int]:
        """The record of a deed that is permitted, and up to which size its contents are kept.

        Raises:
            Forbidden: it is not permitted, and that is written down.
        """
        facts = Facts(reaches_engine=self._reaches_engine, file=(str(op.deed), plain(shown(op.path)), plain(shown(op.other))))
        trail = self._visit.trail(_action_of(op))
        obligations = self._obligations
        actions = [ACTION_OF[right] for right in sorted(op.rights)]
        try:
            for action in actions:
                trail.action = action
                obligations += self._judge(action, self._known(), trail, facts).harden
            if not actions:
                self._judge_either(trail, facts)
            keep_bytes = parse_obligations(obligations).keep_files
            if keep_bytes and not self._is_recorded and op.deed in MOVING:
                raise Forbidden("ssh.not_recorded", "contents of files are to be kept, and this session is not recorded, so none are copied")
        except Refused as error:
            trail.refused(error)
            raise
        return trail, keep_bytes

    def _judge_either(self, trail: Trail, facts: Facts) -> None:
        with contextlib.suppress(Forbidden):
            self._judge(SSH_READ, self._known(), trail, facts)
            return
        self._judge(SSH_WRITE, self._known(), trail, facts)

    # --- it ends ---

    def refused(self, error: Refused) -> None:
        """See `house.Errand`."""
        self._has_begun = False
        self._trail.refused(error)

    def over(self, bytes_in: int, bytes_out: int, ended: str) -> None:
        """See `house.Errand`."""
        if self._vigil is not None:
            self._desk.sessions.leave(self._vigil)
        if self._has_begun:
            self._has_begun = False
            with contextlib.suppress(Refused):
                self._trail.outcome(200, bytes_in=bytes_in, bytes_out=bytes_out, detail={"ended": ended} if ended else {}, changing=True)


def _action_of(op: FileOp) -> str:
    """The action that a deed is recorded as: the graver one, where it is two."""
    return SSH_WRITE if Right.WRITE in op.rights else SSH_READ


def _unseen(name: str) -> Hidden:
    return Hidden("ssh.no_host", f"there is no host {name}, or it is not for you to know; see dockwarden host list")
