"""What shows, without the ledger, that an entry is in it: the entry, its place, the hashes up to the root, and the signed checkpoint. Pure.

    c2sp.org/tlog-proof@v1
    extra base64(the entry's line)
    index N
    base64(hash), one a line, from the leaf up
    (an empty line)
    the checkpoint, a signed note

Source: C2SP tlog-proof.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from dockwarden.ledger.checkpoint import Signed, read_signed
from dockwarden.ledger.merkle import HASH_BYTES, MOST_HASHES, leaf_hash, root_by_inclusion
from dockwarden.ledger.note import BadNote, NoteKey

FIRST = "c2sp.org/tlog-proof@v1"
INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class BadProof(ValueError):
    """It proves nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`line` is the entry's, without its end; `index` counts from 0."""

    line: bytes
    index: int
    hashes: tuple[bytes, ...]
    signed: Signed

    def written(self) -> str:
        """As it is handed on."""
        hashes = "".join(f"{base64.b64encode(hash).decode()}\n" for hash in self.hashes)
        return f"{FIRST}\nextra {base64.b64encode(self.line).decode()}\nindex {self.index}\n{hashes}\n{self.signed.note.written()}"

    def check(self, key: NoteKey) -> None:
        """Return if `key`, a ledger's, vouches for this entry at this place. Raises: BadProof."""
        if not self.signed.is_by(key):
            raise BadProof(f"its checkpoint is not signed by {key.name}")
        checkpoint = self.signed.checkpoint
        if root_by_inclusion(self.index, checkpoint.size, leaf_hash(self.line), self.hashes) != checkpoint.root:
            raise BadProof("its hashes do not lead from this entry to the checkpoint: one of them was changed")


def read_proof(data: bytes) -> Proof:
    """Return the proof in `data`, unchecked.

    Raises:
        BadProof: there is none.
    """
    head, found, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        signed = read_signed(note)
    except UnicodeDecodeError:
        raise BadProof("is no proof") from None
    except BadNote as error:
        raise BadProof(f"its checkpoint {error}") from None
    place = INDEX.fullmatch(lines[2]) if len(lines) > 2 else None
    if not found or lines[0] != FIRST or not lines[1].startswith("extra ") or place is None or len(lines) > 3 + MOST_HASHES:
        raise BadProof("is no proof that has its entry with it")
    try:
        line = base64.b64decode(lines[1].removeprefix("extra "), validate=True)
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines[3:])
    except ValueError:
        raise BadProof("has a line that is not base64") from None
    if any(len(hash) != HASH_BYTES for hash in hashes):
        raise BadProof("has a line that is no hash")
    return Proof(line, int(place[1]), hashes, signed)
