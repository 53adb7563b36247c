"""What we think of a field or a parameter: everything the Engine reads is one of three, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stance(StrEnum):
    """What is done about a field."""

    JUDGED = "judged"
    HARMLESS = "harmless"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Mark:
    """A stance and its reason, never empty: which fact judges it, why it can do no harm, or why nobody gets it."""

    stance: Stance
    why: str


def judged(why: str) -> Mark:
    """A fact, a reference or an obligation looks at it; `why` names which."""
    return Mark(Stance.JUDGED, why)


def harmless(why: str) -> Mark:
    """It reaches nothing beyond the thing that the call is about; `why` says so."""
    return Mark(Stance.HARMLESS, why)


def refused(why: str) -> Mark:
    """A value that says anything is refused whatever policy says; `why` says what to do instead."""
    return Mark(Stance.REFUSED, why)
