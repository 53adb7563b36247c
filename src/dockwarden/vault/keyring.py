"""The keys of an open vault, and how they are wrapped: the root key under the unseal key, all others under the root key.

Pure but for the randomness that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dockwarden.vault.envelope import KEY_BYTES, SALT_BYTES, Wrapped, keyring_place, root_place, unwrap, wrap
from dockwarden.vault.faults import Tampered, WrongKey
from dockwarden.vault.rows import KeyRow

ROOT, SEAL, TERM = "root", "seal", "term "

Draw = Callable[[int], bytes]
"""Returns that many random bytes."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """What unsealing opens; its keys are not printed.

    `seal` vouches for heads. `terms` wrap data keys, the newest for what is written now. `generation` counts root keys, and `how` says
    where the unseal key comes from.
    """

    root: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    terms: dict[int, bytes] = field(repr=False)
    generation: int
    how: str

    @property
    def term(self) -> int:
        """The newest term."""
        return max(self.terms)

    @property
    def newest(self) -> bytes:
        """The key of the newest term."""
        return self.terms[self.term]

    def with_root(self, how: str, draw: Draw) -> Keyring:
        """The same keys, to be wrapped under a new root key."""
        return replace(self, root=draw(KEY_BYTES), generation=self.generation + 1, how=how)

    def with_term(self, draw: Draw) -> Keyring:
        """One term more."""
        return replace(self, terms={**self.terms, self.term + 1: draw(KEY_BYTES)})

    def newest_alone(self) -> Keyring:
        """The newest term and no other."""
        return replace(self, terms={self.term: self.newest})

    def wrapped(self, vault: str, unseal_key: bytes, draw: Draw) -> tuple[KeyRow, ...]:
        """All of it as it is stored."""
        root = wrap(unseal_key, self.root, root_place(vault, self.generation), draw(SALT_BYTES))
        named = {SEAL: self.seal, **{f"{TERM}{term}": key for term, key in self.terms.items()}}
        rows = (self.under_root(vault, name, key, draw) for name, key in named.items())
        return (KeyRow(name=ROOT, generation=self.generation, salt=root.salt, sealed=root.sealed, how=self.how), *rows)

    def under_root(self, vault: str, name: str, key: bytes, draw: Draw) -> KeyRow:
        """One key under the root key."""
        wrapped = wrap(self.root, key, keyring_place(vault, name), draw(SALT_BYTES))
        return KeyRow(name=name, generation=self.generation, salt=wrapped.salt, sealed=wrapped.sealed)


def new_keyring(how: str, draw: Draw) -> Keyring:
    """The first keys of a vault."""
    return Keyring(draw(KEY_BYTES), draw(KEY_BYTES), {1: draw(KEY_BYTES)}, 1, how)


def open_keyring(vault: str, rows: tuple[KeyRow, ...], unseal_key: bytes) -> Keyring:
    """Open a stored keyring.

    Raises:
        WrongKey: the root key does not open. Tampered: it does, and another key does not, or one is missing.
    """
    by_name = {row.name: row for row in rows}
    top = by_name.pop(ROOT, None)
    if top is None or SEAL not in by_name:
        raise Tampered("keyring", "keys are missing")
    try:
        root = unwrap(unseal_key, Wrapped(top.salt, top.sealed), root_place(vault, top.generation))
    except Tampered:
        raise WrongKey from None
    opened = {name: unwrap(root, Wrapped(row.salt, row.sealed), keyring_place(vault, name)) for name, row in by_name.items()}
    terms = {int(name.removeprefix(TERM)): key for name, key in opened.items() if name.startswith(TERM)}
    if not terms:
        raise Tampered("keyring", "it has no term")
    return Keyring(root, opened[SEAL], terms, top.generation, top.how)
