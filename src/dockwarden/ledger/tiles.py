"""The tree cut into tiles: where each is, how wide it is, and the edge at which the tree grows. Pure.

Tile `index` of level 0 has the hashes of the leaves `index * 256` and on; one of level L has the roots of whole tiles of level L - 1. A
whole tile has 256 hashes; one that is not whole yet stands under its width.
Source: C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dockwarden.ledger.merkle import HASH_BYTES, fold, row_above

HEIGHT = 8
WIDTH = 1 << HEIGHT
LONGEST_ENTRY = 0xFFFF


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile with its hashes."""

    level: int
    index: int
    hashes: bytes

    @property
    def path(self) -> str:
        """Where it is."""
        return tile_path(self.level, self.index, len(self.hashes) // HASH_BYTES)

    @property
    def whole_path(self) -> str:
        """Where it will be when it is whole."""
        return tile_path(self.level, self.index)


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile of hashes is."""
    return f"tile/{level}/{_place(index, width)}"


def bundle_path(index: int, width: int = WIDTH) -> str:
    """Where the entries themselves of a tile of level 0 are."""
    return f"tile/entries/{_place(index, width)}"


def _place(index: int, width: int) -> str:
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    return "/".join(reversed(parts)) + ("" if width == WIDTH else f".p/{width}")


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` has in a tree of `size` leaves; 0 where there is none."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as they stand in a file, b"" if one is too long for the form: they are left out then."""
    if any(len(entry) > LONGEST_ENTRY for entry in entries):
        return b""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = row_above(hashes)
    return hashes[0]


class Edge:
    """The right edge of a tree: of each level, the hashes of the tile that is not whole yet. It is all that is needed to go on."""

    def __init__(self, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self._rows = [list(row) for row in rows]
        self.size = sum(len(row) << HEIGHT * level for level, row in enumerate(self._rows))
        """How many leaves the tree has."""

    def copy(self) -> Edge:
        """Another that grows by itself."""
        return Edge(self._rows)

    def add(self, leaf: bytes) -> list[Tile]:
        """Put the hash of the next leaf in; return the tiles that are whole by it, the lowest first."""
        whole: list[Tile] = []
        level, hash = 0, leaf
        self.size += 1
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(hash)
            if len(row) < WIDTH:
                return whole
            index = (self.size >> HEIGHT * (level + 1)) - 1
            whole.append(Tile(level, index, b"".join(row)))
            self._rows[level] = []
            level, hash = level + 1, tile_root(row)

    def partial(self) -> Iterator[Tile]:
        """Every tile that is begun and not whole."""
        for level, row in enumerate(self._rows):
            if row:
                yield Tile(level, self.size >> HEIGHT * (level + 1), b"".join(row))

    def root(self) -> bytes:
        """The root over all leaves."""
        peaks: list[bytes] = []
        for row in reversed(self._rows):
            begin = 0
            for bit in reversed(range(HEIGHT)):
                if len(row) & 1 << bit:
                    peaks.append(tile_root(row[begin : begin + (1 << bit)]))
                    begin += 1 << bit
        return fold(peaks)


def hashes_of(data: bytes) -> list[bytes]:
    """The hashes of a tile, one by one."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
