"""A vault copied as it is, sealed, and put back: the copy is a store of its own, and so is what it is put back into.

Putting back is a change like any other: it takes the next number, so that the ledger knows of it, and yesterday's database in today's
place remains what it is, a forgery.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dockwarden.vault.faults import Tampered
from dockwarden.vault.keyring import open_keyring
from dockwarden.vault.rows import Head, keyring_digest
from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.store import Change, Store
from dockwarden.vault.tree import Tree, head_mac
from dockwarden.vault.vault import Log, Spoken
from dockwarden.vault.verify import verify
from dockwarden.words.errors import BadConfig, Malformed

PAGE = 500

Progress = Callable[[int], None]
"""Hears how many paths were copied so far."""


def copy(store: Store, file: Path, heard: Progress = lambda _paths: None) -> Head:
    """Write what `store` holds (a snapshot: it must not change meanwhile) to a new SQLite store at `file`; return its head.

    The head is written last: a copy that was broken off has none, and is no vault.
    Raises:
        BadConfig: `file` is there already, or cannot be made. Malformed: `vault.absent`.
    """
    head = store.head()
    if head is None:
        raise Malformed("vault.absent", "there is no vault here to copy")
    if file.exists():
        raise BadConfig(str(file), "is there already", "name a file that is not")
    target = open_store(f"sqlite://{file.absolute()}")
    try:
        for rows in _parts(store, head, heard):
            target.fill(rows)
        target.commit(Change(head, keyring=store.keyring()))
    finally:
        target.close()
    return head


def restore(backup: Store, target: SqlStore, key: bytes, log: Log, heard: Progress = lambda _paths: None) -> Head:
    """Put `backup` in the place of what `target` holds; return its new head.

    Raises:
        WrongKey: `key` does not unseal it. Tampered: it is not what was copied. Malformed: `vault.another`: it is of another vault.
        Unavailable: another dockwarden has `target` open, or it does not answer.
    """
    target.claim()
    old, head, rows = target.head(), backup.head(), backup.keyring()
    if head is None:
        raise Malformed("vault.absent", "there is no vault in that file: the copy was broken off, or it is something else")
    if old is not None and old.vault != head.vault:
        raise Malformed("vault.another", "that backup is of another vault; to replace this one by it, take this database away first")
    keys = open_keyring(head.vault, rows, key)
    tree = Tree(backup.bucket_digests())
    if not hmac.compare_digest(head.mac, head_mac(keys.seal, head.vault, head.seq, tree.root, keyring_digest(rows))):
        raise Tampered("backup", "its signature is not over the rows that are there")
    for finding in verify(backup, None, key).findings:
        raise Tampered(f"backup, {finding.place}", f"{finding.what}; nothing was replaced")
    spoken = log.last(head.vault)
    seq = max(head.seq, spoken.seq if spoken is not None else 0, old.seq if old is not None else 0) + 1
    mac = head_mac(keys.seal, head.vault, seq, tree.root, head.keyring)
    new = Head(vault=head.vault, seq=seq, root=tree.root, keyring=head.keyring, mac=mac, ledger_seq=0, ledger_hash=b"")
    at, hash = log.intend(head.vault, seq, new.name, _before(old, spoken))
    new = msgspec.structs.replace(new, ledger_seq=at, ledger_hash=hash)
    target.replace(_parts(backup, new, heard), Change(new, keyring=rows))
    log.kept(head.vault, seq, new.name)
    return new


def _before(old: Head | None, spoken: Spoken | None) -> str:
    """The state that is right until the backup is in place: the one that is there, but only if the ledger knows it."""
    if spoken is None:
        return ""
    return old.name if old is not None and old.name in spoken.names else min(spoken.names)


def _parts(store: Store, head: Head, heard: Progress) -> Iterator[Change]:
    """All rows but head and keyring, some at a time."""
    numbers = sorted(store.bucket_digests())
    for at in range(0, len(numbers), PAGE):
        yield Change(head, buckets={number: store.bucket(number) for number in numbers[at : at + PAGE]})
    after, copied = "", 0
    while paths := store.paths("", after, PAGE):
        yield Change(head, records={path: store.record(path) or b"" for path in paths}, versions=tuple(store.versions(paths)))
        after, copied = paths[-1], copied + len(paths)
        heard(copied)
