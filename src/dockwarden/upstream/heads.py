"""The head of an Engine's answer: a strict grammar, and what it says about the body that follows.

Source: RFC 9112 §4 to 6. The grammar of header lines is shared with the doors, whose request heads obey it too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockwarden.upstream.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Bound, Framing

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n"
FIELD_PARTS = re.compile(rb"([^:\r\n]++):[\t ]*+([^\r\n]*+)\r\n")
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n((?:" + FIELD + rb")*+)\r\n")
LENGTH = re.compile(rb"[0-9]{1,15}")

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields in order, names in lower case, values without the blanks around them."""

KEPT = 256
HEADS_WITHOUT_BODY = frozenset({204, 304})


class BadHead(ValueError):
    """The bytes are no answer's head."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What the Engine said before the body. `is_last` says that the connection carries no further answer."""

    status: int
    headers: Headers
    framing: Framing
    is_last: bool


def read_fields(block: bytes) -> Headers:
    """Split header lines that already match `FIELD`."""
    return tuple([(name.lower(), value.rstrip(b" \t")) for name, value in FIELD_PARTS.findall(block)])


def read_answer_head(raw: bytes, method: str) -> AnswerHead:
    """Read a whole head, its empty line included.

    Raises:
        BadHead: it is not one, or its framing can be read in two ways.
    """
    found = STATUS.fullmatch(raw)
    if found is None:
        raise BadHead("not an HTTP answer")
    status = int(found[1])
    headers = read_fields(found[2])
    framing = _framing(status, headers, method)
    is_last = framing.bound is Bound.CLOSE or raw.startswith(b"HTTP/1.0") or _says_close(headers)
    return AnswerHead(status, headers, framing, is_last)


class AnswerHeads:
    """Reads heads and remembers the latest: answers of one second share theirs, and the same bytes mean the same."""

    def __init__(self) -> None:
        self._known: dict[bytes, AnswerHead] = {}

    def read(self, raw: bytes, method: str) -> AnswerHead:
        """As `read_answer_head`."""
        if method == "HEAD":
            return read_answer_head(raw, method)
        head = self._known.get(raw)
        if head is None:
            head = read_answer_head(raw, method)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[raw] = head
        return head


def _framing(status: int, headers: Headers, method: str) -> Framing:
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise BadHead("framed twice")
    if codings and codings[0] != b"chunked":
        raise BadHead("a transfer coding other than chunked")
    if lengths and LENGTH.fullmatch(lengths[0]) is None:
        raise BadHead("a content length that is no number")
    if method == "HEAD" or status in HEADS_WITHOUT_BODY or status < 200:
        return NO_BODY
    if codings:
        return CHUNKED
    return Framing(Bound.LENGTH, int(lengths[0])) if lengths else UNTIL_CLOSE


def _says_close(headers: Headers) -> bool:
    return any(name == b"connection" and b"close" in value.lower() for name, value in headers)
