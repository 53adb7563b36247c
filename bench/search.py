"""`python -m bench.search [TAPES]`: how long a search over 10,000 tapes takes, at the socket at which the command line asks.

The tapes are real ones, sealed for this dockwarden and read into its index by itself; what is on them is made of 60,000 words, as often as
in a language, in sessions of very different lengths. No Engine is needed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from dockwarden.cli.control import answering, ask  # noqa: E402
from dockwarden.settings import load_settings  # noqa: E402
from dockwarden.tape.frames import Frame, Kind, encode  # noqa: E402
from dockwarden.tape.opening import Opening, hash_of, new_id, new_key, wrap  # noqa: E402
from dockwarden.tape.segment import Flag, Sealer  # noqa: E402
from dockwarden.tape.shelf import OPENING, reel_name  # noqa: E402
from fixtures.warden import Warden  # noqa: E402  the tests' own serves here, too

TAPES, PEOPLE, TARGETS = 10_000, 50, 200
WORDS, WORDS_A_LINE = 60_000, 9
MEDIAN_LINES, SPREAD, MOST_LINES = 100, 1.0, 5000
DAYS = 90
ROUNDS = 40
RARE, RARE_IN = "zyzzyva-found-once", 33
"""A word, and the number of the only session in which it is shown."""


class Sessions:
    """What people did, the same each time."""

    def __init__(self) -> None:
        self.random = random.Random(7)
        letters = "etaoinshrdlucmfwygpb"
        self.words = ["".join(self.random.choices(letters, k=self.random.randint(2, 10))) for _ in range(WORDS)]
        self._often = list(itertools.accumulate(1 / (rank + 3) for rank in range(WORDS)))

    def line(self) -> str:
        """Some words."""
        return " ".join(self.random.choices(self.words, cum_weights=self._often, k=WORDS_A_LINE))

    def frames(self, number: int) -> Iterator[Frame]:
        """One session in a shell: commands, and what they answered."""
        at_us, left = 0, min(int(self.random.lognormvariate(0, SPREAD) * MEDIAN_LINES), MOST_LINES)
        yield Frame(0, Kind.MARK, b"exec: sh")
        yield Frame(0, Kind.OUTPUT, f"host-{number}:/# {f'{RARE} ' if number == RARE_IN else ''}".encode())
        while left > 0:
            command = f"{self.random.choice(('ls', 'cat', 'grep -r', 'systemctl status', 'tail'))} {self.random.choice(self.words)}"
            at_us += 1_000_000
            yield Frame(at_us, Kind.OUTPUT, command.encode())
            yield Frame(at_us, Kind.INPUT, command.encode() + b"\r")
            lines = self.random.randint(1, 30)
            text = "".join(f"\r\n\x1b[32m{self.line()}\x1b[0m" for _ in range(lines))
            yield Frame(at_us + 1000, Kind.OUTPUT, f"{text}\r\nhost-{number}:/# ".encode())
            left -= lines
        yield Frame(at_us + 2000, Kind.EXIT, str(number % 3).encode())


def fill(folder: Path, recipient: str, count: int) -> int:
    """Write `count` tapes; the bytes of what was shown. Without the flushes of a real recorder: nothing is lost here if the disk is."""
    sessions, sign, shown = Sessions(), Ed25519PrivateKey.generate().sign, 0
    now_us = time.time_ns() // 1000
    for number in track(range(count), "writing tapes", console=Console(stderr=True), disable=not sys.stderr.isatty()):
        at, key = now_us - (count - number) * DAYS * 86_400_000_000 // count, new_key()
        opening = Opening(
            id=new_id(at), at=at, person=f"person-{number % PEOPLE}", kind="exec", target=f"target-{number % TARGETS}", columns=120, rows=40,
            recipients=(recipient,), wrapped=wrap(key, (recipient,)),
        )  # fmt: skip
        place, frames = folder / opening.id, list(sessions.frames(number))
        place.mkdir(mode=0o700)
        (place / OPENING).write_bytes(opening.stored())
        sealer = Sealer(opening.id, key, hash_of(opening.stored()), sign)
        (place / reel_name(1)).write_bytes(sealer.seal(encode(frames, 0), at, 0, Flag.LAST).stored())
        shown += sum(len(frame.data) for frame in frames if frame.kind is Kind.OUTPUT)
    return shown


def give_a_place(pid: int) -> None:
    """Let the process that reads tapes have its share of a busy machine: how fast it is is asked here, not how it gives way."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(child), 0)


def memory_mib(pid: int, what: str) -> float:
    """What the kernel says of a process (`VmRSS`, `VmHWM`)."""
    return next(int(line.split()[1]) / 1024 for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))


def questions(words: list[str]) -> dict[str, dict[str, Any]]:
    """What is asked."""
    return {
        "the most frequent word": {"text": words[0]},
        "three frequent words": {"text": f"{words[0]} {words[3]} {words[40]}"},
        "two words together": {"text": f'"{words[0]} {words[1]}"'},
        "a rare word": {"text": RARE},
        "a word that is nowhere": {"text": "nowhereatall"},
        "a word, one person, a week": {"text": words[5], "person": "person-7", "since": (time.time_ns() // 1000) - 7 * 86_400_000_000},
        "a command": {"command": "grep"},
        "an exit code": {"exit": "2"},
        "a target": {"target": "target-77"},
        "1000 sessions of a frequent word": {"text": words[0], "limit": 1000},
    }


def main() -> None:
    """Print how long each kind of question takes, and what the index costs."""
    console, count = Console(width=120), int(sys.argv[1]) if len(sys.argv) > 1 else TAPES
    warden = Warden(Path(f"/var/tmp/dwbench{os.getpid()}"), "unix:///nonexistent/docker.sock", extra="\n")
    try:
        warden.init()
        warden.start()
        warden.stop()
        began = time.perf_counter()
        shown = fill(warden.dir / "state" / "tapes", (warden.dir / "state" / "tapes.pub").read_text().strip(), count)
        console.print(f"{count:,} tapes of {shown / count / 1024:.1f} KiB on average, written in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        warden.start()
        measure(warden, console, count, began, shown)
    finally:
        warden.stop()
        warden.remove()


def measure(warden: Warden, console: Console, count: int, began: float, shown: int) -> None:
    """Wait until all are in the index, and ask."""
    settings, pid = load_settings(warden.config), warden.process.pid if warden.process else 0
    with answering(settings, "session/reindex") as answer:
        for line in answer:
            done = json.loads(line)["done"]
            give_a_place(pid)
    took = time.perf_counter() - began
    size = (warden.dir / "state" / "search.db").stat().st_size
    console.print(f"read into the index in {took:.0f} s, {done / took:.0f} tapes/s, {shown / took / 2**20:.2f} MiB/s, at an ordinary priority")
    console.print(f"the index: {size / 2**20:.0f} MiB for {shown / 2**20:.0f} MiB shown; memory of who serves: {memory_mib(pid, 'VmRSS'):.0f} MiB")
    table = Table("question", "found", "p50 ms", "p99 ms", title=f"a search over {count:,} tapes, at the socket")
    for name, asked in questions(Sessions().words).items():
        spent = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            found = ask(settings, "session/search", asked)
            spent.append((time.perf_counter() - begun) * 1e3)
        more = "+" if found["more"] else ""
        table.add_row(name, f"{len(found['sessions'])}{more}", f"{statistics.median(spent):.0f}", f"{statistics.quantiles(spent, n=100)[98]:.0f}")
    console.print(table)
    console.print(f"memory of who serves, at most: {memory_mib(pid, 'VmHWM'):.0f} MiB")


if __name__ == "__main__":
    main()
