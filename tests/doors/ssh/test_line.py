"""What one connection still has to send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from dockwarden.doors.ssh.line import MOST_DEFERRED, MOST_UNSENT, Line, takes_crumbs
from dockwarden.doors.ssh.sides import Gate


@dataclass
class Connection:
    """One of the library's, as far as a line knows it: it is its own transport."""

    unsent: int = 0
    is_exchanging: bool = False
    is_cut: bool = False
    sent: list[int] = field(default_factory=list)
    _deferred_packets: list[int] = field(default_factory=list)
    pause_writing: Any = None
    resume_writing: Any = None

    @property
    def _transport(self) -> Connection:
        return self

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def send_packet(self, kind: int, *parts: bytes, handler: Any = None) -> None:
        (self._deferred_packets if self.is_exchanging else self.sent).append(kind)

    def exchanged(self) -> None:
        """Send what was deferred, as the library does."""
        self.is_exchanging, deferred, self._deferred_packets = False, self._deferred_packets, []
        for kind in deferred:
            self.send_packet(kind)

    def abort(self) -> None:
        self.is_cut = True


def stream(connection: Connection) -> Gate:
    """A stream that goes on at once as soon as it may."""
    return Gate(lambda: None, lambda: connection.send_packet(99))


async def test_streams_are_held_while_the_socket_takes_no_more() -> None:
    connection = Connection()
    line = Line(connection)
    early, late = stream(connection), stream(connection)
    line.carry(early)
    connection.pause_writing()
    line.carry(late)
    assert (True, True, 2) == (early.is_shut, late.is_shut, len(line))
    connection.resume_writing()
    assert (False, False) == (early.is_shut, late.is_shut)
    line.drop(early)
    connection.pause_writing()
    assert (False, True, 1) == (early.is_shut, late.is_shut, len(line))


async def test_what_waited_for_new_keys_goes_before_what_is_let_on_by_them() -> None:
    connection = Connection()
    line = Line(connection)
    line.carry(held := stream(connection))
    connection.is_exchanging = True
    for kind in (1, 2, 3):
        connection.send_packet(kind)
    assert held.is_shut
    connection.exchanged()
    await asyncio.sleep(0)
    assert (False, [1, 2, 3, 99]) == (held.is_shut, connection.sent)


async def test_a_connection_that_takes_nothing_is_cut() -> None:
    for connection in (Connection(unsent=MOST_UNSENT + 1), Connection(is_exchanging=True)):
        Line(connection)
        for _ in range(MOST_DEFERRED):
            connection.send_packet(1)
        connection.send_packet(1)
        assert connection.is_cut


def test_packets_have_a_least_size() -> None:
    class Channel:
        _send_pktsize = 255

    channel = Channel()
    assert takes_crumbs(channel)
    channel._send_pktsize = 256
    assert not takes_crumbs(channel)
