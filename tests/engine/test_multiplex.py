"""A multiplexed stream is read the same, however it is cut."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.multiplex import Demultiplexer, Stream, multiplexed
from dockwarden.words.errors import Withheld

PIECES = st.lists(st.tuples(st.sampled_from([Stream.STDOUT, Stream.STDERR]), st.binary(max_size=40)), max_size=8)


@given(PIECES, st.lists(st.integers(0, 400), max_size=8))
def test_it_is_read_the_same_however_it_is_cut(pieces: list[tuple[Stream, bytes]], cuts: list[int]) -> None:
    sent = b"".join(multiplexed(stream, data) for stream, data in pieces)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = Demultiplexer()
    found = [part for start, end in pairwise(edges) for part in reader.feed(sent[start:end])]

    for stream in Stream:
        assert b"".join(data for one, data in pieces if one is stream) == b"".join(data for one, data in found if one is stream)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Withheld):
        Demultiplexer().feed(data)


def test_what_is_no_such_stream_is_refused() -> None:
    with pytest.raises(Withheld):
        Demultiplexer().feed(b"plain text of a terminal")
