"""A number of bytes as people write it: `512m`, `2g`, `4096`. One number and, of more than bytes, one unit."""

from __future__ import annotations

import re

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
SHOWN = ("B", "KiB", "MiB", "GiB", "TiB")
_SIZE = re.compile(r"([0-9]{1,15})([bkmgt]?)", re.ASCII | re.IGNORECASE)


def bytes_of(text: str) -> int:
    """Return how many bytes `text` says; 0 where it says nothing of the kind."""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * UNITS[found[2].lower()] if found else 0


def size_in_words(size: int) -> str:
    """The size in the largest unit that it has one of, with at most one decimal, rounded down: `4 GiB`, `1.5 MiB`."""
    unit = min(max(size.bit_length() - 1, 0) // 10, len(SHOWN) - 1)
    tenths = size * 10 >> 10 * unit
    return f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''} {SHOWN[unit]}"
