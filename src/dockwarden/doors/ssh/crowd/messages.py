"""What the house and a carrier say to each other, and how it is cut into pieces: four bytes of length, then MessagePack. Pure.

In order, both ways. A carrier numbers its clients, the errands that these are on, and its questions; numbers of one carrier mean nothing
to another. A question is answered by `Answer` or `Refusal` of its `ask`; everything else is told, and not answered.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dockwarden.doors.ssh.files.operations import Deed
from dockwarden.doors.ssh.house import Beginning
from dockwarden.doors.ssh.names import Wanted
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Hidden, Refused

LONGEST = 4 << 20
"""Bytes of one message."""
FRONT = 4

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Garbled(Exception):
    """What came is no message, or none that may come now."""


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """One message."""


class Question(Message, frozen=True):
    """One that is answered. What its answer is, says `carrier.py`."""

    ask: Number


# --- of a client ---


class Keys(Question, frozen=True):
    """See `house.Visit.keys`; the first that is said of a client."""

    client: Number
    source: str
    wanted: Wanted | None


class Enter(Question, frozen=True):
    """See `house.Visit.enter`."""

    client: Number


class Code(Question, frozen=True):
    """See `house.Visit.code`."""

    client: Number
    code: str


class Still(Question, frozen=True):
    """See `house.Visit.still`."""

    client: Number


class HostAt(Question, frozen=True):
    """See `house.Visit.host_at`."""

    client: Number
    address: str
    port: int


class Places(Question, frozen=True):
    """See `house.Visit.places`."""

    client: Number


class Docker(Question, frozen=True):
    """See `house.Visit.docker`; answered by `Socket`."""

    client: Number


class NotOpen(Message, frozen=True):
    """See `house.Visit.not_open`."""

    client: Number
    why: str


class Leave(Message, frozen=True):
    """See `house.Visit.leave`; the last that is said of a client. Its errands may still end."""

    client: Number


class Certify(Question, frozen=True):
    """See `house.Desk.certify`."""

    names: list[str]


# --- of an errand ---


class Run(Question, frozen=True):
    """A new errand of a client, and `house.Errand.place` of it."""

    client: Number
    errand: Number
    action: str
    forward: tuple[str, int]


class Credential(Question, frozen=True):
    """See `house.Errand.credential`."""

    errand: Number


class Open(Question, frozen=True):
    """See `house.Errand.open`."""

    errand: Number
    beginning: Beginning


class Wait(Question, frozen=True):
    """See `house.Watch.begin`."""

    errand: Number


class Moved(Message, frozen=True):
    """See `house.Watch.moved`."""

    errand: Number


class CloseWatch(Message, frozen=True):
    """See `house.Watch.close`."""

    errand: Number
    why: str


class TapeFrame(Message, frozen=True):
    """What happened, and when: microseconds since the opening."""

    errand: Number
    at_us: Number
    kind: Kind
    data: bytes


class Settle(Question, frozen=True):
    """See `house.Recording.settle`."""

    errand: Number


class EndTape(Question, frozen=True):
    """See `house.Recording.end`."""

    errand: Number
    why: str


class JudgeFile(Question, frozen=True):
    """See `house.Errand.judge`."""

    errand: Number
    deed: Deed
    path: bytes
    other: bytes


class ToldFile(Message, frozen=True):
    """See `house.Errand.told`."""

    errand: Number
    deed: Deed
    path: bytes
    other: bytes
    detail: dict[str, Any]


class NotDone(Message, frozen=True):
    """See `house.Errand.refused`."""

    errand: Number
    kind: str
    code: str
    message: str


class Over(Message, frozen=True):
    """See `house.Errand.over`; the last that is said of an errand."""

    errand: Number
    bytes_in: Number
    bytes_out: Number
    ended: str


# --- of the carrier itself ---


class Ready(Message, frozen=True):
    """It takes clients now."""


class Gone(Message, frozen=True):
    """A client that was handed to it is gone."""


# --- what the house says ---


class Answer(Message, frozen=True):
    """To a question."""

    ask: Number
    value: msgspec.Raw


class Socket(Message, frozen=True):
    """The answer to `Docker`, whose socket comes with this."""

    ask: Number


class Refusal(Message, frozen=True):
    """To a question: an error of `words/errors.py`."""

    ask: Number
    kind: str
    code: str
    message: str
    policies: tuple[str, ...]


class Start(Message, frozen=True):
    """The first of all: what a carrier needs to know. `key` is the door's own private key."""

    address: str
    key: bytes
    login_s: float
    engine_sockets: tuple[str, ...]
    processes: int
    log_level: str


class Client(Message, frozen=True):
    """A client, whose socket comes with this."""


class Stop(Message, frozen=True):
    """End every session, then yourself."""


class Dismiss(Message, frozen=True):
    """See `house.Desk.visit`."""

    client: Number
    why: str


class Tell(Message, frozen=True):
    """See `vigil.Stream.tell`."""

    errand: Number
    words: str


class Hold(Message, frozen=True):
    """See `vigil.Stream.hold`."""

    errand: Number


class GoOn(Message, frozen=True):
    """See `vigil.Stream.go_on`."""

    errand: Number


class End(Message, frozen=True):
    """See `vigil.Stream.end`."""

    errand: Number
    why: str


class Broken(Message, frozen=True):
    """See `house.Streams.broken`."""

    errand: Number
    why: str


FromCarrier = (
    Keys | Enter | Code | Still | HostAt | Places | Docker | NotOpen | Leave | Certify | Run | Credential | Open | Wait | Moved | CloseWatch
    | TapeFrame | Settle | EndTape | JudgeFile | ToldFile | NotDone | Over | Ready | Gone
)  # fmt: skip
FromHouse = Answer | Socket | Refusal | Start | Client | Stop | Dismiss | Tell | Hold | GoOn | End | Broken


class Opened(msgspec.Struct, frozen=True):
    """The answer to `Open`. `began_ns` is when the tape was opened, by the clock that all processes of this machine share."""

    is_recorded: bool
    is_strict: bool
    is_waiting: bool
    idle_s: float
    began_ns: int
    finds: bool


# --- pieces ---

_encode = msgspec.msgpack.Encoder().encode


def packed(message: Message) -> bytes:
    """A message as it goes over the wire. Raises: Garbled: it is too long."""
    body = _encode(message)
    if len(body) > LONGEST:
        raise Garbled(f"{type(message).__name__} has {len(body)} bytes")
    return len(body).to_bytes(FRONT, "big") + body


def plain(value: object) -> msgspec.Raw:
    """The value of an answer."""
    return msgspec.Raw(_encode(value))


class Pieces:
    """Bytes, cut into the bodies of messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are whole by now, in order. Raises: Garbled: one would be longer than any may be."""
        rest, found, at = self._rest, list[bytes](), 0
        rest += data
        while len(rest) - at >= FRONT:
            size = int.from_bytes(rest[at : at + FRONT], "big")
            if size > LONGEST:
                raise Garbled(f"a message of {size} bytes")
            if len(rest) - at - FRONT < size:
                break
            found.append(bytes(rest[at + FRONT : at + FRONT + size]))
            at += FRONT + size
        del rest[:at]
        return found


_KINDS: dict[str, type[Refused]] = {kind.__name__: kind for kind in Refused.__subclasses__()}


def refusal(kind: str, code: str, message: str, policies: tuple[str, ...] = ()) -> Refused:
    """An error as it was raised on the other side. Raises: Garbled: there is none of that kind."""
    if kind == Hidden.__name__:
        return Hidden(code, message)
    if kind not in _KINDS:
        raise Garbled(f"an error of kind {kind[:40]}")
    return _KINDS[kind](code, message, policies=policies)
