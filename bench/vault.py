"""`python -m bench.vault`: the vault at a thousand and at a million secrets, a new term while it serves, and `docker run` with secrets.

Everything is bounded in count and runs on this machine alone, over a real ledger and a real store. Figures are of this run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from dockwarden.ledger.keys import make_key  # noqa: E402
from dockwarden.ledger.writer import Ledger  # noqa: E402
from dockwarden.vault import seals  # noqa: E402
from dockwarden.vault.log import OpenLog  # noqa: E402
from dockwarden.vault.rows import Held, Record, State, VersionRow, record_digest  # noqa: E402
from dockwarden.vault.sql import open_store  # noqa: E402
from dockwarden.vault.store import Change  # noqa: E402
from dockwarden.vault.tree import Bucket, bucket_of  # noqa: E402
from dockwarden.vault.vault import Vault  # noqa: E402
from dockwarden.words.secret import Secret  # noqa: E402
from fixtures.engine import make_engine  # noqa: E402  the tests' own Engine serves here, too
from fixtures.postgres import Cluster, cluster  # noqa: E402  as above
from fixtures.warden import ALICE, Warden  # noqa: E402  as above

SIZES = tuple(map(int, os.environ.get("DOCKWARDEN_BENCH_SECRETS", "1000,1000000").split(",")))
SECONDS = float(os.environ.get("DOCKWARDEN_BENCH_SECONDS", "2"))
PART, RUNS, SECRETS, STEP = 2_000, 8, 5, 7919
KEY = bytes(32)


def path_of(number: int) -> str:
    """Where secret `number` is."""
    return f"load/{number % 1000:03}/{number}"


def rows(vault: Vault, first: int, last: int) -> Iterator[tuple[str, bytes, VersionRow]]:
    """Path, record and version of each secret, as `put` would store them."""
    keys = vault._opened()
    for number in range(first, last):
        path, value = path_of(number), f"value {number}".encode()
        row = vault._sealed(path, 1, value, keys)
        held = Held(version=1, state=State.LIVE, at=number, by="bench", size=len(value), digest=row.digest())
        yield path, Record(path=path, labels={"current": 1}, versions=(held,)).encoded(), row


def fill(vault: Vault, count: int) -> None:
    """Put `count` secrets in, some thousand a transaction, and one head over all of them."""
    buckets: dict[int, Bucket] = {}
    head = vault.head
    store = vault.store
    for first in range(0, count, PART):
        some = list(rows(vault, first, min(first + PART, count)))
        for path, record, _ in some:
            number = bucket_of(path)
            buckets[number] = buckets.get(number, Bucket()).with_record(path, record_digest(record))
        store.fill(Change(head, records={path: record for path, record, _ in some}, versions=tuple(row for _, _, row in some)))  # type: ignore[attr-defined]
    vault._move(head.vault, head.seq + 1, head.name, buckets)


def each_second(deed: Callable[[int], object], seconds: float) -> float:
    """How often `deed` is done in a second."""
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        deed(done)
        done += 1
    return done / spent


async def sizes(folder: Path, postgres: Cluster, console: Console) -> None:
    """Reads and writes at each size in either store, and a new term over the largest."""
    table = Table("store", "secrets", "filled in", "reads/s", "writes/s (ledger and store on disk)", "unseal", title="the vault")
    for count in SIZES:
        place = folder / str(count)
        table.add_row("SQLite", f"{count:,}", *await of_size(place, f"sqlite://{place / 'vault.db'}", count, console))
    for count in SIZES:
        table.add_row("PostgreSQL", f"{count:,}", *await of_size(folder / f"p{count}", postgres.schema(), count, console))
    console.print(table)


async def of_size(place: Path, url: str, count: int, console: Console) -> tuple[str, ...]:
    """The row of one size."""
    make_key(place / "ledger")
    ledger = Ledger(place / "ledger")
    vault = await asyncio.to_thread(made, url, OpenLog(place / "ledger", ledger, asyncio.get_running_loop()))
    begun = time.perf_counter()
    await asyncio.to_thread(fill, vault, count)
    filled = time.perf_counter() - begun
    reads = await asyncio.to_thread(each_second, lambda at: vault.get(path_of(at * STEP % count)), SECONDS)
    writes = await asyncio.to_thread(each_second, lambda at: vault.put(path_of(at * STEP % count), Secret(b"another value"), "bench"), SECONDS)
    vault.seal()
    begun = time.perf_counter()
    await asyncio.to_thread(vault.unseal, KEY)
    unsealed = (time.perf_counter() - begun) * 1e3
    if count == SIZES[-1] and url.startswith("sqlite:"):
        console.print(f"{count:,} secrets in SQLite: {(place / 'vault.db').stat().st_size / 2**20:.0f} MiB")
        await new_term(vault, count, console)
    vault.store.close()
    ledger.close()
    shutil.rmtree(place)
    return f"{filled:.1f} s", f"{reads:,.0f}", f"{writes:,.0f}", f"{unsealed:.0f} ms"


def made(url: str, log: OpenLog) -> Vault:
    """An open, empty vault."""
    vault = Vault(open_store(url), log)
    vault.create(KEY, seals.written(seals.FileSeal()))
    return vault


async def new_term(vault: Vault, count: int, console: Console) -> None:
    """Rotate, and bring every version under the new term, reading one secret after each step."""
    begun, waits, after = time.perf_counter(), [], ""
    await asyncio.to_thread(vault.rotate)
    while True:
        step = time.perf_counter()
        after = await asyncio.to_thread(vault.rewrap, after)
        waits.append(time.perf_counter() - step)
        await asyncio.to_thread(vault.get, path_of(len(waits)))
        if not after:
            break
    await asyncio.to_thread(vault.retire_terms)
    longest = max(waits) * 1e3
    console.print(f"a new term over {count:,} versions: {time.perf_counter() - begun:.1f} s; a reader waits {longest:.0f} ms at most")
    begun = time.perf_counter()
    await asyncio.to_thread(vault.rekey, KEY, seals.written(seals.FileSeal()))
    console.print(f"a new root key: {(time.perf_counter() - begun) * 1e3:.1f} ms, whatever the size")


def put(warden: Warden, number: int) -> None:
    """Keep one secret, as an admin would."""
    words = [sys.executable, "-m", "dockwarden", "secret", "put", f"shared/bench/{number}", "--config", str(warden.config)]
    subprocess.run(words, input=f"value {number}".encode(), check=True, capture_output=True)


def runs(console: Console) -> None:
    """What five secrets add to `docker run`, run by run beside runs without."""
    engine = make_engine(7)
    warden = Warden(Path(f"/var/tmp/dwbench{os.getpid()}"), engine.address, volumes=True)
    try:
        warden.init()
        warden.start()
        for number in range(SECRETS):
            put(warden, number)
        named = [word for number in range(SECRETS) for word in ("-e", f"S{number}=dockwarden://shared/bench/{number}")]
        spent: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(RUNS):
            for has_secrets in (False, True):
                begun = time.perf_counter()
                done = warden.docker("run", "--rm", *(named if has_secrets else ()), "busybox", "true", uid=ALICE)
                spent[has_secrets].append(time.perf_counter() - begun)
                assert done.returncode == 0, done.stderr
        plain, more = (statistics.median(spent[has_secrets]) * 1e3 for has_secrets in (False, True))
        console.print(f"docker run --rm: {plain:.0f} ms, with {SECRETS} secrets {more:.0f} ms: {more - plain:+.0f} ms (median of {RUNS})")
    finally:
        warden.stop()
        warden.remove()
        engine.remove()


def main() -> None:
    """Print all of it."""
    console = Console()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, cluster(is_flushed=True) as postgres:
        asyncio.run(sizes(Path(folder), postgres, console))
    runs(console)


if __name__ == "__main__":
    main()
