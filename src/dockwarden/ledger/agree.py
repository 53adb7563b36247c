"""Whether a ledger's tree is that of its entries, and goes on from checkpoints that were kept elsewhere. It reads files and decides nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from dockwarden.ledger.checkpoint import Checkpoint, Signed
from dockwarden.ledger.merkle import consistency_proof, is_consistent, leaf_hash
from dockwarden.ledger.tiles import HEIGHT, WIDTH, Edge, bundle, bundle_path, tile_path, tile_root
from dockwarden.ledger.tree import CHECKPOINT, MissingTile, Tiles


class Disagreement(Exception):
    """Two do not agree; `file` is the one of the tree, the text says with what."""

    def __init__(self, file: str, what: str) -> None:
        super().__init__(what)
        self.file = file


class Agreement:
    """The tree's side of a walk over all entries. Each method raises Disagreement at the first thing that is not as it was signed."""

    def __init__(self, tree: Path, published: Checkpoint | None, base: int) -> None:
        """`published` is the checkpoint beside the tiles, checked already; without it there are no tiles to look at."""
        self._tree, self._published, self.base = tree, published, base
        self._tiles = Tiles(tree, published.size if published else 0)
        self._edge = Edge()
        self._lines: list[bytes] | None = []

    @property
    def size(self) -> int:
        """How many leaves were seen."""
        return self._edge.size

    def begin(self, first: int) -> None:
        """Go on from the hashes of what was before entry `first`; they are believed from the next checkpoint on."""
        gone = first - 1 - self.base
        if gone < 0 or self._published is None:
            self.base = first - 1
            return
        if gone > self._published.size:
            last = self.base + self._published.size
            raise Disagreement(CHECKPOINT, f"the signed checkpoint ends with entry {last}, long before the first one here")
        try:
            self._edge = self._tiles.edge(gone)
            self._see_whole(gone)
        except MissingTile as error:
            raise Disagreement(error.path, "is missing or cut short") from None
        self._lines = None if gone % WIDTH else []

    def _see_whole(self, size: int) -> None:
        """See every whole tile of the first `size` leaves by its root, which the tile above has; the highest hang on the next checkpoint."""
        level = 0
        while whole := size >> HEIGHT * (level + 1):
            for index in range(whole):
                above, place = divmod(index, WIDTH)
                row = self._tiles.row(level, index)
                if tile_root(row) != self._tiles.row(level + 1, above)[place]:
                    raise Disagreement(tile_path(level, index), "does not have the hashes that the tile above was made of: it was changed")
            level += 1

    def add(self, line: bytes) -> None:
        """See the next entry's line: every tile that is whole by it is as it should be."""
        if self._lines is not None:
            self._lines.append(line)
        tiles = self._edge.add(leaf_hash(line))
        if tiles:
            lines, self._lines = self._lines, []
            if self._published is not None and self.size <= self._published.size:
                for tile in tiles:
                    self._see_tile(tile.path, tile.hashes)
                self._see_entries(tiles[0].index, lines)
        if self._published is not None and self.size == self._published.size:
            self._see_edge(self._published)

    def _see_edge(self, published: Checkpoint) -> None:
        """See what is begun of tiles at the newest checkpoint; a ledger that is open may have made it whole since, and taken the rest away."""
        for tile in self._edge.partial():
            self._see_tile(tile.path, tile.hashes, (self._tree / tile.whole_path).exists)
        self.check(published, CHECKPOINT)

    def check(self, checkpoint: Checkpoint, file: str) -> None:
        """See a checkpoint of all that was seen so far, and what is still there of the tiles that were begun then."""
        if (checkpoint.size, checkpoint.root) != (self.size, self._edge.root()):
            raise Disagreement(file, "a checkpoint that vouches for other entries than those before it: they were rewritten")
        for tile in self._edge.partial():
            self._see_tile(tile.path, tile.hashes, lambda: True)
        if self.size % WIDTH:
            self._see_entries(self.size // WIDTH, self._lines)

    def _see_tile(self, path: str, hashes: bytes, may_be_gone: Callable[[], bool] = lambda: False) -> None:
        """See a tile's file; where it is not there, `may_be_gone` says whether that is as it should be."""
        try:
            stored = (self._tree / path).read_bytes()
        except OSError:
            if may_be_gone():
                return
            raise Disagreement(path, "is missing or cannot be read") from None
        if stored != hashes:
            raise Disagreement(path, "does not have the hashes of the entries: it was changed")

    def _see_entries(self, index: int, lines: Sequence[bytes] | None) -> None:
        """Entries may be left out of the tree's folder, since the segments have them; what is there is the same."""
        path = bundle_path(index, len(lines) if lines else WIDTH)
        with contextlib.suppress(FileNotFoundError):
            if lines and (self._tree / path).read_bytes() != bundle(lines):
                raise Disagreement(path, "does not have the entries that the segments have: it was changed")

    def see_kept(self, kept: Signed, name: str) -> None:
        """See a checkpoint that was kept, called `name`: the tree goes on from it."""
        old, new = kept.checkpoint, self._published
        if new is None or old.size > new.size:
            here = new.size if new else 0
            raise Disagreement(name, f"it vouches for {old.size} entries, the ledger's own for {here}: an older copy was put in its place")
        try:
            proof = consistency_proof(old.size, new.size, self._tiles.subtree())
        except MissingTile as error:
            raise Disagreement(error.path, "is missing or cut short") from None
        if not is_consistent(old.size, old.root, new.size, new.root, proof):
            raise Disagreement(name, f"it vouches for another history: the first {old.size} entries were other ones")
