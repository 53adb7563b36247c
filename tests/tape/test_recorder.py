"""What was shown is on the disk, what cannot be recorded does not go on, and whatever is done to a tape is named."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockwarden.tape import writer
from dockwarden.tape.frames import Kind
from dockwarden.tape.opening import unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.recorder import Tape
from dockwarden.tape.segment import Flag
from dockwarden.tape.shelf import REEL_BYTES, Place, Reels, heads, reels_of
from dockwarden.tape.verify import Known, check_tape
from dockwarden.tape.writer import Writer
from dockwarden.words.errors import Unavailable
from tape.conftest import Studio


def outputs(studio: Studio, tape: Tape) -> bytes:
    folder = studio.path(tape)
    return b"".join(frame.data for frame in frames_of(folder, unwrap(opening_of(folder), studio.identity)) if frame.kind is Kind.OUTPUT)


async def test_what_was_settled_is_there_and_the_ledger_knows_where_it_ends(studio: Studio) -> None:
    tape = await studio.begin()
    tape.add(Kind.OUTPUT, b"hello")
    await tape.settle()
    assert b"hello" == outputs(studio, tape)
    tape.add(Kind.EXIT, b"0")
    await tape.end()

    opened, closed = studio.said() if len(studio.said()) > 1 else (await asyncio.sleep(0.3), *studio.said())[1:]
    found = check_tape(studio.path(tape), studio.public, Known(closed["segment"], bytes.fromhex(closed["head"]), is_closed=True))
    assert ("tape.opened", "tape.closed", "", "ended") == (opened["what"], closed["what"], found.wrong, found.state)
    assert (1, 3) == (opened["segment"], found.segments)
    assert [] == studio.heard


async def test_the_end_of_a_tape_stands_in_the_reel_before_it(studio: Studio) -> None:
    for _ in range(20):
        tape = await studio.begin()
        tape.add(Kind.OUTPUT, b"x")
        await tape.settle()
        await tape.end()
        assert ["00000001.reel"] == [reel.name for reel in reels_of(studio.path(tape))]


async def test_frames_are_gathered_before_they_are_written(studio: Studio) -> None:
    tape = await studio.begin()
    for _ in range(20):
        tape.add(Kind.OUTPUT, b"x")
    await asyncio.sleep(0.4)

    assert b"x" * 20 == outputs(studio, tape)
    assert 2 == tape.head[0]


async def test_what_came_while_the_disk_was_busy_is_in_segments_of_a_bounded_size_and_the_last_is_the_end(studio: Studio) -> None:
    tape = await studio.begin()
    said = [os.urandom(writer.SEGMENT_BYTES // 3) for _ in range(20)]
    with tape.hand:
        for piece in said:
            tape.add(Kind.OUTPUT, piece)
        ending = asyncio.ensure_future(tape.end())
        await asyncio.sleep(0)
    await ending

    found = [head for _, _, head in heads(studio.path(tape))]
    assert b"".join(said) == outputs(studio, tape)
    assert max(head.length for head in found) < 2 * writer.SEGMENT_BYTES
    assert [False] * (len(found) - 1) + [True] == [Flag.LAST in head.flags for head in found]
    assert [] == studio.heard


async def test_the_head_is_not_that_of_a_segment_which_a_crash_would_take(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop writes it into the ledger, while the thread writes on: what the ledger has must be there after a crash."""
    tape, right, told = await studio.begin(), Reels.sync, list[tuple[int, int]]()

    def look(reels: Reels) -> None:
        told.append((tape.track.written.seq, tape.head[0]))
        right(reels)

    monkeypatch.setattr(Reels, "sync", look)
    tape.add(Kind.OUTPUT, b"x")
    await tape.settle()
    await tape.end()

    assert [(2, 1), (3, 2)] == told
    assert (3, check_tape(studio.path(tape), studio.public).head) == tape.head


async def test_an_end_that_cannot_be_written_is_not_told_to_the_ledger(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    tape, right = await studio.begin(), Reels.append

    def wrong(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Reels, "append", wrong)
    tape.add(Kind.OUTPUT, b"x")
    with pytest.raises(Unavailable):
        await tape.settle()
    await tape.end()
    monkeypatch.setattr(Reels, "append", right)
    await studio.ledger.settle(studio.ledger.last_seq)

    closed = studio.said()[-1]
    assert ("tape.closed", 1, "Input/output error") == (closed["what"], closed["segment"], closed["broken"])
    assert "" == check_tape(studio.path(tape), studio.public, Known(1, bytes.fromhex(closed["head"]), is_closed=True)).wrong


@pytest.mark.parametrize("step", ["fsync", "mkdir", "rename"])
async def test_a_tape_that_cannot_be_made_leaves_nothing(studio: Studio, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def wrong(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, wrong)
    with pytest.raises(Unavailable, match="No space left"):
        await studio.begin()
    monkeypatch.undo()

    assert ["reserve"] == [entry.name for entry in (studio.folder / "tapes").iterdir()]


async def test_what_was_being_made_when_the_recorder_died_goes_at_the_next_start(studio: Studio) -> None:
    half = studio.folder / "tapes" / "20260131-120000-0123456789ab.new"
    half.mkdir()
    (half / "opening.json").write_bytes(b"{")
    assert [] == studio.recorder.shelf.ids()

    studio.recorder.shelf.prepare()
    assert not half.exists()


async def test_the_room_that_tapes_end_with_is_not_for_new_ones(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was given because the disk was full: until there is as much again, nothing begins."""
    studio.recorder.shelf.give_reserve()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    for deed in (studio.begin, studio.recorder.probe):
        with pytest.raises(Unavailable, match="No space left"):
            await deed()
    monkeypatch.undo()
    await (await studio.begin()).end()
    assert 8 << 20 == (studio.folder / "tapes" / "reserve").stat().st_size


async def test_many_tapes_at_once_and_files_that_turn_over(studio: Studio) -> None:
    tapes = await asyncio.gather(*(studio.begin() for _ in range(20)))
    noise = os.urandom(1 << 18)
    for tape in tapes:
        for _ in range(4):
            tape.add(Kind.OUTPUT, noise)
        await tape.settle()
    for _ in range(REEL_BYTES // len(noise) + 1):
        tapes[0].add(Kind.OUTPUT, noise)
        await tapes[0].settle()
    await asyncio.gather(*(tape.end() for tape in tapes))

    assert len(reels_of(studio.path(tapes[0]))) >= 2
    assert {"ended"} == {check_tape(studio.path(tape), studio.public).state for tape in tapes}
    assert noise * 4 == outputs(studio, tapes[1])
    assert [tape.id for tape in sorted(tapes, key=lambda tape: tape.id)] == studio.recorder.shelf.ids()


async def test_its_key_is_for_its_recipients_and_nothing_is_in_clear(studio: Studio) -> None:
    tape = await studio.begin()
    tape.add(Kind.OUTPUT, b"nobody else reads this")
    await tape.end()
    stored = b"".join(file.read_bytes() for file in studio.path(tape).iterdir())

    assert b"nobody else" not in stored
    assert tape.key == b""


async def test_an_end_that_is_asked_for_at_once_goes_into_the_file_that_is_open(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who settled is told by the thread, and may ask for the end before the thread has gone on."""
    tape = await studio.begin()
    right = writer.call_in_loop
    monkeypatch.setattr(writer, "call_in_loop", lambda *words: (right(*words), time.sleep(0.05)))
    tape.add(Kind.OUTPUT, b"last")
    await tape.settle()
    await tape.end()

    assert (["00000001.reel"], b"") == ([file.name for file in reels_of(studio.path(tape))], tape.key)


@pytest.mark.alone
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
async def test_a_disk_that_takes_no_more_ends_the_session_within_a_second(studio: Studio, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    tape, other = await studio.begin(), await studio.begin()
    tape.add(Kind.OUTPUT, b"before")
    await tape.settle()
    right = Reels.append

    def wrong(reels: Reels, segment: Any) -> Any:
        if segment.head.size:
            raise OSError(number, os.strerror(number))
        return right(reels, segment)

    monkeypatch.setattr(Reels, "append", wrong)
    tape.add(Kind.OUTPUT, b"after")
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        await tape.settle()
    assert time.monotonic() - began < 1
    await asyncio.sleep(0.05)
    assert "tape.broken" == refused.value.code
    assert [os.strerror(number)] == studio.heard
    with pytest.raises(Unavailable):
        tape.add(Kind.OUTPUT, b"more")
    with pytest.raises(Unavailable, match="cannot be recorded"):
        await studio.begin()
    monkeypatch.setattr(Reels, "append", right)
    await tape.end()
    other.add(Kind.OUTPUT, b"unharmed")
    await other.end()

    found = check_tape(studio.path(tape), studio.public)
    assert ("", "broken", b"before") == (found.wrong, found.state, outputs(studio, tape))
    assert (0 if errno.ENOSPC == number else 8 << 20) == (studio.folder / "tapes" / "reserve").stat().st_size
    assert ("ended", b"unharmed") == (check_tape(studio.path(other), studio.public).state, outputs(studio, other))


@pytest.mark.alone
@pytest.mark.parametrize("step", ["append", "sync"])
async def test_a_disk_that_hangs_ends_the_session_within_a_second(studio: Studio, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    tape = await studio.begin()
    right = getattr(Reels, step)
    monkeypatch.setattr(Reels, step, lambda reels, *words: (time.sleep(1.5), right(reels, *words))[1])
    tape.add(Kind.OUTPUT, b"x")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="too slow"):
        await tape.settle()
    assert time.monotonic() - began < 1.2
    assert ["the disk is too slow to record"] == studio.heard
    await tape.end()


async def test_what_is_shown_is_written_while_another_tape_is_synced(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill takes is what was not written: a disk that takes its time must not hold that up. The ledger's heads wait for it."""
    slow, tape, right = await studio.begin(), await studio.begin(), Reels.sync
    is_stuck, goes_on = threading.Event(), threading.Event()
    monkeypatch.setattr(Reels, "sync", lambda reels: (is_stuck.set(), goes_on.wait(), right(reels)))
    slow.add(Kind.OUTPUT, b"slow")
    await asyncio.to_thread(is_stuck.wait)
    tape.add(Kind.OUTPUT, b"shown")
    while not outputs(studio, tape):
        await asyncio.sleep(0.001)

    assert (b"shown", 1) == (outputs(studio, tape), tape.head[0])
    goes_on.set()
    await tape.settle()
    assert 2 == tape.head[0]


@pytest.mark.parametrize("times", [1, 99])
async def test_what_a_failed_sync_was_for_is_taken_away(studio: Studio, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Nobody knows what of it is on the disk: the tape ends with what is, and the ledger, the files and the list say so."""
    tape, other = await studio.begin(), await studio.begin()
    tape.add(Kind.OUTPUT, b"before")
    await tape.settle()
    right, left = Reels.sync, [times]

    def wrong(reels: Reels) -> None:
        if reels is tape.track._reels and left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        right(reels)

    monkeypatch.setattr(Reels, "sync", wrong)
    tape.add(Kind.OUTPUT, b"after")
    with pytest.raises(Unavailable, match="Input/output error"):
        await tape.settle()
    await tape.end()
    other.add(Kind.OUTPUT, b"unharmed")
    await other.end()
    await studio.ledger.settle(studio.ledger.last_seq)

    closed = next(said for said in studio.said() if said["what"] == "tape.closed" and said["tape"] == tape.id)
    found = check_tape(studio.path(tape), studio.public, Known(closed["segment"], bytes.fromhex(closed["head"]), is_closed=True))
    assert ("", *((3, "broken") if times == 1 else (2, "open")), b"before") == (found.wrong, closed["segment"], found.state, outputs(studio, tape))
    assert ("" if times == 1 else "Input/output error") == studio.recorder.why_broken(tape.id)
    assert ("ended", b"unharmed") == (check_tape(studio.path(other), studio.public).state, outputs(studio, other))
    assert ["Input/output error"] == studio.heard


async def test_a_failed_sync_takes_the_files_away_that_were_begun_since(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    tape, right = await studio.begin(), Reels.sync
    is_under_way, fails = threading.Event(), threading.Event()

    def wrong(reels: Reels) -> None:
        if not fails.is_set():
            is_under_way.set()
            fails.wait()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        right(reels)

    monkeypatch.setattr(Reels, "sync", wrong)
    tape.add(Kind.OUTPUT, b"first")
    await asyncio.to_thread(is_under_way.wait)
    tape.track._reels.place = Place(1, REEL_BYTES)
    tape.add(Kind.OUTPUT, b"second")
    while len(reels_of(studio.path(tape))) < 2:
        await asyncio.sleep(0.001)
    fails.set()
    await tape.end()

    assert ["00000001.reel"] == [reel.name for reel in reels_of(studio.path(tape))]
    assert ("", "broken", 2) == (found := check_tape(studio.path(tape), studio.public), found.wrong, found.state, found.segments)[1:]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_thread_ends_every_session(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = await studio.begin()
    monkeypatch.setattr(Writer, "_write", lambda *_: sys.exit())
    tape.add(Kind.OUTPUT, b"x")
    with pytest.raises(Unavailable, match="stopped"):
        await tape.settle()
    with pytest.raises(Unavailable, match="cannot be recorded"):
        await studio.begin()


async def test_an_end_that_comes_between_taking_and_writing_is_written_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has taken frames out, and then the session ends: their segment is not the last one, and the end is told when it is written."""
    tape = await studio.begin()
    taken, right = threading.Event(), Tape.write

    def late(which: Tape, *rest: Any) -> int:
        if not taken.is_set():
            taken.set()
            while not which.ending:
                time.sleep(0.001)
        return right(which, *rest)

    monkeypatch.setattr(Tape, "write", late)
    tape.add(Kind.OUTPUT, b"shown")
    settling = asyncio.create_task(tape.settle())
    await asyncio.to_thread(taken.wait)
    await tape.end()
    await settling

    found = check_tape(studio.path(tape), studio.public)
    assert ("", "ended", 3, found.head) == (found.wrong, found.state, found.segments, tape.head[1])
    assert 1 == len(reels_of(studio.path(tape)))


async def test_the_end_of_a_quiet_session_is_not_taken_for_a_slow_disk(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    tape, right = await studio.begin(), Reels.sync
    tape.began_ns -= 10_000_000_000  # it began ten seconds earlier, and nothing has happened since
    monkeypatch.setattr(Reels, "sync", lambda reels: (time.sleep(0.4), right(reels)))
    await tape.end()

    assert ("ended", []) == (check_tape(studio.path(tape), studio.public).state, studio.heard)


def cut_tail(folder: Path) -> None:
    reel = reels_of(folder)[-1]
    os.truncate(reel, reel.stat().st_size - 200)


def flip(folder: Path) -> None:
    reel = reels_of(folder)[-1]
    data = bytearray(reel.read_bytes())
    data[len(data) // 2] ^= 4
    reel.write_bytes(data)


def change_opening(folder: Path) -> None:
    file = folder / "opening.json"
    file.write_bytes(file.read_bytes().replace(b"alice", b"malice"))


def drop_all(folder: Path) -> None:
    reels_of(folder)[-1].unlink()


@pytest.mark.parametrize("deed", [cut_tail, flip, change_opening, drop_all], ids=lambda deed: deed.__name__)
async def test_whatever_is_done_to_a_tape_is_named(studio: Studio, deed: Callable[[Path], None]) -> None:
    tape = await studio.begin()
    for number in range(5):
        tape.add(Kind.OUTPUT, b"%d" % number)
        await tape.settle()
    await tape.end()
    seq, digest = tape.head
    known = Known(seq, digest, is_closed=True)
    assert "" == check_tape(studio.path(tape), studio.public, known).wrong
    deed(studio.path(tape))

    found = check_tape(studio.path(tape), studio.public, known)
    assert found.wrong
    assert 1 <= found.segment <= seq


async def test_an_older_copy_in_its_place_is_named(studio: Studio) -> None:
    tape = await studio.begin()
    tape.add(Kind.OUTPUT, b"first")
    await tape.settle()
    shutil.copytree(studio.path(tape), studio.folder / "yesterday")
    tape.add(Kind.OUTPUT, b"second")
    await tape.end()
    seq, digest = tape.head
    shutil.rmtree(studio.path(tape))
    shutil.copytree(studio.folder / "yesterday", studio.path(tape))

    assert "" == check_tape(studio.path(tape), studio.public).wrong
    found = check_tape(studio.path(tape), studio.public, Known(seq, digest, is_closed=True))
    assert ("it is missing: the ledger has 3 segments of this tape, and 2 are here", 3) == (found.wrong, found.segment)
    assert Flag(0) == found.flags


async def test_an_end_that_comes_while_frames_are_on_their_way_is_one_segment_after_them(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written and not durable: whoever waits for them is answered, and the end is another segment."""
    tape, sync, loop = await studio.begin(), Reels.sync, asyncio.get_running_loop()
    ended: list[Any] = []

    def late(reels: Reels) -> None:
        if not ended:
            ended.append(asyncio.run_coroutine_threadsafe(tape.end(), loop))
            while not tape.ending:
                time.sleep(0.001)
        sync(reels)

    monkeypatch.setattr(Reels, "sync", late)
    tape.add(Kind.OUTPUT, b"hello")
    await tape.settle()
    await asyncio.wrap_future(ended[0])
    monkeypatch.undo()

    assert [Flag(0), Flag(0), Flag.LAST] == [head.flags for _, _, head in heads(studio.path(tape))]
    assert "" == check_tape(studio.path(tape), studio.public, Known(3, tape.head[1], is_closed=True)).wrong
    assert b"hello" == outputs(studio, tape)
