"""Where the unseal key comes from: each way brings back the same key, and says plainly why it does not."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from dockwarden.vault import seals
from dockwarden.vault.faults import WrongKey
from dockwarden.words.errors import BadConfig, Malformed
from dockwarden.words.secret import Secret

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "how", [seals.FileSeal(), seals.CredentialSeal(), seals.new_passphrase_seal(), seals.SharesSeal(needed=3, made=5)], ids=lambda how: type(how).__name__
)
def test_how_is_read_as_it_was_written(how: seals.How) -> None:
    assert how == seals.read_how(seals.written(how))


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = seals.make_key_file(tmp_path / "key")

    assert key == seals.make_key_file(tmp_path / "key") == seals.read_key_file(tmp_path / "key")
    assert 0o600 == (tmp_path / "key").stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    seals.make_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)

    with pytest.raises(BadConfig, match="chmod 600"):
        seals.read_key_file(tmp_path / "key")


def test_a_key_file_of_another_account_a_link_and_a_torn_one_are_refused(tmp_path: Path) -> None:
    seals.make_key_file(tmp_path / "key")
    os.chown(tmp_path / "key", 20001, 20001)
    with pytest.raises(BadConfig):
        seals.read_key_file(tmp_path / "key")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    with pytest.raises(BadConfig):
        seals.read_key_file(tmp_path / "link")
    (tmp_path / "torn").write_text("00ff")
    (tmp_path / "torn").chmod(0o600)
    with pytest.raises(BadConfig, match="32 bytes"):
        seals.read_key_file(tmp_path / "torn")


def test_a_credential_comes_from_the_service_manager(tmp_path: Path) -> None:
    (tmp_path / seals.CREDENTIAL).write_text(KEY.hex())

    assert KEY == seals.read_credential({seals.CREDENTIALS_DIRECTORY: str(tmp_path)})
    for environment in ({}, {seals.CREDENTIALS_DIRECTORY: str(tmp_path / "none")}):
        with pytest.raises(BadConfig):
            seals.read_credential(environment)


@pytest.mark.parametrize(
    ("passes", "memory_kib", "lanes", "password", "expected"),
    [
        (2, 1 << 16, 1, b"password", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (1, 1 << 16, 1, b"password", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (4, 1 << 16, 1, b"password", "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (2, 1 << 16, 1, b"differentpassword", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"),
    ],
)
def test_argon2id_derives_what_the_reference_implementation_does(passes: int, memory_kib: int, lanes: int, password: bytes, expected: str) -> None:
    how = seals.PassphraseSeal(salt=b"somesalt", memory_kib=memory_kib, passes=passes, lanes=lanes)

    assert expected == seals.passphrase_key(how, Secret(password)).hex()


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(Malformed):
        seals.checked_passphrase(Secret(b"hunter2"))


def test_any_enough_shares_bring_the_key_back_and_fewer_do_not() -> None:
    shares = seals.split(KEY, seals.SharesSeal(needed=3, made=5))

    for some in combinations(shares, 3):
        assert KEY == seals.combine(some)
    with pytest.raises(WrongKey):
        seals.combine(shares[:2])
    with pytest.raises(WrongKey):
        seals.combine([*shares[:2], *seals.split(bytes(32), seals.SharesSeal(needed=3, made=5))[:1]])


@pytest.mark.parametrize(("needed", "made"), [(1, 3), (4, 3), (0, 0), (2, 17)])
def test_shares_that_protect_nothing_are_refused(needed: int, made: int) -> None:
    with pytest.raises(Malformed):
        seals.split(KEY, seals.SharesSeal(needed=needed, made=made))


def test_a_share_with_a_wrong_word_is_none() -> None:
    share = seals.split(KEY, seals.SharesSeal(needed=2, made=2))[0]

    assert seals.is_share(share)
    assert not seals.is_share(share.rsplit(" ", 1)[0])
    assert not seals.is_share("academic " * 33)
