"""What SFTP packets are made of: numbers and strings, read within bounds; and the cutting of a stream into packets.

Source: RFC 4251 §5, draft-ietf-secsh-filexfer-02 §3.
"""

from __future__ import annotations

from collections import deque
from struct import Struct

from dockwarden.words.errors import Malformed

PACKET_LIMIT = (256 << 10) + 1024
"""The longest packet, without its length: OpenSSH's own 256 KiB, and room for a head."""
U32, U64 = Struct(">I"), Struct(">Q")


def malformed(what: str) -> Malformed:
    """The one error of the codec; `what` says what was read."""
    return Malformed("sftp.malformed", f"{what}; this is no SFTP version 3, and the session ends here")


class Reader:
    """One packet's bytes, taken from the front.

    Raises (every method): Malformed: `sftp.malformed`; there is less than was asked for.
    """

    __slots__ = ("_at", "_view")

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def byte(self) -> int:
        """The next byte as a number."""
        return self.taken(1)[0]

    def u32(self) -> int:
        """The next four bytes as a number."""
        return int.from_bytes(self.taken(4), "big")

    def u64(self) -> int:
        """The next eight bytes as a number."""
        return int.from_bytes(self.taken(8), "big")

    def string(self) -> memoryview:
        """The next string; it is as long as it says."""
        return self.taken(self.u32())

    def taken(self, size: int) -> memoryview:
        """The next `size` bytes."""
        start, end = self._at, self._at + size
        if end > len(self._view):
            raise malformed(f"a packet ends {end - len(self._view)} bytes before what it holds")
        self._at = end
        return self._view[start:end]

    @property
    def left(self) -> int:
        """How many bytes were not taken."""
        return len(self._view) - self._at

    def rest(self) -> memoryview:
        """Everything that was not taken."""
        return self.taken(self.left)

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise malformed(f"a packet has {self.left} bytes after its end")


class Cutter:
    """A stream cut into packets, however it arrives; holds no more than it was fed, and no packet above PACKET_LIMIT."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.held_bytes = 0

    def feed(self, data: bytes) -> None:
        """Keep `data`; it must not change while its packets are in use."""
        if data:
            self._pieces.append(memoryview(data))
            self.held_bytes += len(data)

    def next(self) -> memoryview | None:
        """Return the next packet without its length; `None` until it is whole.

        Raises:
            Malformed: `sftp.malformed`; its length is 0 or above PACKET_LIMIT.
        """
        if self.held_bytes < U32.size:
            return None
        (size,) = U32.unpack(self._front(U32.size))
        if not 0 < size <= PACKET_LIMIT:
            raise malformed(f"a packet says that it is {size} bytes long")
        if self.held_bytes < U32.size + size:
            return None
        self._take(U32.size)
        packet = self._front(size)
        self._take(size)
        return packet

    def _front(self, size: int) -> memoryview:
        """The first `size` bytes, which are there; joined where they came in pieces."""
        if len(self._pieces[0]) < size:
            gathered, have = [], 0
            while have < size:
                gathered.append(self._pieces.popleft())
                have += len(gathered[-1])
            joined = memoryview(b"".join(gathered))
            if have > size:
                self._pieces.appendleft(joined[size:])
            self._pieces.appendleft(joined[:size])
        return self._pieces[0][:size]

    def _take(self, size: int) -> None:
        """Forget the first `size` bytes, which lie in the first piece."""
        self.held_bytes -= size
        left = self._pieces[0][size:]
        if left:
            self._pieces[0] = left
        else:
            self._pieces.popleft()
