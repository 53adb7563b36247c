"""What passes between an SFTP client and a server: what was judged, written afresh; a hostile one of either ends the session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.bounds import DATA_LIMIT, PATH_LIMIT
from dockwarden.doors.ssh.files.events import Allowed, Ask, Broke, Content, Denied, Event, Send, SendEnd, Side, Verdict
from dockwarden.doors.ssh.files.handles import HANDLE_LIMIT
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp, Right, shown
from dockwarden.doors.ssh.files.packets import Code, Flag
from dockwarden.doors.ssh.files.relay import ASKED_LIMIT, Relay
from dockwarden.doors.ssh.files.wire import U32, Cutter

ALL = frozenset(codec.EXTENSIONS)
PLAIN = sent.Attributes()
NEW = Flag.WRITE | Flag.CREAT | Flag.TRUNC


class Session:
    """A relay with a judge, and everything that came out of it."""

    def __init__(self, judge: Callable[[FileOp], Verdict | None] = lambda op: Allowed(), extensions: frozenset[bytes] = ALL) -> None:
        self.relay, self.judge = Relay(), judge
        self.events: list[Event] = []
        self.asked: list[Ask] = []
        self.do(self.relay.client(bytes.fromhex("00000005 01 00000003")))
        self.do(self.relay.server(codec.written_version(extensions)))
        self.events.clear()

    def do(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Ask):
                self.asked.append(event)
                verdict = self.judge(event.op)
                if verdict is not None:
                    self.do(self.relay.verdict(event.token, verdict))

    def client(self, *requests: sent.Request) -> list[sent.Message]:
        """Send requests; return what reaches the server."""
        before = len(self.events)
        self.do(self.relay.client(b"".join(map(codec.written, requests))))
        return self.sent(Side.SERVER, before)

    def server(self, *answers: sent.Answer) -> list[sent.Message]:
        """Send answers; return what reaches the client."""
        before = len(self.events)
        self.do(self.relay.server(b"".join(map(codec.written, answers))))
        return self.sent(Side.CLIENT, before)

    def sent(self, to: Side, since: int = 0) -> list[sent.Message]:
        cutter = Cutter()
        for event in self.events[since:]:
            if isinstance(event, Send) and event.to is to:
                cutter.feed(bytes(event.data))
        found: list[sent.Message] = []
        while (packet := cutter.next()) is not None:
            found.append(codec.read_request(packet) if to is Side.SERVER else codec.read_answer(packet))
        assert cutter.held_bytes == 0
        return found

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def open(self, flags: int = Flag.READ, path: bytes = b"/f", upstream: bytes = b"up", number: int = 1) -> bytes:
        """Open a file; return the client's handle."""
        self.client(sent.Open(number, path, flags, PLAIN))
        (answer,) = self.server(sent.Handle(number, upstream))
        assert isinstance(answer, sent.Handle)
        return answer.handle

    def opendir(self) -> bytes:
        self.client(sent.Opendir(1, b"/d"))
        (answer,) = self.server(sent.Handle(1, b"up"))
        assert isinstance(answer, sent.Handle)
        return answer.handle


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ok(number: int) -> sent.Status:
    return sent.Status(number, Code.OK, b"")


# --- what is asked of policy ---


@pytest.mark.parametrize(
    ("request_", "deed", "rights"),
    [
        (sent.Open(1, b"/f", Flag.READ, PLAIN), Deed.READ, {Right.READ}),
        (sent.Open(1, b"/f", 0, PLAIN), Deed.READ, {Right.READ}),
        (sent.Open(1, b"/f", NEW, PLAIN), Deed.WRITE, {Right.WRITE}),
        (sent.Open(1, b"/f", Flag.READ | Flag.WRITE, PLAIN), Deed.READ_WRITE, {Right.READ, Right.WRITE}),
        (sent.Open(1, b"/f", Flag.READ | Flag.TRUNC, PLAIN), Deed.READ_WRITE, {Right.READ, Right.WRITE}),
        (sent.Open(1, b"/f", Flag.CREAT, PLAIN), Deed.READ_WRITE, {Right.READ, Right.WRITE}),
        (sent.Open(1, b"/f", Flag.APPEND | Flag.WRITE, PLAIN), Deed.WRITE, {Right.WRITE}),
        (sent.Stat(1, b"/f"), Deed.STAT, {Right.READ}),
        (sent.Lstat(1, b"/f"), Deed.STAT, {Right.READ}),
        (sent.Setstat(1, b"/f", PLAIN), Deed.CHANGE, {Right.WRITE}),
        (sent.Lsetstat(1, b"/f", PLAIN), Deed.CHANGE, {Right.WRITE}),
        (sent.Opendir(1, b"/f"), Deed.LIST, {Right.READ}),
        (sent.Remove(1, b"/f"), Deed.REMOVE, {Right.WRITE}),
        (sent.Mkdir(1, b"/f", PLAIN), Deed.MKDIR, {Right.WRITE}),
        (sent.Rmdir(1, b"/f"), Deed.RMDIR, {Right.WRITE}),
        (sent.Realpath(1, b"/f"), Deed.RESOLVE, set()),
        (sent.ExpandPath(1, b"/f"), Deed.RESOLVE, set()),
        (sent.HomeDirectory(1, b"bob"), Deed.RESOLVE, set()),
        (sent.Rename(1, b"/f", b"/g"), Deed.RENAME, {Right.WRITE}),
        (sent.PosixRename(1, b"/f", b"/g"), Deed.RENAME, {Right.WRITE}),
        (sent.Hardlink(1, b"/f", b"/g"), Deed.HARDLINK, {Right.WRITE}),
        (sent.Symlink(1, b"/f", b"/g"), Deed.SYMLINK, {Right.WRITE}),
        (sent.Readlink(1, b"/f"), Deed.READLINK, {Right.READ}),
        (sent.Statvfs(1, b"/f"), Deed.SPACE, {Right.READ}),
        (sent.AskNames(1, b"\0\0\0\0", b""), Deed.NAMES, {Right.READ}),
    ],
)
def test_a_refused_request_never_reaches_the_server(request_: sent.Request, deed: Deed, rights: set[Right]) -> None:
    session = Session(lambda op: Denied("not yours; ask an admin"))

    assert [] == session.client(request_)
    assert [(deed, rights)] == [(ask.op.deed, set(ask.op.rights)) for ask in session.asked]
    assert [sent.Status(1, Code.PERMISSION_DENIED, b"dockwarden: not yours; ask an admin")] == session.sent(Side.CLIENT)
    assert [] == session.of(FileDone)


def test_every_deed_is_asked_for_with_every_path() -> None:
    session = Session()
    session.client(sent.Rename(1, b"/etc/shadow", b"/srv/x"), sent.Symlink(2, b"../etc", b"/srv/y"))

    assert [(b"/etc/shadow", b"/srv/x"), (b"../etc", b"/srv/y")] == [(ask.op.path, ask.op.other) for ask in session.asked]


def test_what_is_about_an_open_file_follows_from_its_opening() -> None:
    session = Session()
    handle = session.open(Flag.READ | Flag.WRITE)
    passed = session.client(
        sent.Read(2, handle, 0, 10), sent.Write(3, handle, 0, memoryview(b"x")), sent.Fstat(4, handle), sent.Fsync(5, handle), sent.Fstatvfs(6, handle)
    )

    assert 5 == len(passed)
    assert {b"up"} == {request.handle for request in passed}
    assert 1 == len(session.asked)


@pytest.mark.parametrize(
    ("flags", "request_"),
    [
        (Flag.WRITE, sent.Read(2, b"", 0, 10)),
        (Flag.READ, sent.Write(2, b"", 0, memoryview(b"x"))),
        (Flag.APPEND, sent.Write(2, b"", 0, memoryview(b"x"))),
        (Flag.READ | Flag.TRUNC, sent.Write(2, b"", 0, memoryview(b"x"))),
        (Flag.READ, sent.Fsync(2, b"")),
        (Flag.READ, sent.Readdir(2, b"")),
    ],
)
def test_nothing_is_done_through_a_handle_that_it_was_not_judged_for(flags: int, request_) -> None:
    session = Session()
    handle = session.open(flags)

    assert [] == session.client(type(request_)(2, handle, *[getattr(request_, name) for name in request_.__struct_fields__[2:]]))
    assert sent.Status(2, Code.FAILURE, b"dockwarden: it was not opened for that") == session.sent(Side.CLIENT)[-1]


def test_changing_and_copying_what_is_open_is_asked_for() -> None:
    session = Session(lambda op: Denied("no") if op.deed in (Deed.CHANGE, Deed.COPY) else Allowed())
    source, target = session.open(Flag.READ, b"/a", b"u1"), session.open(NEW, b"/b", b"u2")

    assert [] == session.client(sent.Fsetstat(2, source, sent.Attributes(mode=0o4755)), sent.CopyData(3, source, 0, 0, target, 0))
    change, copy = (ask.op for ask in session.asked[2:])
    assert (b"/a", 0o4755, {Right.WRITE}) == (change.path, change.attributes.mode, change.rights)
    assert (b"/a", b"/b", {Right.READ, Right.WRITE}) == (copy.path, copy.other, copy.rights)
    assert [] == session.client(sent.CopyData(4, target, 0, 0, source, 0))
    assert Code.FAILURE == session.sent(Side.CLIENT)[-1].code


# --- order and pressure ---


def test_a_request_that_waits_holds_up_those_behind_it_and_they_go_in_order() -> None:
    session = Session(lambda op: None)
    session.client(sent.Rename(1, b"/a", b"/b"), sent.Remove(2, b"/b"), sent.Stat(3, b"/b"), sent.AskLimits(4))
    first, second, third = session.asked

    session.do(session.relay.verdict(second.token, Denied("no")))
    session.do(session.relay.verdict(third.token, Allowed()))
    assert [] == session.sent(Side.SERVER)
    session.do(session.relay.verdict(first.token, Allowed()))
    assert [1, 3, 4] == [request.id for request in session.sent(Side.SERVER)]
    assert [2] == [answer.id for answer in session.sent(Side.CLIENT)]


def test_a_client_that_asks_and_asks_is_read_no_further() -> None:
    session = Session(lambda op: None)
    session.client(*[sent.Stat(number, b"/") for number in range(ASKED_LIMIT + 10)])

    assert ASKED_LIMIT == len(session.asked)
    assert not session.relay.wants_client
    session.judge = lambda op: Allowed()
    for ask in list(session.asked):
        session.do(session.relay.verdict(ask.token, Allowed()))
    session.server(*[sent.Status(number, Code.NO_SUCH_FILE, b"") for number in range(20)])
    assert session.relay.wants_client
    assert ASKED_LIMIT + 10 == len(session.sent(Side.SERVER))


def test_the_clients_end_goes_on_after_everything_before_it() -> None:
    session = Session(lambda op: None)
    session.client(sent.Remove(1, b"/a"))
    session.do(session.relay.client_eof())

    assert [] == session.of(SendEnd)
    session.do(session.relay.verdict(session.asked[0].token, Allowed()))
    assert [Ask, Send, SendEnd] == [type(event) for event in session.events]


def test_a_verdict_for_nothing_changes_nothing() -> None:
    session = Session()

    assert [] == session.relay.verdict(99, Allowed())


# --- handles ---


def test_a_server_handle_never_reaches_the_client_and_ours_are_never_used_again() -> None:
    session = Session()
    first = session.open(upstream=b"same")
    session.client(sent.Close(2, first))
    session.server(ok(2))
    second = session.open(upstream=b"same")

    assert b"same" not in (first, second)
    assert first != second
    assert [] == session.client(sent.Read(3, first, 0, 1), sent.Read(4, b"same", 0, 1))
    assert {Code.FAILURE} == {answer.code for answer in session.sent(Side.CLIENT)[-2:]}


def test_a_handle_that_is_closing_is_closed() -> None:
    session = Session()
    handle = session.open()

    assert [sent.Close(2, b"up")] == session.client(sent.Close(2, handle), sent.Read(3, handle, 0, 1), sent.Close(4, handle))
    session.server(ok(2))
    assert 1 == len(session.of(FileDone))


def test_only_so_many_are_open_and_one_that_fails_or_closes_makes_room() -> None:
    session = Session()
    handles = [session.open(upstream=b"%d" % number) for number in range(HANDLE_LIMIT)]

    assert [] == session.client(sent.Open(2, b"/f", Flag.READ, PLAIN))
    assert Code.FAILURE == session.sent(Side.CLIENT)[-1].code
    session.client(sent.Close(3, handles[0]))
    session.server(ok(3))
    assert 1 == len(session.client(sent.Open(4, b"/f", Flag.READ, PLAIN)))
    session.server(sent.Status(4, Code.NO_SUCH_FILE, b""))
    session.judge = lambda op: Denied("no")
    session.client(sent.Open(5, b"/f", Flag.READ, PLAIN))
    session.judge = lambda op: Allowed()
    assert session.open(upstream=b"last")


# --- what is answered here ---


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (sent.Stat(1, b"/a\0b"), Code.BAD_MESSAGE),
        (sent.Symlink(1, b"/a", b"\0"), Code.BAD_MESSAGE),
        (sent.HomeDirectory(1, b"\0"), Code.BAD_MESSAGE),
        (sent.Stat(1, b"a" * (PATH_LIMIT + 1)), Code.FAILURE),
        (sent.Rename(1, b"a", b"a" * 65536), Code.FAILURE),
        (sent.Open(1, b"a", 64, PLAIN), Code.OP_UNSUPPORTED),
        (sent.AskNames(1, b"\0", b""), Code.BAD_MESSAGE),
        (sent.Close(1, b"nothing"), Code.FAILURE),
        (sent.CopyData(1, b"x", 0, 0, b"y", 0), Code.FAILURE),
        (sent.Write(1, b"x", 0, memoryview(bytes(DATA_LIMIT + 1))), Code.FAILURE),
    ],
)
def test_what_no_request_may_be_is_answered_here(request_: sent.Request, code: Code) -> None:
    session = Session()

    assert [] == session.client(request_)
    assert [code] == [answer.code for answer in session.sent(Side.CLIENT)]
    assert [] == session.asked


@pytest.mark.parametrize("path", [b"", b".", b"..", b"../../etc/shadow", b"/a/../../b", b"a\xff\xfe", b"-x", b"a\nb", b"a" * PATH_LIMIT])
def test_any_other_path_is_judged_and_sent_as_it_is(path: bytes) -> None:
    session = Session()

    assert [sent.Stat(1, path)] == session.client(sent.Stat(1, path))
    assert [path] == [ask.op.path for ask in session.asked]
    assert shown(path).isprintable()


@pytest.mark.parametrize("text", ["15 00000001", "c8 00000001 00000003 78797a ffff", "65 00000001 00000000 00000000 00000000", "09 00000001 00000001 61 80000000 00000001 00000000 00000000"])
def test_what_is_not_known_is_unsupported(text: str) -> None:
    session = Session()
    body = bytes.fromhex(text)
    session.do(session.relay.client(U32.pack(len(body)) + body))

    assert [] == session.sent(Side.SERVER)
    assert [Code.OP_UNSUPPORTED] == [answer.code for answer in session.sent(Side.CLIENT)]


def test_an_extension_that_the_server_has_not_is_unsupported() -> None:
    session = Session(extensions=frozenset({b"limits@openssh.com"}))

    assert [] == session.client(sent.PosixRename(1, b"a", b"b"))
    assert [Code.OP_UNSUPPORTED] == [answer.code for answer in session.sent(Side.CLIENT)]
    assert [sent.AskLimits(2)] == session.client(sent.AskLimits(2))


def test_limits_are_the_smaller_of_both() -> None:
    session = Session()
    session.client(sent.AskLimits(1))
    session.do(session.relay.server(codec.written_reply(1, sent.Limits(34000, 0, 1 << 40, 10))))

    (answer,) = session.sent(Side.CLIENT)
    assert sent.Limits(34000, DATA_LIMIT, DATA_LIMIT, 10) == codec.read_reply(answer, sent.AskLimits(1))


def test_a_read_of_too_much_is_made_smaller() -> None:
    session = Session()
    handle = session.open()

    assert [sent.Read(2, b"up", 0, DATA_LIMIT)] == session.client(sent.Read(2, handle, 0, 0xFFFFFFFF))


# --- hostile peers ---


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        pytest.param(None, [ok(7)], id="an id that was not asked"),
        pytest.param(sent.Remove(2, b"/a"), [ok(2), ok(2)], id="an answer twice"),
        pytest.param(sent.Remove(2, b"/a"), [sent.Handle(2, b"x")], id="a handle for a removal"),
        pytest.param(sent.Stat(2, b"/a"), [sent.Data(2, memoryview(b"x"))], id="data for a stat"),
        pytest.param(sent.Stat(2, b"/a"), [ok(2)], id="a bare success for a stat"),
        pytest.param(sent.Open(2, b"/a", Flag.READ, PLAIN), [ok(2)], id="a bare success for an open"),
        pytest.param(sent.Open(2, b"/a", Flag.READ, PLAIN), [sent.Handle(2, b"up")], id="a handle that another file has"),
        pytest.param(sent.Realpath(2, b"/a"), [sent.Names(2, ())], id="no path"),
        pytest.param(sent.Realpath(2, b"/a"), [sent.Names(2, (sent.Name(b"a", b"", PLAIN),) * 2)], id="two paths"),
        pytest.param(sent.Realpath(2, b"/a"), [sent.Names(2, (sent.Name(b"a" * (PATH_LIMIT + 1), b"", PLAIN),))], id="a path that is too long"),
        pytest.param(sent.Readlink(2, b"/a"), [sent.Names(2, (sent.Name(b"a\0b", b"", PLAIN),))], id="a zero byte in a path"),
        pytest.param(sent.Statvfs(2, b"/a"), [sent.Reply(2, b"short")], id="an extension's answer that is cut"),
        pytest.param(sent.Stat(2, b"/a"), [sent.Reply(2, b"x")], id="an extension's answer for none"),
    ],
)
def test_a_server_that_answers_what_was_not_asked_ends_the_session(asked: sent.Request | None, answers: list[sent.Answer]) -> None:
    session = Session()
    session.open()
    if asked is not None:
        session.client(asked)
    session.server(*answers)

    assert [Side.SERVER] == [event.by for event in session.of(Broke)]
    assert session.events[-1] == session.of(Broke)[0]
    assert [b"/f"] == [done.op.path for done in session.of(FileDone) if done.op.path == b"/f"]
    assert [] == session.relay.client(codec.written(sent.Stat(9, b"/"))) + session.relay.server(b"x") + session.relay.over()
    assert not session.relay.wants_client


@pytest.mark.parametrize("name", [b"", b"a/b", b"../x", b"/etc/passwd", b"a\0"])
def test_an_entry_that_is_a_path_ends_the_session(name: bytes) -> None:
    session = Session()
    handle = session.opendir()
    session.client(sent.Readdir(2, handle))

    assert [] == session.server(sent.Names(2, (sent.Name(b"good", b"", PLAIN), sent.Name(name, b"", PLAIN))))
    assert [Side.SERVER] == [event.by for event in session.of(Broke)]


def test_a_server_that_reads_more_than_was_asked_ends_the_session() -> None:
    session = Session()
    handle = session.open()
    session.client(sent.Read(2, handle, 0, 4))

    assert [] == session.server(sent.Data(2, memoryview(b"12345")))
    assert [Side.SERVER] == [event.by for event in session.of(Broke)]


@pytest.mark.parametrize("answer", [ok(2), sent.Handle(2, b"up"), sent.Data(2, memoryview(b"x"))])
def test_a_deed_whose_answer_ends_the_session_is_told(answer: sent.Answer) -> None:
    session = Session()
    session.open()
    session.client(sent.Open(2, b"/second", NEW, PLAIN))
    session.server(answer)

    assert [(b"/second", None), (b"/f", None)] == [(done.op.path, done.status) for done in session.of(FileDone)]


def test_a_copy_within_the_server_leaves_no_digest_of_its_target() -> None:
    session = Session()
    source, target = session.open(Flag.READ, b"/a", b"u1"), session.open(NEW, b"/b", b"u2")
    session.client(sent.Write(2, target, 0, memoryview(b"abc")))
    session.server(ok(2))

    assert [sent.CopyData(3, b"u1", 1, 2, b"u2", 4)] == session.client(sent.CopyData(3, source, 1, 2, target, 4))
    session.do(session.relay.over())
    assert [(Deed.COPY, ""), (Deed.READ, ""), (Deed.WRITE, "")] == [(done.op.deed, done.written.sha256) for done in session.of(FileDone)]


def test_a_folder_is_told_with_how_much_it_showed_and_whether_that_was_all() -> None:
    for code, expected in [(Code.EOF, (2, Code.OK, True)), (Code.PERMISSION_DENIED, (2, Code.PERMISSION_DENIED, False))]:
        session = Session()
        handle = session.opendir()
        session.client(sent.Readdir(2, handle), sent.Readdir(3, handle))
        session.server(sent.Names(2, (sent.Name(b".", b"", PLAIN), sent.Name(b"a", b"", PLAIN))), sent.Status(3, code, b""))
        session.client(sent.Close(4, handle))
        session.server(ok(4))

        (done,) = session.of(FileDone)
        assert expected == (done.entries, done.status, done.is_complete)


def test_a_server_that_reads_of_what_is_closed_ends_the_session() -> None:
    """Nothing is shown to a client that the record of a file, which is written by then, does not have."""
    session = Session()
    handle = session.open()
    session.client(sent.Read(2, handle, 0, 4), sent.Close(3, handle))
    session.server(ok(3))

    assert [] == session.server(sent.Data(2, memoryview(b"late")))
    assert [Side.SERVER] == [event.by for event in session.of(Broke)]


def test_an_answer_to_what_still_waits_ends_the_session() -> None:
    session = Session(lambda op: None)
    session.client(sent.Remove(1, b"/a"))
    session.server(ok(1))

    assert [Side.SERVER] == [event.by for event in session.of(Broke)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(codec.written(sent.Stat(1, b"/a")) * 2, id="one id twice"),
        pytest.param(bytes.fromhex("ffffffff"), id="a huge length"),
        pytest.param(bytes.fromhex("00000000"), id="no length"),
        pytest.param(bytes.fromhex("00000005 0d 00000001"), id="a request that is cut"),
        pytest.param(bytes.fromhex("00000001 0d"), id="no id"),
    ],
)
def test_a_client_that_sends_what_cannot_be_ends_the_session(data: bytes) -> None:
    session = Session()
    session.do(session.relay.client(data))

    assert [Side.CLIENT] == [event.by for event in session.of(Broke)]


@pytest.mark.parametrize(
    ("client", "server", "by"),
    [
        (b"GET / HTTP/1.1\r\n", b"", Side.CLIENT),
        (bytes.fromhex("00000005 01 00000002"), b"", Side.CLIENT),
        (b"", bytes.fromhex("00000005 02 00000003"), Side.SERVER),
        (bytes.fromhex("00000005 01 00000003"), bytes.fromhex("00000005 02 00000006"), Side.SERVER),
        (bytes.fromhex("00000005 01 00000003"), b"Welcome to this host, which has a talking .bashrc", Side.SERVER),
    ],
)
def test_a_wrong_beginning_ends_the_session(client: bytes, server: bytes, by: Side) -> None:
    relay = Relay()
    events = relay.client(client) + relay.server(server)

    assert [by] == [event.by for event in events if isinstance(event, Broke)]


def test_what_comes_with_the_greeting_waits_for_the_servers() -> None:
    relay = Relay()
    events = relay.client(bytes.fromhex("00000005 01 00000006") + codec.written(sent.Stat(1, b"/a")))

    assert [Send(Side.SERVER, bytes.fromhex("00000005 01 00000003"))] == events
    answered = relay.server(codec.written_version(frozenset()))
    assert [Send, Ask] == [type(event) for event in answered]


# --- contents ---


def test_a_file_that_is_read_to_its_end_is_told_with_its_digest_though_answers_come_out_of_order() -> None:
    session = Session(lambda op: Allowed(keep_bytes=1 << 20))
    handle = session.open()
    session.client(*[sent.Read(number, handle, 4 * (number - 2), 4) for number in (2, 3, 4, 5)])
    session.server(sent.Data(3, memoryview(b"efgh")), sent.Data(2, memoryview(b"abcd")), sent.Status(5, Code.EOF, b""), sent.Data(4, memoryview(b"ij")))
    session.client(sent.Read(6, handle, 10, 4))
    session.server(sent.Status(6, Code.EOF, b""))
    session.client(sent.Close(7, handle))
    session.server(ok(7))

    (done,) = session.of(FileDone)
    assert (10, digest(b"abcdefghij"), 1, True, Code.OK) == (done.read.bytes, done.read.sha256, done.read.ranges, done.is_complete, done.status)
    assert [(4, b"efgh"), (0, b"abcd"), (8, b"ij")] == [(event.offset, bytes(event.data)) for event in session.of(Content)]


def test_a_file_is_kept_before_it_moves() -> None:
    session = Session(lambda op: Allowed(keep_bytes=1 << 20))
    handle = session.open(NEW)
    session.events.clear()
    session.client(sent.Write(2, handle, 0, memoryview(b"abc")))

    assert [Content, Send, Send] == [type(event) for event in session.events]


def test_a_file_that_was_not_read_to_its_end_is_cut_off() -> None:
    session = Session()
    handle = session.open()
    session.client(sent.Read(2, handle, 0, 4))
    session.server(sent.Data(2, memoryview(b"abcd")))
    session.client(sent.Close(3, handle))
    session.server(ok(3))

    (done,) = session.of(FileDone)
    assert (4, digest(b"abcd"), False) == (done.read.bytes, done.read.sha256, done.is_complete)


@pytest.mark.parametrize(
    ("flags", "writes", "expected"),
    [
        pytest.param(NEW, [(0, b"ab", Code.OK), (2, b"cd", Code.OK)], (4, digest(b"abcd"), 1, True), id="a new file"),
        pytest.param(NEW, [], (0, digest(b""), 0, True), id="an empty new file"),
        pytest.param(Flag.WRITE, [(0, b"ab", Code.OK)], (2, digest(b"ab"), 1, False), id="over the beginning of what was there"),
        pytest.param(Flag.WRITE, [(5, b"ab", Code.OK)], (2, "", 1, False), id="going on"),
        pytest.param(NEW | Flag.APPEND, [(0, b"ab", Code.OK)], (2, "", 1, False), id="appended"),
        pytest.param(NEW, [(0, b"ab", Code.OK), (2, b"cd", Code.FAILURE)], (2, "", 1, False), id="the disk is full"),
        pytest.param(NEW, [(0, b"ab", Code.OK), (8, b"cd", Code.OK)], (4, "", 2, False), id="a hole"),
    ],
)
def test_what_was_written_is_told_as_the_server_took_it(flags: int, writes, expected) -> None:
    session = Session()
    handle = session.open(flags)
    for number, (offset, data, code) in enumerate(writes, start=2):
        session.client(sent.Write(number, handle, offset, memoryview(data)))
        session.server(sent.Status(number, code, b""))
    session.client(sent.Close(50, handle))
    session.server(ok(50))

    (done,) = session.of(FileDone)
    assert expected == (done.written.bytes, done.written.sha256, done.written.ranges, done.is_complete)
    assert next((code for *_, code in writes if code), Code.OK) == done.status


@pytest.mark.parametrize(("size", "expected"), [(3, (digest(b"abc"), True)), (2, ("", False)), (9, ("", False))])
def test_a_file_that_is_cut_to_what_was_written_is_whole(size: int, expected) -> None:
    session = Session()
    handle = session.open(Flag.WRITE | Flag.CREAT)
    session.client(sent.Write(2, handle, 0, memoryview(b"abc")))
    session.server(ok(2))
    session.client(sent.Fsetstat(3, handle, sent.Attributes(size=size)))
    session.server(ok(3))
    session.client(sent.Close(4, handle))
    session.server(ok(4))

    done = session.of(FileDone)[-1]
    assert expected == (done.written.sha256, done.is_complete)


def test_a_session_that_ends_tells_everything_that_was_under_way_once() -> None:
    session = Session(lambda op: None if op.path == b"/later" else Allowed())
    handle = session.open(NEW)
    session.client(sent.Write(2, handle, 0, memoryview(b"ab")), sent.Remove(3, b"/x"), sent.Remove(4, b"/later"), sent.Remove(5, b"/behind"))
    events = session.relay.over()

    assert [(b"/x", None), (b"/behind", Code.CONNECTION_LOST), (b"/f", None)] == [(event.op.path, event.status) for event in events]
    assert (0, "", False) == (events[-1].written.bytes, events[-1].written.sha256, events[-1].is_complete)
    assert [] == session.relay.over()


def test_paths_are_whole_where_the_server_said_where_they_lead() -> None:
    session = Session()
    session.client(sent.Realpath(1, b"."))
    session.server(sent.Names(1, (sent.Name(b"/home/bob", b"", PLAIN),)))
    session.client(sent.Realpath(2, b"link"))
    session.server(sent.Names(2, (sent.Name(b"/srv/data", b"", PLAIN),)))
    session.client(sent.Stat(3, b"x/./y"), sent.Stat(4, b"link/z"), sent.Stat(5, b"link/../z"), sent.Stat(6, b"/abs//z"), sent.Rename(7, b"link", b"l2"))
    session.server(ok(7))
    session.client(sent.Stat(8, b"link/z"))

    wholes = [b"", b"/home/bob/link", b"/home/bob/x/y", b"/srv/data/z", b"", b"/abs/z", b"/srv/data", b"/home/bob/link/z"]
    assert wholes == [ask.op.canonical for ask in session.asked]


def test_a_path_is_shown_on_one_line_and_never_as_another() -> None:
    assert "a b/ü\\n\\\\x\\xff\\x1b\\u202e" == shown("a b/ü\n\\x".encode() + b"\xff\x1b" + "\u202e".encode())


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=20))
def test_whatever_comes_is_answered_or_ends_the_session(pieces: list[tuple[bool, bytes]]) -> None:
    session = Session()
    for is_client, data in pieces:
        session.do(session.relay.client(data) if is_client else session.relay.server(data))
    session.do(session.relay.over())

    assert len(session.of(Broke)) <= 1


PATHS = st.sampled_from([b"/a", b"b", b"..", b"/c\0"])
HANDLES = st.sampled_from([(number).to_bytes(8, "big") for number in range(4)])
MOVES = st.one_of(
    st.builds(sent.Open, st.integers(0, 5), PATHS, st.integers(0, 70), st.just(PLAIN)),
    st.builds(sent.Opendir, st.integers(0, 5), PATHS),
    st.builds(sent.Read, st.integers(0, 5), HANDLES, st.integers(0, 9), st.integers(0, 9)),
    st.builds(sent.Write, st.integers(0, 5), HANDLES, st.integers(0, 9), st.binary(max_size=9).map(memoryview)),
    st.builds(sent.Close, st.integers(0, 5), HANDLES),
    st.builds(sent.Readdir, st.integers(0, 5), HANDLES),
    st.builds(sent.Rename, st.integers(0, 5), PATHS, PATHS),
    st.builds(sent.Status, st.integers(0, 5), st.integers(0, 9), st.binary(max_size=3)),
    st.builds(sent.Handle, st.integers(0, 5), st.binary(max_size=2)),
    st.builds(sent.Data, st.integers(0, 5), st.binary(max_size=9).map(memoryview)),
)


@given(st.lists(st.tuples(MOVES, st.sampled_from([Allowed(), Allowed(keep_bytes=1 << 20), Denied("no"), None])), max_size=40))
def test_every_deed_that_was_allowed_is_told_once_whatever_comes(moves) -> None:
    allowed: list[int] = []
    verdicts: list[Verdict | None] = []
    session = Session(lambda op: verdicts[-1])
    for packet, verdict in moves:
        verdicts.append(verdict)
        asked = len(session.asked)
        (session.client if isinstance(packet, sent.Request) else session.server)(packet)
        allowed += [ask.token for ask in session.asked[asked:] if isinstance(verdict, Allowed)]
    session.do(session.relay.over())

    assert sorted(allowed) == sorted(done.token for done in session.of(FileDone))


def test_what_was_cut_off_before_it_joined_up_is_in_no_digest() -> None:
    """The file is `abcdef`; `gone` was written early, cut off, and would have been taken for its end."""
    one = Session()
    handle = one.open(Flag.WRITE | Flag.CREAT)
    for step in (
        sent.Write(2, handle, 6, memoryview(b"gone")), sent.Write(3, handle, 0, memoryview(b"abc")),
        sent.Fsetstat(4, handle, sent.Attributes(size=3)), sent.Write(5, handle, 3, memoryview(b"def")), sent.Close(6, handle),
    ):  # fmt: skip
        one.client(step)
        one.server(ok(step.id))

    (done,) = [done for done in one.of(FileDone) if done.token == 1]
    assert ("", False) == (done.written.sha256, done.is_complete)


@pytest.mark.parametrize(("flags", "is_new"), [(Flag.EXCL, False), (Flag.CREAT | Flag.EXCL, True), (Flag.TRUNC, True), (Flag.CREAT, False)])
def test_a_file_that_was_there_is_not_complete_by_what_was_written_over_its_beginning(flags: Flag, *, is_new: bool) -> None:
    """`EXCL` without `CREAT` opens what is there as it is (OpenSSH on Linux)."""
    one = Session()
    handle = one.open(Flag.WRITE | flags)
    one.client(sent.Write(2, handle, 0, memoryview(b"harmless")))
    one.server(ok(2))
    one.client(sent.Close(3, handle))
    one.server(ok(3))

    (done,) = one.of(FileDone)
    assert (digest(b"harmless"), is_new) == (done.written.sha256, done.is_complete)
