"""Tiles are where C2SP tlog-tiles puts them, as wide as it says, and enough to go on and to prove from."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwarden.ledger.merkle import inclusion_proof, leaf_hash, root_by_inclusion
from dockwarden.ledger.tiles import Edge, bundle, bundle_path, tile_path, width_at
from dockwarden.ledger.tree import MissingTile, Tiles, TreeFiles

from . import naive


@pytest.mark.parametrize(
    ("path", "says"),
    [(tile_path(0, 1234067), "tile/0/x001/x234/067"), (tile_path(1, 5, 17), "tile/1/005.p/17"), (bundle_path(999), "tile/entries/999"),
     (bundle_path(1000, 1), "tile/entries/x001/000.p/1"), (tile_path(63, 0), "tile/63/000")],
)
def test_paths_are_those_of_the_form(path: str, says: str) -> None:
    assert says == path


def test_a_tree_of_70000_has_the_tiles_that_the_form_names() -> None:
    """The example of the specification."""
    widths = [(level, index, width_at(level, index, 70_000)) for level in range(4) for index in (0, 1, 272, 273, 274)]

    assert [(0, 0, 256), (0, 1, 256), (0, 272, 256), (0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)] == [one for one in widths if one[2]]


def test_an_edge_has_the_naive_root_at_every_size_and_its_tiles_are_enough(tmp_path: Path) -> None:
    leaves = [f"{number}".encode() for number in range(600)]
    edge, files = Edge(), TreeFiles(tmp_path)
    for size, leaf in enumerate(leaves, 1):
        for tile in edge.add(leaf_hash(leaf)):
            files.put(tile.path, tile.hashes)
        if size % 37 == 0 or size in {255, 256, 257, 511, 512, 513, 600}:
            assert naive.mth(leaves[:size]) == edge.root()
            for tile in edge.partial():
                files.put(tile.path, tile.hashes)
            assert (size, edge.root()) == ((read := Tiles(tmp_path, size).edge()).size, read.root())

    tiles = Tiles(tmp_path, 600)
    assert naive.mth(leaves[:300]) == tiles.edge(300).root()
    for index in (0, 255, 256, 511, 512, 599):
        proof = inclusion_proof(index, 600, tiles.subtree())
        assert edge.root() == root_by_inclusion(index, 600, leaf_hash(leaves[index]), proof)


def test_a_whole_level_of_tiles_makes_one_tile_above() -> None:
    edge, whole = Edge(), []
    for number in range(65_536):
        whole += [tile.path for tile in edge.add(number.to_bytes(32, "big"))]

    assert ["tile/0/255", "tile/1/000"] == whole[-2:]
    assert ["tile/2/000.p/1"] == [tile.path for tile in edge.partial()]


def test_a_tile_that_is_cut_short_is_missing(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    files.put("tile/0/000.p/3", bytes(95))

    with pytest.raises(MissingTile, match=r"tile/0/000\.p/3"):
        Tiles(tmp_path, 3).edge()


def test_a_bundle_has_each_entry_with_its_length_and_none_that_is_too_long() -> None:
    assert b"\x00\x02ab\x00\x00" == bundle([b"ab", b""])
    assert b"" == bundle([b"ab", bytes(65_536)])
