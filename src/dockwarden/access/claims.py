"""Image names that calls under way may give: while somebody makes a name, nobody else does.

A name is judged when a call begins and moves when it ends, which may be minutes later. So it is claimed in between, and who comes second is
told to come again.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockwarden.words.errors import Busy

ALL_TAGS = ":*"


class Claims:
    """Every name under claim, by who has it. One person may make a name twice at once; so may all who only fetch it."""

    def __init__(self) -> None:
        self._held: list[Claim] = []

    def by(self, owner: str, *, only_fetches: bool = False) -> Claim:
        """A claim of `owner`'s, of no name yet; `release` it when the call is over."""
        return Claim(self, owner, only_fetches)

    def others(self, claim: Claim, names: Iterable[str]) -> list[str]:
        """Which of `names` somebody else has claimed."""
        rivals = [other for other in self._held if other.owner != claim.owner and not (other.only_fetches and claim.only_fetches)]
        return [name for name in names if any(_meet(name, taken) for rival in rivals for taken in rival.names)]


class Claim:
    """The names that one call may give."""

    def __init__(self, claims: Claims, owner: str, only_fetches: bool) -> None:
        self._claims, self.owner, self.only_fetches = claims, owner, only_fetches
        self.names: set[str] = set()

    def take(self, names: Iterable[str]) -> None:
        """Claim some names more, all or none.

        Raises:
            Busy: `image.name_busy`; a call of somebody else's may give one of them.
        """
        names = tuple(names)
        if taken := self._claims.others(self, names):
            raise Busy("image.name_busy", f"somebody makes {taken[0]} right now; try again later, or choose another name")
        if names and not self.names:
            self._claims._held.append(self)
        self.names.update(names)

    def release(self) -> None:
        """Let go of all of them."""
        if self.names:
            self._claims._held.remove(self)
            self.names = set()


def _meet(one: str, other: str) -> bool:
    """Whether two full names, or all tags of one (`…:*`), have a name in common."""
    if one == other:
        return True
    return any(a.endswith(ALL_TAGS) and b.rpartition(":")[0] == a.removesuffix(ALL_TAGS) for a, b in ((one, other), (other, one)))
