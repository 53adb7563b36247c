"""The words that facts are made of. A policy that asks for a word which no fact ever holds would be silently without effect."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dockwarden.engine import capabilities
from dockwarden.engine.escapes import CATALOGUE, describe
from dockwarden.policy.expression import Path, path_of
from dockwarden.words.ask import Kind

CAPABILITY = "cap:"
MOVES = frozenset({"new", "own", "refresh", "shared", "other"})
STATES = frozenset({"", "pulled", "local"})
VIAS = frozenset({"unix", "door", "ssh", "tls", "raw", ""})
KINDS = frozenset(kind.value.lower() for kind in Kind)

_COMPARING = ("==", "!=", "contains", "containsAll", "containsAny")


def unknown_words(expression: Any) -> Iterator[tuple[str, str]]:
    """Yield each word that an expression compares a fact with and that the fact can never hold, with what to write instead."""
    if isinstance(expression, list):
        for item in expression:
            yield from unknown_words(item)
    if not isinstance(expression, dict):
        return
    for operator, operands in expression.items():
        if operator in _COMPARING and isinstance(operands, dict) and "right" in operands:
            yield from _compared(operands["left"], operands["right"])
            yield from _compared(operands["right"], operands["left"])
        if operator != "Value":
            yield from unknown_words(operands)


def _compared(fact: Any, words: Any) -> Iterator[tuple[str, str]]:
    check = CHECKS.get(path_of(fact) or ())
    if check is None:
        return
    for word in _literals(words):
        mend = check(word)
        if mend:
            yield word, mend


def _literals(node: Any) -> Iterator[str]:
    if isinstance(node, dict) and isinstance(node.get("Value"), str):
        yield node["Value"]
    if isinstance(node, dict) and isinstance(node.get("Set"), list):
        for item in node["Set"]:
            yield from _literals(item)


def _escape(word: str) -> str:
    """What to write for an escape that is none: a name of the catalogue, whole."""
    row = describe(word)
    if row is None:
        names = [escape.name for escape in CATALOGUE]
        return _nearest(word, names) or "docs/facts.md has every escape fact"
    if row.name == word and word.endswith(":"):
        return f'this fact always has a value behind the colon: write it whole, like "{word}…", or ask context.escape.isEmpty()'
    if row.name == CAPABILITY and capabilities.normalise(word.removeprefix(CAPABILITY)) != word.removeprefix(CAPABILITY):
        return f'did you mean "{CAPABILITY}{capabilities.normalise(word.removeprefix(CAPABILITY))}"?'
    return ""


def _one_of(words: frozenset[str]) -> Callable[[str], str]:
    def check(word: str) -> str:
        if word in words:
            return ""
        return _nearest(word, sorted(words)) or f"it is one of {', '.join(sorted(filter(None, words)))}"

    return check


def _nearest(word: str, names: list[str]) -> str:
    close = difflib.get_close_matches(word, names, n=1)
    return f'did you mean "{close[0]}"?' if close else ""


CHECKS: Mapping[Path, Callable[[str], str]] = {
    ("context", "escape"): _escape,
    ("context", "foreign"): _one_of(KINDS),
    ("context", "names", "moves"): _one_of(MOVES),
    ("context", "image", "state"): _one_of(STATES),
    ("context", "via"): _one_of(VIAS),
}
"""Facts whose words are all known, with what says how to mend one that is not: "" for a good one."""
