"""SFTP packets are read the same, however they come, and written as they were read; everything else is refused."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.wire import PACKET_LIMIT, U32, Cutter
from dockwarden.words.errors import Malformed

ATTRIBUTES = sent.Attributes(size=5, owner=(1, 2), mode=0o100644, times=(3, 4))
REQUESTS = {
    "open": (sent.Open(1, b"/a", 0x1A, ATTRIBUTES), "03 00000001 00000002 2f61 0000001a 0000000f 0000000000000005 00000001 00000002 000081a4 00000003 00000004"),
    "close": (sent.Close(2, b"h"), "04 00000002 00000001 68"),
    "read": (sent.Read(3, b"h", 1 << 40, 32768), "05 00000003 00000001 68 0000010000000000 00008000"),
    "write": (sent.Write(4, b"h", 7, memoryview(b"xyz")), "06 00000004 00000001 68 0000000000000007 00000003 78797a"),
    "lstat": (sent.Lstat(5, b""), "07 00000005 00000000"),
    "fstat": (sent.Fstat(6, b"h"), "08 00000006 00000001 68"),
    "setstat": (sent.Setstat(7, b"a", sent.Attributes(mode=0o600)), "09 00000007 00000001 61 00000004 00000180"),
    "fsetstat": (sent.Fsetstat(8, b"h", sent.Attributes(size=0)), "0a 00000008 00000001 68 00000001 0000000000000000"),
    "opendir": (sent.Opendir(9, b"\xff"), "0b 00000009 00000001 ff"),
    "readdir": (sent.Readdir(10, b"h"), "0c 0000000a 00000001 68"),
    "remove": (sent.Remove(11, b"a"), "0d 0000000b 00000001 61"),
    "mkdir": (sent.Mkdir(12, b"a", sent.Attributes()), "0e 0000000c 00000001 61 00000000"),
    "rmdir": (sent.Rmdir(13, b"a"), "0f 0000000d 00000001 61"),
    "realpath": (sent.Realpath(14, b"."), "10 0000000e 00000001 2e"),
    "stat": (sent.Stat(15, b"a"), "11 0000000f 00000001 61"),
    "rename": (sent.Rename(16, b"a", b"b"), "12 00000010 00000001 61 00000001 62"),
    "readlink": (sent.Readlink(17, b"a"), "13 00000011 00000001 61"),
    "symlink": (sent.Symlink(18, b"a", b"b"), "14 00000012 00000001 61 00000001 62"),
    "limits": (sent.AskLimits(19), "c8 00000013 00000012" + b"limits@openssh.com".hex()),
    "posix-rename": (sent.PosixRename(20, b"a", b"b"), "c8 00000014 00000018" + b"posix-rename@openssh.com".hex() + "00000001 61 00000001 62"),
    "hardlink": (sent.Hardlink(21, b"a", b"b"), "c8 00000015 00000014" + b"hardlink@openssh.com".hex() + "00000001 61 00000001 62"),
    "fsync": (sent.Fsync(22, b"h"), "c8 00000016 00000011" + b"fsync@openssh.com".hex() + "00000001 68"),
    "statvfs": (sent.Statvfs(23, b"a"), "c8 00000017 00000013" + b"statvfs@openssh.com".hex() + "00000001 61"),
    "fstatvfs": (sent.Fstatvfs(24, b"h"), "c8 00000018 00000014" + b"fstatvfs@openssh.com".hex() + "00000001 68"),
    "lsetstat": (sent.Lsetstat(25, b"a", sent.Attributes(times=(1, 2))), "c8 00000019 00000014" + b"lsetstat@openssh.com".hex() + "00000001 61 00000008 00000001 00000002"),
    "expand-path": (sent.ExpandPath(26, b"~"), "c8 0000001a 00000017" + b"expand-path@openssh.com".hex() + "00000001 7e"),
    "copy-data": (sent.CopyData(27, b"h", 1, 2, b"i", 3), "c8 0000001b 00000009" + b"copy-data".hex() + "00000001 68 0000000000000001 0000000000000002 00000001 69 0000000000000003"),
    "home-directory": (sent.HomeDirectory(28, b"bob"), "c8 0000001c 0000000e" + b"home-directory".hex() + "00000003 626f62"),
    "users-groups": (sent.AskNames(29, b"\0\0\0\1", b""), "c8 0000001d 0000001e" + b"users-groups-by-id@openssh.com".hex() + "00000004 00000001 00000000"),
}
ANSWERS = {
    "status": (sent.Status(1, 4, b"no"), "65 00000001 00000004 00000002 6e6f 00000000"),
    "handle": (sent.Handle(2, b"h"), "66 00000002 00000001 68"),
    "data": (sent.Data(3, memoryview(b"xyz")), "67 00000003 00000003 78797a"),
    "names": (sent.Names(4, (sent.Name(b"a", b"-rw a", sent.Attributes(size=1)),)), "68 00000004 00000001 00000001 61 00000005 2d72772061 00000001 0000000000000001"),
    "attrs": (sent.Attrs(5, ATTRIBUTES), "69 00000005 0000000f 0000000000000005 00000001 00000002 000081a4 00000003 00000004"),
    "reply": (sent.Reply(6, b"anything"), "c9 00000006" + b"anything".hex()),
}
CASES = [
    *[pytest.param(codec.read_request, *case, id=name) for name, case in REQUESTS.items()],
    *[pytest.param(codec.read_answer, *case, id=name) for name, case in ANSWERS.items()],
]


def wire(text: str) -> bytes:
    body = bytes.fromhex(text)
    return U32.pack(len(body)) + body


def cut(stream: bytes, size: int) -> list[bytes]:
    cutter, found = Cutter(), []
    for at in range(0, len(stream), size):
        cutter.feed(stream[at : at + size])
        while (packet := cutter.next()) is not None:
            found.append(bytes(packet))
    return found


@pytest.mark.parametrize(("read", "packet", "text"), CASES)
def test_every_packet_is_read_and_written(read, packet, text) -> None:
    assert packet == read(memoryview(wire(text)[4:]))
    assert wire(text) == codec.written(packet)


@pytest.mark.parametrize(("read", "packet", "text"), CASES)
def test_a_packet_is_the_same_whole_byte_by_byte_and_with_a_tail(read, packet, text) -> None:
    stream = wire(text)

    for size in (1, 2, len(stream), 3 * len(stream)):
        assert [stream[4:]] * 3 == cut(stream * 3 + stream[:-1], size)


@pytest.mark.parametrize(("read", "packet", "text"), CASES)
def test_a_packet_that_is_cut_or_has_a_tail_is_malformed(read, packet, text) -> None:
    body = wire(text)[4:]
    is_open_ended = isinstance(packet, sent.Reply)

    for end in range(5 if is_open_ended else len(body)):
        if isinstance(packet, sent.Status) and end == 9:
            continue
        with pytest.raises(Malformed):
            read(memoryview(body[:end]))
    if not is_open_ended:
        with pytest.raises(Malformed):
            read(memoryview(body + b"\0"))


def test_every_request_and_every_answer_has_a_row() -> None:
    assert {kind for kind, _ in codec.REQUESTS.values()} | {kind for _, kind, _ in codec.EXTENSIONS.values()} == {type(case) for case, _ in REQUESTS.values()}
    assert {kind for kind, _ in codec.ANSWERS.values()} == {type(case) for case, _ in ANSWERS.values()}


@pytest.mark.parametrize("text", ["15 00000001", "64 00000001 0000", "65 00000001 00000000", "c8 00000001 00000003 78797a ffff", "00 00000001", "ff 00000001"])
def test_a_request_that_is_not_known_is_read_as_that(text: str) -> None:
    assert isinstance(codec.read_request(memoryview(bytes.fromhex(text))), sent.Unknown)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("04 00000001 00000101" + "00" * 257, id="a handle that is too long"),
        pytest.param("09 00000001 00000001 61 00000010", id="attributes of another version"),
        pytest.param("0d 00000001 ffffffff 61", id="a string longer than its packet"),
        pytest.param("09 00000001 00000001 61 80000000 ffffffff", id="more extended attributes than there are"),
    ],
)
def test_a_request_that_cannot_be_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        codec.read_request(memoryview(bytes.fromhex(text)))


def test_extended_attributes_are_seen_and_never_written() -> None:
    found = codec.read_answer(memoryview(bytes.fromhex("69 00000001 80000001 0000000000000009 00000001 00000001 61 00000001 62")))

    assert sent.Attrs(1, sent.Attributes(size=9, has_extended=True)) == found
    assert wire("69 00000001 00000001 0000000000000009") == codec.written(found)


def test_a_status_without_words_is_a_status() -> None:
    assert sent.Status(1, 1, b"") == codec.read_answer(memoryview(bytes.fromhex("65 00000001 00000001")))


@pytest.mark.parametrize("size", [0, PACKET_LIMIT + 1, 0xFFFFFFFF])
def test_a_packet_without_a_length_or_too_long_is_malformed_before_it_comes(size: int) -> None:
    cutter = Cutter()
    cutter.feed(U32.pack(size))

    with pytest.raises(Malformed):
        cutter.next()


def test_the_version_is_three_and_extensions_are_those_that_are_known() -> None:
    hello = "02 00000003 00000013" + b"statvfs@openssh.com".hex() + "00000001 32" + "00000011" + b"fsync@openssh.com".hex() + "00000001 39" + "00000001 78 00000001 31"

    known = codec.read_version(memoryview(bytes.fromhex(hello)))

    assert {b"statvfs@openssh.com"} == known
    assert wire("02 00000003 00000013" + b"statvfs@openssh.com".hex() + "00000001 32") == codec.written_version(known)
    assert 6 == codec.read_init(memoryview(bytes.fromhex("01 00000006 00000001 61 00000000")))


@pytest.mark.parametrize(("read", "text"), [(codec.read_version, "02 00000004"), (codec.read_version, "02 00000002"), (codec.read_version, "65 00000003"), (codec.read_init, "01 00000002"), (codec.read_init, "03 00000003"), (codec.read_init, "01 00000003 00000001 61")])
def test_another_beginning_is_malformed(read, text: str) -> None:
    with pytest.raises(Malformed):
        read(memoryview(bytes.fromhex(text)))


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        (sent.Statvfs(1, b"/"), sent.Space(tuple(range(11)))),
        (sent.Fstatvfs(1, b"h"), sent.Space((1 << 63,) * 11)),
        (sent.AskLimits(1), sent.Limits(1, 2, 3, 0)),
        (sent.AskNames(1, b"", b""), sent.UserNames((b"root", b""), (b"wheel",))),
    ],
)
def test_the_answer_of_an_extension_is_read_by_what_was_asked(asked, reply) -> None:
    written = codec.written_reply(1, reply)
    answer = codec.read_answer(memoryview(written)[4:])

    assert reply == codec.read_reply(answer, asked)
    with pytest.raises(Malformed):
        codec.read_reply(msgspec.structs.replace(answer, body=answer.body + b"\0"), asked)
    with pytest.raises(Malformed):
        codec.read_reply(answer, sent.Remove(1, b"a"))


@pytest.mark.parametrize("packet", [sent.Write(4, b"h" * 8, 7, memoryview(b"xyz" * 100)), sent.Data(4, memoryview(b"xyz")), sent.Data(4, memoryview(b""))])
def test_a_head_and_its_data_are_the_packet(packet) -> None:
    assert codec.written(packet) == codec.written_head(packet) + packet.data


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(number: int, rest: bytes) -> None:
    for read in (codec.read_request, codec.read_answer, codec.read_init, codec.read_version):
        with contextlib.suppress(Malformed):
            read(memoryview(bytes([number]) + rest))


@given(st.sampled_from([*REQUESTS.values(), *ANSWERS.values()]), st.data())
def test_a_changed_packet_is_malformed_or_written_as_it_was_read(case, data) -> None:
    body = bytearray(wire(case[1])[4:])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for read in (codec.read_request, codec.read_answer):
        with contextlib.suppress(Malformed):
            found = read(memoryview(bytes(body)))
            if not isinstance(found, sent.Unknown):
                again = read(memoryview(codec.written(found))[4:])
                assert codec.written(found) == codec.written(again)


@given(st.lists(st.binary(max_size=30)))
def test_any_stream_is_cut_or_malformed(pieces: list[bytes]) -> None:
    cutter = Cutter()
    with contextlib.suppress(Malformed):
        for piece in pieces:
            cutter.feed(piece)
            while cutter.next() is not None:
                pass
