"""A vault over a real SQLite store and a ledger that a test can look into."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.vault import Spoken, Vault
from dockwarden.words.errors import Unavailable
from dockwarden.words.secret import Secret

KEY = bytes(range(32))
HOW = '{"kind":"key"}'
PATH = "prod/db/password"


@dataclass
class MemoryLog:
    """A ledger in memory. `fails` lets it refuse."""

    said: list[tuple[str, int, str, str]] = field(default_factory=list)
    ends: list[bytes] = field(default_factory=list)
    fails: bool = False

    def intend(self, vault: str, seq: int, name: str, before: str) -> tuple[int, bytes]:
        if self.fails:
            raise Unavailable("ledger.unwritable", "full")
        self.said.append((vault, seq, name, before))
        self.ends.append(name.encode())
        return len(self.ends), name.encode()

    def kept(self, vault: str, seq: int, name: str) -> None:
        self.said.append((vault, seq, name, ""))

    def last(self, vault: str) -> Spoken | None:
        for of, seq, name, before in reversed(self.said):
            if of == vault:
                return Spoken(seq, frozenset({name, before} - {""}))
        return None

    def has(self, seq: int, hash: bytes) -> bool:
        return len(self.ends) >= seq and self.ends[seq - 1] == hash


@dataclass
class Made:
    """A vault, its store's address and its ledger."""

    vault: Vault
    url: str
    log: MemoryLog

    @property
    def store(self) -> SqlStore:
        assert isinstance(self.vault.store, SqlStore)
        return self.vault.store

    def again(self, key: bytes = KEY) -> Vault:
        """The same store, opened and unsealed anew."""
        fresh = Vault(open_store(self.url), self.log)
        fresh.unseal(key)
        return fresh


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing in them, to be copied: migrations cost a second."""
    file = tmp_path_factory.mktemp("vault") / "vault.db"
    open_store(f"sqlite://{file}").close()
    return file


@pytest.fixture
def make(empty_store: Path, tmp_path: Path) -> Callable[[], Made]:
    """Makes vaults of their own."""
    numbers = itertools.count()

    def made() -> Made:
        file = tmp_path / f"vault{next(numbers)}.db"
        file.write_bytes(empty_store.read_bytes())
        log = MemoryLog()
        vault = Vault(open_store(f"sqlite://{file}"), log)
        vault.create(KEY, HOW)
        return Made(vault, f"sqlite://{file}", log)

    return made


@pytest.fixture
def made(make: Callable[[], Made]) -> Made:
    """One vault."""
    return make()


def put(vault: Vault, value: str, path: str = PATH, **more: str) -> int:
    return vault.put(path, Secret(value.encode()), "alice", **more)


def value(vault: Vault, path: str = PATH, version: int = 0, label: str = "current") -> str:
    return vault.get(path, version, label).value.reveal().decode()
