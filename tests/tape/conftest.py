"""A recorder beside a real ledger, on a real disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import make_key, read_public_key
from dockwarden.ledger.segments import entries
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.load import load
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.locks import Locks
from dockwarden.tape.opening import Opening
from dockwarden.tape.recorder import Recorder, Tape
from dockwarden.tape.shelf import Shelf
from dockwarden.words.principal import Principal

PERMISSIVE = load({"all.cedar": '@id("all") permit (principal, action, resource);'})
NO_TAPE = Opening(id="", at=0, person="alice", kind="exec", target="web", columns=80, rows=24)


@dataclass
class Studio:
    """What a test records with. `identity` opens what it made."""

    folder: Path
    ledger: Ledger
    recorder: Recorder
    identity: str
    admissions: Admissions
    heard: list[str] = field(default_factory=list)

    async def begin(self) -> Tape:
        admitted = self.admissions.admit(Wish(Principal("alice"), NO_TAPE), PERMISSIVE)
        return await self.recorder.begin(admitted, self.heard.append, entry=Entry(kind="tape", principal="alice", action="exec.start"))

    def path(self, tape: Tape) -> Path:
        return self.recorder.shelf.path(tape.id)

    def said(self) -> list[dict[str, Any]]:
        return [entry.detail for entry in entries(self.folder / "ledger", 0) if entry.kind == "tape"]

    @property
    def public(self) -> Any:
        return read_public_key(self.folder / "ledger" / "signing.pub")


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    make_key(tmp_path / "ledger")
    ledger = Ledger(tmp_path / "ledger")
    identity = pyrage.x25519.Identity.generate()
    recorder = Recorder(Shelf(tmp_path / "tapes"), ledger, lambda: (str(identity.to_public()),))
    await recorder.open()
    locks = Locks(tmp_path / "locks.db")
    yield Studio(tmp_path, ledger, recorder, str(identity), Admissions(locks))
    await recorder.close()
    locks.close()
    await asyncio.to_thread(ledger.close)
