"""What is open: a client knows our numbers, the server's handles never reach it, and no number is used twice."""

from __future__ import annotations

from dataclasses import dataclass

from dockwarden.doors.ssh.files.contents import Budget, Buffer, Contents, Moved
from dockwarden.doors.ssh.files.events import Allowed, Content, Cut, Event, TooLarge, Untaken
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp
from dockwarden.doors.ssh.files.packets import Code, Flag
from dockwarden.doors.ssh.files.wire import U64

HANDLE_LIMIT = 1024
_NEW = Flag.CREAT | Flag.EXCL
_READING, _WRITING = (Deed.READ, Deed.READ_WRITE), (Deed.WRITE, Deed.READ_WRITE)


@dataclass(slots=True)
class Opened:
    """One open file or folder, and what moved through it."""

    number: int
    upstream: bytes
    op: FileOp
    token: int
    keep_bytes: int
    read: Contents
    written: Contents
    size: int | None = None
    entries: int = 0
    taken_bytes: int = 0
    pieces: int = 0
    has_failed: bool = False
    is_told: bool = False
    status: int = Code.OK
    is_read_to_end: bool = False
    is_written_whole: bool = True
    is_cut_to_written: bool = False
    is_closing: bool = False
    is_done: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it has entries, rather than contents."""
        return self.op.deed is Deed.LIST

    @property
    def may_read(self) -> bool:
        """Whether it was opened, and judged, for reading."""
        return self.op.deed in _READING

    @property
    def may_write(self) -> bool:
        """Whether it was opened, and judged, for writing; making or emptying a file alone is not that."""
        return self.op.deed in _WRITING and bool(self.op.flags & Flag.WRITE)

    @property
    def _starts_empty(self) -> bool:
        """Whether nothing was in it; a server does not heed `EXCL` where it makes nothing."""
        return bool(self.op.flags & Flag.TRUNC) or self.op.flags & _NEW == _NEW

    def came(self, offset: int, data: Buffer) -> list[Event]:
        """The server read this."""
        self.read.add(offset, data)
        return [Content(self.token, False, offset, data)] if self.keep_bytes else []

    def goes(self, offset: int, data: Buffer) -> list[Event]:
        """The client writes this. Appended, it goes elsewhere than it says, so it is no run from 0."""
        at = self._place(offset)
        if self.op.flags & Flag.APPEND:
            self.written.lose()
        self.written.add(offset, data)
        self.pieces += 1
        return [Content(self.token, True, at, data)] if self.keep_bytes else []

    def cuts(self, size: int) -> list[Event]:
        """The client sets its size."""
        self.pieces += 1
        return [Cut(self.token, size)] if self.keep_bytes else []

    def untaken(self, number: int) -> list[Event]:
        """The server did not take piece `number`."""
        self.has_failed = True
        return [Untaken(self.token, number)] if self.keep_bytes else []

    def refusal(self, end: int) -> str:
        """Why nothing may be written up to `end`, "" where it may: what may not be kept does not pass."""
        if self.keep_bytes and self.has_failed:  # what a server makes of a write that fails is not known: let that be the end of it
            return "the server did not take what was written before; what is kept goes on with another open"
        return self.too_large(end)

    def too_large(self, end: int) -> str:
        """Why nothing may move up to `end`, "" where it may."""
        return Allowed(self.keep_bytes).too_large(end)

    def refused(self, words: str) -> list[Event]:
        """Something was not passed on: it is not the whole file any more, and the person is told, once."""
        self.status = Code.PERMISSION_DENIED
        is_told, self.is_told = self.is_told, True
        return [] if is_told else [TooLarge(self.op, words)]

    def write_end(self, offset: int, size: int) -> int:
        """Where a write ends, of what may be kept."""
        return self._place(offset) + size

    def _place(self, offset: int) -> int:
        return self.written.bytes if self.op.flags & Flag.APPEND else offset

    def resized(self, size: int) -> None:
        """The client set its size: `scp` writes into what was there, and cuts it to what it wrote."""
        self.is_cut_to_written = self.written.is_joined and size == self.written.next
        if not self.is_cut_to_written:
            self.lose_written()

    def lose_written(self) -> None:
        """The file is not what was seen written: something failed, or was changed another way."""
        self.is_written_whole = False
        self.written.lose()

    def read_end(self, offset: int) -> None:
        """The server says that the file ends at or before `offset`."""
        self.is_read_to_end = self.is_read_to_end or offset <= self.read.next

    def done(self, status: int | None) -> list[Event]:
        """It was closed, with `status`, or was still open when the session ended (`None`)."""
        self.read.end()
        self.written.end()
        is_closed = status == Code.OK == self.status
        is_new = is_closed and self.is_written_whole and (self.is_cut_to_written or self._starts_empty)
        is_all_read = self.is_read_to_end or self.size == self.read.next
        read = self.read.moved(is_empty_known=self.may_read and is_all_read and not self.read.bytes)
        written = self.written.moved(is_empty_known=self.may_write and is_new)
        self.is_done = True
        if self.taken_bytes != self.written.bytes:
            # INVARIANT: a digest is of what the server took, all of it.
            written = Moved(self.taken_bytes, "", written.ranges)
        is_whole = is_closed and (self.is_folder or self._is_whole(is_new and bool(written.sha256), is_all_read and bool(read.sha256)))
        result = status if self.status == Code.OK else self.status
        return [FileDone(self.op, self.token, result, read, written, self.entries, self.size, is_whole)]

    def _is_whole(self, is_written: bool, is_read: bool) -> bool:
        """Whether what moved is the whole file, in every direction in which something did; one that was only opened, as it was opened for."""
        if self.may_write and (self.written.bytes or not self.read.bytes):
            return is_written and (is_read or not self.read.bytes)
        return is_read


class Handles:
    """Everything that one session has open."""

    def __init__(self) -> None:
        self._opened: dict[bytes, Opened] = {}
        self._budget = Budget()
        self._last = 0
        self._opening = 0

    def __len__(self) -> int:
        return len(self._opened) + self._opening

    def reserve(self) -> bool:
        """Whether one more may be opened; it is counted from now on, until `add` or `give_back`."""
        if len(self) >= HANDLE_LIMIT:
            return False
        self._opening += 1
        return True

    def give_back(self) -> None:
        """It was not opened."""
        self._opening -= 1

    def add(self, upstream: bytes, op: FileOp, token: int, *, keep_bytes: int) -> bytes | None:
        """The server opened it: return the handle that the client gets, `None` where the server calls something else so already."""
        self._opening -= 1
        if any(one.upstream == upstream and not one.is_closing for one in self._opened.values()):
            return None
        self._last += 1
        ours = U64.pack(self._last)
        self._opened[ours] = Opened(self._last, upstream, op, token, keep_bytes, Contents(self._budget), Contents(self._budget))
        return ours

    def find(self, ours: bytes) -> Opened | None:
        """What is open by that name, and not closing."""
        found = self._opened.get(ours)
        return None if found is None or found.is_closing else found

    def closed(self, one: Opened) -> None:
        """It is open no more."""
        del self._opened[U64.pack(one.number)]

    def take_all(self) -> list[Opened]:
        """Everything that is still open, in the order of opening; nothing is after."""
        left, self._opened = list(self._opened.values()), {}
        return left
