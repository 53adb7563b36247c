"""A recorder that was killed leaves tapes that verify up to their last segment, are listed at once, and get their end."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.segments import newest
from dockwarden.tape.found import Ends, end_found, rows, tail_of
from dockwarden.tape.frames import Kind
from dockwarden.tape.marks import KILLED, mark_killed
from dockwarden.tape.opening import Opening, new_id, unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.shelf import Shelf, reels_of
from dockwarden.tape.verify import check_tape
from tape.conftest import Studio


async def abandoned(studio: Studio, pieces: int) -> Path:
    """A copy of a tape that is still recorded: what a `kill -9` leaves."""
    tape = await studio.begin()
    for number in range(pieces):
        tape.add(Kind.OUTPUT, b"%d," % number)
        await tape.settle()
    left = studio.folder / "left" / tape.id
    shutil.copytree(studio.path(tape), left)
    return left


@pytest.mark.parametrize("cut", [0, 1, 60, 130])
async def test_it_gets_an_end_and_says_that_it_was_found(studio: Studio, cut: int) -> None:
    folder = await abandoned(studio, 4)
    shelf = Shelf(folder.parent)
    (reel,) = reels_of(folder)
    os.truncate(reel, reel.stat().st_size - cut)
    assert ["open"] == [row.state for row in rows(shelf)]

    done = end_found(shelf, folder.name, studio.ledger.vouch, 5)
    assert done is not None
    assert (cut > 0) == (done[1] > 0)
    found = check_tape(folder, studio.public)
    assert ("", "cut off") == (found.wrong, found.state)
    (row,) = rows(shelf)
    assert ("cut off", found.segments, found.head.hex(), "alice", 5) == (row.state, row.segments, row.head, row.person, row.ended)
    frames = list(frames_of(folder, unwrap(opening_of(folder), studio.identity)))
    assert Kind.LOST is frames[-1].kind
    assert (b"0,1,2,3," if not cut else b"0,1,2,") == b"".join(frame.data for frame in frames if frame.kind is Kind.OUTPUT)
    assert end_found(shelf, folder.name, studio.ledger.vouch, 6) is None


async def test_at_whatever_byte_it_was_cut(studio: Studio) -> None:
    folder = await abandoned(studio, 6)
    whole = reels_of(folder)[0].read_bytes()
    for size in random.Random(4).sample(range(len(whole)), 60):
        reels_of(folder)[0].write_bytes(whole[:size])
        assert end_found(Shelf(folder.parent), folder.name, studio.ledger.vouch, 5) is not None
        found = check_tape(folder, studio.public, key=unwrap(opening_of(folder), studio.identity))
        assert ("", "cut off") == (found.wrong, found.state), size


async def test_one_that_was_opened_and_no_more_gets_an_end(studio: Studio) -> None:
    folder = await abandoned(studio, 0)
    reels_of(folder)[0].unlink()
    assert (None, None, 0) == tail_of(folder)
    assert end_found(Shelf(folder.parent), folder.name, studio.ledger.vouch, 5) is not None
    assert "cut off" == check_tape(folder, studio.public).state


async def test_an_end_that_the_ledger_has_not_heard_of_is_told_at_the_next_start(studio: Studio) -> None:
    """Its recorder died between the tape's last segment and the ledger's entry of it."""
    tape = await studio.begin()
    await tape.end()
    await studio.ledger.settle(studio.ledger.last_seq)
    shelf, vouch, folder = studio.recorder.shelf, studio.ledger.vouch, studio.folder / "ledger"

    before = [entry for entry in newest(folder) if entry.detail.get("what") != "tape.closed"]
    done = end_found(shelf, tape.id, vouch, 5, Ends(before))
    assert done is not None
    assert (tape.head, 0) == ((done[0].seq, done[0].hash), done[1])
    assert None is end_found(shelf, tape.id, vouch, 5, Ends(newest(folder)))
    later = [Entry(kind="read", at=entry.at + 3_600_000_000) for entry in before[:1]]
    assert None is end_found(shelf, tape.id, vouch, 5, Ends(later + before)), "what ended long before is not looked for"


async def test_one_that_cannot_be_read_is_listed_and_says_so(studio: Studio) -> None:
    folder = await abandoned(studio, 1)
    (folder / "opening.json").write_bytes(b"{")
    (row,) = rows(Shelf(folder.parent))
    assert row.state.startswith("unreadable")


async def test_who_killed_a_session_is_in_its_row_and_stays_when_the_tape_gets_its_end(studio: Studio) -> None:
    folder = await abandoned(studio, 1)
    shelf = Shelf(folder.parent)
    assert [None] == [row.killed for row in rows(shelf)]

    mark_killed(folder, "root", "enough")
    end_found(shelf, folder.name, studio.ledger.vouch, 5)

    assert [("cut off", "root", "enough")] == [(row.state, row.killed.by, row.killed.why) for row in rows(shelf) if row.killed]
    assert "" == check_tape(folder, studio.public).wrong


async def test_a_mark_that_cannot_be_written_keeps_nobody_from_ending_a_session(studio: Studio) -> None:
    folder = await abandoned(studio, 1)
    (folder / f"{KILLED}.part").mkdir()

    mark_killed(folder, "root", "enough")

    assert [None] == [row.killed for row in rows(Shelf(folder.parent))]


async def test_tapes_are_listed_in_the_order_in_which_they_began_also_within_a_second(tmp_path: Path) -> None:
    shelf, second = Shelf(tmp_path / "tapes"), 1_800_000_000
    shelf.prepare()
    for at_us, tail in ((2, "c"), (1, "d"), (1, "b"), (3, "a")):
        at = second * 1_000_000 + at_us
        shelf.create(Opening(id=f"{new_id(at)[:-12]}{tail * 12}", at=at, person="alice", kind="exec", target="web")).close()
    unread = shelf.folder / f"{new_id((second - 1) * 1_000_000)[:-12]}{'f' * 12}"
    unread.mkdir()

    assert ["f", "b", "d", "c", "a"] == [row.id[-1] for row in rows(shelf)]
