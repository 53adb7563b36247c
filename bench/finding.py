"""`python -m bench.finding`: our finder of secrets beside detect-secrets, over the same labelled rows, in one thread, as a table.

detect-secrets reads lines of files, so it is given the rows as files of one line a row, in each form that people write variables in, with all
of its plugins and its own defaults: its best form is the one to compare with. Its network checks are off, as they are for us. A row is found
if anything is found on its line. A newline in a value is written as `\\n`, as in an `.env` file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from detect_secrets.core.potential_secret import PotentialSecret  # noqa: E402  as above
from detect_secrets.core.scan import scan_file, scan_line  # noqa: E402  what it is compared with
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin  # noqa: E402  as above
from detect_secrets.settings import default_settings, get_plugins  # noqa: E402  as above
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from dockwarden.engine.finding import find  # noqa: E402
from engine.finding.rows import Row, held_out, rows, tuning  # noqa: E402  the tests' own rows serve here, too

ROUNDS = 5


def one_line(value: str) -> str:
    return value.replace("\n", "\\n")


FORMS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "NAME=value": ("rows.env", lambda row: f"{row.name}={one_line(row.value)}"),
    'NAME="value"': ("rows.env", lambda row: f"{row.name}={json.dumps(row.value)}"),
    "NAME: value": ("rows.yaml", lambda row: f"{row.name}: {one_line(row.value)}"),
}


def ours(chosen: Sequence[Row]) -> list[bool]:
    return [find(row.name, row.value) is not None for row in chosen]


def theirs(name: str, line: Callable[[Row], str]) -> Callable[[Sequence[Row]], list[bool]]:
    """detect-secrets over a file of all the rows, as its command line runs."""

    def scan(chosen: Sequence[Row]) -> list[bool]:
        with tempfile.TemporaryDirectory() as folder, default_settings():
            path = Path(folder, name)
            path.write_text("".join(line(row) + "\n" for row in chosen), "utf-8")
            found = {secret.line_number for secret in scan_file(str(path))}
        return [at in found for at in range(1, len(chosen) + 1)]

    return scan


def theirs_line_by_line(chosen: Sequence[Row]) -> list[bool]:
    """detect-secrets over one line after the other, with its eager search for values without quotes.

    That search reports every string it measured; as its command line does, what is under the plugin's limit counts as not found.
    """
    with default_settings():
        limits = {plugin.secret_type: plugin for plugin in get_plugins() if isinstance(plugin, HighEntropyStringsPlugin)}

        def is_found(secret: PotentialSecret) -> bool:
            plugin = limits.get(secret.type)
            return plugin is None or plugin.calculate_shannon_entropy(secret.secret_value or "") >= plugin.entropy_limit

        return [any(is_found(secret) for secret in scan_line(f"{row.name}={one_line(row.value)}")) for row in chosen]


def measured(chosen: Sequence[Row], found: Iterable[bool]) -> tuple[float, float]:
    """Precision and recall."""
    pairs = list(zip((row.is_secret for row in chosen), found, strict=True))
    right = sum(is_secret and is_found for is_secret, is_found in pairs)
    return right / max(1, sum(is_found for _, is_found in pairs)), right / max(1, sum(is_secret for is_secret, _ in pairs))


def rate(finder: Callable[[Sequence[Row]], list[bool]], chosen: Sequence[Row], rounds: int) -> float:
    """Variables a second, of the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        finder(chosen)
        best = min(best, time.perf_counter() - start)
    return len(chosen) / best


def ordinary() -> list[Row]:
    """Rows in the shares of a container's own environment: one secret in ten."""
    seen = [row for row in rows() if row.group == "seen"]
    secret, honest = ([row for row in seen if row.is_secret is wanted] for wanted in (True, False))
    return [*secret[:: len(secret) * 9 // len(honest) or 1][: len(honest) // 9], *honest]


def main() -> None:
    """Print the table."""
    finders: dict[str, tuple[Callable[[Sequence[Row]], list[bool]], int]] = {"dockwarden": (ours, ROUNDS)}
    finders |= {f"detect-secrets, {form}": (theirs(*shape), 1) for form, shape in FORMS.items()}
    finders["detect-secrets, line by line"] = (theirs_line_by_line, 1)
    held = held_out()
    groups = {"held out": held, "  of families unseen": [row for row in held if row.group != "seen"], "tuning": tuning()}
    table = Table(title=f"{len(rows())} labelled rows, {len(held)} of them held out; one thread")
    for column in ("finder", "rows", "precision", "recall", "variables/s", "variables/s, one secret in ten"):
        table.add_column(column, justify="left" if column in {"finder", "rows"} else "right")
    for name, (finder, rounds) in finders.items():
        for group, chosen in groups.items():
            precision, recall = measured(chosen, finder(chosen))
            speeds = [f"{rate(finder, some, rounds):,.0f}" for some in (chosen, ordinary())] if group == "held out" else ["", ""]
            table.add_row(name if group == "held out" else "", group, f"{precision:.3f}", f"{recall:.3f}", *speeds)
        table.add_section()
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
