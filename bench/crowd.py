"""A host of thousands and a long record: what a list costs then, and how soon dockwarden is back."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
from fixtures.warden import ALICE, Warden, dockwarden

CONTAINERS = int(os.environ.get("DOCKWARDEN_BENCH_CONTAINERS", "5000"))
ENTRIES = int(os.environ.get("DOCKWARDEN_BENCH_ENTRIES", "1000000"))
LISTS, AT_ONCE = 9, 5_000
ALL = "/v1.41/containers/json?all=1"

Call = Callable[[str, str, Any], tuple[int, bytes]]


def as_account(uid: int, work: Callable[[], Any]) -> Any:
    """What `work` returns when an ordinary account does it."""
    ours, theirs = multiprocessing.Pipe()

    def child() -> None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        theirs.send(work())

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    said = ours.recv()
    process.join()
    return said


def lists(call: Call) -> tuple[float, int]:
    """Median milliseconds of a list of all, and how many rows it has."""
    spent, rows = [], 0
    for _ in range(LISTS):
        begun = time.perf_counter()
        rows = len(json.loads(call("GET", ALL, None)[1]))
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1e3, rows


def crowd(connect: Callable[[Path], Call], direct: Path, door: Path, console: Console) -> None:
    """Lists on a host of thousands: direct, as an admin, and as a developer who has three of them."""
    make = connect(direct)
    there = len(json.loads(make("GET", ALL, None)[1]))
    for number in range(there, CONTAINERS - 3):
        make("POST", f"/v1.41/containers/create?name=crowd{number}", {"Image": "busybox", "Cmd": ["true"]})

    def developer() -> tuple[float, int]:
        call = connect(door)
        for number in range(3):
            call("POST", f"/v1.41/containers/create?name=own{number}", {"Image": "busybox", "Cmd": ["true"]})
        return lists(call)

    theirs = as_account(ALICE, developer)
    table = Table("list of all", "rows", "p50 ms")
    for title, (ms, rows) in (("direct", lists(make)), ("an admin, through dockwarden", lists(connect(door))), ("a developer, through dockwarden", theirs)):
        table.add_row(title, str(rows), f"{ms:.1f}")
    console.print(table)


async def _fill(ledger: Ledger) -> None:
    for number in range(ENTRIES):
        kind = "outcome" if number % 2 else "intent"
        seq = ledger.append(Entry(
            kind=kind, call=f"{number:032x}", principal="alice", groups=("developers",), via="unix", door="unix:///run/dockwarden/docker.sock",
            action="container.start", resource=f"Container:{number:064x}", why="permitted", policies=("developers-own",), status=204, digest="0" * 64,
        ))  # fmt: skip
        if not number % AT_ONCE:
            await ledger.settle(seq)


def record(warden: Warden, console: Console) -> None:
    """Fill the ledger of a stopped dockwarden, verify it, and start on it."""
    ledger = Ledger(warden.dir / "state" / "ledger")
    begun = time.perf_counter()
    asyncio.run(_fill(ledger))
    ledger.close()
    table = Table(f"{ENTRIES:,} entries more", "s")
    table.add_row("written", f"{time.perf_counter() - begun:.1f}")
    begun = time.perf_counter()
    done = dockwarden("ledger", "verify", "--config", str(warden.config), timeout=300)
    assert done.returncode == 0, done.stderr
    table.add_row("ledger verify, the command", f"{time.perf_counter() - begun:.1f}")
    for title in ("start, all of them newer than the owners' snapshot", "start again"):
        begun = time.perf_counter()
        warden.start()
        table.add_row(f"{title}, until ready", f"{time.perf_counter() - begun:.1f}")
        warden.stop()
    console.print(table)
