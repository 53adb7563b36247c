"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this host, as the kernel judges it.

    `groups` are the supplementary group ids, sorted and unique; `gid` is the primary one and may be missing from them.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """One identity, proven at a door.

    `name` is the person's or the tool's name, empty for a caller nobody knows. `groups` are policy groups. `account` is the
    local account behind the caller, where there is one: a certificate or a named door may have none. `via` says how the
    identity was proven (`unix`, `door`, `ssh`, `tls`, `raw`), for the record. `why_not` says of a stranger why nobody vouches for them.
    `proof` is what stood for them as they came in: the names in their certificate, or the keys that they had.
    """

    name: str
    groups: frozenset[str] = frozenset()
    account: Account | None = None
    via: str = ""
    why_not: str = field(default="", compare=False)
    proof: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def is_known(self) -> bool:
        """Whether anybody vouched for this caller."""
        return bool(self.name)


NOBODY = Principal("")


def stranger(why_not: str) -> Principal:
    """Nobody, with the reason."""
    return Principal("", why_not=why_not)
