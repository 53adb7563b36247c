"""Texts with signatures below, and the keys that are named in them. Pure.

    TEXT, one or more lines
    (an empty line)
    — NAME base64(four bytes that name the key || signature)

A key is written `NAME+ID+base64(kind || public key)`. Kind 1 signs the text; kind 4, a witness, signs the text together with the time.
Source: C2SP signed-note and tlog-cosignature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PLAIN, COSIGNER = 1, 4
ID_BYTES, KEY_BYTES, TIME_BYTES = 4, 32, 8
LONGEST, MOST_SIGNATURES = 1 << 16, 64
DASH = "— "
NAME = re.compile(r"[^\s+]+")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class BadNote(ValueError):
    """It is no signed note, or no key of one; the text says why."""


class Signature(NamedTuple):
    """One line below the text."""

    name: str
    id: bytes
    signature: bytes

    def line(self) -> str:
        """As it is written, its end included."""
        return f"{DASH}{self.name} {base64.b64encode(self.id + self.signature).decode()}\n"


class Note(NamedTuple):
    """`text` ends with a line end; `signatures` has one at least, unchecked."""

    text: str
    signatures: tuple[Signature, ...]

    def written(self) -> str:
        """As it stands in a file."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Whose signatures are believed."""

    name: str
    public: bytes
    kind: int = PLAIN

    @property
    def id(self) -> bytes:
        """What stands for this key in a signature line."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:ID_BYTES]

    def written(self) -> str:
        """As it is handed on."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    def signed_at(self, note: Note) -> int | None:
        """When this key signed, in seconds since 1970, 0 where that is not said; `None` if it did not, or a line in its name is false."""
        found = [self._checked(note.text, line.signature) for line in note.signatures if (line.name, line.id) == (self.name, self.id)]
        return None if not found or None in found else found[0]

    def _checked(self, text: str, signature: bytes) -> int | None:
        at, message = 0, text.encode()
        if self.kind == COSIGNER:
            at, signature = int.from_bytes(signature[:TIME_BYTES], "big"), signature[TIME_BYTES:]
            message = cosigned(text, at)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return None
        return at


def read_key(written: str) -> NoteKey:
    """Return the key that is `written`.

    Raises:
        BadNote: it is none, or not of a kind that is known here.
    """
    name, _, rest = written.strip().partition("+")
    id, _, encoded = rest.partition("+")
    material = _decoded(encoded)
    if NAME.fullmatch(name) is None or len(material) != 1 + KEY_BYTES or material[0] not in {PLAIN, COSIGNER}:
        raise BadNote("is no key as NAME+ID+BASE64 with an Ed25519 key")
    key = NoteKey(name, material[1:], material[0])
    if key.id.hex() != id:
        raise BadNote("its name and its id do not belong together")
    return key


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Note:
    """Return `text`, which ends with a line end, signed in `name`."""
    named = NoteKey(name, key.public_key().public_bytes_raw())
    return Note(text, (Signature(name, named.id, key.sign(text.encode())),))


def cosigned(text: str, at: int) -> bytes:
    """What a witness signs who saw `text` at `at`, in seconds since 1970."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def read_note(data: bytes) -> Note:
    """Return the note in `data`, its signatures unchecked.

    Raises:
        BadNote: there is none.
    """
    if len(data) > LONGEST:
        raise BadNote("is too long for a signed note")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadNote("is no text") from None
    text, found, below = whole.rpartition("\n\n")
    if not found or not text or CONTROL.search(whole):
        raise BadNote("is no signed note")
    return Note(text + "\n", read_signatures(below))


def read_signatures(lines: str) -> tuple[Signature, ...]:
    """Return signature lines, one at least.

    Raises:
        BadNote: they are none.
    """
    if not lines.endswith("\n") or lines.count("\n") > MOST_SIGNATURES:
        raise BadNote("does not end with signature lines")
    return tuple(_read_signature(line) for line in lines[:-1].split("\n"))


def _read_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    data = _decoded(encoded)
    if not line.startswith(DASH) or NAME.fullmatch(name) is None or len(data) <= ID_BYTES:
        raise BadNote("has a line below that is no signature")
    return Signature(name, data[:ID_BYTES], data[ID_BYTES:])


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return b""
