"""A secret does not print, pickle, format or stay in memory once it is wiped."""

from __future__ import annotations

import copy
import pickle
import secrets

import pytest

from dockwarden.words.secret import Secret


def fresh() -> bytes:
    """Bytes of nobody else's."""
    return secrets.token_bytes(40)


@pytest.mark.parametrize("shown", [repr, str, "{:>20}".format, "{!r}".format, lambda secret: f"{secret}"])
def test_it_shows_nothing(shown: object) -> None:
    value = fresh()

    said = shown(Secret(value))  # type: ignore[operator]
    assert value.hex() not in said
    assert repr(value) not in said


def test_it_is_not_pickled_copied_hashed_or_taken_for_bytes() -> None:
    secret = Secret(fresh())
    for deed in (pickle.dumps, copy.copy, copy.deepcopy, hash, bytes):
        with pytest.raises(TypeError):
            deed(secret)  # type: ignore[operator]


def test_equal_secrets_are_equal() -> None:
    value = fresh()

    assert Secret(value) == Secret(bytes(bytearray(value)))
    assert Secret(value) != Secret(fresh())
    assert Secret(value) != value


@pytest.mark.parametrize("length", [2, 40, 1 << 20])
def test_what_is_wiped_is_zeros_for_whoever_has_it_still(length: int) -> None:
    value = secrets.token_bytes(length)
    secret = Secret(value)
    secret.wipe()

    assert bytes(length) == value
    assert 0 == len(secret)
    secret.wipe()


def test_a_single_byte_is_shared_by_all_and_stays() -> None:
    value = secrets.token_bytes(1)
    before = value[0]
    Secret(value).wipe()

    assert bytes([before]) == value
    assert before == value[0]
