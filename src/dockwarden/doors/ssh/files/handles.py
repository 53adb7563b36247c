"""What is open: a client knows our numbers, the server's handles never reach it, and no number is used twice."""

from __future__ import annotations

from dataclasses import dataclass

from dockwarden.doors.ssh.files.contents import Budget, Buffer, Contents, Moved
from dockwarden.doors.ssh.files.events import Content, Event
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp
from dockwarden.doors.ssh.files.packets import Code, Flag
from dockwarden.doors.ssh.files.wire import U64

HANDLE_LIMIT = 1024
STARTS_EMPTY = Flag.TRUNC | Flag.EXCL
_READING, _WRITING = (Deed.READ, Deed.READ_WRITE), (Deed.WRITE, Deed.READ_WRITE)


@dataclass(slots=True)
class Opened:
    """One open file or folder, and what moved through it."""

    number: int
    upstream: bytes
    op: FileOp
    token: int
    is_kept: bool
    read: Contents
    written: Contents
    size: int | None = None
    entries: int = 0
    taken_bytes: int = 0
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

    def came(self, offset: int, data: Buffer) -> list[Event]:
        """The server read this."""
        return self._kept(self.read.add(offset, data), is_upload=False)

    def goes(self, offset: int, data: Buffer) -> list[Event]:
        """The client writes this. Appended, it goes elsewhere than it says, so it is no run from 0."""
        if self.op.flags & Flag.APPEND:
            self.written.lose()
        return self._kept(self.written.add(offset, data), is_upload=True)

    def resized(self, size: int) -> list[Event]:
        """The client set its size: `scp` writes into what was there, and cuts it to what it wrote."""
        self.is_cut_to_written = self.written.is_one_run and size == self.written.next
        return [] if self.is_cut_to_written else self.lose_written()

    def lose_written(self) -> list[Event]:
        """The file is not what was seen written: something failed, or was changed another way."""
        self.is_written_whole = False
        return self._kept(self.written.lose(), is_upload=True)

    def read_end(self, offset: int) -> None:
        """The server says that the file ends at or before `offset`."""
        self.is_read_to_end = self.is_read_to_end or offset <= self.read.next

    def done(self, status: int | None) -> list[Event]:
        """It was closed, with `status`, or was still open when the session ended (`None`)."""
        events = [*self._kept(self.read.end(), is_upload=False), *self._kept(self.written.end(), is_upload=True)]
        is_closed = status == Code.OK == self.status
        is_new = is_closed and self.is_written_whole and (self.is_cut_to_written or bool(self.op.flags & STARTS_EMPTY))
        is_all_read = self.is_read_to_end or self.size == self.read.next
        read = self.read.moved(is_empty_known=self.may_read and is_all_read and not self.read.bytes)
        written = self.written.moved(is_empty_known=self.may_write and is_new)
        self.is_done = True
        if self.taken_bytes != self.written.bytes:
            # INVARIANT: a digest is of what the server took, all of it.
            written = Moved(self.taken_bytes, "", written.ranges)
        is_whole = is_closed and (self.is_folder or self._is_whole(is_new and bool(written.sha256), is_all_read and bool(read.sha256)))
        result = status if self.status == Code.OK else self.status
        return [*events, FileDone(self.op, self.token, result, read, written, self.entries, self.size, is_whole)]

    def _is_whole(self, is_written: bool, is_read: bool) -> bool:
        """Whether what moved is the whole file, in every direction in which something did; one that was only opened, as it was opened for."""
        if self.may_write and (self.written.bytes or not self.read.bytes):
            return is_written and (is_read or not self.read.bytes)
        return is_read

    def _kept(self, pieces: list[tuple[int, Buffer]], *, is_upload: bool) -> list[Event]:
        if not self.is_kept:
            return []
        return [Content(self.token, is_upload, offset, data) for offset, data in pieces]


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

    def add(self, upstream: bytes, op: FileOp, token: int, *, is_kept: bool) -> bytes | None:
        """The server opened it: return the handle that the client gets, `None` where the server calls something else so already."""
        self._opening -= 1
        if any(one.upstream == upstream and not one.is_closing for one in self._opened.values()):
            return None
        self._last += 1
        ours = U64.pack(self._last)
        self._opened[ours] = Opened(self._last, upstream, op, token, is_kept, Contents(self._budget), Contents(self._budget))
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
