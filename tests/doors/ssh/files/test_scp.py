"""What passes between two ends of the old copy protocol: records that were judged, contents of the size that they have, names that are names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.files.events import Allowed, Ask, Broke, Content, Denied, Event, Send, SendEnd, Side, Verdict
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp
from dockwarden.doors.ssh.files.packets import Code
from dockwarden.doors.ssh.files.scp import HELD_LIMIT_BYTES, LINE_LIMIT, ScpRelay
from dockwarden.doors.ssh.files.scp_command import read_scp

UP, DOWN = b"scp -r -t /srv", b"scp -r -f /srv/tree"


class Copy:
    """A relay of one command with a judge, and everything that came out of it. The giver gives and the taker answers, whoever they are."""

    def __init__(self, command: bytes = UP, judge: Callable[[FileOp], Verdict | None] = lambda op: Allowed(), size: int = 1 << 20) -> None:
        found = read_scp(command)
        assert found is not None
        self.relay, self.judge, self.size = ScpRelay(found), judge, size
        self.giver, self.taker = (Side.CLIENT, Side.SERVER) if found.is_upload else (Side.SERVER, Side.CLIENT)
        self.events: list[Event] = []
        self.asked: list[Ask] = []

    def do(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Ask):
                self.asked.append(event)
                verdict = self.judge(event.op)
                if verdict is not None:
                    self.do(self.relay.verdict(event.token, verdict))

    def say(self, side: Side, data: bytes) -> bytes:
        """Let one side say something; return what reaches the other."""
        before = len(self.events)
        for at in range(0, len(data), self.size):
            self.do((self.relay.client if side is Side.CLIENT else self.relay.server)(data[at : at + self.size]))
        other = Side.SERVER if side is Side.CLIENT else Side.CLIENT
        return b"".join(bytes(event.data) for event in self.events[before:] if isinstance(event, Send) and event.to is other)

    def give(self, data: bytes) -> bytes:
        return self.say(self.giver, data)

    def take(self, data: bytes = b"\0") -> bytes:
        return self.say(self.taker, data)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


TREE = [b"T1 0 2 0\n", b"D0755 0 tree\n", b"C0644 5 a b\n", b"hello", b"\0", b"C0600 0 empty\n", b"", b"\0", b"E\n"]


@pytest.mark.parametrize("size", [1, 2, 1 << 20])
@pytest.mark.parametrize(("command", "top"), [(UP, b"/srv/tree"), (DOWN, b"/srv/tree")])
def test_a_tree_passes_record_by_record_however_it_is_cut(command: bytes, top: bytes, size: int) -> None:
    copy = Copy(command, size=size)
    assert b"\0" == copy.take()
    for piece in TREE:
        assert piece == copy.give(piece)
        if piece.endswith((b"\n", b"\0")):
            assert b"\0" == copy.take()

    deeds = [(done.op.path, done.status, done.is_complete, (done.written if command is UP else done.read).sha256) for done in copy.of(FileDone)]
    expected = [(top, Code.OK, True, ""), (top + b"/a b", Code.OK, True, digest(b"hello")), (top + b"/empty", Code.OK, True, digest(b""))]
    assert expected == deeds
    kinds = {UP: [Deed.MKDIR, Deed.WRITE, Deed.WRITE], DOWN: [Deed.LIST, Deed.READ, Deed.READ]}
    assert kinds[command] == [ask.op.deed for ask in copy.asked]


def test_a_target_that_may_be_a_folder_or_a_name_is_asked_for_as_both() -> None:
    for command, expected in [(UP, (b"/srv/x", b"/srv")), (b"scp -d -t /srv", (b"/srv/x", b"")), (b"scp -t /srv/", (b"/srv/x", b""))]:
        copy = Copy(command)
        copy.take()
        copy.give(b"C0644 1 x\n")
        assert expected == (copy.asked[0].op.path, copy.asked[0].op.other)


def test_a_giver_that_waits_for_no_answer_is_held_back_and_loses_nothing() -> None:
    copy = Copy()
    stream = b"C0644 5 x\nhello\0C0644 1 y\n!\0"
    assert b"" == copy.give(stream)

    for part in (b"C0644 5 x\n", b"hello\0", b"C0644 1 y\n", b"!\0"):
        assert part == b"".join(bytes(event.data) for event in next_sent(copy))
    copy.take()
    assert [digest(b"hello"), digest(b"!")] == [done.written.sha256 for done in copy.of(FileDone)]


def next_sent(copy: Copy) -> list[Send]:
    before = len(copy.events)
    copy.take()
    return [event for event in copy.events[before:] if isinstance(event, Send) and event.to is copy.taker]


def test_what_is_held_back_stops_its_side() -> None:
    copy = Copy()
    copy.give(b"C0644 1000000 x\n" + bytes(HELD_LIMIT_BYTES))

    assert (False, True) == (copy.relay.wants_client, copy.relay.wants_server)
    copy.take(b"\0")
    copy.take(b"\0")
    assert (True, True) == (copy.relay.wants_client, copy.relay.wants_server)


def test_a_refused_file_is_told_to_the_giver_and_the_next_one_passes() -> None:
    copy = Copy(judge=lambda op: Denied("not\nyours") if op.path.endswith(b"bad") else Allowed())
    copy.take()

    assert b"" == copy.give(b"C0644 3 bad\n")
    assert Send(Side.CLIENT, b"\1dockwarden: not?yours\n") == copy.events[-1]
    assert b"C0644 3 good\n" == copy.give(b"C0644 3 good\n")
    assert [] == copy.of(FileDone)


def test_a_refused_download_is_told_to_both() -> None:
    copy = Copy(DOWN, judge=lambda op: Denied("no"))
    copy.take()

    assert b"\1dockwarden: no\n" == copy.give(b"C0644 3 tree\n")
    assert [Send(Side.SERVER, b"\1dockwarden: no\n"), Send(Side.CLIENT, b"\1dockwarden: no\n")] == copy.events[-2:]


def test_a_record_waits_for_its_verdict() -> None:
    copy = Copy(judge=lambda op: None)
    copy.take()
    copy.give(b"C0644 3 x\n")

    assert 1 == len(copy.of(Send))
    assert [] == copy.relay.verdict(copy.asked[0].token + 1, Allowed())
    assert [Send(Side.SERVER, b"C0644 3 x\n")] == copy.relay.verdict(copy.asked[0].token, Allowed())


def test_what_the_taker_does_not_want_has_no_contents() -> None:
    copy = Copy()
    copy.take()
    copy.give(b"C0644 3 x\n")

    assert b"\1scp: /srv/x: Permission denied?\n" == copy.take(b"\1scp: /srv/x: Permission denied\x1b\n")
    assert b"C0644 1 y\n" == copy.give(b"C0644 1 y\n")
    assert [(b"/srv/x", Code.FAILURE, 0, "")] == [(done.op.path, done.status, done.written.bytes, done.written.sha256) for done in copy.of(FileDone)]


def test_a_file_that_could_not_be_read_whole_or_written_is_not_complete() -> None:
    for said, answer in [(b"\1scp: x: Input/output error\n", b"\0"), (b"\0", b"\1scp: x: No space left on device\n")]:
        copy = Copy()
        copy.take()
        copy.give(b"C0644 3 x\n")
        copy.take()
        copy.give(b"abc" + said)
        copy.take(answer)

        assert [(Code.FAILURE, False)] == [(done.status, done.is_complete) for done in copy.of(FileDone)]


def test_an_error_of_the_givers_passes_and_asks_for_no_answer() -> None:
    copy = Copy(DOWN)
    copy.take()

    assert b"\1scp: /srv/tree: No such file?\n" == copy.give(b"\1scp: /srv/tree: No such file\r\n")
    assert b"C0644 1 tree\n" == copy.give(b"C0644 1 tree\n")


def test_contents_are_kept_before_they_move() -> None:
    copy = Copy(judge=lambda op: Allowed(keep_bytes=1 << 20))
    copy.take()
    copy.give(b"C0644 5 x\n")
    copy.take()
    copy.give(b"he")
    copy.give(b"llo\0")

    assert [(0, b"he"), (2, b"llo")] == [(event.offset, bytes(event.data)) for event in copy.of(Content)]
    kinds = [type(event) for event in copy.events]
    assert kinds.index(Content) < len(kinds) - 1 - kinds[::-1].index(Send)


def test_a_copy_that_is_cut_tells_how_far_it_came_once() -> None:
    copy = Copy()
    copy.take()
    copy.give(b"C0644 5 x\n")
    copy.take()
    copy.give(b"he")
    copy.do(copy.relay.client_eof())
    copy.do(copy.relay.over())

    assert [(None, 2, digest(b"he"), 5, False)] == [(done.status, done.written.bytes, done.written.sha256, done.size, done.is_complete) for done in copy.of(FileDone)]
    assert 1 == len(copy.of(SendEnd))
    assert [] == copy.relay.over() + copy.relay.client(b"x")


@pytest.mark.parametrize(("command", "held"), [(UP, b"C0644 5"), (DOWN, b"\1scp: half an err")])
def test_a_client_that_ends_in_the_middle_of_a_line_ends(command: bytes, held: bytes) -> None:
    copy = Copy(command)
    if command is UP:
        copy.take()
    copy.say(Side.CLIENT, held)
    copy.do(copy.relay.client_eof())

    assert 1 == len(copy.of(SendEnd))


NAMES = [b"..", b".", b"../x", b"/etc/passwd", b"a/b", b"a\x1b[2J", b"a\x7f", b"a\0b"]


@pytest.mark.parametrize("kind", [b"C", b"D"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [UP, DOWN])
def test_a_name_that_is_none_ends_the_copy_in_both_directions(command: bytes, name: bytes, kind: bytes) -> None:
    copy = Copy(command)
    copy.take()

    assert b"" == copy.give(kind + b"0644 0 " + name + b"\n")
    assert [copy.giver] == [event.by for event in copy.of(Broke)]
    assert [] == copy.asked


@pytest.mark.parametrize(
    ("command", "record"),
    [
        pytest.param(DOWN, b"C0644 1 .bashrc\n", id="a file that was not asked for (CVE-2019-6111)"),
        pytest.param(b"scp -f /srv/*.log", b"C0644 1 x.sh\n", id="a file that no pattern asked for"),
        pytest.param(b"scp -f /srv/x", b"D0755 0 x\n", id="a folder where a file was asked for"),
        pytest.param(b"scp -t /srv/x", b"D0755 0 x\n", id="a folder that was not announced"),
        pytest.param(UP, b"E\n", id="an end without a beginning"),
        pytest.param(UP, b"C644 1 x\n", id="a short mode"),
        pytest.param(UP, b"C0899 1 x\n", id="no mode"),
        pytest.param(UP, b"C0644 -1 x\n", id="a negative size"),
        pytest.param(UP, b"C0644 9223372036854775808 x\n", id="a size that is too large"),
        pytest.param(UP, b"C0644 99999999999999999999 x\n", id="a size with too many digits"),
        pytest.param(UP, b"C0644 1 \n", id="no name"),
        pytest.param(UP, b"T1 0\n", id="half the times"),
        pytest.param(UP, b"T1 0 2 -1\n", id="negative times"),
        pytest.param(UP, b"X\n", id="no record"),
        pytest.param(UP, b"\n", id="nothing"),
        pytest.param(UP, b"\0\n", id="an answer in the place of a record"),
        pytest.param(UP, b"C0644 1 " + b"x" * LINE_LIMIT, id="a line without an end"),
        pytest.param(UP, b"\1" + b"x" * LINE_LIMIT, id="an error without an end"),
    ],
)
def test_a_giver_that_sends_what_was_not_asked_ends_the_copy(command: bytes, record: bytes) -> None:
    copy = Copy(command)
    copy.take()

    assert b"" == copy.give(record)
    assert [copy.giver] == [event.by for event in copy.of(Broke)]
    assert [] == copy.relay.client(b"\0") + copy.relay.server(b"\0")


@pytest.mark.parametrize("answer", [b"Welcome to this host, which has a talking .bashrc\n", b"\3\n", b"C0644 1 x\n", b"\1" + b"x" * LINE_LIMIT])
def test_a_taker_that_answers_otherwise_ends_the_copy(answer: bytes) -> None:
    copy = Copy()
    copy.take(answer)

    assert [copy.taker] == [event.by for event in copy.of(Broke)]


def test_more_contents_than_the_record_says_are_no_contents() -> None:
    copy = Copy()
    copy.take()
    copy.give(b"C0644 2 x\n")
    copy.take()

    assert b"ab" == copy.give(b"abcd\0")
    assert [copy.giver] == [event.by for event in copy.of(Broke)]


def test_folders_that_go_on_and_on_end_the_copy() -> None:
    copy = Copy()
    copy.take()
    for _ in range(300):
        copy.give(b"D0755 0 x\n")
        copy.take()

    assert 1 == len(copy.of(Broke))


RECORDS = st.sampled_from([b"C0644 2 tree\n", b"C0644 0 x\n", b"D0755 0 tree\n", b"E\n", b"T1 0 1 0\n", b"ab", b"\0", b"\1no\n", b"\2no\n", b"C0644 9 ..\n", b"x"])


@given(st.sampled_from([UP, DOWN]), st.lists(st.tuples(st.booleans(), st.one_of(RECORDS, st.binary(max_size=9)), st.sampled_from([Allowed(), Denied("no"), None])), max_size=40))
def test_every_file_that_was_allowed_is_told_once_whatever_comes(command: bytes, moves) -> None:
    verdicts: list[Verdict | None] = [None]
    copy = Copy(command, judge=lambda op: verdicts[-1])
    allowed: list[int] = []
    for is_client, data, verdict in moves:
        verdicts.append(verdict)
        asked = len(copy.asked)
        copy.say(Side.CLIENT if is_client else Side.SERVER, data)
        allowed += [ask.token for ask in copy.asked[asked:] if isinstance(verdict, Allowed)]
    copy.do(copy.relay.over())

    assert allowed == [done.token for done in copy.of(FileDone)]
    assert len(copy.of(Broke)) <= 1
