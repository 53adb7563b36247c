"""What a GET with conditions and a range gets. Pure. Source: RFC 9110 §13.1, §13.2.2, §14.1.2, §14.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

RANGE = re.compile(r"bytes=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*", re.ASCII | re.IGNORECASE)
"""One range: FIRST-LAST, FIRST-, or -LENGTH. Several, other units and what is none are passed over, as the RFC allows."""
TAGS = re.compile(r'(?:W/)?"[^"\x00-\x20\x7f]*"', re.ASCII)


class Selected(NamedTuple):
    """The status, and of 200 and 206 the first and last byte; `last` is -1 where there is none."""

    status: int
    first: int = 0
    last: int = -1


def select(headers: Mapping[str, str], etag: str, length: int) -> Selected:
    """Return what is to be sent of something that has the strong tag `etag` and `length` bytes.

    `headers` are the request's, names in lower case. Total: 200 whole, 206 a part, 304, 412, or 416.
    """
    if (wanted := headers.get("if-match")) is not None and not _has(wanted, etag, is_strong=True):
        return Selected(412)
    if (known := headers.get("if-none-match")) is not None and _has(known, etag, is_strong=False):
        return Selected(304)
    whole = Selected(200, 0, length - 1)
    found = RANGE.fullmatch(headers.get("range", ""))
    if found is None or headers.get("if-range", etag) != etag:
        return whole
    first, last, suffix = found.groups()
    if first is None:
        size = min(int(suffix), length)
        return Selected(206, length - size, length - 1) if size else Selected(416)
    if last and int(last) < int(first):  # it is no range at all
        return whole
    if int(first) >= length:
        return Selected(416)
    return Selected(206, int(first), min(int(last), length - 1) if last else length - 1)


def _has(listed: str, etag: str, *, is_strong: bool) -> bool:
    """Whether a list of tags, or `*`, has this one."""
    if listed.strip() == "*":
        return True
    tags = TAGS.findall(listed)
    return etag in tags or (not is_strong and f"W/{etag}" in tags)
