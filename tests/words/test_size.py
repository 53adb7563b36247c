"""Sizes as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.words.size import UNITS, bytes_of, size_in_words


@pytest.mark.parametrize(("text", "size"), [("4096", 4096), ("512m", 512 << 20), ("2G", 2 << 30), ("1b", 1), ("0", 0), ("2gib", 0), ("1.5g", 0), ("", 0), ("-1", 0), ("٣m", 0)])
def test_a_size_is_a_number_and_a_unit_and_nothing_else_says_one(text: str, size: int) -> None:
    assert size == bytes_of(text)


@pytest.mark.parametrize(("size", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (4 << 30, "4 GiB"), ((4 << 30) - 1, "3.9 GiB"), (5000 << 40, "5000 TiB")])
def test_it_is_read_in_the_largest_unit_and_never_as_more_than_it_is(size: int, words: str) -> None:
    assert words == size_in_words(size)


@given(st.integers(1, 999), st.sampled_from(sorted(UNITS)))
def test_what_is_written_is_what_is_read(number: int, unit: str) -> None:
    assert size_in_words(bytes_of(f"{number}{unit}")) == f"{number} {unit.upper().replace('B', '')}{'iB' if unit not in ('', 'b') else 'B'}"
