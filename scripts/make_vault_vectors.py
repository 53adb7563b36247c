"""Write docs/spec/vault-vectors.json: a small vault with all its rows and values, from a fixed stream of "random" bytes."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from dockwarden.vault.seals import FileSeal, written
from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.vault import Spoken, Vault
from dockwarden.words.secret import Secret

FILE = Path(__file__).parent.parent / "docs" / "spec" / "vault-vectors.json"
UNSEAL_KEY = bytes(range(32))
TABLES = {"head": ["one", "row"], "keyring": ["name", "row"], "bucket": ["number", "digest", "packed"], "record": ["path", "row"],
          "version": ["path", "version", "term", "salt", "wrapped", "sealed"]}  # fmt: skip


class Stream:
    """The bytes of SHAKE-256 over a fixed text, one after the other."""

    def __init__(self) -> None:
        self._bytes, self._at = hashlib.shake_256(b"dockwarden vault vectors").digest(1 << 16), 0

    def draw(self, count: int) -> bytes:
        """The next `count` of them."""
        self._at += count
        return self._bytes[self._at - count : self._at]


class Said:
    """A ledger that keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def intend(self, vault: str, seq: int, name: str, before: str) -> tuple[int, bytes]:
        """As `Log.intend`."""
        self.entries.append({"vault": vault, "seq": seq, "head": name, "before": before})
        return len(self.entries), hashlib.sha256(name.encode()).digest()

    def kept(self, vault: str, seq: int, name: str) -> None:
        """As `Log.kept`."""
        self.entries.append({"vault": vault, "seq": seq, "head": name})

    def last(self, vault: str) -> Spoken | None:
        """Never asked here."""
        raise NotImplementedError

    def has(self, seq: int, hash: bytes) -> bool:
        """Never asked here."""
        raise NotImplementedError


def vectors() -> dict[str, Any]:
    """The whole file."""
    with tempfile.TemporaryDirectory() as folder:
        store, said = open_store(f"sqlite://{folder}/vault.db"), Said()
        now = iter(range(1_700_000_000_000_000, 1_700_001_000_000_000, 1_000_000))
        vault = Vault(store, said, Stream().draw, lambda: next(now))
        vault.create(UNSEAL_KEY, written(FileSeal()))
        for path, value in (("prod/db/password", b"first"), ("prod/db/password", b"second"), ("shared/e", bytes(range(256))),
                            ("people/alice/token", "näive ✓".encode()), ("prod/gone", b"destroyed")):
            vault.put(path, Secret(value), "alice")
        vault.destroy("prod/gone")
        vault.delete("shared/e")
        vault.rotate()
        vault.put("prod/after", Secret(b"under the second term"), "bob", label="pending")
        vault.rekey(UNSEAL_KEY[::-1], written(FileSeal()))
        rows = {table: _rows(store, table, columns) for table, columns in TABLES.items()}
        values = {"prod/db/password": {"1": b"first", "2": b"second"}, "shared/e": {"1": bytes(range(256))},
                  "people/alice/token": {"1": "näive ✓".encode()}, "prod/after": {"1": b"under the second term"}}
        store.close()
    opened = {path: {number: _plain(value) for number, value in versions.items()} for path, versions in values.items()}
    return {"unseal_key": UNSEAL_KEY[::-1].hex(), "rows": rows, "values": opened, "ledger": said.entries}


def _rows(store: SqlStore, table: str, columns: list[str]) -> list[dict[str, Any]]:
    found = store._all(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {columns[0]}")  # noqa: S608  names of ours
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in found]


def _plain(value: Any) -> Any:
    return b64encode(value).decode() if isinstance(value, bytes) else value


def text() -> str:
    """The file's text."""
    return json.dumps(vectors(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    sys.stdout.write(f"wrote {FILE.name}\n")
