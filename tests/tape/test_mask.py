"""No secret is left in what was masked, wherever the pieces end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.mask import MARK, Masker, Needles
from dockwarden.words.secret import Secret


def masked(values: list[bytes], pieces: list[bytes]) -> bytes:
    masker = Masker(Needles(values))
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


@pytest.mark.parametrize(
    ("pieces", "left"),
    [
        ([b"x s3cret y"], b"x [masked] y"),
        ([b"x s3", b"cret y"], b"x [masked] y"),
        ([bytes([byte]) for byte in b"s3cret"], MARK),
        ([b"s3cre", b"s3cret"], b"s3cre[masked]"),
        ([b"s3cr"], MARK),
        ([b"ab", b"s3"], b"abs3"),
        ([b"two\r\nlines-of-one\r\n"], b"two\r\n[masked]\r\n"),
    ],
)
def test_a_table(pieces: list[bytes], left: bytes) -> None:
    assert left == masked([b"s3cret", b"key\nlines-of-one\n"], pieces)


@given(st.lists(st.binary(min_size=4, max_size=6).filter(lambda value: not set(value) & set(MARK)), min_size=1, max_size=3), st.lists(st.binary(max_size=4), max_size=8), st.data())
def test_wherever_it_is_cut_no_value_is_left(values: list[bytes], around: list[bytes], data: st.DataObject) -> None:
    text = b"".join(part + data.draw(st.sampled_from(values)) for part in around)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    left = masked(values, pieces)

    assert not [value for value in values if value in left]


def test_without_values_nothing_waits() -> None:
    masker = Masker(Needles([b"abc"]))
    assert b"abc" == masker.feed(b"abc")


def test_what_is_kept_shares_nothing_with_what_came() -> None:
    masker = Masker(Needles([b"s3cret"]))
    for piece, left in ((b"nothing of it", b"nothing of it"), (b"s3c", b""), (b"ure", b"s3cure")):
        came = bytes(bytearray(piece))
        kept = masker.feed(came)
        Secret(came).wipe()
        assert left == kept


def test_what_was_looked_for_is_held_no_longer_than_that() -> None:
    needles, value = Needles(), b"a value " + bytes(str(id(object())), "ascii")
    same = bytes(bytearray(value))
    needles.learn([value])
    needles.learn([same])
    assert (1, bytes(len(same))) == (len(needles.values), same)
    needles.wipe()
    assert bytes(len(value)) == value
