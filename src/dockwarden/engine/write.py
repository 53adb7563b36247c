"""A call written for the Engine: method, target, headers and body, every byte of it ours."""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

from dockwarden.engine.call import EngineCall, Request, Takes
from dockwarden.engine.query import write_query

_PARAMETER = re.compile(r"\{(\w+)\*?\}")
PLAIN_IN_NAME = "/:@"
HOP = frozenset({"upgrade", "connection"})
"""Headers that the connection writes itself, when it is told to upgrade."""


def write_call(call: EngineCall, default_version: str = "") -> Request:
    """Return the one canonical request of `call`; `default_version` stands where the caller wrote none."""
    path = _PARAMETER.sub(lambda match: quote(call.names[match[1]], safe=PLAIN_IN_NAME), call.route.template)
    version = call.version or default_version
    query = write_query(call.query)
    target = f"{f'/v{version}' if version else ''}{path}{'?' + query if query else ''}"
    body = b"" if call.body is None else msgspec.json.encode(call.body)
    kept = {name: value for name, value in call.headers.items() if value and name not in HOP and name != "content-type"}
    if body:
        kept["content-type"] = "application/json"
    elif call.route.takes is Takes.TAR:
        kept["content-type"] = "application/x-tar"
    headers = tuple(kept.items())
    return Request(call.route.method, target, headers, body)
