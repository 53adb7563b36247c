"""A vault over a real store, SQLite's and PostgreSQL's, and a ledger that a test can look into."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.vault import Spoken, Vault
from dockwarden.words.errors import Unavailable
from dockwarden.words.secret import Secret
from fixtures.postgres import Cluster, cluster

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

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")

    def again(self, key: bytes = KEY) -> Vault:
        """The same store, opened and unsealed anew. It claims nothing: the test is both of the processes."""
        store = open_store(self.url)
        store.claim = lambda: None  # type: ignore[method-assign]
        fresh = Vault(store, self.log)
        fresh.unseal(key)
        return fresh

    def tamper(self, *statements: str, words: Sequence[object] = ()) -> None:
        """Change the store behind the vault's back. `statements` are SQLite's; what PostgreSQL says otherwise is said so."""
        with self.behind() as connection:
            for statement in statements:
                connection.execute(statement if self.is_sqlite else postgres_s(statement), words)

    def read(self, sql: str) -> list[Any]:
        """Rows as they are stored."""
        with self.behind() as connection:
            return list(connection.execute(sql).fetchall())

    @contextlib.contextmanager
    def behind(self) -> Iterator[Any]:
        """The store as an attacker has it."""
        with contextlib.closing(sqlite3.connect(urlsplit(self.url).path) if self.is_sqlite else psycopg.connect(self.url)) as connection:
            yield connection
            connection.commit()


def postgres_s(sql: str) -> str:
    """A statement of SQLite's in PostgreSQL's words."""
    for theirs, its in (("x'00'", r"'\x00'::bytea"), ("x''", "''::bytea"), ("AS BLOB", "AS bytea"), ("?", "%s")):
        sql = sql.replace(theirs, its)
    return sql


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The run's PostgreSQL."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing in them, to be copied: migrations cost a second."""
    file = tmp_path_factory.mktemp("vault") / "vault.db"
    open_store(f"sqlite://{file}").close()
    return file


@pytest.fixture(scope="session")
def empty_schema(postgres: Cluster) -> str:
    """The same in PostgreSQL."""
    url = postgres.schema()
    open_store(url).close()
    return url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What a vault does is tested in each kind of store, all that merely needs a vault in SQLite."""
    if "new_url" in metafunc.fixturenames:
        is_of_stores = metafunc.module.__name__.rpartition(".")[2] in {"test_vault", "test_verify", "test_spec"}
        metafunc.parametrize("new_url", ["sqlite", "postgresql"] if is_of_stores else ["sqlite"], indirect=True)


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes stores with tables alone, of each kind."""
    if request.param == "postgresql":
        postgres, like = request.getfixturevalue("postgres"), request.getfixturevalue("empty_schema")
        return lambda: str(postgres.schema_like(like))
    numbers, whole = itertools.count(), request.getfixturevalue("empty_store").read_bytes()

    def sqlite() -> str:
        file = tmp_path / f"vault{next(numbers)}.db"
        file.write_bytes(whole)
        return f"sqlite://{file}"

    return sqlite


@pytest.fixture
def make(new_url: Callable[[], str]) -> Callable[[], Made]:
    """Makes vaults of their own."""

    def made() -> Made:
        url, log = new_url(), MemoryLog()
        vault = Vault(open_store(url), log)
        vault.create(KEY, HOW)
        return Made(vault, url, log)

    return made


@pytest.fixture
def made(make: Callable[[], Made]) -> Made:
    """One vault."""
    return make()


def put(vault: Vault, value: str, path: str = PATH, **more: str) -> int:
    return vault.put(path, Secret(value.encode()), "alice", **more)


def value(vault: Vault, path: str = PATH, version: int = 0, label: str = "current") -> str:
    return vault.get(path, version, label).value.reveal().decode()
