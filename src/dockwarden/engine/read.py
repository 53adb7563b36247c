"""From a request's bytes to one canonical call, or one refusal.

1. The path must be written the one plain way: no empty or dot segments, no escaped slash but in image and plugin names.
2. The version must be one that is known, in its one spelling.
3. The route must be in the table, every query parameter in the route's set.
4. Headers: what the route needs is read and written afresh; the rest is dropped.
5. The body must be of the route's closed type.

Source: THREATS 3.1 to 3.5.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dockwarden.engine import gojson
from dockwarden.engine.bodies.system import AuthConfig
from dockwarden.engine.call import Answer, CallHead, EngineCall, Route, Takes
from dockwarden.engine.query import read_query, unescape
from dockwarden.engine.routes.table import IMPORT, NEWEST, OLDEST, find
from dockwarden.words.errors import Forbidden, Malformed

PATH = re.compile(rb"(?:/(?!\.{0,2}(?:/|$))(?:[A-Za-z0-9._~!$&'()*+,:@=-]|%[0-9A-Fa-f]{2})+)+/?")
VERSION = re.compile(rb"/v(1\.(?:[0-9]|[1-9][0-9]))(/.*)", re.DOTALL)
ANY_VERSION = re.compile(rb"/v[0-9][0-9.]*(?:/|$)")
NAME = re.compile(r"[A-Za-z0-9_.:@+-]+(?:/[A-Za-z0-9_.:@+-]+)*")
JSON_TYPE = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
TAR_TYPE = re.compile(r"application/(?:(?:x-)?(?:tar|gzip|tar\+gzip|bzip2|xz|octet-stream)|json)|text/plain|", re.IGNORECASE)
"""What clients call a tar stream: `text/plain` is the command line's where it sets nothing, `application/json` aiodocker's for all."""
BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}")
PLAIN = frozenset({"", "identity"})
NO_BODY = frozenset({b"", b"{}", b"null"})
SLASH_ONLY = frozenset({b"/networks/", b"/debug/pprof/"})
CONTENT = frozenset({"content-type", "content-encoding"})
Headers = Sequence[tuple[bytes, bytes]]


def read_head(method: str, target: bytes, headers: Headers, newest: tuple[int, int] = NEWEST) -> CallHead:
    """Return what a request line and its headers mean. `headers` names are lower case, as the wire reads them.

    Args:
        newest: the newest API version to take; the Engine's own words refuse a newer one.

    Raises:
        Malformed: a path, version, query or header that no honest client writes.
        Forbidden: `engine.unknown_route`, `engine.unknown_parameter`, `engine.unknown_filter`.
    """
    if not (method.isascii() and method.isalpha() and method.isupper()):
        raise Malformed("method.not_plain", "a method is written in capital letters alone")
    raw_path, _, raw_query = target.partition(b"?")
    version, path = _version(_plain_path(raw_path), newest)
    found = find(method, path)
    if found is None:
        shown = raw_path[:80].decode("ascii")
        raise Forbidden("engine.unknown_route", f"{method} {shown} is no Engine call known here; ask an admin if a client needs it")
    route, raw_names = found
    names = {name: _name(name, raw, route) for name, raw in raw_names.items()}
    query = read_query(raw_query, route.query, route.action)
    if route.action == "image.pull" and not any(query.get("fromImage", ())):
        route = IMPORT
    return CallHead(route, version, names, query, _headers(headers, route))


def _plain_path(raw: bytes) -> bytes:
    if not PATH.fullmatch(raw) or (raw.endswith(b"/") and not raw.endswith(tuple(SLASH_ONLY))):
        raise Malformed("path.not_plain", "the path has empty or dot segments, bad escapes or a slash at its end; write it plainly")
    return raw


def _version(path: bytes, newest: tuple[int, int]) -> tuple[str, str]:
    match = VERSION.fullmatch(path)
    if match is None:
        if ANY_VERSION.match(path):
            raise Malformed("path.bad_version", f"an API version is written v{_shown(OLDEST)} to v{_shown(newest)}")
        return "", path.decode("ascii")
    version = match[1].decode("ascii")
    number = int(version[2:])
    if number < OLDEST[1]:
        raise Malformed("path.old_version", f"client version {version} is too old. Minimum supported API version is {_shown(OLDEST)}, "
                        "please upgrade your client to a newer version")
    if number > newest[1]:
        raise Malformed("path.new_version", f"client version {version} is too new. Maximum supported API version is {_shown(newest)}")
    return version, match[2].decode("ascii")


def _shown(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _name(parameter: str, raw: str, route: Route) -> str:
    """One path parameter, decoded once: a plain name, or for images and plugins names joined by slashes."""
    name = unescape(raw.encode("ascii"))
    may_have_slash = f"{{{parameter}*}}" in route.template
    if not NAME.fullmatch(name) or ("/" in name and not may_have_slash) or any(part in {".", ".."} for part in name.split("/")):
        raise Malformed("path.bad_name", f"{name[:60]!r} is no name the Engine could know; write letters, digits and _ . - alone")
    return name


def _headers(given: Headers, route: Route) -> dict[str, str]:
    """The headers that go upstream, canonical."""
    values = _asked_for(given, route)
    kept = _content(values, route)
    if route.answer is Answer.HIJACK and "upgrade" in values:
        kept |= _upgrade(values, route)
    if values.get("x-registry-auth"):
        kept["x-registry-auth"] = _login(values["x-registry-auth"], AuthConfig, "X-Registry-Auth")
    if values.get("x-registry-config"):
        kept["x-registry-config"] = _login(values["x-registry-config"], dict[str, AuthConfig], "X-Registry-Config")
    return kept


def _asked_for(given: Headers, route: Route) -> dict[str, str]:
    """The headers that say something to this route, each given once; all others are dropped unread."""
    values: dict[str, str] = {}
    for raw_name, raw_value in given:
        name = raw_name.decode("latin-1")
        if name in CONTENT or name in route.headers:
            if name in values:
                raise Malformed("header.duplicate", f"header {name} is given twice; give it once")
            values[name] = raw_value.decode("latin-1").strip(" \t")
    return values


def _content(values: Mapping[str, str], route: Route) -> dict[str, str]:
    """What the body is called upstream; a body is read as the bytes it is, so none may claim to be packed (C4) or a form (3.3)."""
    content_type = values.get("content-type", "")
    if route.takes is Takes.TAR:
        if not TAR_TYPE.fullmatch(content_type):
            raise Malformed("header.content_type", f"{route.action} takes a tar stream; send content-type application/x-tar")
        return {"content-type": "application/x-tar"}
    if values.get("content-encoding", "").lower() not in PLAIN:
        raise Malformed("header.content_encoding", f"{route.action} takes no packed body; send it without content-encoding")
    if content_type and not JSON_TYPE.fullmatch(content_type) and (route.takes is Takes.JSON or "form" in content_type.lower()):
        raise Malformed("header.content_type", f"{route.action} takes no {content_type[:60]!r}; send content-type application/json")
    return {"content-type": "application/json" if content_type else ""} if route.takes is Takes.JSON else {}


def _upgrade(values: Mapping[str, str], route: Route) -> dict[str, str]:
    """The upgrade that a route knows; any other is not passed on."""
    wanted = {"container.attach.ws": "websocket", "build.session": "h2c", "build.grpc": "h2c"}.get(route.action, "tcp")
    if values["upgrade"].lower() != wanted:
        raise Malformed("header.upgrade", f"{route.action} upgrades to {wanted} alone; send Upgrade: {wanted}")
    kept = {"upgrade": wanted, "connection": "Upgrade"}
    for name in ("sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "origin"):
        if wanted == "websocket" and name in values and values[name].isprintable():
            kept[name] = values[name]
    return kept


def _login(text: str, kind: Any, name: str) -> str:
    """A registry login, decoded, checked and encoded again; nothing of it is ever in an error."""
    try:
        if not BASE64.fullmatch(text):
            raise ValueError
        raw = base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        raise Malformed("header.login", f"{name} is not URL-safe base64; the Engine would go on without it") from None
    value = gojson.parse(raw, name)
    return base64.urlsafe_b64encode(msgspec.json.encode(gojson.read(kind, {} if value is None else value, name))).decode("ascii")


def read_call(head: CallHead, body: bytes, *, drop_unknown: bool = False) -> EngineCall:
    """Return the whole call. For a tar stream `body` is empty: it is judged as it passes.

    Raises:
        Malformed: the body is not of the route's type.
        Forbidden: `engine.unknown_field`, `engine.refused_field`.
    """
    return EngineCall(head.route, head.version, head.names, head.query, head.headers, _body(head, body, drop_unknown))


def _body(head: CallHead, body: bytes, drop_unknown: bool) -> Any:
    route = head.route
    if route.takes is not Takes.JSON:
        if body.strip() not in NO_BODY:
            raise Malformed("body.unexpected", f"{route.action} takes no body; send none")
        return None
    if not body:
        if not route.is_body_optional:
            raise Malformed("body.missing", f"{route.action} needs a JSON body; send one")
        return None
    if not head.headers.get("content-type"):
        raise Malformed("header.content_type", f"{route.action} takes JSON; send content-type application/json")
    value = gojson.parse(body, "body")
    if value is None and route.is_body_optional:
        return None
    kind: Any = route.body or str
    return gojson.read(list[kind] if route.is_body_list else kind, value, "body", drop_unknown=drop_unknown)


