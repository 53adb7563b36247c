"""Lists as people read them: a table, the same on a terminal and into a pipe, with nothing in it that the terminal obeys."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dockwarden.cli.words import printable

PIPED_WIDTH = 200
"""Columns where there is no terminal to ask."""
GAP = 2
WHOLE = 28
"""A column whose cells have up to so many characters, an id's, is never narrowed: a terminal that is too narrow for it breaks the line."""
LEAST = 20
"""How far one with longer cells is narrowed."""


def show(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], nothing: str = "", *, right: Collection[str] = ()) -> None:
    """Print `rows`, each with a cell for each of `columns`, or the words `nothing` where there are none. Columns in `right` end at one edge."""
    # INVARIANT: what others wrote is no markup of rich's, and nothing that this terminal obeys
    cells = [[cell if isinstance(cell, Text) else _text(cell) for cell in row] for row in rows]
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)
    if not cells:
        console.print(nothing, end="\n" if nothing else "")
        return
    longest = [max(cell_len(line) for line in (name, *_lines(row[number] for row in cells))) for number, name in enumerate(columns)]
    widths = _widths(longest, console.width - GAP * (len(columns) - 1))
    table = Table(box=None, pad_edge=False)
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, width=width, overflow="fold", justify="right" if name in right else "left")
    for row in cells:
        table.add_row(*row)
    console.width = max(console.width, sum(widths) + GAP * (len(columns) - 1))
    console.print(table)


def _widths(longest: Sequence[int], room: int) -> list[int]:
    """How wide columns are whose cells have up to `longest` characters: what is short is whole, the others share what is left of `room`."""
    room -= sum(size for size in longest if size <= WHOLE)
    widths, left = list(longest), sum(size > WHOLE for size in longest)
    for number in sorted(range(len(longest)), key=lambda number: longest[number]):
        if longest[number] > WHOLE:
            widths[number] = min(longest[number], max(LEAST, room // left))
            room, left = room - widths[number], left - 1
    return widths


def _lines(cells: Iterable[Text]) -> Iterable[str]:
    return (line for cell in cells for line in cell.plain.split("\n"))


def _text(cell: str) -> Text:
    return Text("\n".join(map(printable, cell.split("\n"))))
