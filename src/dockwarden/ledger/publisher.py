"""Keeps the tree on disk up with the ledger, in a thread of its own: tiles from the segments, then the checkpoint that needs them.

The ledger never waits for it. Where the disk takes no more, it is told once, and tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dockwarden.ledger.begin import Begun
from dockwarden.ledger.checkpoint import Signed
from dockwarden.ledger.errand import Errand
from dockwarden.ledger.merkle import leaf_hash
from dockwarden.ledger.segments import CHAIN_HEAD, Lines, segments
from dockwarden.ledger.tiles import WIDTH, Edge, bundle, bundle_path
from dockwarden.ledger.tree import CHECKPOINT, TREE, TreeFiles

PUBLISH_S = 1.0
"""The least time between two checkpoints beside the tiles; those between are among the entries."""
RETRY_S = 1.0
CLOSE_S = 30.0
PAUSE_LINES, PAUSE_S = 16, 1e-4
"""How often, and for how long, it lets the interpreter's lock go: who waits for a durable entry would wait for its whole turn else."""

Told = Callable[[str, dict[str, Any]], None]


class Publisher:
    """Writes the tiles of one ledger. `offer` and `close` are the ledger's, the rest is the thread's."""

    def __init__(self, folder: Path, begun: Begun, told: Told, published: Callable[[], None] = lambda: None) -> None:
        """`published` is called in the thread when a new checkpoint stands beside the tiles."""
        self._folder, self._told, self._published = folder, told, published
        self._files = TreeFiles(folder / TREE)
        self._base, self._stored = begun.base, begun.stored
        self._edge = Edge()
        self._entries: list[bytes] | None = []
        self._reader: Lines | None = None
        self._pruned = 0
        self._trouble = ""
        self.upto = begun.base + begun.stored.size
        """The last entry that the tiles are there for."""
        self._errand = Errand("ledger tiles", self._try, every_s=PUBLISH_S, retry_s=RETRY_S)
        self._errand.start()

    def offer(self, signed: Signed) -> None:
        """Let `signed`, a checkpoint whose entries are durable, stand beside its tiles soon; a newer one takes its place."""
        self._errand.ask(signed)

    def close(self) -> None:
        """Publish what was offered, and end the thread."""
        self._errand.close(CLOSE_S)

    def _try(self, signed: Signed) -> bool:
        try:
            self._publish(signed)
        except OSError as error:
            self._reader = None
            if not self._trouble:
                self._trouble = error.strerror or type(error).__name__
                self._told("ledger.tiles_behind", {"because": self._trouble})
            return False
        if self._trouble:
            self._told("ledger.tiles_written", {"was": self._trouble})
            self._trouble = ""
        self._published()
        return True

    def _publish(self, signed: Signed) -> None:
        """1. Whole tiles, 2. what is begun, 3. all of it durable, 4. the checkpoint, 5. what it makes superfluous goes."""
        size = signed.checkpoint.size
        reader = self._reader or self._go_on()
        whole = []
        for line in reader.upto(self._base + size):
            if reader.seq % PAUSE_LINES == 0:
                time.sleep(PAUSE_S)
            if self._entries is not None:
                self._entries.append(line)
            for tile in self._edge.add(leaf_hash(line)):
                self._files.put(tile.path, tile.hashes)
                whole.append(tile.path)
                if tile.level == 0:
                    self._put_entries(tile.index, WIDTH)
                    whole.append(bundle_path(tile.index))
                    self._entries = []
        for tile in self._edge.partial():
            self._files.put(tile.path, tile.hashes)
        if size % WIDTH:
            self._put_entries(size // WIDTH, size % WIDTH)
        self._files.settle()
        self._files.put(CHECKPOINT, signed.note.written().encode())
        self._files.settle()
        self._stored, self.upto = self._edge.copy(), self._base + size
        for path in whole:
            self._files.drop(f"{path}.p")
        (self._folder / CHAIN_HEAD).unlink(missing_ok=True)
        self._prune()

    def _put_entries(self, index: int, width: int) -> None:
        if self._entries and (data := bundle(self._entries)):
            self._files.put(bundle_path(index, width), data)

    def _go_on(self) -> Lines:
        """Begin after the last checkpoint that stands beside its tiles, with the entries of the bundle that is begun."""
        self._edge = self._stored.copy()
        size = self._edge.size
        begun = self._base + size - size % WIDTH
        try:
            reader = Lines(self._folder, begun)
            self._entries = list(reader.upto(begun + size % WIDTH))
        except FileNotFoundError:  # some of them have left: so does their bundle
            reader, self._entries = Lines(self._folder, self._base + size), None
        self._reader = reader
        return reader

    def _prune(self) -> None:
        """Let the entries go that are in no segment any more; their hashes stay, so that proofs work on."""
        first = int(segments(self._folder)[0].stem) - 1 - self._base
        for index in range(self._pruned, first // WIDTH):
            self._files.drop(bundle_path(index))
            self._files.drop(f"{bundle_path(index)}.p")
        self._pruned = max(self._pruned, first // WIDTH)
