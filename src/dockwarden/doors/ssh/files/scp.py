"""The old copy protocol (`scp -O`, rcp), between the end that gives and the end that takes, as a state machine with the relay's methods.

The giver sends one record at a time and waits for the taker's answer: `C` a file and its contents, `D` a folder, `E` its end, `T` times,
and a byte 1 or 2 with a message when something failed; an answer is a byte 0, or such a message. Every record is read, judged where it
names something, and written afresh; a file's contents pass as they come, exactly as many bytes as its record says.

A name is one name: no `/`, no `..`, no control character, in either direction. On a download, the first names must be those that the
command asks for (CVE-2019-6111: a server that sends a `.bashrc` nobody asked for). Source: OpenSSH scp.c, sink() and source().
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from dockwarden.doors.ssh.files.contents import Moved
from dockwarden.doors.ssh.files.events import Allowed, Ask, Broke, Content, Denied, Event, Send, SendEnd, Side, TooLarge, Verdict
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp
from dockwarden.doors.ssh.files.packets import Attributes, Code
from dockwarden.doors.ssh.files.scp_command import ScpCommand
from dockwarden.words.errors import Malformed

if TYPE_CHECKING:
    from hashlib import _Hash

LINE_LIMIT = 4096
DEEPEST = 256
HELD_LIMIT_BYTES = 64 << 10
LARGEST = (1 << 63) - 1
_ENTRY = re.compile(rb"([CD])([0-7]{4}) ([0-9]{1,19}) (.+)")
_TIMES = re.compile(rb"T([0-9]{1,19}) ([0-9]{1,6}) ([0-9]{1,19}) ([0-9]{1,6})")
_OK, _BEGIN_ERROR, _BEGIN_RECORD = b"\0", b"\1\2", b"\1\2CDET"


def _malformed(what: str) -> Malformed:
    return Malformed("scp.malformed", f"{what}; this is no copy that was asked for, and the session ends here")


class _Due(Enum):
    """What has to come next: an answer of the taker's to something, or (the last three) something of the giver's or of the judge's."""

    START = auto()
    TIMES = auto()
    ENTRY = auto()
    LEAVE = auto()
    RECEIPT = auto()
    RECORD = auto()
    CONTENTS = auto()
    CONTENTS_END = auto()
    VERDICT = auto()


_ANSWERS = frozenset({_Due.START, _Due.TIMES, _Due.ENTRY, _Due.LEAVE, _Due.RECEIPT})


@dataclass(slots=True)
class _Entry:
    """The file or folder that is under way."""

    op: FileOp
    token: int
    line: bytes
    size: int
    is_folder: bool
    is_kept: bool = False
    moved: int = 0
    is_sound: bool = True
    hash: _Hash = field(default_factory=hashlib.sha256)


class ScpRelay:
    """One copy. Total: whatever comes, it returns events, and after `Broke` it returns none."""

    def __init__(self, command: ScpCommand) -> None:
        self._command = command
        self._giver, self._taker = (Side.CLIENT, Side.SERVER) if command.is_upload else (Side.SERVER, Side.CLIENT)
        self._held = {Side.CLIENT: bytearray(), Side.SERVER: bytearray()}
        self._folders: list[tuple[bytes, bytes]] = []
        self._due = _Due.START
        self._entry: _Entry | None = None
        self._last_token = 0
        self._is_client_ended = self._is_end_sent = self.is_over = False
        self._events: list[Event] = []

    @property
    def wants_client(self) -> bool:
        """Whether more of the client is wanted now; where not, stop reading from it."""
        return not self.is_over and len(self._held[Side.CLIENT]) <= HELD_LIMIT_BYTES

    @property
    def wants_server(self) -> bool:
        """The same of the server."""
        return not self.is_over and len(self._held[Side.SERVER]) <= HELD_LIMIT_BYTES

    def client(self, data: bytes) -> list[Event]:
        """The client sent `data`, which must not change while its events are in use."""
        return self._came(Side.CLIENT, data)

    def server(self, data: bytes) -> list[Event]:
        """The server sent `data`, which must not change while its events are in use."""
        return self._came(Side.SERVER, data)

    def verdict(self, token: int, verdict: Verdict) -> list[Event]:
        """`Ask` number `token` was judged, and is recorded where it changes something."""
        if self._due is _Due.VERDICT and self._entry is not None and self._entry.token == token:
            self._judged(self._entry, verdict)
        return self._run()

    def client_eof(self) -> list[Event]:
        """The client sends no more."""
        self._is_client_ended = True
        return self._run()

    def over(self) -> list[Event]:
        """Either side is gone. Return what is left to record."""
        if not self.is_over:
            self._end()
        return self._given()

    def _came(self, side: Side, data: bytes) -> list[Event]:
        if self.is_over:
            return []
        rest: bytes | memoryview = data
        if self._due is _Due.CONTENTS and side is self._giver and not self._held[side]:
            rest = self._pass_contents(memoryview(data))
        self._held[side] += rest
        return self._run()

    def _run(self) -> list[Event]:
        """Take what can be taken, from whoever is to speak."""
        try:
            while not self.is_over and self._due is not _Due.VERDICT and self._step(self._held[self._speaker]):
                pass
        except Malformed as error:
            by = self._speaker
            self._end()
            self._events.append(Broke(by, error.message))
        self._pass_on_end()
        return self._given()

    @property
    def _speaker(self) -> Side:
        """Whose turn it is."""
        return self._taker if self._due in _ANSWERS else self._giver

    def _pass_on_end(self) -> None:
        """Once nothing more of what the client sent can go on, its end does; half a line is nothing."""
        if not self._is_client_ended or self._is_end_sent or self.is_over or self._due is _Due.VERDICT:
            return
        if self._speaker is Side.CLIENT or not self._held[Side.CLIENT]:
            self._is_end_sent = True
            self._events.append(SendEnd())

    def _given(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _end(self) -> None:
        self.is_over = True
        if self._entry is not None and self._due is not _Due.VERDICT:
            self._finish(None)

    def _step(self, held: bytearray) -> bool:
        """Take one thing from the front of `held`; `False` where it is not all there."""
        if not held:
            return False
        if self._due is _Due.CONTENTS:
            left = self._pass_contents(memoryview(bytes(held)))
            del held[: len(held) - len(left)]
            return True
        if held[0] == 0 and self._due is not _Due.RECORD:
            del held[:1]
            self._take_ok()
            return True
        if held[0] not in (_BEGIN_RECORD if self._due is _Due.RECORD else _BEGIN_ERROR):
            raise _malformed(f"{bytes(held[:64])!r} is no {'record' if self._due is _Due.RECORD else 'answer'}")
        end = held.find(b"\n", 0, LINE_LIMIT)
        if end < 0:
            if len(held) >= LINE_LIMIT:
                raise _malformed(f"a line is longer than {LINE_LIMIT} bytes")
            return False
        line = bytes(held[:end])
        del held[: end + 1]
        if line[0] in _BEGIN_ERROR:
            self._take_error(line)
        else:
            self._take_record(line)
        return True

    # --- what the giver says ---

    def _take_record(self, line: bytes) -> None:
        if line == b"E":
            if not self._folders:
                raise _malformed("a folder ends that did not begin")
            self._folders.pop()
            self._pass(self._taker, b"E\n", _Due.LEAVE)
        elif times := _TIMES.fullmatch(line):
            self._pass(self._taker, b"T%d %d %d %d\n" % tuple(map(int, times.groups())), _Due.TIMES)
        elif entry := _ENTRY.fullmatch(line):
            self._take_entry(entry[1] == b"D", int(entry[2], 8), int(entry[3]), entry[4])
        else:
            raise _malformed(f"{line[:64]!r} is no record")

    def _take_entry(self, is_folder: bool, mode: int, size: int, name: bytes) -> None:
        if b"/" in name or name in (b".", b"..") or any(char < 0x20 or char == 0x7F for char in name):
            raise _malformed(f"{name[:64]!r} is no name of a file")
        if is_folder and (not self._command.is_recursive or len(self._folders) >= DEEPEST):
            raise _malformed("a folder comes where none was asked for" if not self._command.is_recursive else "folders go too deep")
        if size > LARGEST:
            raise _malformed(f"{name[:64]!r} is said to be {size} bytes long")
        path, other = self._places(name)
        deed = (Deed.MKDIR if is_folder else Deed.WRITE) if self._command.is_upload else Deed.LIST if is_folder else Deed.READ
        self._last_token += 1
        op = FileOp(deed, path, other, attributes=Attributes(size=None if is_folder else size, mode=mode))
        line = b"%c%04o %d %b\n" % (b"D" if is_folder else b"C", mode, 0 if is_folder else size, name)
        self._entry = _Entry(op, self._last_token, line, size, is_folder)
        self._due = _Due.VERDICT
        self._events.append(Ask(op, self._last_token))

    def _places(self, name: bytes) -> tuple[bytes, bytes]:
        """The path of `name`, and the other one that it may have: what is copied to a path goes into it, where that is a folder."""
        if self._folders:
            path, other = self._folders[-1]
            return posixpath.join(path, name), posixpath.join(other, name) if other else b""
        if self._command.is_upload:
            target = self._command.paths[0]
            is_certain = self._command.wants_folder or target.endswith(b"/")
            return posixpath.join(target, name), b"" if is_certain else target
        source = self._command.source_of(name)
        if source is None:
            raise _malformed(f"{name[:64]!r} was not asked for")
        return source, b""

    def _judged(self, entry: _Entry, verdict: Verdict) -> None:
        if isinstance(verdict, Allowed) and (why := verdict.too_large(entry.size)):
            self._events += [TooLarge(entry.op, why), FileDone(entry.op, entry.token, Code.PERMISSION_DENIED, size=entry.size)]
            verdict = Denied(why)
        if isinstance(verdict, Allowed):
            entry.is_kept = verdict.keep_bytes > 0
            self._pass(self._taker, entry.line, _Due.ENTRY)
            return
        assert isinstance(verdict, Denied)  # noqa: S101  the other of the two
        words = b"\1dockwarden: " + _one_line(verdict.words.encode("utf-8", "backslashreplace")) + b"\n"
        self._events.append(Send(self._giver, words))
        if self._taker is Side.CLIENT:
            self._events.append(Send(Side.CLIENT, words))
        self._entry, self._due = None, _Due.RECORD

    def _pass_contents(self, data: memoryview) -> memoryview:
        """Pass on what of `data` is the file's; return the rest."""
        entry = self._entry
        assert entry is not None  # noqa: S101  contents follow their record
        piece = data[: entry.size - entry.moved]
        if entry.is_kept:
            self._events.append(Content(entry.token, self._command.is_upload, entry.moved, piece))
        entry.hash.update(piece)
        entry.moved += len(piece)
        self._events.append(Send(self._taker, piece))
        if entry.moved == entry.size:
            self._due = _Due.CONTENTS_END
        return data[len(piece) :]

    # --- what went well, and what did not ---

    def _take_ok(self) -> None:
        """A byte 0, from whoever was to speak."""
        due, entry = self._due, self._entry
        if due is _Due.CONTENTS_END:
            self._pass(self._taker, _OK, _Due.RECEIPT)
            return
        after = _Due.RECORD
        if due is _Due.ENTRY and entry is not None:
            if entry.is_folder:
                self._folders.append((entry.op.path, entry.op.other))
                self._finish(Code.OK)
            else:
                after = _Due.CONTENTS if entry.size else _Due.CONTENTS_END
        elif due is _Due.RECEIPT:
            self._finish(Code.OK)
        self._pass(self._giver, _OK, after)

    def _take_error(self, line: bytes) -> None:
        """A message, from whoever was to speak; control characters in it are taken out, since a terminal shows it."""
        due, said = self._due, line[:1] + _one_line(line[1:]) + b"\n"
        if due is _Due.CONTENTS_END:
            assert self._entry is not None  # noqa: S101  contents follow their record
            self._entry.is_sound = False
            self._pass(self._taker, said, _Due.RECEIPT)
        elif due is _Due.RECORD:
            self._pass(self._taker, said, _Due.RECORD)
        else:
            if due in (_Due.ENTRY, _Due.RECEIPT):
                self._finish(Code.FAILURE)
            self._pass(self._giver, said, _Due.RECORD)

    def _pass(self, to: Side, data: bytes, due: _Due) -> None:
        self._events.append(Send(to, data))
        self._due = due

    def _finish(self, status: int | None) -> None:
        entry, self._entry = self._entry, None
        assert entry is not None  # noqa: S101  something is under way
        is_moved = not entry.is_folder and (entry.moved > 0 or status == Code.OK)
        moved = Moved(entry.moved, entry.hash.hexdigest() if is_moved else "", 1 if entry.moved else 0)
        size = None if entry.is_folder else entry.size
        is_whole = status == Code.OK and entry.is_sound
        result = Code.FAILURE if status == Code.OK and not entry.is_sound else status
        read, written = (Moved(), moved) if self._command.is_upload else (moved, Moved())
        self._events.append(FileDone(entry.op, entry.token, result, read, written, size=size, is_complete=is_whole))


def _one_line(words: bytes) -> bytes:
    return bytes(char if char >= 0x20 and char != 0x7F else ord("?") for char in words)
