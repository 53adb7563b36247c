"""The ledger's tree is that of its entries, whatever is done to its files, and however its writer ends."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dockwarden.ledger.checkpoint import ledger_key
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import make_key, read_public_key
from dockwarden.ledger.segments import entries, segments
from dockwarden.ledger.tree import Tiles
from dockwarden.ledger.writer import Ledger
from dockwarden.words.errors import BadConfig
from fixtures.crash import killed_at

from . import naive
from .writing import checkpoints, files_of, lines_of, published, verify, write

BEFORE = Path(__file__).with_name("before")


def flaw_of(folder: Path) -> str:
    flaw = verify(folder).flaw
    return f"{flaw.segment}: {flaw.what}" if flaw else ""


def test_the_checkpoint_beside_the_tiles_has_the_naive_root_of_the_lines(folder: Path) -> None:
    write(folder, 700)

    signed = published(folder)
    assert signed.is_by(ledger_key(read_public_key(folder / "signing.pub")))
    assert len(lines_of(folder)) - 1 == signed.checkpoint.size
    assert naive.mth(lines_of(folder)[:-1]) == signed.checkpoint.root
    assert (signed.checkpoint.size, signed.checkpoint.root.hex(), "") == (verify(folder).size, verify(folder).root, flaw_of(folder))


def test_every_checkpoint_among_the_entries_has_the_naive_root(folder: Path) -> None:
    for _ in range(3):
        write(folder, 30)

    lines = lines_of(folder)
    assert len(checkpoints(folder)) >= 3
    assert [naive.mth(lines[: one.checkpoint.size]) for one in checkpoints(folder)] == [one.checkpoint.root for one in checkpoints(folder)]


def test_a_ledger_goes_on_from_its_tiles_and_reads_no_entry_that_they_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 600)
    read: list[int] = []
    real = Tiles.edge
    monkeypatch.setattr(Tiles, "edge", lambda self, size=None: read.append(1) or real(self, size))
    before = published(folder).checkpoint.size

    write(folder, 10)

    assert [1] == read
    assert published(folder).checkpoint.size > before + 10
    assert "" == flaw_of(folder)


@pytest.mark.parametrize("kind", ["tile/0/000", "tile/0/002.p", "tile/1/000.p", "tile/entries/000", "tile/entries/002.p", "checkpoint"])
def test_a_bit_that_is_flipped_in_any_file_of_the_tree_is_named(folder: Path, kind: str) -> None:
    write(folder, 600)
    chosen = [file for file in files_of(folder) if f"tlog/{kind}" in str(file)]

    assert chosen
    for file in chosen:
        good = file.read_bytes()
        for at in {0, len(good) // 2, len(good) - 1}:
            file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            assert "tlog/" in flaw_of(folder), (file, at)
        file.write_bytes(good)
    assert "" == flaw_of(folder)


def test_swapped_and_missing_tiles_are_named(folder: Path) -> None:
    write(folder, 600)
    one, other = folder / "tlog/tile/0/000", folder / "tlog/tile/0/001"
    good, second = one.read_bytes(), other.read_bytes()

    one.write_bytes(second)
    other.write_bytes(good)
    assert "tlog/tile/0/000: does not have the hashes" in flaw_of(folder)
    one.unlink()
    assert "tlog/tile/0/000: is missing" in flaw_of(folder)


def test_damaged_tiles_are_made_again_when_the_ledger_is_opened(folder: Path) -> None:
    write(folder, 600)
    shutil.rmtree(folder / "tlog" / "tile" / "1")
    (folder / "tlog" / "tile" / "0" / "001").write_bytes(bytes(8192))

    write(folder, 5)

    assert "" == flaw_of(folder)


def test_a_cut_tail_neither_opens_nor_verifies(folder: Path) -> None:
    write(folder, 50)
    file = segments(folder)[0]
    file.write_bytes(b"\n".join(file.read_bytes().split(b"\n")[:20]) + b"\n")

    assert "the tail was cut off" in flaw_of(folder)
    with pytest.raises(BadConfig, match="the tail was cut off"):
        Ledger(folder)


def test_an_older_copy_is_named_by_a_checkpoint_that_was_kept(folder: Path, tmp_path: Path) -> None:
    write(folder, 50)
    shutil.copytree(folder, tmp_path / "yesterday")
    write(folder, 50)
    kept = published(folder)
    assert verify(folder, kept=kept).flaw is None

    old = verify(tmp_path / "yesterday", kept=kept)

    assert old.flaw is not None
    assert ("kept", True) == (old.flaw.segment, "an older copy was put in its place" in old.flaw.what)


def test_two_histories_of_one_ledger_are_told_apart_by_either_checkpoint(folder: Path, tmp_path: Path) -> None:
    """A split view: signed by the same key, of one size and of different ones."""
    write(folder, 20)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    write(folder, 20)
    write(other, 20, "mallory")
    here, there = published(folder), published(other)

    assert here.checkpoint.size == there.checkpoint.size
    for longer in (False, True):
        if longer:
            write(folder, 20)
        found = verify(folder, kept=there).flaw
        assert found is not None
        assert "another history" in found.what
    assert verify(folder, kept=here).flaw is None


def test_what_has_left_is_proved_by_its_hashes_and_its_entries_are_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 600, segment_bytes=20_000)
    kept = published(folder)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 40 * 86_400 * 10**9)

    write(folder, 700, segment_bytes=20_000, retain_days=30)

    first = int(segments(folder)[0].stem)
    assert first > 300
    assert verify(folder, kept=kept).flaw is None
    assert not (folder / "tlog/tile/entries/000").exists()
    assert (folder / "tlog/tile/0/000").exists()
    (folder / "tlog/tile/0/000").write_bytes(bytes(8192))
    assert verify(folder, kept=kept).flaw is not None


def test_lost_tiles_of_entries_that_have_left_refuse_to_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them nothing can be signed that goes on from what was."""
    write(folder, 300, segment_bytes=20_000)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 40 * 86_400 * 10**9)
    write(folder, 300, segment_bytes=20_000, retain_days=30)
    shutil.rmtree(folder / "tlog")

    with pytest.raises(BadConfig, match="tiles are missing"):
        Ledger(folder)


def test_an_entry_too_long_for_a_bundle_is_in_the_tree_all_the_same(folder: Path) -> None:
    ledger = Ledger(folder)
    ledger.append(Entry(kind="read", detail={"long": "x" * 70_000}))
    for _ in range(300):
        ledger.append(Entry(kind="read"))
    ledger.close()

    assert "" == flaw_of(folder)
    assert ["tlog/tile/entries/001.p"] == sorted({str(file.parent.relative_to(folder)) for file in files_of(folder) if "entries" in str(file)})


def test_a_full_disk_of_tiles_stops_no_entry_and_is_made_up_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    real = os.fdatasync

    def full(handle: int) -> None:
        if "tlog" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(errno.ENOSPC, "no space left on device")
        real(handle)

    monkeypatch.setattr(os, "fdatasync", full)
    write(folder, 300, told=lambda kind, _detail: told.append(kind))
    assert "ledger.tiles_behind" in told
    assert 302 < len(lines_of(folder))
    monkeypatch.setattr(os, "fdatasync", real)

    write(folder, 1)

    assert "" == flaw_of(folder)


# --- the release before ---


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A ledger that the code before the tree wrote: two segments, four lives' worth of checkpoints in its form."""
    folder = tmp_path / "before"
    shutil.copytree(BEFORE, folder)
    (folder / "signing.key").write_bytes(bytes.fromhex((folder / "signing.key.hex").read_text()))
    (folder / "signing.key").chmod(0o600)
    return folder


def test_a_ledger_of_the_release_before_verifies_and_its_damage_is_named(before: Path) -> None:
    assert (None, 130, 130) == (verify(before).flaw, verify(before).entries, verify(before).signed)

    file = segments(before)[0]
    good = file.read_bytes()
    file.write_bytes(good.replace(b"alice", b"mallo", 1))
    assert "changed" in flaw_of(before)
    file.write_bytes(good)
    (before / "head.json").unlink()
    assert "head is missing" in flaw_of(before)


def test_a_ledger_of_the_release_before_gets_its_tree_when_it_is_opened(before: Path) -> None:
    write(before, 300)

    lines = lines_of(before)
    assert ("", 1) == (flaw_of(before), verify(before).first)
    assert naive.mth(lines[:-1]) == published(before).checkpoint.root
    assert not (before / "head.json").exists()


def test_a_ledger_of_the_release_before_whose_oldest_have_left_begins_its_tree_there(before: Path) -> None:
    first = int(segments(before)[1].stem)
    segments(before)[0].unlink()

    write(before, 300)
    write(before, 300)

    assert ("", first) == (flaw_of(before), verify(before).first)
    assert naive.mth(lines_of(before)[:-1]) == published(before).checkpoint.root
    assert f"{first - 1}\n" == (before / "tlog" / "base").read_text()


# --- crashes ---


def life(folder: Path) -> Callable[[Callable[[str], None]], None]:
    def work(_say: Callable[[str], None]) -> None:
        write(folder, 300)
        write(folder, 30)

    return work


@pytest.mark.timeout(600)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of x86-64")
def test_a_ledger_killed_before_any_write_opens_again_and_signs_no_second_history(tmp_path: Path) -> None:
    """A third of all calls that change a file of the tree or of the entries."""
    make_key(tmp_path / "whole")
    count = killed_at(0, tmp_path / "whole", life(tmp_path / "whole")).count
    assert count > 60

    for number in range(1, count + 1, 3):
        folder = tmp_path / str(number)
        make_key(folder)
        killed_at(number, folder, life(folder))
        kept = {f"kept{at}": one for at, one in enumerate(checkpoints(folder))}
        stood = (folder / "tlog" / "checkpoint").exists()
        if stood:
            kept["published"] = published(folder)
        write(folder, 3)

        assert verify(folder, **kept).flaw is None, number
        assert [entry.seq for entry in entries(folder)] == list(range(1, verify(folder).last + 1)), number
        shutil.rmtree(folder)
