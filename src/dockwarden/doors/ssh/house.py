"""What the SSH door asks of its house, and what it remembers between connections.

The house alone decides, writes down and records. Where the door is in the serving process, `desk.py` is asked at once; where a carrier has
it, by message (`crowd/`). The door's code is the same.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncssh
import msgspec

from dockwarden.doors.ssh.files.events import Allowed
from dockwarden.doors.ssh.files.operations import FileOp
from dockwarden.doors.ssh.names import Wanted
from dockwarden.hosts.hosts import Host
from dockwarden.tape.intake import Intake
from dockwarden.tape.vigil import Stream
from dockwarden.upstream.ssh import reaches_engine
from dockwarden.words.errors import Refused
from dockwarden.words.secret import Secret

REMEMBERED_S = 300.0
NOWHERE = ("", 0)


class Place(msgspec.Struct, frozen=True):
    """A host that somebody may go to as far as is known before anything goes there. `looks_at_files`: whether policy asks about names."""

    host: Host
    login: str
    looks_at_files: bool


class Beginning(msgspec.Struct, frozen=True):
    """What is about to be opened. `words` are the command's or the subsystem's, secrets masked, or where a connection goes."""

    words: str
    reaches_engine: bool
    is_terminal: bool = False
    columns: int = 0
    rows: int = 0


class Recording(Protocol):
    """A tape, as a joint knows it; see `recorder.Tape`."""

    @property
    def broken(self) -> str:
        """Why nothing more is recorded."""

    @property
    def now_us(self) -> int:
        """Microseconds since the opening."""

    @property
    def is_full(self) -> bool:
        """Whether who brings more should wait for `room` first."""

    async def settle(self) -> None:
        """Return when all that was added is durable. Raises: Unavailable."""

    async def room(self) -> None:
        """Return when some of what was added and was not durable is. Raises: Unavailable."""

    async def end(self, why: str = "") -> None:
        """Return when the end was written, or could not be."""


class Recorded(Protocol):
    """A session that is recorded, as a joint knows it; see `sessions.Session`."""

    why: str

    @property
    def tape(self) -> Recording:
        """Its tape."""

    @property
    def intake(self) -> Intake:
        """The way onto it."""


class Watch(Protocol):
    """Who keeps the terms of a session; see `vigil.Vigil`."""

    def moved(self) -> None:
        """Something was typed or shown."""

    def close(self, why: str = "") -> None:
        """The session is over."""

    async def begin(self) -> None:
        """Return when it may begin. Raises: Forbidden."""


class Streams(Stream, Protocol):
    """A session's stream, as the house knows it: a joint."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is about to."""

    def broken(self, why: str) -> None:
        """Recording failed."""


class Kept(Protocol):
    """A session that was admitted."""

    @property
    def vigil(self) -> Watch:
        """Who keeps its terms."""

    @property
    def session(self) -> Recorded | None:
        """Its record; None where policy lets it go unrecorded."""

    @property
    def is_strict(self) -> bool:
        """Whether it ends where recording does."""


class Errand(Protocol):
    """One thing that a client wants of a host, from the question to its end. `place`, then `open`, then files, then `over`."""

    async def place(self) -> Place:
        """Judge it before anything goes there. Raises: Refused."""

    async def credential(self) -> tuple[Secret, str]:
        """By what we get in: a private key or a password, and a certificate or "". Raises: Refused."""

    async def open(self, beginning: Beginning, stream: Streams) -> Kept:
        """Judge it, now that it is known what is reached from there; write it down, admit it, and record it from now on. Raises: Refused."""

    async def judge(self, op: FileOp) -> Allowed:
        """Return if a deed with files may be done, and what of it is kept, its intent durable where it changes something. Raises: Refused."""

    def told(self, op: FileOp, detail: dict[str, Any]) -> None:
        """How such a deed ended. Raises: Refused: it could not be written down."""

    def refused(self, error: Refused) -> None:
        """It is not done."""

    def over(self, bytes_in: int, bytes_out: int, ended: str) -> None:
        """It has ended."""


class Visit(Protocol):
    """One client, as the house knows it."""

    async def keys(self, wanted: Wanted | None) -> tuple[str, ...]:
        """The lines of an `authorized_keys` that prove that it is who it says; whatever was proven before counts no more."""

    async def enter(self) -> bool:
        """The key is proven: True lets it in, False asks for a code. Raises: Refused: it does not come in."""

    async def code(self, code: str) -> bool:
        """Whether that is the code."""

    async def still(self) -> None:
        """Return if who came in is still who they were. Raises: Forbidden."""

    async def host_at(self, address: str, port: int) -> Host | None:
        """The host that is called so, or is there."""

    async def places(self) -> str:
        """Where there is to go, in one line."""

    def not_open(self, why: str) -> None:
        """Something was asked for that is not open."""

    async def docker(self) -> socket.socket:
        """A connection to the Docker door, as who it is. Raises: OSError."""

    def errand(self, action: str, forward: tuple[str, int] = NOWHERE) -> Errand:
        """One thing that it wants of the host that it named."""

    def leave(self) -> None:
        """It is gone."""


class Desk(Protocol):
    """Where the door asks."""

    def visit(self, source: str, dismiss: Callable[[str], None]) -> Visit:
        """A client at `source` is there. `dismiss` is called with the reason, once who came in is no longer one of the people."""

    async def certify(self, names: list[str]) -> bytes | None:
        """A certificate of the door's own key for `names`; None where the vault does not let us sign."""


@dataclass
class Reaches:
    """From which logins the Engine's own socket can be reached. Asked on the host, and believed for `REMEMBERED_S`."""

    known: dict[tuple[str, tuple[str, ...], str], tuple[bool, float]] = field(default_factory=dict)

    async def ask(self, host: Host, login: str, connection: asyncssh.SSHClientConnection, sockets: tuple[str, ...]) -> bool:
        """Whether it can from there; a doubt counts as yes, and is not remembered."""
        where = host.address, host.host_keys, login
        found, until = self.known.get(where, (True, 0.0))
        if time.monotonic() < until:
            return found
        answer = await reaches_engine(connection, sockets)
        if answer is None:
            return True
        self.known[where] = answer, time.monotonic() + REMEMBERED_S
        return answer


@dataclass(frozen=True)
class SshHouse:
    """Everything that a connection may need."""

    desk: Desk
    login_s: float = 60.0
    engine_sockets: tuple[str, ...] = ()
    """Of the Engine that is protected here: a host may be this one."""
    processes: int = 1
    """Among how many the door's limits are divided."""
    reaches: Reaches = field(default_factory=Reaches)
