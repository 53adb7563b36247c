"""Lists as people read them: a table, the same on a terminal and into a pipe, with nothing in it that the terminal obeys."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dockwarden.cli.words import printable

PIPED_WIDTH = 200
"""Columns where there is no terminal to ask, so that a program that reads lines finds each row on one."""


def show(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], nothing: str = "", *, whole: Collection[str] = (), right: Collection[str] = ()
) -> None:
    """Print `rows`, or the words `nothing` where there are none.

    A row has a cell for each of `columns`. Cells of the columns in `whole` are never broken, those in `right` end at one edge.
    """
    table, is_empty = Table(box=None, pad_edge=False), True
    for name in columns:
        table.add_column(name, no_wrap=name in whole, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        is_empty = False
        # INVARIANT: what others wrote is no markup of rich's, and nothing that this terminal obeys
        table.add_row(*(cell if isinstance(cell, Text) else _text(cell) for cell in row))
    for column in table.columns:
        column.min_width = max((len(str(cell)) for cell in column.cells), default=0) if column.no_wrap else None
    if nothing or not is_empty:
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
        Console(width=width).print(nothing if is_empty else table)


def _text(cell: str) -> Text:
    return Text("\n".join(map(printable, cell.split("\n"))))
