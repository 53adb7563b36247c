"""What the ledger's key vouches for: the root over all entries up to one. Pure.

    ORIGIN                      who the log is
    SIZE                        how many entries
    base64(root)

as a signed note. Until version 1 of the tree a checkpoint vouched for the chain's hash instead, in a form of our own; such are still read.
Source: C2SP tlog-checkpoint; docs/spec/ledger.md.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.merkle import HASH_BYTES
from dockwarden.ledger.note import BadNote, Note, NoteKey, read_note

NOTE = "note"
"""Where an entry of kind `checkpoint` has its note."""
CHAIN_PURPOSE = b"dockwarden ledger checkpoint v1\n"
TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


class Checkpoint(NamedTuple):
    """The tree of a log at `size` leaves."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signed(NamedTuple):
    """A checkpoint and the note that it stands in, whose signatures are not checked yet."""

    note: Note
    checkpoint: Checkpoint

    def is_by(self, key: NoteKey) -> bool:
        """Whether `key`, which is that of the log itself, signed it."""
        return self.checkpoint.origin == key.name and key.signed_at(self.note) is not None


def read_signed(data: bytes) -> Signed:
    """Return the checkpoint in `data`.

    Raises:
        BadNote: there is none; one with lines of another's making is none of ours.
    """
    note = read_note(data)
    found = TEXT.fullmatch(note.text)
    root = base64.b64decode(found[3]) if found else b""
    if found is None or len(root) != HASH_BYTES:
        raise BadNote("is no checkpoint")
    return Signed(note, Checkpoint(found[1], int(found[2]), root))


def ledger_key(public: Ed25519PublicKey) -> NoteKey:
    """The key of a ledger by the name that its checkpoints give it: no two ledgers have one."""
    raw = public.public_bytes_raw()
    return NoteKey(f"dockwarden/ledger-{hashlib.sha256(raw).hexdigest()[:16]}", raw)


class ChainCheckpoint(msgspec.Struct, frozen=True):
    """The form before: `hash` (hex) is the chain's at entry `seq`; `signature` is base64 of Ed25519 over both."""

    seq: int
    hash: str
    signature: str

    def is_signed(self, public: Ed25519PublicKey) -> bool:
        """Whether the key's holder vouched for it."""
        message = CHAIN_PURPOSE + f"{self.seq} {self.hash}\n".encode()
        try:
            public.verify(base64.b64decode(self.signature, validate=True), message)
        except (InvalidSignature, ValueError):
            return False
        return True
