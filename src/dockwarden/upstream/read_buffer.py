"""One buffer that many connections read into, each for the length of one callback."""

from __future__ import annotations

READ_BYTES = 256 << 10


class ReadBuffer:
    """Where the loop puts what it reads. A connection that lets a part of it outlive the callback calls `renew`.

    So an idle connection holds no buffer at all, and a stalled one holds the one it could not pass on.
    """

    __slots__ = ("_size", "array", "view")

    def __init__(self, size: int = READ_BYTES) -> None:
        """`size` bytes are read at once, at most."""
        self._size = size
        self.renew()

    def wipe(self) -> None:
        """Overwrite what was read; nobody may hold a view of it."""
        self.array[:] = bytes(self._size)

    def renew(self) -> None:
        """Leave the bytes to whoever holds a view of them, and go on with fresh ones."""
        self.array = bytearray(self._size)
        self.view = memoryview(self.array)
