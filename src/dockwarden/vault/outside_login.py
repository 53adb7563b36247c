"""How we log in at an outside vault, and how long that lasts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from dockwarden.vault.private import read_private
from dockwarden.words.errors import BadConfig

WORD = re.compile(rb"[\x21-\x7e]{1,4096}")
RENEW_AT = 2 / 3
"""How much of a lease passes before it is renewed."""
NEVER_S = 3600.0
"""How long a token that never ends is not looked at."""
LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class ByToken:
    """By a token in a file, which somebody else (an agent, say) may replace."""

    file: Path


@dataclass(frozen=True, slots=True)
class ByRole:
    """By AppRole."""

    role_id: str
    secret_id_file: Path


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a token lasts: `ends` and `renew_at` by a monotonic clock, `ends_at` in seconds since 1970 (0: it never ends)."""

    ends: float
    renew_at: float
    ends_at: float
    is_renewable: bool
    lasts_s: float
    first_s: float
    """What the lease lasted when it was new; less than half of it left after a renewal means that its end is near for good."""

    @staticmethod
    def begun(now: float, wall: float, seconds: int, is_renewable: bool) -> Lease:
        """A lease of `seconds` from now; 0 never ends. Source: auth/token lookup-self, `ttl`."""
        if seconds <= 0:
            return Lease(math.inf, now + NEVER_S, 0.0, False, math.inf, math.inf)
        return Lease(now + seconds, now + max(LEAST_S, seconds * RENEW_AT), wall + seconds, is_renewable, seconds, seconds)

    def after(self, before: Lease) -> Lease:
        """This one as the renewal of `before`."""
        return replace(self, first_s=max(self.first_s, before.first_s))

    def later(self, now: float) -> Lease:
        """This one, to be renewed again in a while: it could not be now."""
        return replace(self, renew_at=now + max(LEAST_S, min(60.0, (self.ends - now) / 4)))


def read_word(file: Path) -> str:
    """Return the one word in `file`.

    Raises:
        BadConfig: as `read_private`, or no word.
    """
    word = read_private(file, "others may read it", "put the token or secret id there, for root alone").strip()
    if WORD.fullmatch(word) is None:
        raise BadConfig(str(file), "holds no token or secret id", "write it there alone, on one line")
    return word.decode("ascii")
