"""One session channel: what the client asks of it, read against `table.py`, and its joint. Where it goes is `ways.py`'s."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncssh

from dockwarden.doors.ssh.channels import NearChannel
from dockwarden.doors.ssh.ends import End
from dockwarden.doors.ssh.joint import Joint
from dockwarden.doors.ssh.line import takes_crumbs
from dockwarden.doors.ssh.sides import Ending, Through
from dockwarden.doors.ssh.table import Outcome, Where, row_of
from dockwarden.engine.finding import masked
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Refused

DIAL_STDIO = ("docker", "system", "dial-stdio")
LONGEST_TERM = 64
LONGEST_COMMAND, LONGEST_DIAL = 64 << 10, 256
"""Of a command, and of one that may ask for the Docker API: reading words out of a line takes time by its length."""
LONGEST_SIGNAL = 32
RESIZE_S = 0.05
"""Of the sizes that a terminal has in so long, the last one counts."""
CARRIED = re.compile(r"(?:LANG|LC_[A-Z]{1,20}|GIT_PROTOCOL)=[A-Za-z0-9_.@:=-]{0,64}", re.ASCII)
"""What of a client's environment goes on."""
MOST_CARRIED = 32
MOST_SIDE = 10_000
"""Columns and rows of a terminal, at most: more is a mistake, or a trick on who plays the tape."""


@dataclass
class Program:
    """What a client asks one session to start (RFC 4254 §6.5): a command, a subsystem, or else a shell; in a terminal, or not."""

    command: str | None = None
    subsystem: str = ""
    terminal: str = ""
    size: tuple[int, int, int, int] = (80, 24, 0, 0)
    modes: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_dial_stdio(self) -> bool:
        """Whether the Docker client asks for the API."""
        if self.command is None or len(self.command) > LONGEST_DIAL:
            return False
        try:
            words = shlex.split(self.command)
        except ValueError:
            return False
        return tuple(word for word in words if not word.startswith("-")) == DIAL_STDIO

    @property
    def words(self) -> str:
        """What runs, secrets masked; "" for a shell."""
        return self.subsystem or masked(self.command or "")


class Ways(Protocol):
    """Where sessions go, as one connection knows it."""

    async def begin(self, session: SshSession) -> None:
        """Open the other end and join it. Raises: Refused; asyncssh.Error, OSError: it cannot be opened."""

    def over(self, joint: Joint) -> None:
        """The session has ended."""


class SshSession(NearChannel, asyncssh.SSHServerSession[bytes]):
    """The person's end of one session; the `Near` of its joint."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.program = Program()
        self.end: End | None = None
        self.joint: Joint = Joint(self, lambda: ways.over(self.joint))
        self.environment: dict[str, str] = {}
        self._beginning: asyncio.Task[None] | None = None
        self._size = self._told_size = self.program.size
        self._resizing: asyncio.TimerHandle | None = None

    # --- what the client asks ---

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is there."""
        self._channel = chan
        channel: Any = chan
        channel._process_env_request = self._env_requested  # the library keeps whatever is sent, without end
        if takes_crumbs(chan):
            chan.abort()

    def _env_requested(self, packet: Any) -> bool:
        """A variable, for what is not begun yet."""
        name, value = (packet.get_string().decode("utf-8", "replace") for _ in range(2))
        packet.check_end()
        is_taken = self._beginning is None and len(self.environment) < MOST_CARRIED and CARRIED.fullmatch(f"{name}={value}") is not None
        if is_taken:
            self.environment[name] = value
        return is_taken

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]) -> bool:
        """A terminal, for what is not begun yet."""
        if self._beginning is not None:
            return False
        columns, rows, width, height = term_size
        self.program.terminal = term_type[:LONGEST_TERM] or "dumb"
        self.program.size = min(columns or 80, MOST_SIDE), min(rows or 24, MOST_SIDE), width, height
        self.program.modes = dict(term_modes)
        return True

    def shell_requested(self) -> bool:
        """A shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """A program; without a word it is a shell, and judged as one."""
        self.program.command = command or None
        return len(command) <= LONGEST_COMMAND

    def subsystem_requested(self, subsystem: str) -> bool:
        """A subsystem: those of the table."""
        self.program.subsystem = subsystem
        return row_of(Where.SUBSYSTEM, subsystem).outcome is not Outcome.REFUSED

    def session_started(self) -> None:
        """It was confirmed; the way there begins."""
        self._size = self._told_size = self.program.size
        self._beginning = asyncio.ensure_future(self._begin())

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The terminal has another size."""
        self._size = min(width or 80, MOST_SIDE), min(height or 24, MOST_SIDE), pixwidth, pixheight
        if self._beginning is None:
            self.program.size = self._size
        elif self._resizing is None:
            self._resize()

    def _resize(self) -> None:
        """Tell the other end of a size that it does not have yet."""
        self._resizing, size = None, self._size
        if self.end is None or self.joint.is_over or size == self._told_size:
            return
        if self.joint.has_room and self.joint.said(Kind.RESIZE, f"{size[0]}x{size[1]}"):
            self._told_size = size
            self.end.resize(*size)
        self._resizing = asyncio.get_running_loop().call_later(RESIZE_S, self._resize)

    def signal_received(self, signal: str) -> None:
        """A signal for the program; none that its tape has no room for."""
        if self.end is not None and len(signal) <= LONGEST_SIGNAL and self.joint.has_room and self.joint.said(Kind.SIGNAL, signal):
            self.end.signal(signal)

    def break_received(self, msec: int) -> bool:
        """A break; none that its tape has no room for."""
        return self.end is not None and self.joint.has_room and self.joint.said(Kind.SIGNAL, "BREAK") and self.end.send_break(msec)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self._channel = None
        if self._resizing is not None:
            self._resizing.cancel()
        self.joint.gone()

    async def _begin(self) -> None:
        try:
            await self._ways.begin(self)
        except Refused as error:
            self.joint.stop(error.message)
        except (OSError, asyncssh.Error) as error:
            self.joint.stop(f"the other end could not be opened ({type(error).__name__})")
        except Exception as error:  # noqa: BLE001  a task's root: whatever it was, nothing was opened
            self.joint.stop(f"dockwarden failed ({type(error).__name__}); please report this")

    def joined(self, end: End, through: Through | None = None) -> None:
        """The other end is there, and what stands between, if anything does."""
        self.end = end
        self.joint.joined(end, through)
        self._resize()

    # --- the joint's near side ---

    @property
    def is_terminal(self) -> bool:
        """See `sides.Near`."""
        return bool(self.program.terminal)

    def show(self, data: bytes, *, is_error: bool) -> None:
        """See `sides.Near`."""
        self._write(data, asyncssh.EXTENDED_DATA_STDERR if is_error and not self.is_terminal else None)

    def leave(self, ending: Ending) -> None:
        """See `sides.Near`."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        if ending.signal:
            channel.exit_with_signal(ending.signal, ending.core_dumped, ending.message)
        elif ending.status is not None:
            channel.exit(ending.status)
        else:
            channel.close()


