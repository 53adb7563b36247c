"""A request written to the wire: the one place that does, and it writes nothing that could be read as two."""

from __future__ import annotations

import re

from dockwarden.engine.call import Request
from dockwarden.words.errors import Broken

TARGET = re.compile(r"/[!-\"$-~]*")
METHOD = re.compile(r"[A-Z]{1,16}")
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer", "keep-alive", "proxy-connection"}
)
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def write_request(request: Request, framing: str = "", upgrade: str = "") -> bytes:
    """Write `request` whole, or without its body where `framing` (a header line) bounds one that follows.

    `upgrade` names the protocol asked for, empty for none.
    Raises:
        Broken: `upstream.unwritable`; it holds what cannot be written as one HTTP request. A failure of ours.
    """
    if METHOD.fullmatch(request.method) is None or TARGET.fullmatch(request.target) is None:
        raise _unwritable("request line")
    lines = f"{request.method} {request.target} HTTP/1.1\r\nHost: docker\r\n"
    for name, value in request.headers:
        if name.lower() in OURS or FIELD_NAME.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None:
            raise _unwritable(f"header {name!r}")
        lines += f"{name}: {value}\r\n"
    if upgrade:
        lines += f"Connection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    if framing:
        return f"{lines}{framing}\r\n\r\n".encode("latin-1")
    if request.body or request.method not in BODILESS:
        lines += f"Content-Length: {len(request.body)}\r\n"
    return f"{lines}\r\n".encode("latin-1") + request.body


def _unwritable(what: str) -> Broken:
    return Broken("upstream.unwritable", f"the call cannot be written for the Engine: its {what}; please report this")
