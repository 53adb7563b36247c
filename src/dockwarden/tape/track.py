"""One tape's segments on their way to the disk: sealed and written by one thread, made durable by another.

What is written outlives this process; what is durable, the machine. `head` is only ever what is durable.
"""

from __future__ import annotations

from typing import NamedTuple

from dockwarden.tape.segment import FRONT_BYTES, Flag, Sealer, Segment
from dockwarden.tape.shelf import Place, Reels


class Written(NamedTuple):
    """The last segment that was written, where its file ends, and how many bytes all of them are."""

    seq: int
    hash: bytes
    place: Place
    is_last: bool
    size: int


class Track:
    """`write` and `go_back` are for one thread at a time, `sync` is the syncing thread's; nobody goes back while that syncs."""

    def __init__(self, reels: Reels, sealer: Sealer) -> None:
        """Go on after what `sealer` sealed last, which is durable."""
        self._reels, self._sealer = reels, sealer
        self.written = self._durable = Written(sealer.seq, sealer.hash, reels.place, is_last=False, size=0)

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last segment that is durable; what stands before the first, while there is none."""
        durable = self._durable
        return durable.seq, durable.hash

    @property
    def is_ended(self) -> bool:
        """Whether that is an end."""
        return self._durable.is_last

    def write(self, content: bytes, wall_us: int, mono_us: int, flags: Flag) -> Segment:
        """Seal `content` and write it whole. Raises: OSError: nothing of it was, and after this only an end without content may follow."""
        try:
            segment = self._sealer.seal(content, wall_us, mono_us, flags)
            place = self._reels.append(segment)
        except BaseException:
            self._after(self.written)
            raise
        self.written = Written(segment.head.seq, segment.head.hash, place, Flag.LAST in flags, self.written.size + FRONT_BYTES + segment.head.length)
        return segment

    def sync(self, written: Written) -> None:
        """Let all be durable up to `written`. Raises: OSError: whatever was not durable before may be lost."""
        if written == self._durable:
            return
        self._reels.sync()
        # INVARIANT: not before: the loop writes the head into the ledger, which must have no segment that a crash takes away
        self._durable = written

    def go_back(self) -> None:
        """Take away what was written and is not durable. Raises: OSError."""
        self._after(self._durable)
        self._reels.cut(self._durable.place)

    def close(self) -> None:
        """Let go of the files."""
        self._reels.close()

    def _after(self, written: Written) -> None:
        """Let `written` be the last. INVARIANT: no number is given to two contents: after this only an end follows, which has none."""
        self._sealer.seq, self._sealer.hash = written.seq, written.hash
        self.written = written
