"""Ledgers as tests write and look at them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from dockwarden.ledger.checkpoint import NOTE, Signed, read_signed
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import read_public_key
from dockwarden.ledger.segments import entries, segments
from dockwarden.ledger.verify import Verified, Verifier
from dockwarden.ledger.writer import Ledger


def write(folder: Path, count: int, name: str = "alice", **options: Any) -> None:
    """One life of a ledger."""
    asyncio.run(_written(folder, count, name, options))


async def _written(folder: Path, count: int, name: str, options: dict[str, Any]) -> None:
    ledger = Ledger(folder, **options)
    for number in range(count):
        ledger.append(Entry(kind="read", principal=name, action="container.inspect", resource=f"Container:{number}"))
        if number % 50 == 49:
            await ledger.settle(ledger.last_seq)
    ledger.close()


def verify(folder: Path, **kept: Signed) -> Verified:
    return Verifier(folder, read_public_key(folder / "signing.pub"), kept=kept).run()


def lines_of(folder: Path) -> list[bytes]:
    return [line for file in segments(folder) for line in file.read_bytes().split(b"\n")[:-1]]


def published(folder: Path) -> Signed:
    return read_signed((folder / "tlog" / "checkpoint").read_bytes())


def checkpoints(folder: Path) -> list[Signed]:
    """Every one among the entries, the oldest first."""
    return [read_signed(entry.detail[NOTE].encode()) for entry in entries(folder) if NOTE in entry.detail]


def files_of(folder: Path) -> list[Path]:
    """Every file of the tree's folder."""
    return sorted(file for file in (folder / "tlog").rglob("*") if file.is_file())
