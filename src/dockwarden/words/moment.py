"""A moment as people read it: RFC 3339, in UTC, to the second. Programs read microseconds since 1970."""

from __future__ import annotations

import datetime


def moment(at_us: int) -> str:
    """Return `2026-01-31T12:00:00Z` for microseconds since 1970, "" for 0, which stands for never."""
    return f"{datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" if at_us else ""
