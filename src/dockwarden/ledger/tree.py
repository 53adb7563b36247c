"""The ledger's tree on disk, in a folder that any server of files could give out.

    tlog/checkpoint             the newest signed checkpoint that every tile is there for
    tlog/tile/L/N, tile/L/N.p/W hashes; whole tiles, and what is begun of others, by width
    tlog/tile/entries/N…        the entries' lines themselves
    tlog/witnessed              the newest checkpoint that the witness signed, too
    tlog/base                   how many entries the ledger had before its first leaf, where that is not 0

A tile never changes. It is durable before a checkpoint that needs it is there, so whatever a crash leaves is made again from segments.
Source: C2SP tlog-tiles.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dockwarden.ledger.checkpoint import Signed, read_signed
from dockwarden.ledger.durable import sync_folder
from dockwarden.ledger.merkle import HASH_BYTES, Subtree
from dockwarden.ledger.note import BadNote
from dockwarden.ledger.tiles import HEIGHT, WIDTH, Edge, hashes_of, tile_path, tile_root, width_at

TREE, CHECKPOINT, WITNESSED, BASE = "tlog", "checkpoint", "witnessed", "base"


class MissingTile(Exception):
    """A tile that a checkpoint needs is not there, or not as long as it must be; `path` is which."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is missing or cut short")
        self.path = path


def read_published(file: Path) -> Signed | None:
    """The checkpoint in `file`, its signatures unchecked; `None` where there is none. Raises: BadNote: something else is there."""
    try:
        return read_signed(file.read_bytes())
    except FileNotFoundError:
        return None


def read_base(tree: Path) -> int:
    """How many entries came before the first leaf. Raises: BadNote: the file says nothing that can be meant."""
    try:
        text = (tree / BASE).read_text("ascii").strip()
    except FileNotFoundError:
        return 0
    except UnicodeDecodeError:
        text = ""
    if not text.isdecimal():
        raise BadNote(f"{BASE} is no number")
    return int(text)


class Tiles:
    """Reads the tiles of a tree of `size` leaves. It keeps the last ones it read."""

    def __init__(self, tree: Path, size: int) -> None:
        self._tree, self._size = tree, size
        self._kept: dict[tuple[int, int], list[bytes]] = {}

    def row(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile as far as the tree has them. Raises: MissingTile."""
        if (level, index) not in self._kept:
            if len(self._kept) > WIDTH:
                self._kept.clear()
            self._kept[level, index] = self._read(level, index)
        return self._kept[level, index]

    def _read(self, level: int, index: int) -> list[bytes]:
        width = width_at(level, index, self._size)
        for path in dict.fromkeys((tile_path(level, index, width), tile_path(level, index))):
            with contextlib.suppress(OSError):
                data = (self._tree / path).read_bytes()
                if len(data) >= width * HASH_BYTES:
                    return hashes_of(data[: width * HASH_BYTES])
        raise MissingTile(tile_path(level, index, width))

    def subtree(self) -> Subtree:
        """What proofs are made from. What it returns raises MissingTile."""
        def hash_at(level: int, index: int) -> bytes:
            tall, low = divmod(level, HEIGHT)
            tile, begin = divmod(index << low, WIDTH)
            return tile_root(self.row(tall, tile)[begin : begin + (1 << low)])

        return hash_at

    def edge(self, size: int | None = None) -> Edge:
        """The right edge of the tree as it was at `size` leaves; without, as it is. Raises: MissingTile."""
        size = self._size if size is None else size
        rows, level = [], 0
        while size >> HEIGHT * level:
            index, width = divmod(size >> HEIGHT * level, WIDTH)
            rows.append(self.row(level, index)[:width] if width else [])
            level += 1
        return Edge(rows)


class TreeFiles:
    """Writes into the tree's folder. A file is there whole or not at all; `settle` makes names durable."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._unsettled: set[Path] = set()

    def put(self, path: str, data: bytes) -> None:
        """Let `data` be at `path`. Raises: OSError."""
        file = self._tree / path
        self._unsettled.add(file.parent)
        with contextlib.suppress(FileNotFoundError):
            if file.read_bytes() == data:
                return
        self._make(file.parent)
        new = file.with_name(f"{file.name}.new")
        with new.open("wb") as out:
            out.write(data)
            out.flush()
            os.fdatasync(out.fileno())
        new.replace(file)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700)
            self._unsettled.add(folder.parent)

    def settle(self) -> None:
        """Return when everything that was put is durable. Raises: OSError."""
        for folder in self._unsettled:
            sync_folder(folder)
        self._unsettled.clear()

    def drop(self, path: str) -> None:
        """Let a file, or a folder of files, be there no more. Raises: OSError."""
        there = self._tree / path
        if there.is_dir():
            for file in there.iterdir():
                file.unlink()
            there.rmdir()
        else:
            there.unlink(missing_ok=True)
