"""Where a vault's rows are: what every store can do. A change is one value, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dockwarden.vault.rows import Head, KeyRow, VersionRow


@dataclass(frozen=True, slots=True)
class Change:
    """One step from a state of the vault to the next. `records` and `buckets` are as they are stored."""

    head: Head
    buckets: Mapping[int, bytes] = field(default_factory=dict)
    records: Mapping[str, bytes] = field(default_factory=dict)
    versions: tuple[VersionRow, ...] = ()
    keyring: tuple[KeyRow, ...] | None = None
    """The whole keyring, where it changes."""


class Store(Protocol):
    """Rows by key. Called by one thread at a time."""

    def head(self) -> Head | None:
        """The state that is stored, `None` in an empty store."""

    def keyring(self) -> tuple[KeyRow, ...]:
        """Every key."""

    def bucket_digests(self) -> dict[int, bytes]:
        """The hash of every bucket that is not empty."""

    def bucket(self, number: int) -> bytes:
        """One bucket, empty if it is not there."""

    def record(self, path: str) -> bytes | None:
        """One record, if it is there."""

    def version(self, path: str, version: int) -> VersionRow | None:
        """One version, if it is there."""

    def paths(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """Paths that begin with `prefix` and come after `after`, in order."""

    def versions(self, paths: list[str]) -> list[VersionRow]:
        """Every version of some paths."""

    def versions_of_all(self) -> Iterator[tuple[str, int]]:
        """Path and number of every version row, in order."""

    def commit(self, change: Change) -> None:
        """Write a change, whole and durable. Raises: Unavailable: `vault.store`; nothing was written."""

    def damage(self) -> list[str]:
        """What the database itself finds wrong with how it is laid out, in its own words; it looks at everything."""

    def claim(self) -> None:
        """Be the only one that changes it, until it is closed. Raises: Unavailable: `vault.store`: another is, or it does not answer."""

    def snapshot(self) -> Store:
        """The store as it is now, to be read while this one goes on; `close` it."""

    def close(self) -> None:
        """Let go of it."""
