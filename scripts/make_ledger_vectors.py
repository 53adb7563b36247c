"""Write docs/spec/ledger-vectors.json: a small ledger's lines, checkpoints, tiles and proofs, from a fixed key and fixed times."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockwarden.ledger.chain import GENESIS, body_of, line_of, link
from dockwarden.ledger.checkpoint import Checkpoint, Signed, ledger_key
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.merkle import consistency_proof, inclusion_proof, leaf_hash
from dockwarden.ledger.note import COSIGNER, Note, NoteKey, Signature, cosigned, sign
from dockwarden.ledger.proof import Proof
from dockwarden.ledger.tiles import Edge, tile_root

FILE = Path(__file__).parent.parent / "docs" / "spec" / "ledger-vectors.json"
KEY, WITNESS = (Ed25519PrivateKey.from_private_bytes(bytes(range(begin, begin + 32))) for begin in (0, 32))
SIZES, PROVED, SEEN_AT = (1, 7, 260), (0, 6, 255, 259), 1_790_000_000


def lines() -> list[bytes]:
    """The lines of 260 entries, without their ends."""
    found, previous = [], GENESIS
    for seq in range(1, SIZES[-1] + 1):
        what = f"Container:{seq}"
        body = body_of(Entry(seq=seq, at=SEEN_AT * 10**6 + seq, kind="read", principal="alice", action="container.inspect", resource=what))
        previous = link(previous, body)
        found.append(line_of(previous, body)[:-1])
    return found


def vectors() -> dict[str, Any]:
    """What the file holds."""
    stored = lines()
    leaves = [leaf_hash(line) for line in stored]
    named, witness = ledger_key(KEY.public_key()), NoteKey("witness.example/w1", WITNESS.public_key().public_bytes_raw(), COSIGNER)
    edge, tiles, notes = Edge(), {}, {}
    for size, leaf in enumerate(leaves, 1):
        tiles.update({tile.path: tile.hashes.hex() for tile in edge.add(leaf)})
        if size in SIZES:
            tiles.update({tile.path: tile.hashes.hex() for tile in edge.partial()})
            checkpoint = Checkpoint(named.name, size, edge.root())
            notes[size] = Signed(sign(checkpoint.text(), named.name, KEY), checkpoint)

    def subtree(level: int, index: int) -> bytes:
        return tile_root(leaves[index << level : (index + 1) << level])

    newest = notes[SIZES[-1]]
    line = Signature(witness.name, witness.id, SEEN_AT.to_bytes(8, "big") + WITNESS.sign(cosigned(newest.note.text, SEEN_AT)))
    return {
        "key": named.written(), "witness_key": witness.written(), "lines": [line.decode() for line in stored],
        "checkpoints": {str(size): note.note.written() for size, note in notes.items()}, "tiles": tiles,
        "witnessed": Note(newest.note.text, (*newest.note.signatures, line)).written(),
        "proofs": {str(at): Proof(stored[at], at, tuple(inclusion_proof(at, SIZES[-1], subtree)), newest).written() for at in PROVED},
        "consistency": {str(old): [b64encode(hash).decode() for hash in consistency_proof(old, SIZES[-1], subtree)] for old in SIZES},
    }  # fmt: skip


def text() -> str:
    """The file."""
    return json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
