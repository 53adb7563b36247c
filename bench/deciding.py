"""`python -m bench.deciding`: what one decision costs by the starter policies, remembered and made anew, beside Cedar asked with all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dockwarden.engine.facts import Facts
from dockwarden.policy.decide import authorize, decide, evaluate
from dockwarden.policy.load import load
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.principal import Principal

STARTER = Path(__file__).resolve().parent.parent / "src" / "dockwarden" / "policy" / "starter"
ROUNDS, CALLS = 15, 500


def spent_us(work: Callable[[], object]) -> float:
    """Microseconds of one call, over many."""
    begun = time.perf_counter()
    for _ in range(CALLS):
        work()
    return (time.perf_counter() - begun) / CALLS * 1e6


def main() -> None:
    """Print the three, interleaved."""
    found = load({file.name: file.read_text() for file in sorted(STARTER.glob("*.cedar"))})
    alice = Principal("alice", frozenset({"developers"}), None, "unix")
    ask = Ask(alice, "container.create", Resource(Kind.CONTAINER, "", "web", "alice"), Facts(ports=frozenset({8080})).context())
    ways: dict[str, Callable[[], object]] = {
        "remembered": lambda: decide(ask, found), "made anew": lambda: evaluate(ask, found), "by all policies at once": lambda: authorize(ask, found.slices.whole),
    }  # fmt: skip
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, work in ways.items():
            taken[way].append(spent_us(work))
    table = Table("a decision", "µs p50", title=f"the starter policies, {ROUNDS} rounds of {CALLS}")
    for way, some in taken.items():
        table.add_row(way, f"{statistics.median(some):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
