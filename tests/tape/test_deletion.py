"""Killed before any one of its calls that change a file, a deletion is whole or has not begun once dockwarden has started again."""

from __future__ import annotations

import asyncio
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import make_key, read_public_key
from dockwarden.ledger.writer import Ledger
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.custody import Custody
from dockwarden.tape.found import rows
from dockwarden.tape.frames import Kind
from dockwarden.tape.locks import Locks
from dockwarden.tape.marks import DELETED, DELETING, HOLDS
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.retention import Rules
from dockwarden.tape.shelf import REEL_BYTES, Place, Shelf, reels_of
from dockwarden.tape.verify import check_kept, known_tapes
from dockwarden.words.principal import Principal
from fixtures.crash import in_a_child, killed_at
from tape.conftest import NO_TAPE, PERMISSIVE

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of x86-64")

Life = Callable[[Path, Callable[[str], None]], None]


async def _opened(folder: Path) -> tuple[Ledger, Recorder, Custody]:
    ledger = Ledger(folder / "ledger")
    recorder = Recorder(Shelf(folder / "tapes"), ledger, lambda: (str(pyrage.x25519.Identity.generate().to_public()),))
    custody = Custody(recorder, ledger, folder / "ledger", read_public_key(folder / "ledger" / "signing.pub"), rules=Rules())
    return ledger, recorder, custody


def _made(folder: Path) -> None:
    """A ledger and two tapes that are over; the first has three reels."""

    async def make() -> None:
        ledger, recorder, _ = await _opened(folder)
        await recorder.open()
        admitted = Admissions(Locks(folder / "locks.db")).admit(Wish(Principal("alice"), NO_TAPE), PERMISSIVE)
        for count in (3, 1):
            tape = await recorder.begin(admitted, print, entry=Entry(kind="tape", principal="alice", action="exec.start"))
            for number in range(count):
                if number:  # its file is full
                    tape.track._reels.place = Place(number, REEL_BYTES)
                tape.add(Kind.OUTPUT, b"%d" % number)
                await tape.settle()
            await tape.end()
            if count > 1:
                (folder / "which").write_text(tape.id)
        await recorder.close()
        await asyncio.to_thread(ledger.close)

    make_key(folder / "ledger")
    asyncio.run(make())
    (folder / "tapes" / "reserve").unlink()


def _delete(folder: Path, say: Callable[[str], None]) -> None:
    async def work() -> None:
        ledger, _, custody = await _opened(folder)
        await custody.delete(_first(folder).name, "adam", "a customer's data")
        say("deleted")
        await asyncio.to_thread(ledger.close)

    asyncio.run(work())


def _hold(folder: Path, say: Callable[[str], None]) -> None:
    async def work() -> None:
        ledger, _, custody = await _opened(folder)
        await custody.hold(_first(folder).name, "audra", "case 17")
        say("held")
        await asyncio.to_thread(ledger.close)

    asyncio.run(work())


def _restart(folder: Path, say: Callable[[str], None]) -> None:
    """Start again, and say what is wrong then."""

    async def work() -> None:
        ledger, _, custody = await _opened(folder)
        await custody.settle()
        await asyncio.to_thread(ledger.close)

    asyncio.run(work())
    public, known = read_public_key(folder / "ledger" / "signing.pub"), known_tapes(folder / "ledger")
    for row in sorted(rows(Shelf(folder / "tapes")), key=lambda row: row.id != _first(folder).name):
        tape = folder / "tapes" / row.id
        checked = check_kept(tape, public, known[row.id])
        say(f"{row.state} {checked.state} {checked.wrong or 'right'} {len(reels_of(tape))} {(tape / DELETING).exists()} {len(row.holds)}")


def _first(folder: Path) -> Path:
    return folder / "tapes" / (folder / "which").read_text()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="dwdelete", dir="/dev/shm"))
    in_a_child(lambda _: _made(root / "made"))
    yield root
    shutil.rmtree(root)


def _moments(root: Path, life: Life) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Each call before which `life` was killed, what it had acknowledged, and what the next start found."""
    for number in range(1, 200):
        folder = root / f"at{number}"
        shutil.copytree(root / "made", folder)
        ended = killed_at(number, folder, lambda say, folder=folder: life(folder, say))  # type: ignore[misc]
        yield ended.call, ended.acknowledged, in_a_child(lambda say, folder=folder: _restart(folder, say))  # type: ignore[misc]
        shutil.rmtree(folder)
        if not ended.call:
            return
    raise AssertionError("it never came to its end")


WHOLE, GONE, OTHER = "ended ended right 3 False 0", "deleted deleted right 0 False 0", "ended ended right 1 False 0"


def test_a_deletion_that_is_killed_anywhere_is_done_or_has_not_begun(made: Path) -> None:
    seen = list(_moments(made, _delete))

    assert [] == [one for one in seen if one[2][0] not in {WHOLE, GONE} or one[2][1:] != [OTHER]]
    assert [] == [one for one in seen if one[1] and one[2][0] != GONE]
    for step in (f"{DELETING}.part", ".ledger", f"{DELETED}.part", ".reel"):
        assert any(step in call for call, _, _ in seen), step
    recorded = [one for one in seen if f"{DELETED}.part" in one[0] or ".reel" in one[0] or one[0].endswith(f"/{DELETING}")]
    assert {GONE} == {one[2][0] for one in recorded}
    assert WHOLE == seen[0][2][0]


def test_a_hold_that_is_killed_anywhere_is_there_or_not_and_is_there_once_told(made: Path) -> None:
    seen = list(_moments(made, _hold))

    held = "ended ended right 3 False 1"
    assert [] == [one for one in seen if one[2][0] not in {WHOLE, held} or (one[1] and one[2][0] != held)]
    assert any(f"{HOLDS}.part" in call for call, _, _ in seen)
