from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.upstream.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Bound, Framing
from dockwarden.upstream.heads import AnswerHeads, BadHead, read_answer_head


@pytest.mark.parametrize(
    ("raw", "method", "framing", "is_last"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", Framing(Bound.LENGTH, 5), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", NO_BODY, False),
        (b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", "GET", CHUNKED, False),
        (b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "GET", Framing(Bound.LENGTH, 0), True),
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", UNTIL_CLOSE, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", "GET", Framing(Bound.LENGTH, 1), True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "POST", NO_BODY, False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "POST", NO_BODY, False),
    ],
)
def test_an_answer_says_where_its_body_ends(raw: bytes, method: str, framing: Framing, is_last: bool) -> None:
    head = read_answer_head(raw, method)

    assert (framing, is_last) == (head.framing, head.is_last)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    ],
)  # fmt: skip
def test_an_answer_that_can_be_read_in_two_ways_is_none(raw: bytes) -> None:
    with pytest.raises(BadHead):
        read_answer_head(raw, "GET")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_head_or_the_one_error(raw: bytes) -> None:
    with contextlib.suppress(BadHead):
        assert 200 == read_answer_head(b"HTTP/1.1 200 OK\r\n" + raw, "GET").status


def test_a_remembered_head_is_still_read_for_its_own_method() -> None:
    heads = AnswerHeads()
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

    assert [5, 0, 5] == [heads.read(raw, method).framing.length for method in ("GET", "HEAD", "GET")]
