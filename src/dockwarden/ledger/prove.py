"""Makes proofs from a ledger's files."""

from __future__ import annotations

from pathlib import Path

from dockwarden.ledger.checkpoint import Signed
from dockwarden.ledger.merkle import inclusion_proof
from dockwarden.ledger.note import BadNote
from dockwarden.ledger.proof import Proof
from dockwarden.ledger.segments import Lines
from dockwarden.ledger.tree import CHECKPOINT, TREE, WITNESSED, MissingTile, Tiles, read_base, read_published
from dockwarden.words.errors import BadConfig


def prove(folder: Path, seq: int) -> Proof:
    """Return what shows that entry `seq` is in the ledger, by the witnessed checkpoint if that has it already.

    Raises:
        BadConfig: it is not here, no checkpoint vouches for it yet, or the tree's files are not what they should be.
    """
    tree = folder / TREE
    try:
        index = seq - 1 - read_base(tree)
        every = [signed for name in (WITNESSED, CHECKPOINT) if (signed := read_published(tree / name))]
        signed = _first_with(index, every, seq)
        size = signed.checkpoint.size
        line = next(Lines(folder, seq - 1).upto(seq))
        return Proof(line, index, tuple(inclusion_proof(index, size, Tiles(tree, size).subtree())), signed)
    except FileNotFoundError:
        raise BadConfig(f"entry {seq}", "is in no segment that is here", "name an entry that dockwarden ledger search shows") from None
    except (BadNote, MissingTile) as error:
        raise BadConfig(str(tree), str(error), "run dockwarden ledger verify") from None


def _first_with(index: int, every: list[Signed], seq: int) -> Signed:
    if index < 0:
        raise BadConfig(f"entry {seq}", "is older than the ledger's tree, or no entry's number", "name a later entry")
    for signed in every:
        if index < signed.checkpoint.size:
            return signed
    raise BadConfig(f"entry {seq}", "is vouched for by no checkpoint yet", "ask again in some seconds, or name an entry before it")
