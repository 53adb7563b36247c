"""What was shown of an answer, kept for the next time: who polls mostly gets the same answer again, byte for byte.

The Engine is asked each time all the same; only working out what of its answer may be seen is spared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import Resource
from dockwarden.words.principal import Principal

KEPT_BYTES = 4 << 20
LONGEST = KEPT_BYTES // 8


@dataclass(frozen=True, slots=True)
class Basis:
    """All that decides what is shown of an answer, beside its bytes: who asks what, the rules, and who owns what."""

    target: str
    principal: Principal
    policies: PolicySet = field(compare=False)
    owners: int = field(compare=False)

    def is_as(self, other: Basis) -> bool:
        """Whether nothing but who asks what has changed since."""
        return self.policies is other.policies and self.owners == other.owners


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer's body as it was shown, and the thing it described, where it was judged by that."""

    body: bytes
    about: Resource | None = None


class ShownAnswers:
    """Remembers the latest of each target and caller, some MiB of them."""

    def __init__(self) -> None:
        self._known: dict[Basis, tuple[Basis, bytes, Shown]] = {}
        self._size = 0

    def of(self, basis: Basis, body: bytes) -> Shown | None:
        """What was shown of `body` on the same basis."""
        known = self._known.get(basis)
        return known[2] if known is not None and known[0].is_as(basis) and known[1] == body else None

    def keep(self, basis: Basis, body: bytes, shown: Shown) -> None:
        """Remember it for the next time."""
        before = self._known.pop(basis, None)
        if before is not None:
            self._size -= len(before[1]) + len(before[2].body)
        size = len(body) + len(shown.body)
        if size > LONGEST:
            return
        if self._size + size > KEPT_BYTES:
            self._known.clear()
            self._size = 0
        self._known[basis] = basis, body, shown
        self._size += size
