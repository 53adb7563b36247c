"""Is everything in a store what was stored? Every row, up to the head, and the head against the ledger.

Works on a store that nobody serves and on one that is being served: it looks at one moment of it. Without a key it proves that nothing
was changed, added, taken away or put back; with one, that every value opens too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dockwarden.vault.envelope import Wrapped, data_key_place, open_value, unwrap, value_place
from dockwarden.vault.faults import Tampered, WrongKey
from dockwarden.vault.keyring import Keyring, open_keyring
from dockwarden.vault.rows import Head, KeyRow, Record, State, VersionRow, keyring_digest, read_record, record_digest
from dockwarden.vault.store import Store
from dockwarden.vault.tree import BUCKETS, ENTRY_BYTES, Bucket, Tree, bucket_of, head_mac
from dockwarden.vault.vault import Log

PAGE = 500

Progress = Callable[[int], None]
"""Hears how many paths were looked at so far."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what was stored: where, and how it shows."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at. `is_opened` says that a key was there, so that values were opened too."""

    vault: str
    change: int
    paths: int
    versions: int
    is_opened: bool
    findings: tuple[Finding, ...]


def verify(store: Store, log: Log | None, key: bytes | None = None, heard: Progress = lambda _paths: None) -> Verified:
    """Look at all of `store`, which must not change meanwhile (`Store.snapshot`).

    Without `log`, where it stands is not asked: of an older copy, the ledger's last word is another.

    Raises:
        WrongKey: `key` does not unseal this vault. Unavailable: the database does not answer.
    """
    try:
        return _verified(store, log, key, heard)
    except Tampered as error:  # the file is damaged so that no more of it can be read
        return Verified("", 0, 0, 0, False, (Finding(error.place, error.what),))


def _verified(store: Store, log: Log | None, key: bytes | None, heard: Progress) -> Verified:
    head, rows = store.head(), store.keyring()
    if head is None:
        return Verified("", 0, 0, 0, False, (Finding("head", "there is no vault here"),))
    findings = [Finding("database", line) for line in store.damage()]
    if keyring_digest(rows) != head.keyring:
        findings.append(Finding("keyring", "its hash is not the one in the head"))
    keys = _keys(head, rows, key, findings)
    if log is not None:
        findings += _head(head, log, keys)
    buckets = {number: Bucket(store.bucket(number)) for number in store.bucket_digests()}
    findings += _tree(store, head, buckets)
    walk = _Walk(head, buckets, keys)
    after = ""
    while paths := store.paths("", after, PAGE):
        walk.page(store, paths)
        after = paths[-1]
        heard(walk.paths)
    findings += walk.findings + walk.missing() + list(_strays(store, walk.versions))
    return Verified(head.vault, head.seq, walk.paths, len(walk.versions), keys is not None, tuple(findings))


def _keys(head: Head, rows: tuple[KeyRow, ...], key: bytes | None, findings: list[Finding]) -> Keyring | None:
    if key is None:
        return None
    try:
        return open_keyring(head.vault, rows, key)
    except WrongKey:
        raise
    except Tampered as error:
        findings.append(Finding(error.place, error.what))
        return None


def _head(head: Head, log: Log, keys: Keyring | None) -> Iterator[Finding]:
    spoken = log.last(head.vault)
    if spoken is None:
        yield Finding("head", "the ledger says nothing of this vault")
    elif head.name not in spoken.names:
        yield Finding("head", f"the store stands at change {head.seq}, the ledger's last word is change {spoken.seq}: it went back, or is another")
    if not log.has(head.ledger_seq, head.ledger_hash):
        yield Finding("head", f"it was written after entry {head.ledger_seq} of a ledger that is not this one")
    if keys is not None and not hmac.compare_digest(head.mac, head_mac(keys.seal, head.vault, head.seq, head.root, head.keyring)):
        yield Finding("head", "its signature is not right")


def _tree(store: Store, head: Head, buckets: dict[int, Bucket]) -> Iterator[Finding]:
    for number, stored in store.bucket_digests().items():
        if not 0 <= number < BUCKETS or buckets[number].digest != stored or len(buckets[number].packed) % ENTRY_BYTES:
            yield Finding(f"bucket {number}", "its hash is not its own")
    whole = Tree({number: bucket.digest for number, bucket in buckets.items() if 0 <= number < BUCKETS})
    if whole.root != head.root:
        yield Finding("tree", "its root is not the one in the head")


class _Walk:
    """Every path of a store, page by page."""

    def __init__(self, head: Head, buckets: dict[int, Bucket], keys: Keyring | None) -> None:
        self._head, self._buckets, self._keys = head, buckets, keys
        self._seen: dict[int, int] = {}
        self.findings: list[Finding] = []
        self.versions: set[tuple[str, int]] = set()
        self.paths = 0

    def page(self, store: Store, paths: list[str]) -> None:
        """Look at some paths and all of their versions."""
        rows: dict[tuple[str, int], VersionRow] = {(row.path, row.version): row for row in store.versions(paths)}
        for path in paths:
            self.paths += 1
            number = bucket_of(path)
            self._seen[number] = self._seen.get(number, 0) + 1
            encoded = store.record(path) or b""
            if self._buckets.get(number, Bucket()).record_of(path) != record_digest(encoded):
                self._found(f"record of {path}", "its hash is not the one in its bucket")
                continue
            try:
                self._record(read_record(path, encoded), rows)
            except Tampered as error:
                self._found(error.place, error.what)

    def missing(self) -> list[Finding]:
        """Buckets that name more paths than there are."""
        return [
            Finding(f"bucket {number}", "it names a path whose record is not there")
            for number, bucket in self._buckets.items() if len(bucket.packed) // ENTRY_BYTES != self._seen.get(number, 0)
        ]

    def _record(self, record: Record, rows: dict[tuple[str, int], VersionRow]) -> None:
        for held in record.versions:
            place = f"version {held.version} of {record.path}"
            self.versions.add((record.path, held.version))
            row = rows.get((record.path, held.version))
            if row is None or row.digest() != held.digest:
                self._found(place, "its hash is not the one in its record")
            elif held.state is not State.DESTROYED and self._keys is not None:
                self._open(row, self._keys)

    def _open(self, row: VersionRow, keys: Keyring) -> None:
        vault = self._head.vault
        term = keys.terms.get(row.term)
        if term is None:
            self._found(f"version {row.version} of {row.path}", f"there is no key of its term {row.term}")
            return
        try:
            data_key = unwrap(term, Wrapped(row.salt, row.wrapped), data_key_place(vault, row.path, row.version, row.term))
            open_value(data_key, row.sealed, value_place(vault, row.path, row.version))
        except Tampered as error:
            self._found(error.place, error.what)

    def _found(self, place: str, what: str) -> None:
        self.findings.append(Finding(place, what))


def _strays(store: Store, known: set[tuple[str, int]]) -> Iterator[Finding]:
    for path, version in store.versions_of_all():
        if (path, version) not in known:
            yield Finding(f"version {version} of {path}", "no record names it")
