"""The head of an answer, as a client gets it: a closed list of headers, one framing, one write."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from dockwarden.upstream.framing import Bound, Framing
from dockwarden.upstream.heads import Headers
from dockwarden.words.errors import Hidden, Refused

PASSED = {
    name.lower().encode(): name.encode()
    for name in (
        "Allow", "Api-Version", "Builder-Version", "Cache-Control", "Content-Type", "Date", "Docker-Experimental", "Ostype", "Pragma",
        "Retry-After", "Server", "Swarm", "Warning", "X-Docker-Container-Path-Stat",
        "Sec-Websocket-Accept", "Sec-Websocket-Protocol",
        "Accept-Ranges", "Content-Range", "Content-Security-Policy", "Cross-Origin-Resource-Policy", "Etag",
        "Referrer-Policy", "X-Content-Type-Options",
    )
}  # fmt: skip
"""The header fields a client may see, by their name in lower case; all others stay here. The last two lines are the tapes door's own."""

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
HIJACKED = b"HTTP/1.1 101 UPGRADED\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = frozenset({204, 304})


class Fields(NamedTuple):
    """What stands between the status line and the body."""

    framing: Framing
    upgrade: bytes = b""
    is_last: bool = False


def write_head(status: int, headers: Iterable[tuple[bytes, bytes]], fields: Fields) -> bytes:
    """Write a head, its empty line included; headers that are not in `PASSED` are left out."""
    line = HIJACKED if fields.upgrade == b"tcp" else STATUS_LINES.get(status) or b"HTTP/1.1 %d -\r\n" % status
    head = line + _shown(headers if type(headers) is tuple else tuple(headers))
    framing = fields.framing
    if framing.bound is Bound.LENGTH:
        head += b"Content-Length: %d\r\n" % framing.length
    elif framing.bound is Bound.CHUNKED:
        head += b"Transfer-Encoding: chunked\r\n"
    if fields.upgrade:
        head += b"Connection: Upgrade\r\nUpgrade: %s\r\n" % fields.upgrade
    elif fields.is_last:
        head += b"Connection: close\r\n"
    return head + b"\r\n"


@lru_cache(maxsize=256)
def _shown(headers: Headers) -> bytes:
    """The header lines that go out; answers of one second share theirs, so they are written once."""
    return b"".join([b"%s: %s\r\n" % (PASSED[name], value) for name, value in headers if name in PASSED])


def refusal_body(error: Refused) -> bytes:
    """The JSON that says what was refused and why, in the Engine's own shape of errors with two more keys."""
    if isinstance(error, Hidden):  # in no way different from what the Engine says of a thing that is not there
        return msgspec.json.encode({"message": error.message}) + b"\n"
    return msgspec.json.encode({"message": f"dockwarden: {error.message}", "code": error.code, "policy": list(error.policies)}) + b"\n"
