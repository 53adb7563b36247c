"""How all of a vault hangs together: one root over every row, so that no single row can be replaced by an older one.

    head  =  HMAC-SHA256(seal key, root of the tree, keyring, count of changes)
    tree  =  a binary tree of SHA-256 over 16,384 buckets
    bucket = a list of (hash of a path, hash of its record), sorted
    record = labels and the hash of every version

To read a version is to follow its hashes up to a root that is held in memory: four hashes, whether there are a thousand secrets or a
million. To write one is to change one bucket and fourteen hashes above it.

Pure: rows in, hashes out. Source: docs/spec/vault.md.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from dockwarden.vault.faults import Tampered

LEVELS = 14
BUCKETS = 1 << LEVELS
HASH_BYTES = 32
ENTRY_BYTES = 2 * HASH_BYTES
EMPTY = hashlib.sha256(b"").digest()
"""The hash of a bucket that holds nothing."""


def digest(*parts: bytes) -> bytes:
    """SHA-256 over parts, each behind its length (four bytes, big-endian)."""
    seen = hashlib.sha256()
    for part in parts:
        seen.update(len(part).to_bytes(4, "big"))
        seen.update(part)
    return seen.digest()


def path_digest(path: str) -> bytes:
    """The hash that a path goes by in its bucket."""
    return digest(b"path", path.encode())


def bucket_of(path: str) -> int:
    """Which bucket a path is in."""
    return int.from_bytes(path_digest(path)[:2], "big") >> (16 - LEVELS)


class Bucket:
    """The paths of one bucket and the hash of the record of each. `packed` is how it is stored."""

    __slots__ = ("packed",)

    def __init__(self, packed: bytes = b"") -> None:
        self.packed = packed

    @property
    def digest(self) -> bytes:
        """The hash of all of it."""
        return hashlib.sha256(self.packed).digest()

    def record_of(self, path: str) -> bytes | None:
        """The hash of the record of `path`, `None` if it is not there."""
        at, is_there = self._find(path_digest(path))
        return self.packed[at + HASH_BYTES : at + ENTRY_BYTES] if is_there else None

    def with_record(self, path: str, record: bytes | None) -> Bucket:
        """The bucket with another record for `path`; `None` takes the path out."""
        name = path_digest(path)
        at, is_there = self._find(name)
        entry = b"" if record is None else name + record
        return Bucket(self.packed[:at] + entry + self.packed[at + (ENTRY_BYTES if is_there else 0) :])

    def _find(self, name: bytes) -> tuple[int, bool]:
        count = len(self.packed) // ENTRY_BYTES
        place = bisect_left(range(count), name, key=lambda number: self.packed[number * ENTRY_BYTES : number * ENTRY_BYTES + HASH_BYTES])
        at = place * ENTRY_BYTES
        return at, self.packed[at : at + HASH_BYTES] == name


def _empty_at_levels() -> tuple[bytes, ...]:
    """The hash of a node over nothing, by its level: the root's at 0, a bucket's at `LEVELS`."""
    found = [EMPTY]
    for _ in range(LEVELS):
        found.append(hashlib.sha256(found[-1] * 2).digest())
    return tuple(reversed(found))


EMPTY_AT = _empty_at_levels()


class Tree:
    """The tree over all buckets, in memory: every node's hash, the root at 1, the children of n at 2n and 2n+1.

    Nodes that have nothing under them are not there; with a million secrets it takes about 5 MiB.
    """

    __slots__ = ("_nodes",)

    def __init__(self, buckets: Mapping[int, bytes]) -> None:
        """`buckets` are the hashes of those that are not empty."""
        self._nodes: dict[int, bytes] = {}
        self.change(buckets)

    @property
    def root(self) -> bytes:
        """The hash over everything."""
        return self._get(1)

    def bucket(self, number: int) -> bytes:
        """The hash of one bucket."""
        return self._get(BUCKETS + number)

    def root_with(self, changed: Mapping[int, bytes]) -> bytes:
        """What the root would be with other hashes for some buckets; the tree stays as it is."""
        changes = {BUCKETS + number: value for number, value in changed.items()}
        return self._raised(changes).get(1, self.root)

    def change(self, changed: Mapping[int, bytes]) -> None:
        """Give some buckets other hashes."""
        for node, value in self._raised({BUCKETS + number: value for number, value in changed.items()}).items():
            self._nodes[node] = value

    def checked(self, number: int, packed: bytes) -> Bucket:
        """The bucket that `packed` is.

        Raises:
            Tampered: it is not the one that the tree holds.
        """
        bucket = Bucket(packed)
        if bucket.digest != self.bucket(number) or len(packed) % ENTRY_BYTES:
            raise Tampered(f"bucket {number}", "its hash is not the one in the tree")
        return bucket

    def _raised(self, changes: dict[int, bytes]) -> dict[int, bytes]:
        """The changes with all that changes above them."""
        level: Iterable[int] = set(changes)
        for _ in range(LEVELS):
            level = {node >> 1 for node in level}
            for node in level:
                left, right = (changes.get(child) or self._get(child) for child in (2 * node, 2 * node + 1))
                changes[node] = hashlib.sha256(left + right).digest()
        return changes

    def _get(self, node: int) -> bytes:
        return self._nodes.get(node) or EMPTY_AT[node.bit_length() - 1]


def head_mac(key: bytes, vault: str, seq: int, root: bytes, keyring: bytes) -> bytes:
    """What vouches for a state of the vault: its `seq`th, with this root and this keyring (its hash)."""
    return hmac.new(key, digest(b"head", vault.encode(), str(seq).encode(), root, keyring), hashlib.sha256).digest()
