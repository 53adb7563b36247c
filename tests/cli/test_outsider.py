"""Who has copies and a key checks a ledger, an entry and tapes: with no server, no settings, and none of our folders."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import make_key
from dockwarden.ledger.writer import Ledger
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.frames import Kind
from dockwarden.tape.locks import Locks
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.shelf import Shelf, reels_of
from dockwarden.words.principal import Principal
from fixtures.warden import dockwarden
from tape.conftest import NO_TAPE, PERMISSIVE


@dataclass(frozen=True)
class Copies:
    """What an auditor was given: `key` is the file with the ledger's key, `tape` the id of the one tape."""

    ledger: Path
    tapes: Path
    key: Path
    tape: str

    def verify_sessions(self) -> tuple[int, str]:
        done = dockwarden("session", "verify", "--tapes", str(self.tapes), "--ledger", str(self.ledger), "--key", str(self.key), "--config", "/nowhere")
        return done.returncode, done.stdout + done.stderr

    def verify_ledger(self, *more: str) -> tuple[int, str]:
        done = dockwarden("ledger", "verify", "--dir", str(self.ledger), "--key", str(self.key), "--config", "/nowhere", *more)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
async def copies(tmp_path: Path) -> Copies:
    make_key(tmp_path / "state/ledger")
    ledger = Ledger(tmp_path / "state/ledger")
    recorder = Recorder(Shelf(tmp_path / "state/tapes"), ledger, lambda: (str(pyrage.x25519.Identity.generate().to_public()),))
    await recorder.open()
    locks = Locks(tmp_path / "locks.db")
    admitted = Admissions(locks).admit(Wish(Principal("alice"), NO_TAPE), PERMISSIVE)
    tape = await recorder.begin(admitted, lambda _why: None, entry=Entry(kind="tape", principal="alice", action="exec.start"))
    tape.add(Kind.OUTPUT, b"hello")
    await tape.end()
    await recorder.close()
    locks.close()
    ledger.close()
    key = tmp_path / "ledger.vkey"
    key.write_text(dockwarden("ledger", "key", "--dir", str(tmp_path / "state/ledger")).stdout)
    shutil.copytree(tmp_path / "state", tmp_path / "copy", ignore=shutil.ignore_patterns("signing.*", "lock", "reserve"))
    shutil.rmtree(tmp_path / "state")
    return Copies(tmp_path / "copy/ledger", tmp_path / "copy/tapes", key, tape.id)


def test_a_copied_ledger_verifies_by_its_key_alone(copies: Copies, tmp_path: Path) -> None:
    shutil.copy(copies.ledger / "tlog/checkpoint", tmp_path / "kept")
    code, said = copies.verify_ledger("--checkpoint", str(tmp_path / "kept"))

    assert (0, True, True) == (code, said.startswith("in order: "), "have the root " in said)
    tile = next((copies.ledger / "tlog/tile/0/000.p").iterdir())
    tile.write_bytes(bytes(len(tile.read_bytes())))
    assert (1, True) == ((found := copies.verify_ledger())[0], f"tlog/tile/0/000.p/{tile.name}" in found[1])


def test_an_entry_is_proved_to_who_has_nothing_but_the_key(copies: Copies, tmp_path: Path) -> None:
    made = dockwarden("ledger", "prove", "2", "--dir", str(copies.ledger))
    proof = tmp_path / "2.tlog-proof"
    proof.write_text(made.stdout)

    checked = dockwarden("ledger", "check-proof", str(proof), "--key", copies.key.read_text())
    assert (0, 2) == (checked.returncode, json.loads(checked.stdout)["seq"])
    assert "entry 2 of" in checked.stderr

    proof.write_text(made.stdout.replace("index 1", "index 2"))
    broken = dockwarden("ledger", "check-proof", str(proof), "--key", str(copies.key))
    assert (1, "", True) == (broken.returncode, broken.stdout, "proves nothing" in broken.stderr)


def test_copied_tapes_verify_by_the_copied_ledger_and_the_key(copies: Copies) -> None:
    assert (0, "1 of 1 tapes are what was recorded\n") == copies.verify_sessions()

    reel = reels_of(copies.tapes / copies.tape)[0]
    good = reel.read_bytes()
    reel.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    code, said = copies.verify_sessions()
    assert (1, True) == (code, f"{copies.tape}: BROKEN at segment" in said)
    shutil.rmtree(copies.tapes / copies.tape)
    assert (1, True) == ((found := copies.verify_sessions())[0], "the whole tape is missing" in found[1])


def test_tapes_are_not_verified_by_a_ledger_that_is_broken(copies: Copies) -> None:
    segment = next(copies.ledger.glob("*.ledger"))
    segment.write_bytes(segment.read_bytes().replace(b"tape.closed", b"tape.clased"))

    code, said = copies.verify_sessions()

    assert (1, True) == (code, "the ledger is BROKEN at entry" in said)


@pytest.mark.parametrize("key", ["nonsense", "log.example+00000000+AAAA", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"])
def test_a_key_that_is_none_of_a_ledger_is_said_to_be_none(copies: Copies, key: str) -> None:
    done = dockwarden("ledger", "verify", "--dir", str(copies.ledger), "--key", key)

    assert (3, True) == (done.returncode, "--key" in done.stderr)
