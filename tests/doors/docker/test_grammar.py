from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockwarden.doors.docker.grammar import RequestHeads, read_request_head, refuse_early
from dockwarden.upstream.framing import CHUNKED, NO_BODY, Bound, Framing
from dockwarden.words.errors import Malformed
from fixtures.smuggling import BAD_HEADS, GOOD_HEADS


@pytest.mark.parametrize("raw", BAD_HEADS.values(), ids=BAD_HEADS)
def test_a_head_that_could_be_read_in_two_ways_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_request_head(raw)

    assert ("http.malformed", 400) == (caught.value.code, caught.value.status)
    assert caught.value.message.isascii()


@pytest.mark.parametrize(("raw", "framing", "keep_alive"), GOOD_HEADS.values(), ids=GOOD_HEADS)
def test_what_honest_clients_send_is_read(raw: bytes, framing: Framing, keep_alive: bool) -> None:
    head = read_request_head(raw)

    assert (framing, keep_alive) == (head.framing, head.keep_alive)


def test_header_names_are_lower_case_and_values_bare() -> None:
    head = read_request_head(b"POST /v1.41/build?t=a%20b HTTP/1.1\r\nHOST: docker\r\nX-A: \t b c \t\r\nTransfer-Encoding: chunked\r\n\r\n")

    assert ("POST", b"/v1.41/build?t=a%20b") == (head.method, head.target)
    assert ((b"host", b"docker"), (b"x-a", b"b c"), (b"transfer-encoding", b"chunked")) == head.headers


@pytest.mark.parametrize(("expect", "length", "wants"), [("100-continue", 3, True), ("100-Continue", 3, True), ("100-continue", 0, False)])
def test_a_client_that_waits_for_our_word_is_known(expect: str, length: int, wants: bool) -> None:
    raw = f"POST / HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: {length}\r\n\r\n"

    assert wants is read_request_head(raw.encode()).wants_continue


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nA: b\x00", b"\x16\x03\x01", b"GET / HTTP/1.1\rX"])
def test_what_no_continuation_could_mend_is_refused_before_the_head_ends(raw: bytes) -> None:
    with pytest.raises(Malformed):
        refuse_early(raw, 0)


def test_a_head_with_a_credential_is_not_remembered() -> None:
    heads = RequestHeads()
    plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    secret = b"GET / HTTP/1.1\r\nHost: a\r\nX-Registry-Auth: c2VjcmV0\r\n\r\n"

    assert heads.read(plain) is heads.read(plain)
    assert heads.read(secret) is not heads.read(secret)


class Oracle:
    """What another parser makes of the same bytes."""

    def __init__(self) -> None:
        self.url, self.headers, self.heads = b"", list[tuple[bytes, bytes]](), 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1


WORDS = [
    b"GET", b"POST", b"OPTIONS", b"get", b" ", b"  ", b"/", b"*", b"/a?b=%20", b"http://a/", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2",
    b"\r\n", b"\n", b"\r", b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect",
    b"Connection", b":", b": ", b" :", b"\t", b"a", b"3", b"+3",
    b"3, 3", b"chunked", b"CHUNKED", b"gzip, chunked", b"close", b"100-continue", b"\x00", b"\x80", b",",
]  # fmt: skip
HEADS = st.lists(st.sampled_from(WORDS), max_size=24).map(b"".join)
NAMES = st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"X-A", b"Connection"])
HONEST = st.lists(st.tuples(NAMES, st.sampled_from(WORDS)), max_size=4).map(
    lambda fields: b"POST /a HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % field for field in fields)
)


@given(st.one_of(HEADS, HONEST, st.binary(max_size=80)).map(lambda raw: raw + b"\r\n\r\n"))
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
def test_any_bytes_are_a_head_that_another_parser_reads_alike_or_malformed(raw: bytes) -> None:
    """Never an exception, and never an understanding of our own."""
    try:
        head = read_request_head(raw)
    except Malformed:
        return
    oracle = Oracle()
    parser = httptools.HttpRequestParser(oracle)
    parser.feed_data(raw)

    assert (head.method.encode(), head.target, 1) == (parser.get_method(), oracle.url, oracle.heads)
    assert head.headers == tuple(oracle.headers)
    length = next((int(value) for name, value in oracle.headers if name == b"content-length"), 0)
    is_chunked = (b"transfer-encoding", b"chunked") in oracle.headers
    assert (CHUNKED if is_chunked else Framing(Bound.LENGTH, length) if length else NO_BODY) == head.framing
