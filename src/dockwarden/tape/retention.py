"""Which tapes are to go, by the settings alone. Pure: the same tapes, rules and moment give the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DAY_US, HOUR_US = 86_400 * 10**6, 3600 * 10**6


@dataclass(frozen=True, slots=True)
class Rules:
    """How long tapes are kept; 0 is for ever, and no limit. `has_store`: copies are elsewhere, so that room here is made by letting them go."""

    retain_days: int = 0
    quota_bytes: int = 0
    quota_keep_days: int = 7
    local_days: int = 0
    has_store: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """One tape whose contents are kept. Times are microseconds since 1970; `ended` is 0 while it is recorded.

    `bytes` are those on this disk. `is_safe`: the whole of it is in the store. `here_since`: when its contents came to this disk for good.
    """

    id: str
    ended: int
    bytes: int
    is_held: bool = False
    is_safe: bool = False
    here_since: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A tape that a rule asks for: to be deleted, or (`is_local`) to be kept in the store alone. `rule` is how the setting reads."""

    id: str
    rule: str
    is_local: bool = False


def due(tapes: Sequence[Kept], rules: Rules, now: int) -> list[Due]:
    """Return what is to go, in the order in which it goes; a tape once at most.

    Never one that is held (its copy here may go, since the store has it) or that has no end yet. For room, never one that is younger than
    `quota_keep_days`, and with a store nothing is deleted for room.
    """
    found = _by_age(tapes, rules, now)
    gone = {one.id for one in found}
    left = [tape for tape in tapes if tape.id not in gone]
    return found + _for_room(left, rules, now)


def is_full(used: int, rules: Rules) -> bool:
    """Whether tapes that begin now would have no room."""
    return 0 < rules.quota_bytes <= used


def _by_age(tapes: Sequence[Kept], rules: Rules, now: int) -> list[Due]:
    found = []
    for tape in _oldest_first(tapes):
        if rules.retain_days and not tape.is_held and now - tape.ended > rules.retain_days * DAY_US:
            found.append(Due(tape.id, f"retain_days = {rules.retain_days}"))
        elif rules.local_days and tape.is_safe and tape.bytes and now - max(tape.ended, tape.here_since) > rules.local_days * DAY_US:
            found.append(Due(tape.id, f"local_days = {rules.local_days}", is_local=True))
    return found


def _for_room(tapes: Sequence[Kept], rules: Rules, now: int) -> list[Due]:
    used, found = sum(tape.bytes for tape in tapes), []
    rule = f"quota_bytes = {rules.quota_bytes}"
    for tape in _oldest_first(tapes):
        if not is_full(used, rules):
            break
        is_old = now - tape.ended > rules.quota_keep_days * DAY_US
        was_brought = now - tape.here_since < HOUR_US  # somebody is perhaps looking at it
        if tape.bytes and (tape.is_safe and not was_brought if rules.has_store else is_old and not tape.is_held):
            found.append(Due(tape.id, rule, is_local=rules.has_store))
            used -= tape.bytes
    return found


def _oldest_first(tapes: Sequence[Kept]) -> list[Kept]:
    return sorted((tape for tape in tapes if tape.ended), key=lambda tape: (tape.ended, tape.id))
