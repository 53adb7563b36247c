"""A digest is of one run from the beginning, or it is not there."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.files.contents import WAITING_BYTES, Budget, Contents, Moved


def moved(pieces: list[tuple[int, bytes]], budget: Budget) -> Moved:
    contents = Contents(budget)
    for offset, data in pieces:
        contents.add(offset, data)
    contents.end()
    return contents.moved()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([], Moved(), id="nothing"),
        pytest.param([(0, b"ab"), (2, b"cd")], Moved(4, digest(b"abcd"), 1), id="in order"),
        pytest.param([(4, b"ef"), (2, b"cd"), (0, b"ab")], Moved(6, digest(b"abcdef"), 1), id="backwards"),
        pytest.param([(2, b"cd")], Moved(2, "", 1), id="not from 0"),
        pytest.param([(0, b"ab"), (4, b"ef")], Moved(4, "", 2), id="a hole"),
        pytest.param([(0, b"ab"), (0, b"xy")], Moved(4, "", 2), id="again"),
        pytest.param([(0, b"ab"), (1, b"xy")], Moved(4, "", 2), id="over what was there"),
        pytest.param([(2, b"cd"), (2, b"xy"), (0, b"ab")], Moved(6, "", 3), id="early, twice"),
        pytest.param([(0, b""), (9, b"")], Moved(), id="empty pieces"),
    ],
)
def test_a_digest_is_of_one_run_or_not_there(pieces: list[tuple[int, bytes]], expected: Moved) -> None:
    assert expected == moved(pieces, Budget())


def test_what_waits_is_bounded_for_all_that_share_it_and_given_back() -> None:
    budget = Budget()
    first, second = Contents(budget), Contents(budget)
    first.add(10, bytes(WAITING_BYTES - 5))

    second.add(10, bytes(10))

    assert Moved(10, "", 1) == second.moved()
    first.end()
    assert WAITING_BYTES == budget.left


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=10), st.randoms(use_true_random=False))
def test_pieces_in_any_order_make_the_same_digest(parts: list[bytes], random) -> None:
    whole = b"".join(parts)
    pieces = [(sum(map(len, parts[:at])), part) for at, part in enumerate(parts)]
    random.shuffle(pieces)
    budget = Budget()

    found = moved(pieces, budget)

    assert Moved(len(whole), digest(whole) if whole else "", 1 if whole else 0) == found
    assert WAITING_BYTES == budget.left


@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=12), st.integers(0, 40))
def test_a_digest_is_of_what_moved_however_it_moves(pieces: list[tuple[int, bytes]], room: int) -> None:
    budget = Budget(room)

    found = moved(pieces, budget)

    assert room == budget.left
    assert sum(len(data) for _, data in pieces) == found.bytes
    if found.sha256:
        assert found.sha256 == digest(b"".join(data for _, data in sorted(pieces)))
