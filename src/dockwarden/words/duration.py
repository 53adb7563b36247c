"""A length of time as people write it: `90s`, `15m`, `8h`, `2d`. One number and one unit."""

from __future__ import annotations

import re

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
LONGEST_S = 3_650 * SECONDS["d"]
_LENGTH = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)


def seconds_of(text: str) -> int:
    """Return how many seconds `text` says, from one to ten years of them; 0 where it says nothing of the kind."""
    found = _LENGTH.fullmatch(text)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    return seconds if seconds <= LONGEST_S else 0


def in_words(seconds: float) -> str:
    """The length in the largest unit that it is a whole number of, rounded to the second: `15m`, `90s`."""
    whole = max(round(seconds), 1)
    unit = next(unit for unit in reversed(SECONDS) if whole % SECONDS[unit] == 0)
    return f"{whole // SECONDS[unit]}{unit}"
