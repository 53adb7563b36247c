"""The finder of secrets: rules by name, by documented structure, and by chance, in that order of trust. Pure.

It never keeps, returns or prints a value: a `Finding` is a kind and a why from our own tables. It never raises, and its work is linear in
what it looks at, which is bounded. Read `find.py` first; `names.py`, `honest.py` and `formats.py` are the tables.
"""

from dockwarden.engine.finding.find import all_findings, find, find_in_arguments, find_in_text, masked
from dockwarden.engine.finding.finding import LOOKED_AT, Finding, Span

__all__ = ["LOOKED_AT", "Finding", "Span", "all_findings", "find", "find_in_arguments", "find_in_text", "masked"]
