"""What is stored, row by row, and the hash of each: values only.

A *version* is written once and changed only to be wrapped under a newer term or to be destroyed. A *record* says which versions a path
has, in which state, and which of them go by a label. Rows name each other by hash, so that an older row is a wrong row.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from dockwarden.vault.faults import Tampered
from dockwarden.vault.tree import digest
from dockwarden.words.errors import Malformed

PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.@-]*){0,15}")
LONGEST_PATH = 255
MOST_BYTES = 1 << 20
CURRENT, PENDING, PREVIOUS = "current", "pending", "previous"


class State(StrEnum):
    """What became of a version. A deleted one can be brought back; of a destroyed one nothing is left but that it was."""

    LIVE = "live"
    DELETED = "deleted"
    DESTROYED = "destroyed"


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version, sealed. `wrapped` and `sealed` are empty once it is destroyed."""

    path: str
    version: int
    term: int
    salt: bytes
    wrapped: bytes
    sealed: bytes

    def digest(self) -> bytes:
        """The hash that its record knows it by."""
        numbers = (str(self.version).encode(), str(self.term).encode())
        return digest(b"version", self.path.encode(), *numbers, self.salt, self.wrapped, self.sealed)


class Held(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One version as its record has it: made when (microseconds since 1970), by whom, and the hash of its row."""

    version: int
    state: State
    at: int
    by: str
    size: int
    digest: bytes


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a path but its values. Versions are in ascending order; `labels` name live ones."""

    path: str
    labels: dict[str, int]
    versions: tuple[Held, ...]
    keep: int = 10
    note: str = ""

    def encoded(self) -> bytes:
        """The bytes that are stored."""
        return msgspec.json.encode(self, order="deterministic")

    def held(self, version: int) -> Held | None:
        """One version, if the path ever had it."""
        return next((held for held in self.versions if held.version == version), None)

    @property
    def newest(self) -> int:
        """The number of the newest version."""
        return self.versions[-1].version if self.versions else 0


def record_digest(encoded: bytes) -> bytes:
    """The hash that a bucket knows a record by."""
    return digest(b"record", encoded)


def read_record(path: str, encoded: bytes) -> Record:
    """Raises: Tampered."""
    try:
        return msgspec.json.decode(encoded, type=Record)
    except msgspec.DecodeError:
        raise Tampered(f"record of {path}", "it cannot be read") from None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the keyring, wrapped: `root` under the unseal key, `seal` and `term N` under the root key of `generation`.

    `how` says of `root` where its unseal key comes from (`seals.py`); it is JSON, "" for the others.
    """

    name: str
    generation: int
    salt: bytes
    sealed: bytes
    how: str = ""


def keyring_digest(rows: tuple[KeyRow, ...]) -> bytes:
    """The hash of the whole keyring."""
    in_order = sorted(rows, key=lambda row: row.name)
    parts = ((row.name.encode(), str(row.generation).encode(), row.salt, row.sealed, row.how.encode()) for row in in_order)
    return digest(b"keyring", *(part for row in parts for part in row))


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the whole vault: its `seq`th. `ledger_seq` and `ledger_hash` are the end of the ledger when it was written."""

    vault: str
    seq: int
    root: bytes
    keyring: bytes
    mac: bytes
    ledger_seq: int
    ledger_hash: bytes

    @property
    def name(self) -> str:
        """How the ledger knows it."""
        return digest(b"head name", self.vault.encode(), str(self.seq).encode(), self.root, self.keyring, self.mac).hex()


def checked_path(path: str) -> str:
    """Return `path` if it can be one.

    Raises:
        Malformed: `vault.path`.
    """
    if len(path) > LONGEST_PATH or PATH.fullmatch(path) is None:
        how = "write words of letters, digits, . _ @ - with / between them, as prod/db/password"
        raise Malformed("vault.path", f"{path[:60]!r} is no path of a secret; {how}")
    return path


def checked_value(value: bytes) -> bytes:
    """Return `value` if it can be kept. Raises: Malformed: `vault.value`."""
    if not 0 < len(value) <= MOST_BYTES:
        raise Malformed("vault.value", f"a value has 1 to {MOST_BYTES} bytes, this one has {len(value)}")
    return value
