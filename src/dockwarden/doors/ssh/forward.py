"""One forwarded connection (-L, -D, -W): bytes to a place that the host reaches, judged place by place, and on tape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import asyncssh

from dockwarden.doors.ssh.channels import NearChannel
from dockwarden.doors.ssh.joint import TAKING, Joint
from dockwarden.doors.ssh.line import takes_crumbs
from dockwarden.doors.ssh.sides import Ending, Gate


class Opener(Protocol):
    """Who opens what a client asks for."""

    async def open(self, forward: Forward) -> None:
        """Open the other end and join it. Raises: asyncssh.ChannelOpenError: it is not opened."""

    def over(self, joint: Joint) -> None:
        """It has ended."""


class Forward(NearChannel, asyncssh.SSHTCPSession[bytes]):
    """The person's end of one connection; the `Near` of its joint. `place` is where it goes: a name or a number, and a port."""

    is_terminal = False

    def __init__(self, opener: Opener, place: tuple[str, int]) -> None:
        self._opener, self.place = opener, place
        self._early: list[bytes] = []
        self._is_shown_all = self._is_left = False
        self.joint: Joint = Joint(self, lambda: opener.over(self.joint))

    async def opened(self) -> Forward:
        """Return once the other end is there: only then is the channel confirmed. Raises: asyncssh.ChannelOpenError."""
        await self._opener.open(self)
        return self

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """The channel is there: what the other end has said by now is shown first."""
        self._channel = chan
        if takes_crumbs(chan):
            chan.abort()
            return
        early, self._early = self._early, []
        for data in early:
            self.show(data, is_error=False)
        if self._is_shown_all:
            self.show_eof()
        if self._is_left:
            chan.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self.joint.gone()

    def show(self, data: bytes, *, is_error: bool) -> None:
        """See `sides.Near`; what is no part of the stream has no place here."""
        if is_error:
            return
        if self._channel is None:
            self._early.append(data)
        else:
            self._write(data)

    def show_eof(self) -> None:
        """See `sides.Near`."""
        self._is_shown_all = True
        self._write_eof()

    def leave(self, ending: Ending) -> None:
        """See `sides.Near`."""
        del ending
        self._is_left = True
        if self._channel is not None:
            self._channel.close()


class Piped(asyncssh.SSHTCPSession[bytes]):
    """A connection that ends in this process: an SSH connection within the one of a client (`ssh -J`). All of it is judged in there."""

    def __init__(self, transport: asyncio.Transport, end: PipedEnd, over: Callable[[Gate], None]) -> None:
        """`over` is called once it has ended."""
        self._transport, self._end, self._over = transport, end, over
        self.outward = Gate(transport.pause_reading, self._go_on)

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """The channel is there."""
        self._end.joined(chan)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Something is sent."""
        del datatype
        self._transport.write(data)

    def eof_received(self) -> bool:
        """Nothing more is sent."""
        self._transport.close()
        return False

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.outward.shut(TAKING)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.outward.open(TAKING)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self._over(self.outward)
        self._transport.close()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


class PipedEnd(asyncio.Protocol):
    """The other end of the pair behind a `Piped`."""

    def __init__(self) -> None:
        self._channel: asyncssh.SSHTCPChannel[bytes] | None = None
        self._early: list[bytes] = []

    def joined(self, channel: asyncssh.SSHTCPChannel[bytes]) -> None:
        """The channel is there: give it what came before."""
        self._channel = channel
        early, self._early = self._early, []
        for data in early:
            channel.write(data)

    def data_received(self, data: bytes) -> None:
        """Our side says something."""
        if self._channel is None:
            self._early.append(data)
        elif not self._channel.is_closing():
            self._channel.write(data)

    def pause_writing(self) -> None:
        """Our side takes no more for now."""
        if self._channel is not None:
            self._channel.pause_reading()

    def resume_writing(self) -> None:
        """It takes more again."""
        if self._channel is not None:
            self._channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Our side has ended."""
        del exc
        if self._channel is not None:
            self._channel.close()
