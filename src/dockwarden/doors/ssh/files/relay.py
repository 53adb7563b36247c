"""SFTP between a client and a server, as a state machine: bytes in, events out; nothing else is touched.

1. The version is 3, on both sides, and the server's extensions are those that are known.
2. Each request is read, and answered here where it is unknown, out of bounds, or about what is not open.
3. What names a path, or changes what is open, is asked for (`Ask`). Requests go on in the order in which they came: one that waits for
   its verdict holds up those behind it, whatever these are about, so nothing overtakes a change.
4. What was allowed is written afresh, with the server's own handle; what was not is answered with PERMISSION_DENIED and the words.
5. An answer has to be one that its request can have; it is written afresh, with our handle.
6. Whoever sends anything else ends the session, and what was under way is told (`FileDone`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.bounds import DATA_LIMIT, OUR_PACKET_LIMIT, PATH_LIMIT, fits, refused_here, unkept
from dockwarden.doors.ssh.files.events import Allowed, Ask, Broke, Denied, Event, Send, SendEnd, Side, Verdict
from dockwarden.doors.ssh.files.handles import HANDLE_LIMIT, Handles, Opened
from dockwarden.doors.ssh.files.known_paths import KnownPaths
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp, op_of
from dockwarden.doors.ssh.files.packets import Code
from dockwarden.doors.ssh.files.wire import Cutter, malformed
from dockwarden.words.errors import Malformed

ASKED_LIMIT = 1024
WAITING_LIMIT_BYTES = 2 << 20

ANSWERED_BY: dict[type[sent.Request], type[sent.Answer]] = {
    **dict.fromkeys((sent.Open, sent.Opendir), sent.Handle),
    **dict.fromkeys((sent.Readdir, sent.Realpath, sent.Readlink, sent.ExpandPath, sent.HomeDirectory), sent.Names),
    **dict.fromkeys((sent.Stat, sent.Lstat, sent.Fstat), sent.Attrs),
    **dict.fromkeys(codec.REPLIES, sent.Reply),
    sent.Read: sent.Data,
}
"""What answers a request that asks for something; every other is answered with a status."""
_RENAMING = frozenset({Deed.REMOVE, Deed.RMDIR, Deed.MKDIR, Deed.RENAME, Deed.SYMLINK, Deed.HARDLINK})


@dataclass(slots=True)
class _Asked:
    """One request, from its arrival to its answer. `token` is 0 where nobody is asked."""

    request: sent.Request
    size: int
    op: FileOp | None = None
    token: int = 0
    verdict: Verdict | None = None
    opened: Opened | None = None
    target: Opened | None = None
    moved_bytes: int = 0
    piece: int = 0
    is_passed_on: bool = False


class Relay:
    """One SFTP session. Total: whatever comes, it returns events, and after `Broke` it returns none."""

    def __init__(self) -> None:
        self._from_client, self._from_server = Cutter(), Cutter()
        self._handles, self._paths = Handles(), KnownPaths()
        self._waiting: deque[_Asked] = deque()
        self._waiting_bytes = 0
        self._asked: dict[int, _Asked] = {}
        self._by_token: dict[int, _Asked] = {}
        self._last_token = 0
        self._extensions: frozenset[bytes] | None = None
        self._is_greeted = self._is_client_ended = self._is_end_sent = self.is_over = False
        self._events: list[Event] = []

    @property
    def wants_client(self) -> bool:
        """Whether more of the client is wanted now; where not, stop reading from it."""
        return not self.is_over and self._has_room and self._from_client.held_bytes <= WAITING_LIMIT_BYTES

    @property
    def wants_server(self) -> bool:
        """The same of the server: nothing that it sends waits here."""
        return not self.is_over

    def client(self, data: bytes) -> list[Event]:
        """The client sent `data`, which must not change while its events are in use."""
        if not self.is_over:
            self._from_client.feed(data)
        return self._run((Side.CLIENT, self._pull))

    def server(self, data: bytes) -> list[Event]:
        """The server sent `data`, which must not change while its events are in use."""
        if not self.is_over:
            self._from_server.feed(data)
        return self._run((Side.SERVER, self._take_answers), (Side.CLIENT, self._pull))

    def verdict(self, token: int, verdict: Verdict) -> list[Event]:
        """`Ask` number `token` was judged, and is recorded where it changes something."""
        waiting = self._by_token.pop(token, None)
        if waiting is not None:
            waiting.verdict = verdict
        return self._run((Side.CLIENT, self._pull))

    def client_eof(self) -> list[Event]:
        """The client sends no more; what it asked goes on."""
        self._is_client_ended = True
        return self._run((Side.CLIENT, self._pull))

    def over(self) -> list[Event]:
        """Either side is gone. Return what is left to record."""
        if not self.is_over:
            self._end()
        return self._given()

    def _run(self, *steps: tuple[Side, Callable[[], None]]) -> list[Event]:
        if self.is_over:
            return []
        for side, step in steps:
            try:
                step()
            except Malformed as error:
                self._end()
                self._events.append(Broke(side, error.message))
                break
        return self._given()

    def _given(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _end(self) -> None:
        """Tell what was under way: what was passed on and has no answer, then what is open. What was only asked for never began."""
        self.is_over = True
        for asked in self._asked.values():
            if asked.op is not None and (asked.is_passed_on or isinstance(asked.verdict, Allowed)):
                self._events.append(FileDone(asked.op, asked.token, None if asked.is_passed_on else Code.CONNECTION_LOST))
        for one in self._handles.take_all():
            self._events += one.done(None)

    # --- what the client asks ---

    @property
    def _has_room(self) -> bool:
        return len(self._asked) < ASKED_LIMIT and self._waiting_bytes < WAITING_LIMIT_BYTES

    def _pull(self) -> None:
        self._release()
        while self._has_room and self._is_greeted == (self._extensions is not None):
            packet = self._from_client.next()
            if packet is None:
                self._pass_on_end()
                return
            if self._is_greeted:
                self._take_request(packet)
            else:
                codec.read_init(packet)
                self._is_greeted = True
                self._events.append(Send(Side.SERVER, codec.written_init()))
            self._release()

    def _pass_on_end(self) -> None:
        """Once everything that the client sent is passed on, so is its end."""
        if self._is_client_ended and not self._waiting and not self._is_end_sent:
            self._is_end_sent = True
            self._events.append(SendEnd())

    def _take_request(self, packet: memoryview) -> None:
        request = codec.read_request(packet)
        if request.id in self._asked:
            raise malformed(f"request {request.id} was asked twice")
        refusal = refused_here(request, self._extensions or frozenset())
        if refusal is not None:
            self._answer(request.id, *refusal)
            return
        whole = self._paths.canonical(request.path) if isinstance(request, sent.PathRequest | sent.PairRequest) else b""
        asked = _Asked(request, len(packet), op_of(request, whole))
        if isinstance(request, sent.HandleRequest | sent.CopyData) and not self._find_opened(asked):
            return
        if isinstance(request, sent.Open | sent.Opendir) and not self._handles.reserve():
            self._answer(request.id, Code.FAILURE, f"{HANDLE_LIMIT} files are open in this session; close one first")
            return
        if asked.op is not None:
            self._last_token += 1
            asked.token = self._last_token
            self._by_token[asked.token] = asked
            self._events.append(Ask(asked.op, asked.token))
        self._asked[request.id] = asked
        self._waiting.append(asked)
        self._waiting_bytes += asked.size

    def _find_opened(self, asked: _Asked) -> bool:
        """Join a request to what it is about; `False` where it was answered, since nothing is open so, or not for that."""
        request = asked.request
        assert isinstance(request, sent.HandleRequest | sent.CopyData)  # noqa: S101  asked of no other
        found = asked.opened = self._handles.find(request.handle)
        if found is None:
            self._answer(request.id, Code.FAILURE, "there is nothing open of that handle")
            return False
        if isinstance(request, sent.CopyData):
            target = asked.target = self._handles.find(request.to_handle)
            if target is None:
                self._answer(request.id, Code.FAILURE, "there is nothing open of that handle")
                return False
            is_fit = found.may_read and target.may_write
            asked.op = FileOp(Deed.COPY, found.op.path, target.op.path, found.op.canonical, handle=found.number)
        else:
            is_fit = fits(request, found)
        if not is_fit:
            self._answer(request.id, Code.FAILURE, "it was not opened for that")
            return False
        if isinstance(request, sent.Close):
            found.is_closing = True
        elif isinstance(request, sent.Fsetstat):
            asked.op = replace(found.op, deed=Deed.CHANGE, attributes=request.attributes, flags=sent.Flag(0), handle=found.number)
        return True

    def _release(self) -> None:
        """Pass on, or answer, what has its verdict, up to the first that has none."""
        while self._waiting and (not self._waiting[0].token or self._waiting[0].verdict is not None):
            asked = self._waiting.popleft()
            self._waiting_bytes -= asked.size
            if isinstance(asked.verdict, Denied):
                if isinstance(asked.request, sent.Open | sent.Opendir):
                    self._handles.give_back()
                del self._asked[asked.request.id]
                self._answer(asked.request.id, Code.PERMISSION_DENIED, asked.verdict.words)
            elif words := unkept(asked.request, asked.opened, asked.target):
                self._refuse(asked, words)
            else:
                asked.is_passed_on = True
                self._pass_on(asked)

    def _refuse(self, asked: _Asked, words: str) -> None:
        """Answer what may not go on, and tell of it as of what is open."""
        changed = asked.target or asked.opened
        assert changed is not None  # noqa: S101  it is about what is open
        del self._asked[asked.request.id]
        changed.lose_written()
        self._events += changed.refused(words)
        self._done(asked, Code.PERMISSION_DENIED)
        self._answer(asked.request.id, Code.PERMISSION_DENIED, words)

    def _pass_on(self, asked: _Asked) -> None:
        request, opened = asked.request, asked.opened
        if isinstance(request, sent.Write) and opened is not None:
            asked.piece = opened.pieces
            self._events += opened.goes(request.offset, request.data)
            # What waits for its answer does not hold on to the contents.
            asked.moved_bytes, asked.request = len(request.data), sent.Write(request.id, request.handle, request.offset, memoryview(b""))
            head = sent.Write(request.id, opened.upstream, request.offset, request.data)
            self._events += [Send(Side.SERVER, codec.written_head(head)), Send(Side.SERVER, request.data)]
            return
        if isinstance(request, sent.Fsetstat) and opened is not None and opened.may_write and request.attributes.size is not None:
            asked.piece = opened.pieces
            self._events += opened.cuts(request.attributes.size)
        if opened is not None:
            request = msgspec.structs.replace(request, handle=opened.upstream)
        if asked.target is not None:
            asked.target.lose_written()
            request = msgspec.structs.replace(request, to_handle=asked.target.upstream)
        if isinstance(request, sent.Read):
            request = msgspec.structs.replace(request, length=min(request.length, DATA_LIMIT))
        self._events.append(Send(Side.SERVER, codec.written(request)))

    def _answer(self, asked_id: int, code: int, words: str) -> None:
        said = f"dockwarden: {words}".encode("utf-8", "backslashreplace")
        self._events.append(Send(Side.CLIENT, codec.written(sent.Status(asked_id, code, said))))

    # --- what the server answers ---

    def _take_answers(self) -> None:
        while (packet := self._from_server.next()) is not None:
            if self._extensions is None:
                if not self._is_greeted:
                    raise malformed("the server speaks before it is asked")
                self._extensions = codec.read_version(packet)
                self._events.append(Send(Side.CLIENT, codec.written_version(self._extensions)))
            else:
                self._take_answer(codec.read_answer(packet))

    def _take_answer(self, answer: sent.Answer) -> None:
        asked = self._asked.get(answer.id)
        if asked is None or not asked.is_passed_on:
            raise malformed(f"the server answers {answer.id}, which was not asked")
        wanted = ANSWERED_BY.get(type(asked.request), sent.Status)
        if type(answer) is not wanted and type(answer) is not sent.Status:
            raise malformed(f"the server answers {type(asked.request).__name__} with {type(answer).__name__}")
        if asked.opened is not None and asked.opened.is_done and type(answer) is not sent.Status:
            raise malformed("the server shows something of what is closed")
        if isinstance(answer, sent.Status):
            self._take_status(asked, answer, is_value_wanted=wanted is not sent.Status)
        elif isinstance(answer, sent.Data):
            self._take_data(asked, answer)
        elif isinstance(answer, sent.Handle):
            self._take_handle(asked, answer)
        elif isinstance(answer, sent.Names):
            self._take_names(asked, answer)
        elif isinstance(answer, sent.Attrs):
            self._take_attributes(asked, answer)
        else:
            assert isinstance(answer, sent.Reply)  # noqa: S101  the last of them
            self._take_reply(asked, answer)
        # INVARIANT: last, so that a deed whose answer ends the session is still told.
        del self._asked[answer.id]

    def _take_status(self, asked: _Asked, answer: sent.Status, *, is_value_wanted: bool) -> None:
        if is_value_wanted and answer.code == Code.OK:
            raise malformed(f"the server answers {type(asked.request).__name__} with a bare success")
        code = answer.code if answer.code <= Code.OP_UNSUPPORTED else Code.FAILURE
        request, opened = asked.request, asked.opened
        if isinstance(request, sent.Open | sent.Opendir):
            self._handles.give_back()
        if opened is not None:
            self._opened_status(asked, opened, code)
        self._done(asked, code)
        if asked.op is not None and asked.op.deed in _RENAMING:
            self._paths.forget()
        if opened is not None and isinstance(request, sent.Close):
            self._handles.closed(opened)
            self._events += opened.done(code)
            if opened.is_told:  # OpenSSH's clients go by the last answer, and what was refused may have been answered before others
                self._answer(request.id, Code.PERMISSION_DENIED, "not all that was asked of this file was passed on")
                return
        self._events.append(Send(Side.CLIENT, codec.written(sent.Status(request.id, code, answer.words))))

    def _opened_status(self, asked: _Asked, opened: Opened, code: int) -> None:
        """What a status says about what is open."""
        request = asked.request
        if isinstance(request, sent.Read) and code == Code.EOF:
            opened.read_end(request.offset)
        elif isinstance(request, sent.Write) and code == Code.OK:
            opened.taken_bytes += asked.moved_bytes
        elif isinstance(request, sent.Read | sent.Write | sent.Readdir) and code not in (Code.OK, Code.EOF):
            opened.status = code
            if isinstance(request, sent.Write):
                opened.lose_written()
                self._events += opened.untaken(asked.piece)
        elif isinstance(request, sent.Fsetstat) and request.attributes.size is not None:
            if code == Code.OK:
                opened.resized(request.attributes.size)
            elif opened.may_write:
                self._events += opened.untaken(asked.piece)

    def _take_data(self, asked: _Asked, answer: sent.Data) -> None:
        request, opened = asked.request, asked.opened
        assert isinstance(request, sent.Read)  # noqa: S101  nothing else is answered so
        assert opened is not None  # noqa: S101  a read has a handle
        if len(answer.data) > min(request.length, DATA_LIMIT):
            raise malformed(f"the server read {len(answer.data)} bytes where {request.length} were asked")
        if words := opened.too_large(request.offset + len(answer.data)):
            self._events += opened.refused(words)
            self._answer(request.id, Code.PERMISSION_DENIED, words)
            return
        self._events += opened.came(request.offset, answer.data)
        self._events += [Send(Side.CLIENT, codec.written_head(answer)), Send(Side.CLIENT, answer.data)]

    def _take_handle(self, asked: _Asked, answer: sent.Handle) -> None:
        assert asked.op is not None  # noqa: S101  what opens is asked for
        keep_bytes = asked.verdict.keep_bytes if isinstance(asked.verdict, Allowed) else 0
        ours = self._handles.add(answer.handle, asked.op, asked.token, keep_bytes=keep_bytes)
        if ours is None:
            raise malformed("the server gives one handle to two")
        self._events.append(Send(Side.CLIENT, codec.written(sent.Handle(answer.id, ours))))

    def _take_names(self, asked: _Asked, answer: sent.Names) -> None:
        """A folder's entries are names, not paths: a client that copies a tree makes files of them."""
        if isinstance(asked.request, sent.Readdir):
            assert asked.opened is not None  # noqa: S101  it has a handle
            for one in answer.names:
                if not one.name or b"/" in one.name or b"\0" in one.name:
                    raise malformed(f"the server shows {one.name[:64]!r} as the name of an entry")
            asked.opened.entries += len(answer.names)
        else:
            if len(answer.names) != 1 or b"\0" in answer.names[0].name or len(answer.names[0].name) > PATH_LIMIT:
                raise malformed("the server answers a path with what is none")
            if isinstance(asked.request, sent.Realpath):
                self._paths.learn(asked.request.path, answer.names[0].name)
        self._done(asked, Code.OK)
        self._events.append(Send(Side.CLIENT, codec.written(answer)))

    def _take_attributes(self, asked: _Asked, answer: sent.Attrs) -> None:
        size = answer.attributes.size
        if asked.opened is not None:
            asked.opened.size = size
        self._done(asked, Code.OK, size)
        self._events.append(Send(Side.CLIENT, codec.written(answer)))

    def _take_reply(self, asked: _Asked, answer: sent.Reply) -> None:
        found = codec.read_reply(answer, asked.request)
        if isinstance(found, sent.Limits):
            ours = sent.Limits(OUR_PACKET_LIMIT, DATA_LIMIT, DATA_LIMIT, HANDLE_LIMIT)
            pairs = zip(msgspec.structs.astuple(found), msgspec.structs.astuple(ours), strict=True)
            found = sent.Limits(*[min(theirs or most, most) for theirs, most in pairs])
        self._done(asked, Code.OK)
        self._events.append(Send(Side.CLIENT, codec.written_reply(answer.id, found)))

    def _done(self, asked: _Asked, code: int, size: int | None = None) -> None:
        """Tell how a deed of its own ended; one that opened something ends when that is closed."""
        if asked.op is not None:
            self._events.append(FileDone(asked.op, asked.token, code, size=size, is_complete=code == Code.OK))
