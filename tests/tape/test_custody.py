"""Tapes that were made are held, deleted and let go: each deed is in the ledger first, and a hold stops them all."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from dockwarden.ledger.segments import entries
from dockwarden.tape import copies
from dockwarden.tape.custody import TRY_AGAIN_S, Custody, Lag, unstored_in
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import end_found, rows
from dockwarden.tape.frames import Kind
from dockwarden.tape.marks import DELETED, DELETING, HOLDS, deleted_of, stored_of
from dockwarden.tape.opening import unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.retention import DAY_US, Rules
from dockwarden.tape.shelf import Shelf, reels_of
from dockwarden.tape.verify import check_kept, check_tape, known_tapes
from dockwarden.words.errors import Refused
from fixtures.bucket import Memory, bucket
from tape.conftest import Studio

ANY_AGE = Rules(quota_keep_days=0)


def keeping(studio: Studio, rules: Rules = ANY_AGE, store: Any = None, **more: Any) -> Custody:
    told = lambda what, detail: studio.heard.append(f"{what}: {detail}")  # noqa: E731
    return Custody(studio.recorder, studio.ledger, studio.folder / "ledger", studio.public, rules=rules, store=store, told=told, **more)


async def ended(studio: Studio, *pieces: bytes) -> Path:
    """The folder of a tape that is over."""
    tape = await studio.begin()
    for piece in pieces or (b"shown",):
        tape.add(Kind.OUTPUT, piece)
        await tape.settle()
    await tape.end()
    return studio.path(tape)


def row(folder: Path) -> Any:
    return next(one for one in rows(Shelf(folder.parent)) if one.id == folder.name)


def shown(studio: Studio, folder: Path) -> bytes:
    key = unwrap(opening_of(folder), studio.identity)
    return b"".join(frame.data for frame in frames_of(folder, key) if frame.kind is Kind.OUTPUT)


async def verified(studio: Studio, folder: Path) -> Any:
    await studio.ledger.settle(studio.ledger.last_seq)
    return check_kept(folder, studio.public, known_tapes(studio.folder / "ledger").get(folder.name))


async def kinds(studio: Studio, folder: Path) -> list[str]:
    await studio.ledger.settle(studio.ledger.last_seq)
    return [detail["what"] for detail in studio.said() if detail["tape"] == folder.name]


async def refusal(deed: Any) -> str:
    with pytest.raises(Refused) as refused:
        await deed
    return refused.value.code


async def test_deleting_takes_the_contents_and_leaves_what_proves_that_they_were(studio: Studio) -> None:
    folder = await ended(studio)
    before = row(folder)
    await keeping(studio).delete(folder.name, "adam", "a customer's data")
    after = row(folder)

    assert {"opening.json", DELETED} == {file.name for file in folder.iterdir()}
    assert ("deleted", before.segments, before.head, before.person, before.started, before.ended) == (
        after.state, after.segments, after.head, after.person, after.started, after.ended,
    )  # fmt: skip
    assert ("adam", "a customer's data", "") == (after.deleted.by, after.deleted.why, after.deleted.rule)
    assert ["tape.opened", "tape.closed", "tape.deleted"] == await kinds(studio, folder)
    found = await verified(studio, folder)
    assert ("", "deleted", before.head, "adam") == (found.wrong, found.state, found.head.hex(), found.deleted.by)
    with pytest.raises(BadSegment, match="deleted"):
        shown(studio, folder)
    assert end_found(Shelf(folder.parent), folder.name, studio.ledger.vouch, 5) is None


async def test_contents_that_are_gone_without_a_record_are_named(studio: Studio) -> None:
    folder, other = await ended(studio), await ended(studio)
    await keeping(studio).delete(other.name, "adam", "x")
    reels_of(folder)[0].unlink()
    assert "missing" in (await verified(studio, folder)).wrong

    shutil.copy(other / DELETED, folder / DELETED)  # another's deletion is none of this one
    found = await verified(studio, folder)
    assert "the ledger has no deletion of it" in found.wrong
    assert not found.deleted


async def test_a_deletion_that_the_ledger_has_let_go_is_proved_by_its_signature(studio: Studio) -> None:
    folder = await ended(studio)
    await keeping(studio).delete(folder.name, "adam", "x")
    mark = deleted_of(folder)
    assert mark is not None

    assert "deleted" == check_kept(folder, studio.public, None, since=mark.entry + 1).state
    assert check_kept(folder, studio.public, None, since=mark.entry).wrong
    (folder / DELETED).write_bytes((folder / DELETED).read_bytes().replace(b'"adam"', b'"audr"'))
    assert check_kept(folder, studio.public, None, since=mark.entry + 1).wrong


async def test_one_that_is_under_way_or_deleted_cannot_be_deleted(studio: Studio) -> None:
    custody, tape = keeping(studio), await studio.begin()
    assert "session.live" == await refusal(custody.delete(tape.id, "adam", "x"))
    await tape.end()
    await custody.delete(tape.id, "adam", "x")

    assert "session.deleted" == await refusal(custody.delete(tape.id, "adam", "x"))
    assert "session.deleted" == await refusal(custody.hold(tape.id, "audra", "x"))
    assert "session.deleted" == await refusal(custody.bring(tape.id))


async def test_what_is_held_is_deleted_by_nobody_until_every_hold_is_released(studio: Studio) -> None:
    folder, custody = await ended(studio), keeping(studio, Rules(retain_days=0, quota_bytes=1, quota_keep_days=0))
    await custody.hold(folder.name, "audra", "case 17")
    await custody.hold(folder.name, "arno", "case 18")
    custody = keeping(studio, Rules(quota_bytes=1, quota_keep_days=0))  # a restart
    await custody.settle()

    assert [("audra", "case 17"), ("arno", "case 18")] == [(one.by, one.reason) for one in row(folder).holds]
    assert "session.held" == await refusal(custody.delete(folder.name, "adam", "x"))
    await custody.go_by_rules()
    assert "ended" == row(folder).state
    assert "session.not_held" == await refusal(custody.release(folder.name))
    assert "session.not_held" == await refusal(custody.release(folder.name, "case 1"))
    await custody.release(folder.name, "case 18")
    assert "session.held" == await refusal(custody.delete(folder.name, "adam", "x"))
    await custody.release(folder.name)
    await custody.go_by_rules()
    assert ("deleted", "quota_bytes = 1") == (row(folder).state, row(folder).deleted.rule)


async def test_a_hold_that_cannot_be_read_holds(studio: Studio) -> None:
    folder, custody = await ended(studio), keeping(studio, Rules(quota_bytes=1, quota_keep_days=0))
    (folder / HOLDS).write_bytes(b"[")
    await custody.go_by_rules()

    assert reels_of(folder)
    assert "session.unreadable" == await refusal(custody.delete(folder.name, "adam", "x"))


async def test_the_settings_let_the_oldest_go_and_each_is_recorded_with_its_rule(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [await ended(studio, os.urandom(2000)) for _ in range(3)]
    size = row(folders[0]).bytes
    custody = keeping(studio, Rules(quota_bytes=size * 2, quota_keep_days=0))
    await custody.go_by_rules()

    assert ["deleted", "deleted", "ended"] == [row(folder).state for folder in folders]
    said = [detail for detail in studio.said() if detail["what"] == "tape.deleted"]
    assert [f"quota_bytes = {size * 2}"] * 2 == [detail["rule"] for detail in said]
    assert {"dockwarden"} == {entry.principal for entry in entries(studio.folder / "ledger") if entry.detail.get("what") == "tape.deleted"}

    custody = keeping(studio, Rules(retain_days=1))
    await custody.go_by_rules()
    assert "ended" == row(folders[2]).state
    later = 2 * DAY_US + row(folders[2]).ended
    monkeypatch.setattr("dockwarden.tape.custody._now", lambda: later)
    await custody.go_by_rules()
    assert "retain_days = 1" == row(folders[2]).deleted.rule


async def test_where_none_may_go_no_session_begins_and_says_why(studio: Studio) -> None:
    folder = await ended(studio, os.urandom(2000))
    custody = keeping(studio, Rules(quota_bytes=row(folder).bytes * 2, quota_keep_days=7))
    await custody.settle()
    live = await studio.begin()
    live.add(Kind.OUTPUT, os.urandom(3000))  # what grows counts at once
    await live.settle()

    with pytest.raises(Refused, match=r"quota_bytes = .* none that may be deleted is old enough") as refused:
        await studio.begin()
    assert "tape.refused" == refused.value.code
    with pytest.raises(Refused, match="quota_bytes"):
        await studio.recorder.probe()
    live.add(Kind.OUTPUT, b"a session under way goes on")
    await live.settle()
    await custody.go_by_rules()
    assert "ended" == row(folder).state
    await live.end()
    keeping(studio, Rules(quota_bytes=1 << 30))
    assert await studio.begin()


async def test_a_folder_that_takes_no_mark_leaves_the_tape_and_the_ledger_says_so(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, custody = await ended(studio), keeping(studio)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("dockwarden.tape.deletion.write_mark", full)
        assert "session.unwritable" == await refusal(custody.delete(folder.name, "adam", "x"))
        assert ["tape.opened", "tape.closed"] == await kinds(studio, folder)
    with monkeypatch.context() as broken:
        broken.setattr("dockwarden.tape.deletion.carry_out", full)
        assert "session.unwritable" == await refusal(custody.delete(folder.name, "adam", "x"))
    await custody.settle()

    assert ["ended", ""] == [row(folder).state, (await verified(studio, folder)).wrong]
    assert "tape.kept" == (await kinds(studio, folder))[-1]
    assert not (folder / DELETING).exists()
    await custody.delete(folder.name, "adam", "again")
    assert "deleted" == (await verified(studio, folder)).state


async def test_a_mark_that_nobody_signed_deletes_nothing(studio: Studio) -> None:
    folder, other = await ended(studio), await ended(studio)
    await keeping(studio).delete(other.name, "adam", "x")
    shutil.copy(other / DELETED, folder / DELETED)
    await keeping(studio).settle()
    assert reels_of(folder)
    (folder / DELETED).unlink()

    (folder / DELETING).write_bytes(b'{"id": "%s", "at": 1, "by": "eve", "why": "", "tail": {"segments": 1, "head": "", "ended": 1, "state": "ended", "bytes": 1}}'
                                    % folder.name.encode())  # fmt: skip
    await keeping(studio).settle()
    assert ("ended", "") == (row(folder).state, (await verified(studio, folder)).wrong)
    assert not (folder / DELETING).exists()


# --- the store ---


async def test_a_session_is_in_the_store_as_it_grows_and_what_is_there_is_a_tape(studio: Studio) -> None:
    store, tape = Memory(), await studio.begin()
    custody = keeping(studio, store=store, every_s=0)
    for number in range(3):
        tape.add(Kind.OUTPUT, b"%d," % number)
        await tape.settle()
        await custody.copy_round(store)
    assert ["opening.json", "00000001.reel", "00000003.reel", "00000004.reel"] == [name.split("/")[1] for name in store.objects]
    assert Lag() == custody.lag
    await tape.end()
    assert 1 == unstored_in(studio.recorder.shelf.folder).tapes
    await custody.copy_round(store)
    await custody.copy_round(store)

    elsewhere = studio.folder / "elsewhere" / tape.id
    elsewhere.mkdir(parents=True)
    for name, data in store.objects.items():
        (elsewhere / name.split("/")[1]).write_bytes(data)
    known = known_tapes(studio.folder / "ledger")[tape.id]
    assert ("", "ended") == (check_tape(elsewhere, studio.public, known).wrong, row(elsewhere).state)
    assert b"0,1,2," == shown(studio, elsewhere)
    assert Lag() == unstored_in(studio.recorder.shelf.folder)


async def test_the_copy_here_goes_and_comes_back_for_who_reads_it(studio: Studio) -> None:
    store, folder = Memory(), await ended(studio, b"a", b"b")
    custody = keeping(studio, Rules(quota_bytes=1, has_store=True), store)
    await custody.copy_round(store)
    before, size = row(folder), row(folder).bytes
    await custody.go_by_rules()
    await custody.copy_round(store)

    away = row(folder)
    assert [] == reels_of(folder)
    assert (True, before.state, before.head, size) == (away.is_away, away.state, away.head, away.bytes)
    assert "away" == (await verified(studio, folder)).state
    assert end_found(Shelf(folder.parent), folder.name, studio.ledger.vouch, 5) is None
    with pytest.raises(BadSegment, match="in the store"):
        shown(studio, folder)
    assert (0, Lag()) == (custody.used_bytes, custody.lag)

    await keeping(studio, store=store).bring(folder.name)
    assert b"ab" == shown(studio, folder)
    assert ("", "ended") == ((await verified(studio, folder)).wrong, row(folder).state)
    puts = len(store.calls)
    await keeping(studio, store=store).copy_round(store)
    assert puts == len(store.calls)


async def test_a_restart_in_the_middle_goes_on_from_the_disk(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockwarden.tape.copies.OBJECT_BYTES", 1)
    store, folder = Memory(refuses=("\0",)), await ended(studio, b"a", b"b", b"c")
    store.refuses = (f"{folder.name}/00000003",)
    await keeping(studio, store=store).copy_round(store)
    assert 2 == stored_of(folder).segments
    (folder / "stored.json.part").write_bytes(b"{")  # what a crash leaves
    store.refuses = ()
    await keeping(studio, store=store).copy_round(store)

    assert stored_of(folder).tail is not None
    assert len(store.calls) - 1 == len(set(store.calls))  # the one that was refused is asked for twice, no other
    assert "" == copies.look_through(store, folder)


async def test_reels_that_a_crash_left_beside_a_tape_that_is_away_go(studio: Studio) -> None:
    store, folder = Memory(), await ended(studio)
    custody = keeping(studio, store=store)
    await custody.copy_round(store)
    reel = reels_of(folder)[0].read_bytes()
    copies.let_go(folder)
    (folder / "00000001.reel").write_bytes(reel[:40])
    await custody.settle()

    assert [] == reels_of(folder)
    await custody.bring(folder.name)
    assert b"shown" == shown(studio, folder)


async def test_one_tape_that_the_store_refuses_holds_up_no_other(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = await ended(studio), await ended(studio)
    (unreadable := await ended(studio)).joinpath("stored.json").write_bytes(b"{")
    last = await ended(studio)
    store = Memory(refuses=(f"{bad.name}/00000001",))
    custody = keeping(studio, store=store)
    await custody.copy_round(store)

    assert [None, True, True] == [stored_of(one).tail and True for one in (bad, good, last)]
    assert 2 == custody.lag.tapes
    store.refuses, calls = (), len(store.calls)
    await custody.copy_round(store)
    assert calls == len(store.calls)  # it is not its turn yet
    now = time.monotonic() + TRY_AGAIN_S
    monkeypatch.setattr("dockwarden.tape.custody.time.monotonic", lambda: now)
    await custody.copy_round(store)
    assert (True, 1) == (stored_of(bad).tail is not None, custody.lag.tapes)
    assert reels_of(unreadable)


async def test_a_store_that_is_away_is_left_alone_and_the_log_says_how_far_behind_it_is(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [await ended(studio) for _ in range(5)]
    store = Memory(refuses=("2",))
    custody = keeping(studio, store=store)
    await custody.copy_round(store)
    assert 3 == len(store.calls)
    assert (5, sum(row(one).bytes for one in folders)) == (custody.lag.tapes, custody.lag.bytes)
    assert [] == studio.heard

    later = row(folders[0]).ended + 400 * 10**6
    monkeypatch.setattr("dockwarden.tape.custody._now", lambda: later)
    await custody.copy_round(store)
    await custody.copy_round(store)
    (said,) = studio.heard
    assert said.startswith("tapes are not in the store yet: {'tapes': 5")
    assert "it refuses that one" in said
    store.refuses = ()
    await keeping(studio, store=store).copy_round(store)
    assert [True] * 5 == [stored_of(one).tail is not None for one in folders]


async def test_a_bit_that_was_flipped_in_the_store_is_found_before_the_copy_here_goes(studio: Studio) -> None:
    store, folder = Memory(), await ended(studio)
    custody = keeping(studio, Rules(quota_bytes=1, has_store=True), store)
    await custody.copy_round(store)
    name = f"{folder.name}/00000001.reel"
    whole = store.objects[name]
    store.objects[name] = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    await custody.go_by_rules()

    assert reels_of(folder)
    assert "00000001.reel in the store is not what was written there; it is copied again" in studio.heard[-1]
    await studio.ledger.settle(studio.ledger.last_seq)
    assert ["tape.store_damaged"] == [one.detail["what"] for one in entries(studio.folder / "ledger") if one.kind == "event"]
    await custody.copy_round(store)
    assert whole == store.objects[name]


@pytest.mark.parametrize("harm", ["flip", "lose", "cut"])
async def test_an_object_that_was_changed_is_named_and_nothing_of_it_is_shown(studio: Studio, harm: str) -> None:
    store, folder = Memory(), await ended(studio)
    custody = keeping(studio, store=store)
    await custody.copy_round(store)
    copies.let_go(folder)
    name = f"{folder.name}/00000001.reel"
    whole = store.objects.pop(name)
    if harm != "lose":
        store.objects[name] = whole[:-1] if harm == "cut" else bytes([whole[0], whole[1] ^ 1]) + whole[2:]

    with pytest.raises(Refused, match=r"00000001\.reel .*in the store") as refused:
        await custody.bring(folder.name)
    assert "session.unreadable" == refused.value.code
    assert ([], True) == (reels_of(folder), row(folder).is_away)
    store.objects[name] = whole
    await custody.bring(folder.name)
    assert "" == (await verified(studio, folder)).wrong


async def test_holds_and_deletions_reach_the_store(studio: Studio) -> None:
    store, folder = Memory(), await ended(studio, b"a", b"b")
    custody = keeping(studio, store=store)
    await custody.copy_round(store)
    await custody.hold(folder.name, "audra", "case 17")
    await custody.copy_round(store)
    assert b"case 17" in store.objects[f"{folder.name}/{HOLDS}"]
    await custody.release(folder.name)
    copies.let_go(folder)
    await custody.delete(folder.name, "adam", "x")
    store.refuses = (folder.name,)
    await custody.copy_round(store)
    assert 1 == custody.lag.tapes
    store.refuses = ()
    custody = keeping(studio, store=store)
    await custody.copy_round(store)
    await custody.copy_round(store)

    assert {"opening.json", DELETED, HOLDS} == {name.split("/")[1] for name in store.objects}
    assert ("deleted", "") == (row(folder).state, (await verified(studio, folder)).wrong)
    assert (Lag(), True) == (custody.lag, stored_of(folder).is_gone)


async def test_only_what_is_surely_on_the_disk_goes(studio: Studio) -> None:
    store, tape = Memory(), await studio.begin()
    custody = keeping(studio, store=store, every_s=0)
    tape.add(Kind.OUTPUT, b"x")
    await tape.settle()
    durable, tape.track._durable = tape.track._durable, tape.track._durable._replace(seq=1)  # as if the second were being written still
    await custody.copy_round(store)
    assert 1 == stored_of(studio.path(tape)).segments
    tape.track._durable = durable
    await custody.copy_round(store)
    assert 2 == stored_of(studio.path(tape)).segments
    await tape.end()


async def test_a_real_server_takes_them_loses_them_and_gives_them_back(studio: Studio, tmp_path: Path) -> None:
    folder = await ended(studio, os.urandom(5 << 20))
    with bucket(tmp_path) as made:
        store = made.store()
        custody = keeping(studio, Rules(quota_bytes=1, has_store=True), store)
        await custody.copy_round(store)
        await custody.copy_round(store)
        names = [name.removeprefix(f"house/{folder.name}/") for name in made.names()]
        assert "opening.json" == names[-1]
        assert len(names) > 2
        await custody.go_by_rules()
        assert [] == reels_of(folder)
        await custody.bring(folder.name)
        assert "" == (await verified(studio, folder)).wrong
        copies.let_go(folder)
        store.delete(f"{folder.name}/00000001.reel")
        store.delete(f"{folder.name}/00000001.reel")
        with pytest.raises(Refused, match=r"00000001\.reel is missing in the store"):
            await custody.bring(folder.name)
    assert "session.away" == await refusal(custody.bring(folder.name))


async def test_a_cancelled_deletion_is_whole(studio: Studio) -> None:
    folder, custody = await ended(studio), keeping(studio)
    asked = asyncio.ensure_future(custody.delete(folder.name, "adam", "x"))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert "session.deleted" == await refusal(custody.delete(folder.name, "adam", "x"))
    assert ("deleted", "") == (row(folder).state, (await verified(studio, folder)).wrong)


async def test_what_is_borrowed_goes_back_unless_somebody_else_wants_it_meanwhile(studio: Studio) -> None:
    store, folder = Memory(), await ended(studio, b"a")
    custody = keeping(studio, Rules(has_store=True), store)
    await custody.copy_round(store)
    async with custody.at_hand(folder.name):
        pass
    assert b"a" == shown(studio, folder)  # it was here before

    await custody._let_go(folder.name)
    async with custody.at_hand(folder.name):
        assert b"a" == shown(studio, folder)
    assert [] == reels_of(folder)
    async with custody.at_hand(folder.name):
        await custody.bring(folder.name)
    assert b"a" == shown(studio, folder)

    await custody._let_go(folder.name)
    async with custody.at_hand(folder.name):
        await custody.delete(folder.name, "adam", "why not")
    assert {"opening.json", "deleted.json", "stored.json"} == {file.name for file in folder.iterdir()}
    assert not stored_of(folder).is_away
