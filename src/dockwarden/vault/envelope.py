"""How one key or value is sealed: AES-256-GCM, each key used once, and the place it belongs to bound in.

    unseal key -> root key -> term keys -> one data key a version -> the value

1. A *wrap* seals a key under another. The wrapping key is never used itself: from it and a random salt of 32 bytes HKDF-SHA256 derives
   a key for this one wrap, with the place as `info`.
2. A *value* is sealed under its data key, which is random and seals nothing else.
3. Every sealing therefore has a key of its own, and the nonce is twelve zero bytes. There is no counter to repeat, so a vault that was
   restored from a backup cannot use a nonce twice.
4. The place (purpose, vault, path, version, term) is associated data: what was moved to another place does not open.

Source: docs/spec/vault.md; NIST SP 800-38D (AES-GCM), RFC 5869 (HKDF).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dockwarden.vault.faults import Tampered

FORMAT = b"dockwarden vault 1"
KEY_BYTES = SALT_BYTES = 32
TAG_BYTES = 16
NONCE = bytes(12)
"""INVARIANT: no key seals two things, so one nonce will do for all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed thing belongs: what it is for, and the words and numbers that name it there."""

    purpose: str
    names: tuple[str, ...]

    def encoded(self) -> bytes:
        """The place as bytes that no other place has: each part behind its length, four bytes big-endian."""
        parts = (FORMAT, self.purpose.encode(), *(name.encode("utf-8", "surrogatepass") for name in self.names))
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def __str__(self) -> str:
        return " ".join((self.purpose, *self.names))


def root_place(vault: str, generation: int) -> Place:
    """Where the root key is, in its `generation`th wrap under an unseal key."""
    return Place("root key", (vault, str(generation)))


def keyring_place(vault: str, name: str) -> Place:
    """Where a key of the keyring is: `term 1`, `term 2`, …, or `seal`."""
    return Place("keyring", (vault, name))


def data_key_place(vault: str, path: str, version: int, term: int) -> Place:
    """Where a version's data key is, under the key of `term`."""
    return Place("data key", (vault, path, str(version), str(term)))


def value_place(vault: str, path: str, version: int) -> Place:
    """Where a version's value is."""
    return Place("value", (vault, path, str(version)))


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key under another: the salt of this one wrap, and 48 bytes that open with what it derives."""

    salt: bytes
    sealed: bytes


def wrap(key: bytes, inner: bytes, place: Place, salt: bytes) -> Wrapped:
    """Seal the key `inner` under `key` for `place`; `salt` is 32 fresh random bytes."""
    return Wrapped(salt, _cipher(_once(key, salt, place), inner, place))


def unwrap(key: bytes, wrapped: Wrapped, place: Place) -> bytes:
    """Return the inner key.

    Raises:
        Tampered: it was not wrapped under `key` for `place`; carries the place.
    """
    return _open(_once(key, wrapped.salt, place), wrapped.sealed, place)


def seal_value(data_key: bytes, value: bytes, place: Place) -> bytes:
    """Seal `value` under a data key that seals nothing else."""
    return _cipher(data_key, value, place)


def open_value(data_key: bytes, sealed: bytes, place: Place) -> bytes:
    """Return the value. Raises: Tampered."""
    return _open(data_key, sealed, place)


def _once(key: bytes, salt: bytes, place: Place) -> bytes:
    if len(salt) != SALT_BYTES:
        raise Tampered(str(place), "its salt is not of 32 bytes")
    return HKDF(SHA256(), KEY_BYTES, salt, place.encoded()).derive(key)


def _cipher(key: bytes, plain: bytes, place: Place) -> bytes:
    return AESGCM(key).encrypt(NONCE, plain, place.encoded())


def _open(key: bytes, sealed: bytes, place: Place) -> bytes:
    try:
        return AESGCM(key).decrypt(NONCE, sealed, place.encoded())
    except InvalidTag:
        raise Tampered(str(place), "it does not open with the key of that place") from None
