"""The tree's hashes and proofs are those of RFC 6962."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.ledger.merkle import (
    EMPTY,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    root_by_inclusion,
)
from dockwarden.ledger.tiles import Edge

from . import naive

KNOWN_LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the test vectors of Certificate Transparency, for one leaf to eight."""
MOST = 40


def leaves_of(size: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(size)]


def subtree_of(leaves: list[bytes]) -> object:
    return lambda level, index: naive.mth(leaves[index << level : (index + 1) << level])


def test_the_known_roots_come_out() -> None:
    edge, found = Edge(), []
    for leaf in KNOWN_LEAVES:
        edge.add(leaf_hash(leaf))
        found.append(edge.root().hex())

    assert KNOWN_ROOTS == found
    assert "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == Edge().root().hex() == EMPTY.hex()


@pytest.mark.parametrize("size", range(1, MOST))
def test_every_inclusion_proof_is_the_naive_one_and_leads_to_the_root(size: int) -> None:
    leaves = leaves_of(size)

    for index in range(size):
        made = inclusion_proof(index, size, subtree_of(leaves))  # type: ignore[arg-type]  # a Subtree
        assert naive.path(index, leaves) == made
        assert naive.mth(leaves) == root_by_inclusion(index, size, leaf_hash(leaves[index]), made)


@pytest.mark.parametrize("size", range(MOST))
def test_every_consistency_proof_is_the_naive_one_and_holds(size: int) -> None:
    leaves = leaves_of(size)
    root = naive.mth(leaves)

    for old in range(size + 1):
        made = consistency_proof(old, size, subtree_of(leaves))  # type: ignore[arg-type]  # a Subtree
        assert naive.proof(old, leaves) == made
        assert is_consistent(old, naive.mth(leaves[:old]), size, root, made)


@given(st.integers(1, 70), st.data())
def test_a_proof_with_anything_changed_does_not_hold(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    good, root, leaf = naive.path(index, leaves), naive.mth(leaves), leaf_hash(leaves[index])
    bad = list(good)
    what = data.draw(st.sampled_from(["flip", "drop", "add", "place", "size"]))
    if what == "flip" and bad:
        at = data.draw(st.integers(0, len(bad) - 1))
        bad[at] = bytes([bad[at][0] ^ 1]) + bad[at][1:]
    elif what == "drop" and bad:
        bad.pop(data.draw(st.integers(0, len(bad) - 1)))
    elif what == "add":
        bad.insert(data.draw(st.integers(0, len(bad))), bytes(32))
    elif what == "place" and size > 1:
        index = (index + data.draw(st.integers(1, size - 1))) % size
    else:
        leaf = leaf_hash(b"another")

    assert root != root_by_inclusion(index, size, leaf, bad)


@given(st.integers(2, 70), st.data())
def test_two_histories_are_never_shown_consistent(size: int, data: st.DataObject) -> None:
    """Whatever proof is taken from either tree or another size."""
    ours = leaves_of(size)
    old = data.draw(st.integers(1, size))
    theirs = list(ours)
    theirs[data.draw(st.integers(0, old - 1))] = b"rewritten"
    offered = naive.proof(data.draw(st.integers(0, size)), data.draw(st.sampled_from([ours, theirs])))

    assert not is_consistent(old, naive.mth(theirs[:old]), size, naive.mth(ours), offered)


@given(st.integers(-2, 70), st.integers(-2, 70), st.lists(st.binary(min_size=32, max_size=32), max_size=9))
def test_any_proof_is_answered_and_a_made_up_one_proves_nothing(one: int, other: int, hashes: list[bytes]) -> None:
    leaves = leaves_of(max(other, 0))

    assert naive.mth(leaves) != root_by_inclusion(one, other, bytes(32), hashes)
    assert not is_consistent(one, bytes(32), other, naive.mth(leaves), hashes)
