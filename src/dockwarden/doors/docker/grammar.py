"""The head of a client's request: one strict grammar, and the framing of the body that follows.

Whatever this accepts has one meaning to every HTTP/1.1 parser; everything else is refused before a handler hears of it.
Refused by construction (THREATS 3.5 and 3.6): both framings or one twice, a transfer coding other than exactly `chunked`, bare
line feeds, folded lines, blanks before a colon, control bytes, targets in absolute or authority form, `*` other than for OPTIONS,
fragments, methods in lower case, a missing, repeated or impossible Host, HTTP/1.0 with a body, any other version.
Source: RFC 9112 §2 to 6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockwarden.upstream.framing import CHUNKED, NO_BODY, Bound, Framing
from dockwarden.upstream.heads import FIELD, LENGTH, Headers, read_fields
from dockwarden.words.errors import Malformed

REQUEST = re.compile(rb"([A-Z]{1,16}) ((?:/[!-\"$-~]*+)|\*) HTTP/1\.([01])\r\n((?:" + FIELD + rb")*+)\r\n")
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
NEVER_IN_A_HEAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])")
REMEMBERED = frozenset({b"host", b"user-agent", b"accept", b"accept-encoding", b"connection", b"content-length", b"content-type"})
KEPT = 512
KEPT_BYTES = 1024
MARKING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})


class HeadTooLarge(Malformed):
    """The request line and headers together are larger than a door takes."""

    status = 431


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a client asked for, before its body.

    `target` is in origin form, visible ASCII, undecoded (or `*` for OPTIONS). `headers` keep their order; names are in lower
    case. `wants_continue`: the client waits for our word before it sends the body. `is_old`: HTTP/1.0, which knows no chunks.
    """

    method: str
    target: bytes
    headers: Headers
    framing: Framing
    wants_continue: bool
    keep_alive: bool
    is_old: bool = False


def read_request_head(raw: bytes) -> RequestHead:
    """Read a whole head, its empty line included.

    Raises:
        Malformed: `http.malformed`; the message names what is wrong and never quotes the bytes.
    """
    found = REQUEST.fullmatch(raw)
    if found is None:
        raise Malformed("http.malformed", _what_is_wrong(raw))
    method, target, minor, block = found.groups()
    if target == b"*" and method != b"OPTIONS":
        raise _bad("the target * is for OPTIONS alone")
    headers = read_fields(block)
    marking = [field for field in headers if field[0] in MARKING]
    is_old = minor == b"0"
    _check_host([value for name, value in marking if name == b"host"], is_old)
    framing = _framing(marking)
    if is_old and framing is not NO_BODY:
        raise _bad("HTTP/1.0 with a body; use HTTP/1.1")
    wants_continue = any(name == b"expect" for name, _ in marking) and _expects(marking, framing)
    closes = is_old or any(name == b"connection" and b"close" in value.lower() for name, value in marking)
    return RequestHead(method.decode(), target, headers, framing, wants_continue, not closes, is_old)


class RequestHeads:
    """Reads heads, and remembers those that many calls share: the same bytes mean the same, so they are read once.

    Only heads of nothing but `REMEMBERED` headers are kept, so that no credential stays in memory; at most `KEPT` of them.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, RequestHead] = {}

    def read(self, raw: bytes) -> RequestHead:
        """As `read_request_head`."""
        head = self._known.get(raw)
        if head is None:
            head = read_request_head(raw)
            if len(raw) <= KEPT_BYTES and all(name in REMEMBERED for name, _ in head.headers):
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[raw] = head
        return head


def refuse_early(raw: bytes, start: int) -> None:
    """Refuse an unfinished head as soon as no continuation could mend it; `raw[:start]` was looked at before.

    Raises:
        Malformed: `http.malformed`.
    """
    if NEVER_IN_A_HEAD.search(raw, max(0, start - 1)) is not None:
        raise Malformed("http.malformed", _what_is_wrong(raw))


def _bad(what: str) -> Malformed:
    return Malformed("http.malformed", f"malformed request: {what}")


def _check_host(hosts: list[bytes], is_old: bool) -> None:
    if len(hosts) != 1 and not (is_old and not hosts):
        raise _bad("exactly one Host header is needed")
    if hosts and HOST.fullmatch(hosts[0]) is None:
        raise _bad("a Host header that names no host")


def _framing(marking: list[tuple[bytes, bytes]]) -> Framing:
    lengths = [value for name, value in marking if name == b"content-length"]
    codings = [value for name, value in marking if name == b"transfer-encoding"]
    if not lengths and not codings:
        return NO_BODY
    if len(lengths) + len(codings) != 1:
        raise _bad("Content-Length and Transfer-Encoding exclude each other, and each may be given once")
    if codings:
        if codings[0] != b"chunked":
            raise _bad("a Transfer-Encoding other than chunked")
        return CHUNKED
    if LENGTH.fullmatch(lengths[0]) is None:
        raise _bad("a Content-Length that is no plain number")
    length = int(lengths[0])
    return Framing(Bound.LENGTH, length) if length else NO_BODY


def _expects(marking: list[tuple[bytes, bytes]], framing: Framing) -> bool:
    expected = [value.lower() for name, value in marking if name == b"expect"]
    if expected != [b"100-continue"]:
        raise _bad("an expectation other than 100-continue")
    return framing is not NO_BODY


FAULTS = (
    (re.compile(rb"PRI \* HTTP/2"), "HTTP/2 is not spoken here; use HTTP/1.1"),
    (re.compile(rb"\x16\x03"), "TLS is not spoken at this door"),
    (re.compile(rb"(?s:.*?)(?<!\r)\n"), "a line that ends with a bare line feed"),
    (re.compile(rb"(?s:.*?)(?:[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?=[^\n]))"), "a control byte"),
    (re.compile(rb"(?![A-Z]{1,16} )"), "the method must be in upper case letters"),
    (re.compile(rb"(?![A-Z]+ (?:/[!-\"$-~]*|\*) )"), "the target must be a path in visible ASCII, without a host or a fragment"),
    (re.compile(rb"(?![A-Z]+ [!-~]+ HTTP/1\.[01]\r\n)"), "the version must be HTTP/1.1"),
    (re.compile(rb"(?s:.*?)\r\n[ \t]"), "a folded header line"),
    (re.compile(rb"(?s:.*?)\r\n[^:\r\n]*[ \t]+:"), "a blank before a header's colon"),
)


def _what_is_wrong(raw: bytes) -> str:
    """The nearest reason, for the message alone: the grammar has already refused."""
    what = next((text for pattern, text in FAULTS if pattern.match(raw) is not None), "a header line that is none")
    return f"malformed request: {what}"
