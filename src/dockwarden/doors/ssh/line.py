"""What one SSH connection still has to send: bounded, whatever its other side does.

The library sends as far as the windows of channels go, and how wide they are is the other side's choice.
1. While the socket takes no more, or keys are being exchanged anew, every stream on the connection is held.
2. A connection that has more than `MOST_UNSENT` to send is cut: its other side asks and asks, and takes no answers.
3. A channel whose packets must be tiny is not spoken on: each of its bytes would cost as much as a thousand.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dockwarden.doors.ssh.sides import Gate

MOST_UNSENT = 32 << 20
MOST_DEFERRED = 1024
"""Packets that wait for the end of a key exchange."""
LEAST_PACKET = 256
SOCKET, KEYS, LINE = "socket", "keys", "line"


class Line:
    """One connection's, from the moment it is made."""

    def __init__(self, connection: Any) -> None:
        """`connection` is one of the library's, client or server."""
        self._connection = connection
        self._streams: set[Gate] = set()
        self._gate = Gate(lambda: self._each(Gate.shut), lambda: self._each(Gate.open))
        self._send = connection.send_packet
        # The library leaves all three to nobody, and offers no other place for them.
        connection.send_packet = self._sent
        connection.pause_writing = lambda: self._gate.shut(SOCKET)
        connection.resume_writing = lambda: self._gate.open(SOCKET)

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    def carry(self, stream: Gate) -> None:
        """Hold this stream, too, while no more can be sent."""
        self._streams.add(stream)
        if self._gate.is_shut:
            stream.shut(LINE)

    def drop(self, stream: Gate) -> None:
        """It has ended."""
        self._streams.discard(stream)

    def _each(self, deed: Any) -> None:
        for stream in tuple(self._streams):
            deed(stream, LINE)

    def _sent(self, kind: int, *parts: bytes, **more: Any) -> None:
        self._send(kind, *parts, **more)
        deferred, transport = self._connection._deferred_packets, self._connection._transport
        if deferred:
            self._gate.shut(KEYS)
        elif self._gate.is_shut:
            # Not at once: what was deferred is being sent just now, and comes first.
            asyncio.get_running_loop().call_soon(self._keys_are_there)
        if len(deferred) > MOST_DEFERRED or (transport is not None and transport.get_write_buffer_size() > MOST_UNSENT):
            self._connection.abort()

    def _keys_are_there(self) -> None:
        if not self._connection._deferred_packets:
            self._gate.open(KEYS)


def takes_crumbs(channel: Any) -> bool:
    """Whether the other side of `channel` takes tiny packets only."""
    return bool(channel._send_pktsize < LEAST_PACKET)
