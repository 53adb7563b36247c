"""Where a ledger's tree goes on when the ledger is opened: from its tiles as far as they are there, then from the segments.

INVARIANT: nothing is signed that does not go on from what was signed before. Entries that a checkpoint vouches for and that are not here,
or are others, refuse to open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockwarden.ledger.checkpoint import NOTE, Checkpoint, read_signed
from dockwarden.ledger.merkle import leaf_hash
from dockwarden.ledger.note import BadNote, NoteKey
from dockwarden.ledger.segments import Lines, newest, segments
from dockwarden.ledger.tiles import Edge
from dockwarden.ledger.tree import BASE, CHECKPOINT, TREE, MissingTile, Tiles, TreeFiles, read_base, read_published
from dockwarden.words.errors import BadConfig

LOOK = "look with dockwarden ledger verify; to go on, move the ledger's folder aside and run dockwarden init"


@dataclass(frozen=True, slots=True)
class Begun:
    """A tree as it was found: `edge` is of all entries, `stored` of those that the tiles are there for, after `base` entries without a leaf."""

    base: int
    edge: Edge
    stored: Edge


def begin_tree(folder: Path, key: NoteKey, last: int) -> Begun:
    """Return the tree of the ledger in `folder`, whose last entry is `last`.

    Raises:
        BadConfig: it does not go on from what `key` signed.
    """
    tree = folder / TREE
    vouched, published = _last_vouched(folder, key), _published(tree, key)
    base = _base(folder, tree, published, vouched)
    stored = _stored(tree, published)
    known = {checkpoint.size: checkpoint.root for checkpoint in (published, vouched and vouched[1]) if checkpoint}
    if last - base < max(known, default=0):
        what = f"the signed checkpoint vouches for entry {base + max(known)}, but the last one here is {last}: the tail was cut off"
        raise BadConfig(str(folder), what, LOOK)
    edge = stored.copy()
    for line in _lines(folder, base + edge.size, last):
        edge.add(leaf_hash(line))
        if edge.size in known and edge.root() != known[edge.size]:
            raise BadConfig(str(folder), f"entries up to {base + edge.size} are not those that were signed", LOOK)
    return Begun(base, edge, stored)


def _lines(folder: Path, after: int, last: int) -> Iterator[bytes]:
    if after < last:
        try:
            yield from Lines(folder, after).upto(last)
        except FileNotFoundError:
            mend = f"restore {folder / TREE} from a copy of the ledger"
            raise BadConfig(str(folder / TREE), "tiles are missing, and so are the entries to make them again", mend) from None


def _published(tree: Path, key: NoteKey) -> Checkpoint | None:
    """The checkpoint beside the tiles, if it is this key's."""
    try:
        signed = read_published(tree / CHECKPOINT)
    except BadNote:
        return None
    return signed.checkpoint if signed and signed.is_by(key) else None


def _last_vouched(folder: Path, key: NoteKey) -> tuple[int, Checkpoint] | None:
    """The newest checkpoint among the entries, and its entry's place, if it is a note of this key."""
    entry = next((entry for entry in newest(folder) if entry.kind == "checkpoint"), None)
    if entry is None or NOTE not in entry.detail:
        return None
    try:
        signed = read_signed(str(entry.detail[NOTE]).encode())
    except BadNote:
        return None
    return (entry.seq, signed.checkpoint) if signed.is_by(key) else None


def _base(folder: Path, tree: Path, published: Checkpoint | None, vouched: tuple[int, Checkpoint] | None) -> int:
    """How many entries have no leaf: none, but where the oldest had left before there was a tree."""
    if vouched:
        base = vouched[0] - 1 - vouched[1].size
    elif published:
        base = _read_base(tree)
    else:
        files = segments(folder)
        base = int(files[0].stem) - 1 if files else 0
    if base:
        writing = TreeFiles(tree)
        writing.put(BASE, f"{base}\n".encode())
        writing.settle()
    return base


def _stored(tree: Path, published: Checkpoint | None) -> Edge:
    """The edge that tiles and checkpoint agree on; an empty one where they do not: it is made again from the entries then."""
    if published is None:
        return Edge()
    try:
        edge = Tiles(tree, published.size).edge()
    except MissingTile:
        return Edge()
    return edge if edge.root() == published.root else Edge()


def _read_base(tree: Path) -> int:
    try:
        return read_base(tree)
    except BadNote as error:
        raise BadConfig(str(tree), str(error), "restore it from a copy of the ledger") from None
