"""One root over everything: any change shows, and no change is needed where nothing changed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.vault.faults import Tampered
from dockwarden.vault.tree import BUCKETS, EMPTY, ENTRY_BYTES, Bucket, Tree, bucket_of, path_digest

PATHS = st.sampled_from([f"prod/db{number}" for number in range(30)])
RECORDS = st.integers(0, 255).map(lambda number: bytes([number]) * 32).filter(any)  # no hash is all zeros


@given(st.lists(st.tuples(PATHS, st.none() | RECORDS), max_size=60))
def test_a_bucket_is_a_sorted_map_whatever_the_order_of_changes(changes: list[tuple[str, bytes | None]]) -> None:
    bucket, wanted = Bucket(), {}
    for path, record in changes:
        bucket = bucket.with_record(path, record)
        wanted[path] = record

    held = {path: record for path, record in wanted.items() if record is not None}
    assert b"".join(sorted(path_digest(path) + record for path, record in held.items())) == bucket.packed
    assert all(bucket.record_of(path) == record for path, record in wanted.items())


@given(st.lists(st.dictionaries(st.integers(0, BUCKETS - 1), RECORDS, max_size=5), max_size=5))
def test_a_tree_that_was_changed_is_the_tree_that_would_have_been_made(steps: list[dict[int, bytes]]) -> None:
    tree, held = Tree({}), {}
    for step in steps:
        foretold = tree.root_with(step)
        tree.change(step)
        held |= step
        assert foretold == tree.root

    assert Tree(held).root == tree.root
    assert naive_root([held.get(number, EMPTY) for number in range(BUCKETS)]) == tree.root


def naive_root(leaves: list[bytes]) -> bytes:
    while len(leaves) > 1:
        leaves = [hashlib.sha256(leaves[at] + leaves[at + 1]).digest() for at in range(0, len(leaves), 2)]
    return leaves[0]


@pytest.mark.parametrize("flaw", [b"", bytes(ENTRY_BYTES - 1), bytes(ENTRY_BYTES)])
def test_a_bucket_that_is_not_the_tree_s_is_named(flaw: bytes) -> None:
    bucket = Bucket().with_record("prod/db", bytes(32))
    number = bucket_of("prod/db")
    tree = Tree({number: bucket.digest})
    assert bucket.packed == tree.checked(number, bucket.packed).packed

    with pytest.raises(Tampered, match=f"bucket {number}"):
        tree.checked(number, flaw)
