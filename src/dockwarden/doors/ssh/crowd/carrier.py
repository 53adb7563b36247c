"""A carrier's side: the door as it is in the serving process, and behind it a desk that asks the house by message."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh
import msgspec

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.messages import Garbled, Opened, Question, refusal
from dockwarden.doors.ssh.crowd.wire import BEHIND_BYTES, Wire
from dockwarden.doors.ssh.files.events import Allowed
from dockwarden.doors.ssh.files.operations import FileOp
from dockwarden.doors.ssh.house import NOWHERE, Beginning, Place, SshHouse, Streams
from dockwarden.doors.ssh.names import Wanted
from dockwarden.doors.ssh.server import SshDoor
from dockwarden.hosts.hosts import Host
from dockwarden.logs import configure_logs
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.recorder import FULL_BYTES
from dockwarden.tape.writer import GATHER_BYTES
from dockwarden.words.errors import Refused, Unavailable
from dockwarden.words.secret import Secret

T = TypeVar("T")
MOVED_SHARE, MOVED_S = 0.05, 1.0
"""How often the house is told that something moves: a part of the time that a session may be idle, and no less often than that."""
FRAME_BYTES = 1 << 20
"""Of one message; what is longer is cut, but for what is said of a file: no packet of SFTP or channel is so long, and a half of it is none."""
LAST_S = 4.0
"""How long sessions may take to end at a stop."""

_read = msgspec.msgpack.Decoder(say.FromHouse).decode


class House:
    """The house, as a carrier knows it. `came` is called with each client's socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._wire = Wire(sock, self._heard, self._lost, takes_sockets=True)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.streams: dict[int, Streams] = {}
        """Of errands that are open, by number."""
        self.broken: dict[int, str] = {}
        """Why those are recorded no more that are not, by the number of the errand."""
        self.dismiss: dict[int, Callable[[str], None]] = {}
        """How clients that are there are sent away, by number."""
        self.started: asyncio.Future[say.Start] = asyncio.get_running_loop().create_future()
        self._is_empty = asyncio.Event()
        self.over = asyncio.Event()
        """Set where there is nothing more to do: the house is gone, or asks for the end."""
        self.is_gone = False
        self.came: Callable[[socket.socket], None] = socket.socket.close
        self.tell, self.drained = self._wire.send, self._wire.drained
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def is_behind(self) -> bool:
        """Whether it should hear what was told before much more is: what was shown and not told is lost with this process."""
        return self._wire.is_behind

    @property
    def number(self) -> int:
        """One that was not used yet."""
        return next(self._numbers)

    def tell_of(self, errand: int, message: say.Message) -> None:
        """Tell something of an errand that is open; of others there is nothing to tell."""
        if errand in self.streams:
            self.tell(message)

    def ended(self, errand: int) -> None:
        """An errand is open no more."""
        self.streams.pop(errand, None)
        self.broken.pop(errand, None)
        if not self.streams:
            self._is_empty.set()

    async def all_over(self) -> None:
        """Return when no errand is open, and the house has heard all."""
        self._is_empty.clear()
        if self.streams:
            await self._is_empty.wait()
        await self.drained.wait()

    async def ask(self, question: Question, answer: type[T]) -> T:
        """Put a question to the house. Raises: Refused: as the house says."""
        return msgspec.msgpack.decode(await self._answer(question), type=answer)

    async def ask_for_socket(self, question: say.Docker) -> socket.socket:
        """Put a question that is answered with a socket. Raises: Refused."""
        found: socket.socket = await self._answer(question)
        return found

    async def _answer(self, question: Question) -> Any:
        waiting = self._asked[question.ask] = asyncio.get_running_loop().create_future()
        self.tell(question)
        try:
            return await waiting
        finally:
            del self._asked[question.ask]

    def _heard(self, body: bytes) -> None:
        try:
            message = _read(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Garbled(str(error)) from None
        match message:
            case say.Answer(ask, value):
                if (waiting := self._waiting(ask)) is not None:
                    waiting.set_result(value)
            case say.Socket(ask):
                sock = self._wire.sockets.popleft()
                if (waiting := self._waiting(ask)) is not None:
                    waiting.set_result(sock)
                else:
                    sock.close()
            case say.Refusal(ask, kind, code, words, policies):
                if (waiting := self._waiting(ask)) is not None:
                    waiting.set_exception(refusal(kind, code, words, policies))
            case say.Start():
                self.started.set_result(message)
            case say.Client():
                self.came(self._wire.sockets.popleft())
            case say.Dismiss(client, why):
                self.dismiss.get(client, _nobody)(why)
            case say.Stop():
                self.over.set()
            case _:
                if (stream := self.streams.get(message.errand)) is not None:
                    self._do(stream, message)

    def _waiting(self, ask: int) -> asyncio.Future[Any] | None:
        waiting = self._asked.get(ask)
        return None if waiting is None or waiting.done() else waiting

    def _do(self, stream: Streams, message: say.Tell | say.Hold | say.GoOn | say.End | say.Broken) -> None:
        match message:
            case say.Tell(_, words):
                stream.tell(words)
            case say.Hold():
                stream.hold()
            case say.GoOn():
                stream.go_on()
            case say.Broken(errand, why):
                self.broken[errand] = why
                stream.broken(why)
            case say.End(_, why):
                self._ending.add(task := asyncio.ensure_future(stream.end(why)))
                task.add_done_callback(self._ending.discard)

    def _lost(self, why: str) -> None:
        self.broken.update(dict.fromkeys(self.streams, why))
        self.is_gone = True
        self.over.set()


def _nobody(_why: str) -> None:
    """They are gone already."""


class FarDesk:
    """See `house.Desk`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def visit(self, source: str, dismiss: Callable[[str], None]) -> FarVisit:
        """See `house.Desk`."""
        return FarVisit(self._house, source, dismiss)

    async def certify(self, names: list[str]) -> bytes | None:
        """See `house.Desk`."""
        return await self._house.ask(say.Certify(self._house.number, names), bytes | None)  # type: ignore[arg-type]  # a union is no type to mypy


class FarVisit:
    """See `house.Visit`. Once it has left, the house knows it no more, and would end who asks about it: so nothing is asked."""

    def __init__(self, house: House, source: str, dismiss: Callable[[str], None]) -> None:
        self._house, self._source, self._client = house, source, house.number
        self.is_gone = False
        house.dismiss[self._client] = dismiss

    @property
    def here(self) -> int:
        """Its number. Raises: as `stay`."""
        self.stay()
        return self._client

    def stay(self) -> None:
        """Return if it is there. Raises: Unavailable: `ssh.gone`; it has left."""
        if self.is_gone:
            raise Unavailable("ssh.gone", "the client is gone")

    async def keys(self, wanted: Wanted | None) -> tuple[str, ...]:
        """See `house.Visit`."""
        if self.is_gone:
            return ()
        return await self._house.ask(say.Keys(self._house.number, self._client, self._source, wanted), tuple[str, ...])

    async def enter(self) -> bool:
        """See `house.Visit`."""
        return await self._house.ask(say.Enter(self._house.number, self.here), bool)

    async def code(self, code: str) -> bool:
        """See `house.Visit`."""
        if self.is_gone:
            return False
        return await self._house.ask(say.Code(self._house.number, self._client, code), bool)

    async def still(self) -> None:
        """See `house.Visit`."""
        await self._house.ask(say.Still(self._house.number, self.here), type(None))

    async def host_at(self, address: str, port: int) -> Host | None:
        """See `house.Visit`."""
        if self.is_gone:
            return None
        return await self._house.ask(say.HostAt(self._house.number, self._client, address, port), Host | None)  # type: ignore[arg-type]  # as above

    async def places(self) -> str:
        """See `house.Visit`."""
        return await self._house.ask(say.Places(self._house.number, self.here), str)

    def not_open(self, why: str) -> None:
        """See `house.Visit`."""
        if not self.is_gone:
            self._house.tell(say.NotOpen(self._client, why))

    async def docker(self) -> socket.socket:
        """See `house.Visit`."""
        sock = await self._house.ask_for_socket(say.Docker(self._house.number, self.here))
        sock.setblocking(False)
        return sock

    def errand(self, action: str, forward: tuple[str, int] = NOWHERE) -> FarErrand:
        """See `house.Visit`."""
        return FarErrand(self._house, self, action, forward)

    def leave(self) -> None:
        """See `house.Visit`."""
        self.is_gone = True
        del self._house.dismiss[self._client]
        self._house.tell(say.Leave(self._client))


class FarErrand:
    """See `house.Errand`. One that was not opened is over for the house as soon as its client has left."""

    def __init__(self, house: House, visit: FarVisit, action: str, forward: tuple[str, int]) -> None:
        self._house, self._visit, self._action, self._forward = house, visit, action, forward
        self._number = house.number
        self._is_opened = self._is_over = False

    async def place(self) -> Place:
        """See `house.Errand`."""
        return await self._house.ask(say.Run(self._house.number, self._visit.here, self._number, self._action, self._forward), Place)

    async def credential(self) -> tuple[Secret, str]:
        """See `house.Errand`."""
        self._visit.stay()
        secret, certificate = await self._house.ask(say.Credential(self._house.number, self._number), tuple[bytes, str])
        return Secret(secret), certificate

    async def open(self, beginning: Beginning, stream: Streams) -> FarKept:
        """See `house.Errand`."""
        self._visit.stay()
        self._is_opened = True
        self._house.streams[self._number] = stream
        try:
            opened = await self._house.ask(say.Open(self._house.number, self._number, beginning), Opened)
        except BaseException:
            self._house.ended(self._number)
            raise
        session = None
        if opened.is_recorded:
            tape = FarTape(self._house, self._number, opened.began_ns)
            session = FarSession(tape, Intake(tape, is_terminal=beginning.is_terminal, finds=opened.finds))
        return FarKept(FarVigil(self._house, self._number, opened), session, opened.is_strict)

    async def judge(self, op: FileOp) -> Allowed:
        """See `house.Errand`."""
        return await self._house.ask(say.JudgeFile(self._house.number, self._number, op.deed, op.path, op.other), Allowed)

    def told(self, op: FileOp, detail: dict[str, Any]) -> None:
        """See `house.Errand`; where it cannot be written down, the house ends the session."""
        self._house.tell_of(self._number, say.ToldFile(self._number, op.deed, op.path, op.other, detail))

    def refused(self, error: Refused) -> None:
        """See `house.Errand`."""
        if self._is_over or (self._visit.is_gone and not self._is_opened):
            return
        self._house.tell(say.NotDone(self._number, type(error).__name__, error.code, error.message))

    def over(self, bytes_in: int, bytes_out: int, ended: str) -> None:
        """See `house.Errand`."""
        self._is_over = True
        self._house.ended(self._number)
        self._house.tell(say.Over(self._number, bytes_in, bytes_out, ended))


@dataclass(frozen=True, slots=True)
class FarKept:
    """See `house.Kept`."""

    vigil: FarVigil
    session: FarSession | None
    is_strict: bool


@dataclass(eq=False)
class FarSession:
    """See `house.Recorded`."""

    tape: FarTape
    intake: Intake
    why: str = ""


class FarTape:
    """See `house.Recording`. What was added is full where the house has not said of so much that it is durable."""

    def __init__(self, house: House, errand: int, began_ns: int) -> None:
        self._house, self._errand, self._began_ns = house, errand, began_ns
        self._added = self._asked = self._durable = 0
        self._is_ended = False
        self._asking: dict[asyncio.Task[None], None] = {}

    @property
    def broken(self) -> str:
        """See `house.Recording`."""
        return self._house.broken.get(self._errand, "")

    @property
    def now_us(self) -> int:
        """See `house.Recording`."""
        return (time.monotonic_ns() - self._began_ns) // 1000

    def add(self, kind: Kind, data: bytes) -> None:
        """Take what just happened. Raises: Unavailable: `tape.broken`."""
        if self.broken or self._is_ended:
            raise Unavailable("tape.broken", f"this session is recorded no more ({self.broken or 'it has ended'}), so it ends here; ask an operator")
        at_us = self.now_us
        most = max(FRAME_BYTES, len(data)) if kind is Kind.FILE else FRAME_BYTES
        for start in range(0, len(data) or 1, most):
            self._house.tell(say.TapeFrame(self._errand, at_us, kind, data[start : start + most]))
        self._added += len(data) + 1
        if self._added - self._asked >= GATHER_BYTES:
            self._asking[task := asyncio.ensure_future(self._ask_ahead())] = None
            task.add_done_callback(self._asking.pop)
            self._asked = self._added

    @property
    def is_full(self) -> bool:
        """See `house.Recording`."""
        return self._added - self._durable >= (BEHIND_BYTES if self._house.is_behind else FULL_BYTES)

    async def settle(self) -> None:
        """See `house.Recording`."""
        self._asked = upto = self._added
        if self._durable < upto:
            await self._house.ask(say.Settle(self._house.number, self._errand), type(None))
            self._durable = max(self._durable, upto)

    async def room(self) -> None:
        """See `house.Recording`."""
        if self._house.is_behind:
            await self._house.drained.wait()
        elif self._asking:
            await asyncio.wait((next(iter(self._asking)),))  # the oldest one
        else:
            await self.settle()

    async def _ask_ahead(self) -> None:
        with contextlib.suppress(Refused):  # the house says apart that it is broken
            await self.settle()

    async def end(self, why: str = "") -> None:
        """See `house.Recording`."""
        self._is_ended = True
        with contextlib.suppress(Refused):
            await self._house.ask(say.EndTape(self._house.number, self._errand, why), type(None))


class FarVigil:
    """See `house.Watch`."""

    def __init__(self, house: House, errand: int, opened: Opened) -> None:
        self._house, self._errand, self._opened = house, errand, opened
        self._every_s = min(opened.idle_s * MOVED_SHARE, MOVED_S)
        self._next = 0.0

    def moved(self) -> None:
        """See `house.Watch`."""
        if self._every_s and (now := time.monotonic()) >= self._next:
            self._next = now + self._every_s
            self._house.tell_of(self._errand, say.Moved(self._errand))

    def close(self, why: str = "") -> None:
        """See `house.Watch`."""
        self._house.tell_of(self._errand, say.CloseWatch(self._errand, why))

    async def begin(self) -> None:
        """See `house.Watch`."""
        if self._opened.is_waiting:
            await self._house.ask(say.Wait(self._house.number, self._errand), type(None))


async def carry(sock: socket.socket) -> None:
    """Carry the clients that come by `sock`, until the house is gone or says that it is enough."""
    house = House(sock)
    starting = asyncio.ensure_future(house.over.wait())
    await asyncio.wait((house.started, starting), return_when=asyncio.FIRST_COMPLETED)
    if not house.started.done():
        return
    start = house.started.result()
    configure_logs(start.log_level)
    own = SshHouse(FarDesk(house), start.login_s, start.engine_sockets, start.processes)
    door = SshDoor(start.address, asyncssh.import_private_key(start.key), own)
    serving = set[asyncio.Task[None]]()

    async def serve(client: socket.socket) -> None:
        try:
            await door.serve(client)
        finally:
            house.tell(say.Gone())

    def came(client: socket.socket) -> None:
        serving.add(task := asyncio.ensure_future(serve(client)))
        task.add_done_callback(serving.discard)

    house.came = came
    house.tell(say.Ready())
    await house.over.wait()
    if not house.is_gone:
        await _leave(door, house)


async def _leave(door: SshDoor, house: House) -> None:
    """End every session, and let the house write that down."""
    await door.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_S):
            await house.all_over()
