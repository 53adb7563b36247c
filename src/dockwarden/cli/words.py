"""How commands read a time, and how they write what others wrote."""

from __future__ import annotations

import datetime
import time

from dockwarden.ledger.verify import Flaw
from dockwarden.words.errors import BadConfig


def broken(flaw: Flaw) -> str:
    """Where a ledger is broken, and how, for people."""
    place = f"{flaw.segment} line {flaw.line}" if flaw.line else flaw.segment
    return f"entry {flaw.seq} ({place}): {flaw.what}"


def micros(text: str, option: str) -> int:
    """Microseconds since 1970 of a time or an age."""
    if not text:
        return 0
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdecimal() and text[-1] in units:
        return (time.time_ns() // 1000) - int(text[:-1]) * units[text[-1]] * 10**6
    try:
        return int(datetime.datetime.fromisoformat(text).astimezone().timestamp() * 1e6)
    except ValueError:
        raise BadConfig(option, f"{text!r} is no time", "write 2026-01-31, 2026-01-31T12:00, 15m, 2h or 7d") from None


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal, or make a line look like another, spelt out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
