from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.call import Request
from dockwarden.upstream.request import write_request
from dockwarden.words.errors import Broken


@pytest.mark.parametrize(
    "request_",
    [
        *(Request("GET", target, (), b"") for target in ("/a b", "/a\r\nX: y", "http://x/", "", "/é", "/a#b", "*", "/\x7f")),
        *(Request(method, "/", (), b"") for method in ("get", "G T", "", "GET\r\n", "G" * 17)),
        *(Request("GET", "/", (("A", value),), b"") for value in ("b\r\nC: d", "b\n", "\r", "€", "\x7f", "\x00")),
        *(Request("GET", "/", ((name, "c"),), b"") for name in ("A b", "", "A\r\nB", "é", "A:")),
        *(Request("GET", "/", ((name, "1"),), b"") for name in ("Content-Length", "transfer-encoding", "Host", "UPGRADE", "Connection")),
    ],
)
def test_what_could_be_read_as_two_requests_is_not_written(request_: Request) -> None:
    with pytest.raises(Broken):
        write_request(request_)


class Oracle:
    def __init__(self) -> None:
        self.url, self.headers, self.body, self.messages = b"", list[tuple[bytes, bytes]](), b"", 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    st.text(max_size=12),
    st.lists(st.tuples(st.text(max_size=6), st.text(max_size=8)), max_size=2),
    st.binary(max_size=20),
)
def test_what_is_written_is_read_back_as_the_one_request_it_was(
    method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    request = Request(method, "/" + path, tuple(headers), body)
    try:
        raw = write_request(request)
    except Broken:
        return
    oracle = Oracle()
    parser = httptools.HttpRequestParser(oracle)
    parser.feed_data(raw)

    assert (request.target.encode(), body, 1) == (oracle.url, oracle.body, oracle.messages)
    assert method.encode() == parser.get_method()
    assert len(headers) + 1 <= len(oracle.headers) <= len(headers) + 2
