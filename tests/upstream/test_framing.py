from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.upstream.framing import BadChunk, ChunkReader

GOOD = [
    (b"0\r\n\r\n", b""),
    (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    (b"00a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"A\r\n0123456789\r\n1\r\n\n\r\n00\r\n\r\n", b"0123456789\n"),
]
BAD = [
    b"\r\n", b"g\r\n", b"-1\r\n", b"+1\r\n", b" 1\r\n", b"1 \r\n", b"0x1\r\n", b"1;x=y\r\n", b"1;\r\n", b"1\na\r\n",
    b"1\r\na\n", b"1\r\nab\r\n",
    b"1\r\na\r\r", b"0\r\nX: y\r\n\r\n", b"0\r\n\n", b"0\n\n", b"1000000000000000\r\n", b"f" * 16 + b"\r\n", b"1_0\r\n",
    b"\x00\r\n", b"1\r\r\n",
]  # fmt: skip


def pieces_of(data: bytes, how: str) -> list[bytes]:
    return [data] if how == "whole" else [data[i : i + 1] for i in range(len(data))]


def read(pieces: list[bytes]) -> tuple[bytes, bytes, bool]:
    reader, into, tail = ChunkReader(), list[bytes](), b""
    for piece in pieces:
        used = reader.feed(piece, len(piece), into)
        tail += piece[used:]
    return b"".join(into), tail, reader.is_done


@pytest.mark.parametrize("how", ["whole", "byte by byte"])
@pytest.mark.parametrize("tail", [b"", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize(("raw", "payload"), GOOD)
def test_a_chunked_body_is_read_to_its_end_and_no_further(raw: bytes, payload: bytes, tail: bytes, how: str) -> None:
    assert (payload, tail, True) == read(pieces_of(raw + tail, how))


@pytest.mark.parametrize("how", ["whole", "byte by byte"])
@pytest.mark.parametrize("tail", [b"", b"0\r\n\r\n"])
@pytest.mark.parametrize("raw", BAD)
def test_what_is_no_chunked_body_is_refused(raw: bytes, tail: bytes, how: str) -> None:
    with pytest.raises(BadChunk):
        read(pieces_of(raw + tail, how))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 50), st.binary(max_size=10))
def test_where_the_pieces_are_cut_changes_nothing(payload: list[bytes], step: int, tail: bytes) -> None:
    raw = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in payload) + b"0\r\n\r\n"
    cut = [(raw + tail)[i : i + step] for i in range(0, len(raw + tail), step)]

    assert (b"".join(payload), tail, True) == read(cut)


class Oracle:
    """What another parser makes of it."""

    def __init__(self) -> None:
        self.body, self.is_done = b"", False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_done = True


@given(st.lists(st.sampled_from([b"0", b"1", b"3", b"a", b"\r\n", b"\n", b"abc", b";", b" ", b"\r"]), max_size=14).map(b"".join))
def test_what_is_accepted_is_read_alike_by_another_parser(raw: bytes) -> None:
    """Whatever we take for a whole body, another strict parser takes for the same body."""
    try:
        payload, tail, is_done = read([raw])
    except BadChunk:
        return
    if not is_done:
        return
    oracle = Oracle()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    httptools.HttpRequestParser(oracle).feed_data(head + raw[: len(raw) - len(tail)])

    assert (oracle.body, oracle.is_done) == (payload, True)
