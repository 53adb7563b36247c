"""The open vault: reads and writes of single paths, each checked up to the root that is held in memory.

A write is one `Change`, in this order:
1. What will be stored is worked out, and with it the next head.
2. The ledger takes the head's name, durably. From now on the store may stand at this head or at the one before.
3. The store takes the change, whole or not at all.
4. The ledger is told that it did. From now on only this head is right.
A crash between any two leaves a state that the ledger knows; any other is refused (`WentBack`).

Called by one thread at a time. It decides nothing about who may ask.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from dockwarden.vault import history
from dockwarden.vault.envelope import KEY_BYTES, SALT_BYTES, Wrapped, data_key_place, open_value, seal_value, unwrap, value_place, wrap
from dockwarden.vault.faults import Sealed, Tampered, WentBack
from dockwarden.vault.keyring import ROOT, TERM, Draw, Keyring, new_keyring, open_keyring
from dockwarden.vault.rows import (
    CURRENT,
    Head,
    Held,
    KeyRow,
    Record,
    State,
    VersionRow,
    checked_path,
    checked_value,
    keyring_digest,
    read_record,
    record_digest,
)
from dockwarden.vault.store import Change, Store
from dockwarden.vault.tree import Bucket, Tree, bucket_of, head_mac
from dockwarden.words.errors import Hidden, Malformed, Refused
from dockwarden.words.secret import Secret


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the ledger says of a vault last: the name of its head, and the one before while that may still be the one stored."""

    seq: int
    names: frozenset[str]


class Log(Protocol):
    """The ledger, as far as a vault speaks with it."""

    def intend(self, vault: str, seq: int, name: str, before: str) -> tuple[int, bytes]:
        """Write durably that the vault goes to head `name`; return the place and hash of the ledger's end.

        Raises: Unavailable: `ledger.unwritable`; the vault does not move then.
        """

    def kept(self, vault: str, seq: int, name: str) -> None:
        """Write that it is there."""

    def last(self, vault: str) -> Spoken | None:
        """What was written of it last, `None` if nothing is."""

    def has(self, seq: int, hash: bytes) -> bool:
        """Whether the ledger had this end once; True too where that part of it was retired."""


@dataclass(frozen=True, slots=True)
class Got:
    """One version's value."""

    value: Secret
    version: int


class Vault:
    """One vault over one store, bound to one ledger."""

    def __init__(self, store: Store, log: Log, draw: Draw = os.urandom, now_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self.store, self._log, self._draw, self._now_us = store, log, draw, now_us
        self._keys: Keyring | None = None
        self._tree: Tree | None = None
        self._head: Head | None = None
        self._doubt: tuple[Head, bool] | None = None
        """A change whose answer was lost, and whether the keyring changes with it."""

    # --- sealed and unsealed ---

    @property
    def is_sealed(self) -> bool:
        """Whether there is no key in memory."""
        return self._keys is None

    @property
    def head(self) -> Head:
        """The state that it is in. Raises: Sealed."""
        if self._head is None:
            raise Sealed
        return self._head

    def how(self) -> str:
        """Where this vault's unseal key comes from, as JSON; "" where there is no vault yet."""
        return next((row.how for row in self.store.keyring() if row.name == ROOT), "")

    def create(self, unseal_key: bytes, how: str) -> None:
        """Make a vault in an empty store, and leave it unsealed.

        Raises:
            Malformed: `vault.exists`.
        """
        self.store.claim()
        if self.store.head() is not None:
            raise Malformed("vault.exists", "there is a vault already; nothing was changed")
        vault = self._draw(16).hex()
        keys = new_keyring(how, self._draw)
        rows = keys.wrapped(vault, unseal_key, self._draw)
        self._keys, self._tree = keys, Tree({})
        try:
            self._move(vault, 1, "", {}, keyring=rows)
        except BaseException:
            self.seal()
            raise

    def unseal(self, unseal_key: bytes) -> None:
        """Open the keys and see that the store is what the ledger says it is, and ours alone.

        1. The root key opens with `unseal_key`, the keyring with the root key.
        2. The head's MAC is right, over this keyring and this tree.
        3. The head is one that the ledger allows now.
        4. The ledger is not older than the head: it has the end that the head was written at.

        Raises:
            WrongKey, Tampered, WentBack; the vault stays sealed then. Malformed: `vault.absent`. Unavailable: another has the store open.
        """
        self.store.claim()
        head, rows = self.store.head(), self.store.keyring()
        if head is None:
            raise Malformed("vault.absent", "there is no vault here; make one with dockwarden vault init")
        keys = open_keyring(head.vault, rows, unseal_key)
        tree = Tree(self.store.bucket_digests())
        if not hmac.compare_digest(head.mac, head_mac(keys.seal, head.vault, head.seq, tree.root, keyring_digest(rows))):
            raise Tampered("head", "its signature is not over the rows that are there")
        spoken = self._log.last(head.vault)
        if spoken is None or head.name not in spoken.names:
            raise WentBack(f"change {head.seq}", f"change {spoken.seq}" if spoken else "nothing about this vault")
        if not self._log.has(head.ledger_seq, head.ledger_hash):
            raise WentBack(f"entry {head.ledger_seq} of the ledger", "another one: the ledger is older than the vault")
        self._log.kept(head.vault, head.seq, head.name)
        self._keys, self._tree, self._head = keys, tree, head

    def reaffirm(self) -> None:
        """Tell the ledger anew where the vault stands, so that a ledger that lets old entries go still knows. Nothing while it is sealed."""
        if self._head is not None:
            self._log.kept(self._head.vault, self._head.seq, self._head.name)

    def seal(self) -> None:
        """Forget the keys."""
        self._keys = self._tree = self._head = self._doubt = None

    # --- reading ---

    def record(self, path: str) -> Record:
        """What is known of `path`, checked.

        Raises:
            Hidden: `vault.absent_path`. Tampered. Sealed.
        """
        record = self._found(checked_path(path))
        if record is None:
            raise absent(path)
        return record

    def get(self, path: str, version: int = 0, label: str = CURRENT) -> Got:
        """The value of one version: the one numbered so, or the one that goes by `label`.

        Raises:
            Hidden: `vault.absent_path`, `vault.absent_version` (never there, deleted, destroyed). Tampered. Sealed.
        """
        record = self.record(path)
        number = version or record.labels.get(label, 0)
        if not number:
            raise history.absent_version(path, f"version that is {label}")
        row = self._row(record, history.live(record, number))
        return Got(Secret(self._value(row)), number)

    def paths(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Paths that begin with `prefix`, in order, from the first after `after`. Raises: Sealed."""
        self._opened()
        return self.store.paths(prefix, after, limit)

    # --- writing ---

    def put(self, path: str, value: Secret, by: str, *, label: str = CURRENT) -> int:
        """Keep `value` as the newest version, give it `label`, and return its number; what was current before is `previous` then.

        Versions beyond what the record keeps are destroyed, the oldest first, never one with a label.
        Raises:
            Malformed: `vault.path`, `vault.value`. Unavailable: the ledger or the store does not take it. Sealed. Tampered.
        """
        keys = self._opened()
        record = self._found(checked_path(path)) or Record(path=path, labels={}, versions=())
        plain = checked_value(value.reveal())
        row = self._sealed(path, record.newest + 1, plain, keys)
        held = Held(version=row.version, state=State.LIVE, at=self._now_us(), by=by, size=len(plain), digest=row.digest())
        kept, gone = history.pruned(history.grown(record, held, label))
        self._write({path: kept}, (row, *gone))
        return row.version

    def label(self, path: str, label: str, version: int) -> None:
        """Let `label` name a live version. Raises: Hidden: `vault.absent_version`; as `put`."""
        record = self.record(path)
        history.live(record, version)
        self._write({path: msgspec.structs.replace(record, labels=history.labelled(record.labels, label, version))})

    def delete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Let some versions (all, if none is named) not be read any more, until `undelete`."""
        self._write({path: history.restated(self.record(path), versions, State.LIVE, State.DELETED)})

    def undelete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Bring deleted versions back; the newest live one is current then, if none is."""
        self._write({path: history.restated(self.record(path), versions, State.DELETED, State.LIVE)})

    def destroy(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Take the values and keys of some versions (all, if none is named) away for good."""
        record, rows = history.destroyed(self.record(path), versions)
        self._write({path: record}, rows)

    # --- keys ---

    def rekey(self, unseal_key: bytes, how: str) -> None:
        """Make a new root key, under another unseal key; the old one opens nothing any more. One change, whatever the vault's size."""
        keys, head = self._opened(), self.head
        fresh = keys.with_root(how, self._draw)
        self._move(head.vault, head.seq + 1, head.name, {}, keyring=fresh.wrapped(head.vault, unseal_key, self._draw))
        self._keys = fresh

    def rotate(self) -> int:
        """Begin a new term: versions from now on are wrapped under its key. Return its number; `rewrap` brings the old ones after."""
        keys, head = self._opened(), self.head
        fresh = keys.with_term(self._draw)
        rows = (*self.store.keyring(), fresh.under_root(head.vault, f"{TERM}{fresh.term}", fresh.newest, self._draw))
        self._move(head.vault, head.seq + 1, head.name, {}, keyring=rows)
        self._keys = fresh
        return fresh.term

    def rewrap(self, after: str = "", limit: int = 500) -> str:
        """Wrap the data keys of the next `limit` paths after `after` under the newest term; return the last path looked at, "" at the end.

        Each step is a change of its own, so a crash loses nothing: paths that were done are passed over the next time.
        """
        keys = self._opened()
        paths = self.store.paths("", after, limit)
        if not paths:
            return ""
        rows: dict[str, list[VersionRow]] = {}
        for row in self.store.versions(paths):
            if row.wrapped and row.term != keys.term:
                rows.setdefault(row.path, []).append(row)
        records, fresh = {}, []
        for path, old in rows.items():
            record = self.record(path)
            new = [self._rewrapped(record, row, keys) for row in old]
            fresh += new
            records[path] = history.rehashed(record, {row.version: row.digest() for row in new})
        if records:
            self._write(records, tuple(fresh))
        return paths[-1] if len(paths) == limit else ""

    def retire_terms(self) -> None:
        """Take the keys of old terms away, once nothing is wrapped under them. Called when `rewrap` has come to the end."""
        keys, head = self._opened(), self.head
        if len(keys.terms) == 1:
            return
        rows = tuple(row for row in self.store.keyring() if not row.name.startswith(TERM) or row.name == f"{TERM}{keys.term}")
        self._move(head.vault, head.seq + 1, head.name, {}, keyring=rows)
        self._keys = keys.newest_alone()

    # --- within ---

    def _opened(self) -> Keyring:
        self._settle()
        if self._keys is None:
            raise Sealed
        return self._keys

    def _bucket(self, number: int) -> Bucket:
        self._settle()
        if self._tree is None:
            raise Sealed
        return self._tree.checked(number, self.store.bucket(number))

    def _found(self, path: str) -> Record | None:
        wanted = self._bucket(bucket_of(path)).record_of(path)
        encoded = self.store.record(path)
        if wanted is None and encoded is None:
            return None
        if wanted is None or encoded is None or not hmac.compare_digest(wanted, record_digest(encoded)):
            raise Tampered(f"record of {path}", "its hash is not the one in its bucket")
        return read_record(path, encoded)

    def _row(self, record: Record, held: Held) -> VersionRow:
        row = self.store.version(record.path, held.version)
        if row is None or not hmac.compare_digest(row.digest(), held.digest):
            raise Tampered(f"version {held.version} of {record.path}", "its hash is not the one in its record")
        return row

    def _data_key(self, row: VersionRow) -> bytes:
        keys, vault = self._opened(), self.head.vault
        place = data_key_place(vault, row.path, row.version, row.term)
        term = keys.terms.get(row.term)
        if term is None:
            raise Tampered(str(place), f"there is no key of term {row.term}")
        return unwrap(term, Wrapped(row.salt, row.wrapped), place)

    def _value(self, row: VersionRow) -> bytes:
        return open_value(self._data_key(row), row.sealed, value_place(self.head.vault, row.path, row.version))

    def _sealed(self, path: str, version: int, value: bytes, keys: Keyring) -> VersionRow:
        vault, data_key = self.head.vault, self._draw(KEY_BYTES)
        wrapped = wrap(keys.newest, data_key, data_key_place(vault, path, version, keys.term), self._draw(SALT_BYTES))
        sealed = seal_value(data_key, value, value_place(vault, path, version))
        return VersionRow(path=path, version=version, term=keys.term, salt=wrapped.salt, wrapped=wrapped.sealed, sealed=sealed)

    def _rewrapped(self, record: Record, row: VersionRow, keys: Keyring) -> VersionRow:
        held = record.held(row.version)
        if held is None or not hmac.compare_digest(held.digest, row.digest()):
            raise Tampered(f"version {row.version} of {row.path}", "its hash is not the one in its record")
        place = data_key_place(self.head.vault, row.path, row.version, keys.term)
        wrapped = wrap(keys.newest, self._data_key(row), place, self._draw(SALT_BYTES))
        return msgspec.structs.replace(row, term=keys.term, salt=wrapped.salt, wrapped=wrapped.sealed)

    def _write(self, records: Mapping[str, Record], versions: tuple[VersionRow, ...] = ()) -> None:
        """Store records and versions, and all the hashes above them."""
        encoded = {path: record.encoded() for path, record in records.items()}
        buckets: dict[int, Bucket] = {}
        for path, row in encoded.items():
            number = bucket_of(path)
            bucket = buckets.get(number) or self._bucket(number)
            buckets[number] = bucket.with_record(path, record_digest(row))
        head = self.head
        self._move(head.vault, head.seq + 1, head.name, buckets, records=encoded, versions=versions)

    def _move(
        self, vault: str, seq: int, before: str, buckets: Mapping[int, Bucket], *, records: Mapping[str, bytes] | None = None,
        versions: tuple[VersionRow, ...] = (), keyring: tuple[KeyRow, ...] | None = None,
    ) -> None:
        """Go to the next head: the four steps at the top of this file."""
        keys, tree = self._opened(), self._tree
        if tree is None:
            raise Sealed
        digests = {number: bucket.digest for number, bucket in buckets.items()}
        root, ring = tree.root_with(digests), self.head.keyring if keyring is None else keyring_digest(keyring)
        mac = head_mac(keys.seal, vault, seq, root, ring)
        head = Head(vault=vault, seq=seq, root=root, keyring=ring, mac=mac, ledger_seq=0, ledger_hash=b"")
        at, hash = self._log.intend(vault, seq, head.name, before)
        head = msgspec.structs.replace(head, ledger_seq=at, ledger_hash=hash)
        packed = {number: bucket.packed for number, bucket in buckets.items()}
        try:
            self.store.commit(Change(head, packed, records or {}, versions, keyring))
        except BaseException:
            self._doubt = (head, keyring is not None)
            with contextlib.suppress(Refused):
                self._settle()
            raise
        tree.change(digests)
        self._head = head
        self._log.kept(vault, seq, head.name)

    def _settle(self) -> None:
        """See which state a change left that failed: it may be there all the same, where its answer alone was lost.

        Until the store says so, nothing is served. Keys that changed with it were never ours to use: the vault is sealed then.
        Raises:
            Unavailable: the store does not answer yet. Sealed, Tampered.
        """
        if self._doubt is None:
            return
        head, is_keyring = self._doubt
        if self.store.head() != head:
            self._doubt = None
            return
        tree = Tree(self.store.bucket_digests())
        if is_keyring or tree.root != head.root:
            self.seal()
            raise Sealed
        self._tree, self._head, self._doubt = tree, head, None
        self._log.kept(head.vault, head.seq, head.name)


def absent(path: str) -> Hidden:
    """What is said of a path that is not there, or that the asker may not know of."""
    return Hidden("vault.absent_path", f"there is no secret at {path}")
