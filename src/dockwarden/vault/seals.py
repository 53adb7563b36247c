"""Where the unseal key comes from: a key file, a passphrase, shares that several people hold, or a credential of the service manager.

The kind, and what is needed to try again (never the key itself), is stored with the root key as JSON, its `how`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from dockwarden.ledger.durable import sync_folder
from dockwarden.vault.envelope import KEY_BYTES
from dockwarden.vault.faults import WrongKey
from dockwarden.vault.private import read_private
from dockwarden.words.errors import BadConfig, Malformed
from dockwarden.words.secret import Secret

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
CREDENTIAL = "dockwarden.unseal"
SHORTEST_PASSPHRASE = 12
MEMORY_KIB, PASSES, LANES = 64 << 10, 3, 4
"""Argon2id as RFC 9106 recommends it where 64 MiB is what can be spared."""
MOST_SHARES = 16


class FileSeal(msgspec.Struct, frozen=True, tag="file", tag_field="by"):
    """The key is in a file that is root's alone."""


class CredentialSeal(msgspec.Struct, frozen=True, tag="credential", tag_field="by"):
    """The service manager hands the key over at start (`LoadCredentialEncrypted=`)."""


class PassphraseSeal(msgspec.Struct, frozen=True, kw_only=True, tag="passphrase", tag_field="by"):
    """The key is derived from what somebody types."""

    salt: bytes
    memory_kib: Annotated[int, msgspec.Meta(ge=8 << 10, le=4 << 20)] = MEMORY_KIB
    passes: Annotated[int, msgspec.Meta(ge=1, le=64)] = PASSES
    lanes: Annotated[int, msgspec.Meta(ge=1, le=64)] = LANES


class SharesSeal(msgspec.Struct, frozen=True, kw_only=True, tag="shares", tag_field="by"):
    """Any `needed` of `made` people bring the words they were given (SLIP-39)."""

    needed: int
    made: int


How = FileSeal | CredentialSeal | PassphraseSeal | SharesSeal


def written(how: How) -> str:
    """`how` as it is stored."""
    return msgspec.json.encode(how).decode()


def read_how(text: str) -> How:
    """The kind of seal that is stored. Raises: Malformed: `vault.how`."""
    try:
        return msgspec.json.decode(text, type=FileSeal | CredentialSeal | PassphraseSeal | SharesSeal)
    except msgspec.DecodeError:
        raise Malformed("vault.how", "it cannot be told where this vault's unseal key comes from; upgrade dockwarden") from None


def make_key_file(file: Path) -> bytes:
    """Make a key in `file`, 0600, and return it; one that is there is read and stays.

    Raises:
        BadConfig: as `read_key_file`, or it cannot be made.
    """
    key = secrets.token_bytes(KEY_BYTES)
    try:
        write_key_file(file, key)
    except FileExistsError:
        return read_key_file(file)
    return key


def write_key_file(file: Path, key: bytes) -> None:
    """Write `key` to a new file, 0600, durably. Raises: FileExistsError. BadConfig: it cannot be made."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise BadConfig(str(file), f"cannot be made ({error.strerror})", "make its folder root's own") from None
    with os.fdopen(fd, "wb") as out:
        out.write(key.hex().encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())
    sync_folder(file.parent)


def new_key_file(file: Path) -> Path:
    """Where the next key waits during a re-key, until it takes the place of the one in `file`."""
    return file.with_name(f"{file.name}.new")


def read_key_file(file: Path) -> bytes:
    """Return the key in `file`.

    Raises:
        BadConfig: it is not there, not for its owner alone, another's, or no key.
    """
    return _key_of(read_private(file, "others may use this key", "put the vault's key back, or unseal it another way"), str(file))


def read_credential(environment: Mapping[str, str]) -> bytes:
    """Return the key that the service manager hands over. Raises: BadConfig."""
    folder = environment.get(CREDENTIALS_DIRECTORY, "")
    where = f"the credential {CREDENTIAL}"
    if not folder:
        raise BadConfig(where, "is not there", f"start dockwarden by a unit with LoadCredentialEncrypted={CREDENTIAL}:FILE")
    try:
        return _key_of((Path(folder) / CREDENTIAL).read_bytes(), where)
    except OSError as error:
        raise BadConfig(where, f"cannot be read ({error.strerror})", "see LoadCredentialEncrypted= of the unit") from None


def _key_of(text: bytes, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadConfig(where, f"is no key of {KEY_BYTES} bytes in hex", "put the vault's own key back")
    return key


def new_passphrase_seal() -> PassphraseSeal:
    """A seal with a salt of its own."""
    return PassphraseSeal(salt=secrets.token_bytes(16))


def passphrase_key(how: PassphraseSeal, passphrase: Secret) -> bytes:
    """The key that `passphrase` stands for. Takes `memory_kib` of memory and about a tenth of a second."""
    kdf = Argon2id(salt=how.salt, length=KEY_BYTES, iterations=how.passes, lanes=how.lanes, memory_cost=how.memory_kib)
    return kdf.derive(passphrase.reveal())


def checked_passphrase(passphrase: Secret) -> Secret:
    """Return a passphrase that may be used from now on. Raises: Malformed: `vault.passphrase`."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise Malformed("vault.passphrase", f"a passphrase has {SHORTEST_PASSPHRASE} bytes or more; take several words")
    return passphrase


def split(key: bytes, how: SharesSeal) -> list[str]:
    """The key as `how.made` lines of words, any `how.needed` of which bring it back.

    Raises:
        Malformed: `vault.shares`.
    """
    if not 2 <= how.needed <= how.made <= MOST_SHARES:
        raise Malformed("vault.shares", f"write NEEDED-of-MADE with 2 <= NEEDED <= MADE <= {MOST_SHARES}, as 3-of-5")
    shamir_mnemonic = _slip39()
    made: list[list[str]] = shamir_mnemonic.generate_mnemonics(1, [(how.needed, how.made)], key, iteration_exponent=0)
    return made[0]


def combine(shares: Sequence[str]) -> bytes:
    """The key that `shares` bring back. Raises: WrongKey: a word is wrong, they are too few, or of different keys."""
    shamir_mnemonic = _slip39()
    try:
        key: bytes = shamir_mnemonic.combine_mnemonics(list(shares))
    except shamir_mnemonic.MnemonicError:
        raise WrongKey from None
    return key


def is_share(text: str) -> bool:
    """Whether `text` is a whole share, every word of it right; nobody is told what is wrong with which."""
    shamir_mnemonic = _slip39()
    try:
        shamir_mnemonic.Share.from_mnemonic(text)
    except shamir_mnemonic.MnemonicError:
        return False
    return True


def _slip39() -> Any:
    """The library of shares, loaded where there are any: its words would be in memory for nothing."""
    import shamir_mnemonic  # type: ignore[import-untyped]  # it has no types of its own

    return shamir_mnemonic
