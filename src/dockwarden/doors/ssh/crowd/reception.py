"""The house's side of one carrier: what it asks is done by the desk, as if the door were here.

1. A carrier speaks of its own clients and errands alone: their numbers are looked up among its own.
2. What is no message, or cannot come now, ends the carrier.
3. While a tape has too much waiting, nothing more is read from the carrier that brings it.
4. Where the carrier is gone, every tape of it gets its end, and what it was recording is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.messages import Garbled, Opened, Question, plain, refusal
from dockwarden.doors.ssh.crowd.wire import Wire
from dockwarden.doors.ssh.desk import OwnDesk, OwnErrand, OwnVisit
from dockwarden.doors.ssh.files.operations import FileOp
from dockwarden.policy.schema import SSH_EXEC, SSH_FILES, SSH_FORWARD, SSH_SHELL
from dockwarden.tape import files
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.recorder import FULL_BYTES, Tape
from dockwarden.tape.sessions import Session
from dockwarden.tape.terms import State
from dockwarden.tape.vigil import Vigil
from dockwarden.words.errors import Broken, Refused, Unavailable

CUT_OFF = "the process that carried it ended"
MOST_CLIENTS, MOST_ERRANDS = 2048, 1 << 17
"""Of one carrier: more than the door lets it have."""
MOST_WAITING = 2 * FULL_BYTES
"""Bytes of a tape that are not durable; a door of ours brings no more than about half of it before it waits."""
END_S = 10.0
"""How long a carrier may take to end a session that it is told to end."""
ACTIONS = frozenset({SSH_EXEC, SSH_FILES, SSH_FORWARD, SSH_SHELL})

_read = msgspec.msgpack.Decoder(say.FromCarrier).decode


class FarStream:
    """A session of a carrier's; see `house.Streams`."""

    def __init__(self, reception: Reception, number: int, *, is_terminal: bool) -> None:
        self._reception, self._number, self.is_terminal = reception, number, is_terminal
        self.session: Session | None = None
        self.vigil: Vigil | None = None
        self.is_over = False

    def tell(self, words: str) -> None:
        """See `vigil.Stream`."""
        self._reception.tell(say.Tell(self._number, words))

    def hold(self) -> None:
        """See `vigil.Stream`."""
        self._reception.tell(say.Hold(self._number))

    def go_on(self) -> None:
        """See `vigil.Stream`."""
        self._reception.tell(say.GoOn(self._number))

    def broken(self, why: str) -> None:
        """See `house.Streams`."""
        self._reception.tell(say.Broken(self._number, why))

    async def end(self, why: str) -> None:
        """See `vigil.Stream`."""
        self.stop(why)

    def stop(self, why: str) -> None:
        """End it, and the carrier if that does not."""
        if self.session is not None:
            self.session.why = why
        if self.vigil is not None:
            self.vigil.close(why)
        self._reception.tell(say.End(self._number, why))
        self._reception.insist(self._number)


@dataclass(eq=False)
class Held:
    """An errand of a carrier's client."""

    client: int
    errand: OwnErrand
    stream: FarStream | None = None
    is_ending: bool = False
    """Whether its tape is getting its end, which takes as long as the disk does."""
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(eq=False)
class Reception:
    """One carrier's, from the moment it is started. `over` is called with the reason, where it must end; `ready`, once it takes clients."""

    desk: OwnDesk
    sock: socket.socket
    over: Callable[[str], None]
    ready: Callable[[], None]
    is_ready: bool = False
    clients: int = 0
    """How many were handed to it and are there."""
    _visits: dict[int, OwnVisit] = field(default_factory=dict)
    _errands: dict[int, Held] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _is_holding: bool = False

    def __post_init__(self) -> None:
        """Listen to it."""
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(self.sock, self._heard, self.over, takes_sockets=False)
        self.tell = self._wire.send

    # --- what the door does with it ---

    def hand(self, client: socket.socket) -> None:
        """Give it a client."""
        self.clients += 1
        self.tell(say.Client(), client)

    def insist(self, number: int) -> None:
        """End the carrier if the errand of that number has not ended soon."""

        def look() -> None:
            held = self._errands.get(number)
            if held is not None and not held.is_ending:
                self.over("it does not end a session")

        self._loop.call_later(END_S, look)

    async def lost(self) -> None:
        """It is gone: end what it carried, with all that it had said on the tapes."""
        self._wire.hear_out()
        self._wire.close()
        for client in tuple(self._visits):
            self._left(client)
        await asyncio.gather(*(self._cut(number) for number in tuple(self._errands)))

    async def _cut(self, number: int) -> None:
        held = self._errands.pop(number, None)
        if held is None or held.stream is None:
            return
        stream = held.stream
        stream.is_over = True
        if stream.vigil is not None:
            stream.vigil.close(CUT_OFF)
        if stream.session is not None:
            await stream.session.tape.end(stream.session.why or CUT_OFF)
        held.errand.over(held.bytes_in, held.bytes_out, CUT_OFF)

    # --- what it says ---

    def _heard(self, body: bytes) -> None:
        try:
            message = _read(body)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise Garbled(str(error)) from None
        if isinstance(message, say.TapeFrame):
            self._record(message)
        elif isinstance(message, Question):
            self._do(self._answer(message.ask, self._asked(message)))
        else:
            self._told(message)

    def _told(self, message: Any) -> None:
        match message:
            case say.Ready():
                self.is_ready = True
                self.ready()
            case say.Gone():
                self.clients -= 1
            case say.NotOpen(client, why):
                self._visit(client).not_open(why)
            case say.Leave(client):
                self._left(client)
            case say.Moved(errand):
                self._vigil(errand).moved()
            case say.CloseWatch(errand, why):
                self._vigil(errand).close(why)
            case say.ToldFile(errand, deed, path, other, detail):
                try:
                    self._held(errand).errand.told(FileOp(deed, path, other), detail)
                except Refused as error:  # a deed that cannot be written down is the last one
                    self._stream(errand).stop(error.message)
            case say.NotDone(errand, kind, code, words):
                self._not_done(errand, refusal(kind, code, words))
            case say.Over(errand, bytes_in, bytes_out, ended):
                self._over(errand, bytes_in, bytes_out, ended)
            case _:
                raise Garbled(f"{type(message).__name__} cannot come from a carrier")

    def _asked(self, message: Any) -> Awaitable[object]:
        """What answers a question. What must be looked up is so at once: in the order of messages."""
        match message:
            case say.Keys(_, client, source, wanted):
                return self._came(client, source).keys(wanted)
            case say.Enter(_, client):
                return self._visit(client).enter()
            case say.Code(_, client, code):
                return self._visit(client).code(code)
            case say.Still(_, client):
                return self._visit(client).still()
            case say.HostAt(_, client, address, port):
                return self._visit(client).host_at(address, port)
            case say.Places(_, client):
                return self._visit(client).places()
            case say.Docker(_, client):
                return self._entered(client).docker()
            case say.Certify(_, names):
                return self.desk.certify(names)
            case say.Run(_, client, errand, action, forward):
                return self._run(client, errand, action, forward).place()
            case say.Credential(_, errand):
                return self._credential(self._held(errand).errand)
            case say.Open(_, errand, _):
                return self._open(message, self._opening(message))
            case say.Wait(_, errand):
                return self._vigil(errand).begin()
            case say.Settle(_, errand):
                return self._session(errand).tape.settle()
            case say.EndTape(_, errand, why):
                return self._end(self._session(errand), self._held(errand), why)
            case say.JudgeFile(_, errand, deed, path, other):
                return self._held(errand).errand.judge(FileOp(deed, path, other))
        raise Garbled(f"{type(message).__name__} cannot come from a carrier")

    async def _answer(self, ask: int, asked: Awaitable[object]) -> None:
        try:
            value = await asked
        except Refused as error:
            self.tell(say.Refusal(ask, type(error).__name__, error.code, error.message, error.policies))
        except Exception as error:  # noqa: BLE001  a task's root: what cannot be answered is refused
            words = f"dockwarden failed ({type(error).__name__}); please report this"
            self.tell(say.Refusal(ask, Broken.__name__, "ssh.failed", words, ()))
        else:
            if isinstance(value, socket.socket):
                self.tell(say.Socket(ask), value)
            else:
                self.tell(say.Answer(ask, plain(value)))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(task := asyncio.ensure_future(work))
        task.add_done_callback(self._tasks.discard)

    # --- clients ---

    def _came(self, client: int, source: str) -> OwnVisit:
        if client not in self._visits and len(self._visits) >= MOST_CLIENTS:
            raise Garbled("it has too many clients")
        if client not in self._visits:
            self._visits[client] = self.desk.visit(source, lambda why: self.tell(say.Dismiss(client, why)))
        return self._visits[client]

    def _visit(self, client: int) -> OwnVisit:
        try:
            return self._visits[client]
        except KeyError:
            raise Garbled(f"it has no client {client}") from None

    def _entered(self, client: int) -> OwnVisit:
        visit = self._visit(client)
        if not visit.principal.is_known:
            raise Garbled(f"client {client} has not come in")
        return visit

    def _left(self, client: int) -> None:
        if (visit := self._visits.pop(client, None)) is not None:  # one that never said who it is, is not there
            visit.leave()
        for number in [number for number, held in self._errands.items() if held.client == client and held.stream is None]:
            with contextlib.suppress(Refused):
                self._errands.pop(number).errand.refused(Unavailable("ssh.gone", "the client was gone before it began"))

    # --- errands ---

    def _run(self, client: int, number: int, action: str, forward: tuple[str, int]) -> OwnErrand:
        visit = self._entered(client)
        if number in self._errands or len(self._errands) >= MOST_ERRANDS or action not in ACTIONS:
            raise Garbled(f"errand {number} cannot be {action[:40]}")
        errand = visit.errand(action, forward)
        self._errands[number] = Held(client, errand)
        return errand

    def _held(self, number: int) -> Held:
        try:
            return self._errands[number]
        except KeyError:
            raise Garbled(f"it has no errand {number}") from None

    def _stream(self, number: int) -> FarStream:
        stream = self._held(number).stream
        if stream is None:
            raise Garbled(f"errand {number} is not open")
        return stream

    def _session(self, number: int) -> Session:
        session = self._stream(number).session
        if session is None:
            raise Garbled(f"errand {number} is not recorded")
        return session

    def _vigil(self, number: int) -> Vigil:
        vigil = self._stream(number).vigil
        if vigil is None:
            raise Garbled(f"errand {number} is not open")
        return vigil

    async def _credential(self, errand: OwnErrand) -> tuple[bytes, str]:
        secret, certificate = await errand.credential()
        return secret.reveal(), certificate

    def _opening(self, message: say.Open) -> Held:
        held = self._held(message.errand)
        if held.stream is not None:
            raise Garbled(f"errand {message.errand} is open")
        held.stream = FarStream(self, message.errand, is_terminal=message.beginning.is_terminal)
        return held

    async def _open(self, message: say.Open, held: Held) -> Opened:
        stream, errand = held.stream, held.errand
        assert stream is not None  # noqa: S101  `_opening` made it
        try:
            kept = await errand.open(message.beginning, stream)
        except Refused as error:
            held.stream = None
            if stream.is_over:  # there is no carrier any more that says so
                errand.refused(error)
            raise
        stream.session, stream.vigil = kept.session, kept.vigil
        is_waiting, idle_s = kept.vigil.state is State.WAITING, kept.vigil.terms.idle_s
        if (session := kept.session) is None:
            return Opened(False, kept.is_strict, is_waiting, idle_s, 0, False)
        return Opened(True, kept.is_strict, is_waiting, idle_s, session.tape.began_ns, session.intake.finds)

    def _record(self, message: say.TapeFrame) -> None:
        held, tape = self._held(message.errand), self._session(message.errand).tape
        if message.kind is Kind.FILE:
            self._count_file(held, message.data)
        elif message.kind is Kind.INPUT:
            held.bytes_in += len(message.data)
        else:
            held.bytes_out += len(message.data)
        with contextlib.suppress(Refused):  # that it is broken was said
            self.desk.recorder.take(tape, Frame(min(message.at_us, tape.now_us), message.kind, message.data))
        if tape.undurable_bytes > MOST_WAITING and not self._is_holding:
            self._is_holding = True
            self._wire.hold()
            self._do(self._read_on(tape))

    @staticmethod
    def _count_file(held: Held, data: bytes) -> None:
        """Count what moves of a file. Raises: Garbled: nobody could read that."""
        try:
            _, what = files.read(data)
        except BadSegment as error:
            raise Garbled(str(error)) from None
        if isinstance(what, files.Piece):
            held.bytes_in += len(what.data) if what.is_upload else 0
            held.bytes_out += 0 if what.is_upload else len(what.data)

    async def _end(self, session: Session, held: Held, why: str) -> None:
        held.is_ending = True
        await session.tape.end(session.why or why)

    async def _read_on(self, tape: Tape) -> None:
        """Read again once `tape` has room."""
        with contextlib.suppress(Refused):
            await tape.room()
        self._is_holding = False
        self._wire.go_on()

    def _not_done(self, number: int, error: Refused) -> None:
        held = self._held(number)
        with contextlib.suppress(Refused):
            held.errand.refused(error)
        if held.stream is None:
            del self._errands[number]

    def _over(self, number: int, bytes_in: int, bytes_out: int, ended: str) -> None:
        held = self._held(number)
        del self._errands[number]
        if held.stream is not None:
            held.stream.is_over = True
        held.errand.over(bytes_in, bytes_out, ended)
