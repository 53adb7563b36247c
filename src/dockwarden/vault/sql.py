"""A vault in a SQL database: SQLite in a file of ours, or PostgreSQL, by the same statements.

The driver's own interface (DB-API) is enough for a dozen statements; an ORM would cost half of the memory that the process rests at, and
four times the time of a read. Tables are made and changed by Alembic, in a process of its own (`migrate.py`).

A PostgreSQL that went away is `Unavailable`, and is looked for anew at the next call. Who unsealed the vault holds an advisory lock there,
so that no other dockwarden writes to the same database, and so that a change whose answer was lost is over before anybody looks again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import msgspec

from dockwarden.vault.faults import Tampered
from dockwarden.vault.rows import Head, KeyRow, VersionRow
from dockwarden.vault.store import Change
from dockwarden.vault.tree import Bucket
from dockwarden.words.errors import BadConfig, Unavailable

SCHEMA = "0001"
"""The newest migration; a store of another one is migrated before it is opened."""
TABLES = ("head", "keyring", "bucket", "record", "version")
AFTER_ALL = "\x7f"
"""Sorts after every letter of a path."""
PART = 500
VERSION_COLUMNS = "path, version, term, salt, wrapped, sealed"
BUSY_MS = 10_000
CLAIM = "SELECT pg_try_advisory_lock(1685021547, hashtext(coalesce(current_schema(), '')))"
"""The lock of one vault: a schema of a database."""
CLAIM_S = 5.0
"""How long one that has just ended may take to be gone from the server."""
PATIENCE: dict[str, Any] = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A peer that is silent for a minute is gone: libpq's words for it, in seconds."""
SESSION = """SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '3', false)"""


class Cursor(Protocol):
    """What a DB-API connection answers with."""

    def fetchone(self) -> Any:
        """The next row."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def __iter__(self) -> Iterator[Any]: ...


class SqlStore:
    """Rows of one vault. Opened by `open_store`."""

    def __init__(self, url: str, *, snapshot: bool = False) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite:")
        self._is_claimed = self._is_changing = False
        self._is_renewed = not self._is_sqlite and not snapshot
        self._connection = _connect(url)
        if snapshot:
            self._run("BEGIN" if self._is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._one("SELECT row FROM head")  # from here on it sees what was there now

    def head(self) -> Head | None:
        """As `Store.head`."""
        row = self._one("SELECT row FROM head")
        return msgspec.json.decode(row[0], type=Head) if row else None

    def keyring(self) -> tuple[KeyRow, ...]:
        """As `Store.keyring`."""
        return tuple(msgspec.json.decode(row[0], type=KeyRow) for row in self._all("SELECT row FROM keyring ORDER BY name"))

    def bucket_digests(self) -> dict[int, bytes]:
        """As `Store.bucket_digests`."""
        return {number: bytes(digest) for number, digest in self._all("SELECT number, digest FROM bucket")}

    def bucket(self, number: int) -> bytes:
        """As `Store.bucket`."""
        row = self._one("SELECT packed FROM bucket WHERE number = ?", number)
        return bytes(row[0]) if row else b""

    def record(self, path: str) -> bytes | None:
        """As `Store.record`."""
        row = self._one("SELECT row FROM record WHERE path = ?", path)
        return bytes(row[0]) if row else None

    def version(self, path: str, version: int) -> VersionRow | None:
        """As `Store.version`."""
        row = self._one(f"SELECT {VERSION_COLUMNS} FROM version WHERE path = ? AND version = ?", path, version)  # noqa: S608  names of ours
        return _version(row) if row else None

    def paths(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """As `Store.paths`."""
        rows = self._all(
            "SELECT path FROM record WHERE path > ? AND path >= ? AND path < ? ORDER BY path LIMIT ?", after, prefix, prefix + AFTER_ALL, limit
        )
        return [str(row[0]) for row in rows]

    def versions(self, paths: list[str]) -> list[VersionRow]:
        """As `Store.versions`."""
        found: list[VersionRow] = []
        for at in range(0, len(paths), PART):
            part = paths[at : at + PART]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {VERSION_COLUMNS} FROM version WHERE path IN ({marks}) ORDER BY path, version"  # noqa: S608  names and marks of ours
            found += map(_version, self._all(sql, *part))
        return found

    def versions_of_all(self) -> Iterator[tuple[str, int]]:
        """As `Store.versions_of_all`."""
        after, version = "", 0
        sql = "SELECT path, version FROM version WHERE (path, version) > (?, ?) ORDER BY path, version LIMIT ?"
        while rows := self._all(sql, after, version, PART):
            yield from ((str(path), int(number)) for path, number in rows)
            after, version = rows[-1]

    def commit(self, change: Change) -> None:
        """As `Store.commit`."""
        with self._transaction():
            self._write(change)

    def fill(self, change: Change) -> None:
        """Write rows of a copy under way, without a head. Raises: as `commit`."""
        with self._transaction():
            self._write_rows(change)

    def replace(self, rows: Iterable[Change], last: Change) -> None:
        """Take everything out and write `rows`, then `last` with its head, whole or not at all. Raises: as `commit`."""
        with self._transaction():
            for table in TABLES:
                self._run(f"DELETE FROM {table}")  # noqa: S608  names of ours
            for change in rows:
                self._write_rows(change)
            self._write(last)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        result = "nothing was written"
        try:
            self._run("BEGIN IMMEDIATE" if self._is_sqlite else "BEGIN")
            self._is_changing = True
            try:
                yield
                result = "nothing was written" if self._is_sqlite else "whether it was written is seen at the next call"
                self._run("COMMIT")
            except BaseException:
                with contextlib.suppress(*self._errors):  # a connection that is lost has rolled back by itself
                    self._run("ROLLBACK")
                raise
            finally:
                self._is_changing = False
        except self._errors as error:
            raise Unavailable("vault.store", f"the vault's database does not take the change ({type(error).__name__}); {result}") from None

    def damage(self) -> list[str]:
        """As `Store.damage`; PostgreSQL cannot be asked."""
        said = [str(row[0]) for row in self._all("PRAGMA integrity_check(20)")] if self._is_sqlite else []
        return [line for line in said if line != "ok"]

    def claim(self) -> None:
        """As `Store.claim`."""
        self._is_claimed = not self._is_sqlite  # a file of ours is guarded by the lock of the folder that it is in
        if self._is_claimed:
            self._take()

    def _take(self) -> None:
        until = time.monotonic() + CLAIM_S
        while not self._one(CLAIM)[0]:
            if time.monotonic() > until:
                raise Unavailable("vault.store", "another dockwarden has this vault's database open; stop that one first")
            time.sleep(0.1)

    def snapshot(self) -> SqlStore:
        """As `Store.snapshot`."""
        try:
            return SqlStore(self._url, snapshot=True)
        except BadConfig:
            raise _away() from None

    def close(self) -> None:
        """As `Store.close`."""
        self._is_renewed = False
        self._connection.close()

    def _write(self, change: Change) -> None:
        self._put("head", ("one", "row"), [(1, msgspec.json.encode(change.head))])
        if change.keyring is not None:
            self._run("DELETE FROM keyring")
            self._put("keyring", ("name", "row"), [(row.name, msgspec.json.encode(row)) for row in change.keyring])
        self._write_rows(change)

    def _write_rows(self, change: Change) -> None:
        self._put("bucket", ("number", "digest", "packed"), [(number, Bucket(packed).digest, packed) for number, packed in change.buckets.items()])
        self._put("record", ("path", "row"), list(change.records.items()))
        rows = [(row.path, row.version, row.term, row.salt, row.wrapped, row.sealed) for row in change.versions]
        self._put("version", ("path", "version", "term", "salt", "wrapped", "sealed"), rows)

    def _put(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        key = columns[:2] if table == "version" else columns[:1]
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        sql = (f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608  names of ours
               f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}")
        self._connection.cursor().executemany(self._dialect(sql), rows)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        if self._is_sqlite:
            return (sqlite3.Error,)
        import psycopg

        return (psycopg.Error,)

    def _one(self, sql: str, *words: Any) -> Any:
        with self._answers():
            return self._execute(sql, words).fetchone()

    def _all(self, sql: str, *words: Any) -> list[Any]:
        with self._answers():
            return self._execute(sql, words).fetchall()

    def _run(self, sql: str, *words: Any) -> Cursor:
        with self._answers():
            return self._execute(sql, words)

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Raises: Unavailable. Tampered: a file that is damaged. Within a change the driver's own error: `_transaction` knows what to say of it."""
        try:
            yield
        except self._errors as error:
            if self._is_changing:
                raise
            if _is_damage(error):
                raise Tampered("database", str(error)) from None
            raise Unavailable("vault.store", f"the vault's database does not answer ({type(error).__name__}); ask an operator") from None

    def _execute(self, sql: str, words: Sequence[Any]) -> Cursor:
        try:
            return cast(Cursor, self._connection.execute(self._dialect(sql), words))
        except self._errors:
            # INVARIANT: what runs outside of a change is a read or the beginning of one, so that it may be asked again
            if self._is_changing or not self._is_renewed or not self._connection.closed:
                raise
        self._renew()
        return cast(Cursor, self._connection.execute(self._dialect(sql), words))

    def _renew(self) -> None:
        """Another connection for the one that was lost, with the claim that was lost with it. Raises: Unavailable."""
        try:
            self._connection = _connect(self._url)
        except BadConfig:
            raise _away() from None
        if self._is_claimed:
            self._is_renewed = False  # once a call is enough
            try:
                self._take()
            except Unavailable:
                self._connection.close()  # without the claim nothing is read or written by it
                raise
            finally:
                self._is_renewed = True

    def _dialect(self, sql: str) -> str:
        return sql if self._is_sqlite else sql.replace("?", "%s")


def open_store(url: str) -> SqlStore:
    """Open the store at `sqlite:///PATH` or `postgresql://…`, its tables made or brought up to date first.

    Raises:
        BadConfig: it cannot be had.
    """
    if url.startswith("sqlite:"):
        file = Path(urlsplit(url).path)
        if not file.exists():
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if schema_of(url) != SCHEMA:
        _migrate(url)
    return SqlStore(url)


def schema_of(url: str) -> str:
    """Which migration a store is at, "" if it has no tables yet. Raises: BadConfig."""
    connection = _connect(url)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""
    except Exception as error:  # noqa: BLE001  of two drivers, each with its own; without tables is no error
        if "alembic_version" in str(error):
            return ""
        if _is_damage(error):
            raise _damaged(where_of(url), error) from None
        raise BadConfig(where_of(url), f"cannot be read ({type(error).__name__})", "see that it is a vault's database and can be reached") from None
    finally:
        connection.close()


def where_of(url: str) -> str:
    """A store's place as it may be shown: without a password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "sqlite" else f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _migrate(url: str) -> None:
    """Bring the tables up to date, in a process of its own; the address goes by standard input, since it may hold a password."""
    done = subprocess.run([sys.executable, "-m", "dockwarden.vault.migrate"], input=url, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BadConfig(where_of(url), "the vault's tables cannot be made", (done.stderr.strip().splitlines() or ["see its own log"])[-1])


def _connect(url: str) -> Any:
    where = where_of(url)
    try:
        if url.startswith("sqlite:"):
            connection = sqlite3.connect(urlsplit(url).path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            connection.execute("PRAGMA secure_delete=ON")
            return connection
        import psycopg

        made = psycopg.connect(url, autocommit=True, **PATIENCE)
        made.execute(SESSION)
        return made
    except Exception as error:  # noqa: BLE001  of two drivers; its text may hold a password
        if _is_damage(error):
            raise _damaged(where, error) from None
        raise BadConfig(where, f"the vault's database cannot be opened ({type(error).__name__})", "see that it is there and may be used") from None


def _is_damage(error: Exception) -> bool:
    """Whether SQLite says that its file is not what it wrote. Source: SQLITE_CORRUPT and SQLITE_NOTADB, which are of no narrower class."""
    return type(error) is sqlite3.DatabaseError


def _damaged(where: str, error: Exception) -> BadConfig:
    return BadConfig(where, f"is damaged ({error})", "move it away, and put a backup in its place with dockwarden vault restore")


def _away() -> Unavailable:
    return Unavailable("vault.store", "the vault's database is not there now; it is looked for again at the next call")


def _version(row: Any) -> VersionRow:
    path, version, term, salt, wrapped, sealed = row
    return VersionRow(path=path, version=version, term=term, salt=bytes(salt), wrapped=bytes(wrapped), sealed=bytes(sealed))
