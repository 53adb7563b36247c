"""The tree over a list of leaves: its hashes, that a leaf is in it, that a longer one goes on from a shorter one. Pure.

Leaves count from 0. A *subtree* `(level, index)` is the whole one over the leaves `index * 2**level` up to, not with, `(index + 1) * 2**level`.
Source: RFC 6962 section 2.1; the ways to check are those of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""
MOST_HASHES = 64
"""No proof has more."""

Subtree = Callable[[int, int], bytes]
"""The hash of a subtree, by level and index; only such are asked for as are whole in the tree."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def row_above(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes over each two of an even number of neighbours."""
    sha256 = hashlib.sha256
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over whole subtrees that lie side by side, the largest first; `EMPTY` without any."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def range_hash(begin: int, end: int, subtree: Subtree) -> bytes:
    """The hash over the leaves from `begin` up to, not with, `end`, where a split of some tree begins at `begin`."""
    peaks = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        peaks.append(subtree(level, begin >> level))
        begin += 1 << level
    return fold(peaks)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """What shows that leaf `index` is in the tree of `size` leaves: from its neighbour's hash up. `index` is below `size`."""
    begin, end, found = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append(range_hash(middle, end, subtree))
            end = middle
        else:
            found.append(range_hash(begin, middle, subtree))
            begin = middle
    return found[::-1]


def consistency_proof(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """What shows that the tree of `size` leaves begins with that of `old`; nothing is needed for 0 and for `size` itself."""
    if old in {0, size}:
        return []
    begin, end, found, is_known = 0, size, [], True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append(range_hash(middle, end, subtree))
            end = middle
        else:
            found.append(range_hash(begin, middle, subtree))
            begin, is_known = middle, False
    if not is_known:
        found.append(range_hash(begin, end, subtree))
    return found[::-1]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root of a tree of `size` leaves that has the hash `leaf` at `index`, by its proof; `None` if that is no proof for this place."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for part in proof:
        if not last:
            return None
        if place & 1 or place == last:
            root = node_hash(part, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, part)
        place, last = place >> 1, last >> 1
    return None if last else root


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `size` leaves is shown to begin with that of `old`."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for part in path[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            before, after = node_hash(part, before), node_hash(part, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, part)
        place, last = place >> 1, last >> 1
    return not last and (before, after) == (old_root, root)
