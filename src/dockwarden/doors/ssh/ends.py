"""What is at the other end of a joint on a host: a program, a shell, a subsystem, or a connection that it makes. `inside.py` has the others."""

from __future__ import annotations

import contextlib
from typing import Protocol

import asyncssh

from dockwarden.doors.ssh.channels import FarChannel
from dockwarden.doors.ssh.joint import Joint
from dockwarden.doors.ssh.line import takes_crumbs
from dockwarden.doors.ssh.sides import Ending

KILL = "KILL"
LONGEST_SIGNAL, LONGEST_MESSAGE = 32, 1024


class End(Protocol):
    """The other end of a session. Beside what every joint needs, it has a terminal's size, signals and breaks."""

    def write(self, data: bytes) -> None:
        """Send."""

    def write_eof(self) -> None:
        """Nothing more is sent."""

    def hold(self) -> None:
        """Show no more for now."""

    def go_on(self) -> None:
        """Show it again."""

    def close(self) -> None:
        """End it."""

    def resize(self, columns: int, rows: int, width: int, height: int) -> None:
        """The terminal has another size, in characters and in pixels."""

    def signal(self, name: str) -> None:
        """Send a signal."""

    def send_break(self, milliseconds: int) -> bool:
        """Send a break; whether there is such a thing here."""


class HostEnd(FarChannel, asyncssh.SSHClientSession[bytes]):
    """A program, a shell or a subsystem on a host."""

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel is there."""
        _speak_on(chan, self._joint)
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Something is to be shown."""
        self._joint.shown(data, is_error=datatype == asyncssh.EXTENDED_DATA_STDERR)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        channel, self._channel = self._channel, None
        signal = channel.get_exit_signal() if channel is not None else None
        if exc is not None:
            self._joint.stop(f"the host broke off ({type(exc).__name__})")
        elif channel is None:
            self._joint.far_gone(Ending())
        elif signal:
            name, message = signal[0][:LONGEST_SIGNAL], signal[2][:LONGEST_MESSAGE]
            self._joint.far_gone(Ending(None, name, core_dumped=signal[1], message=message))
        else:
            self._joint.far_gone(Ending(channel.get_exit_status()))

    def resize(self, columns: int, rows: int, width: int, height: int) -> None:
        """The terminal has another size."""
        if self._channel is not None:
            self._channel.change_terminal_size(columns, rows, width, height)

    def signal(self, name: str) -> None:
        """Send a signal."""
        if self._channel is not None:
            with contextlib.suppress(ValueError):  # a name that nobody knows goes nowhere
                self._channel.send_signal(name)

    def send_break(self, milliseconds: int) -> bool:
        """Send a break."""
        if self._channel is None:
            return False
        self._channel.send_break(milliseconds)
        return True

    def close(self) -> None:
        """End it: the program, then the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.send_signal(KILL)
            channel.close()


def _speak_on(channel: asyncssh.SSHClientChannel[bytes] | asyncssh.SSHTCPChannel[bytes], joint: Joint) -> None:
    """Raises: asyncssh.ChannelOpenError: it cannot be spoken on, or there is nobody any more: then nothing is begun on it."""
    if takes_crumbs(channel) or joint.is_over:
        channel.abort()
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "its packets are too small" if not joint.is_over else "the client is gone")


class ForwardEnd(FarChannel, asyncssh.SSHTCPSession[bytes]):
    """A connection that a host makes for somebody."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """The channel is there."""
        _speak_on(chan, self._joint)
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        del exc
        self._channel = None
        self._joint.far_gone(Ending())

    def close(self) -> None:
        """End it."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
