"""A policy file as text: where each policy stands, so that every mistake is told with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|\s+|;|[^\s";/]+|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as written, its semicolon included; `line` is where its first word stands, from 1."""

    line: int
    text: str

    def line_of(self, words: str) -> int:
        """The line of the file on which `words` stand outside a comment, the statement's first where they do not."""
        for number, line in enumerate(self.text.splitlines()):
            if words and words in re.sub(r'("(?:[^"\\]|\\.)*")|//.*', lambda match: match[1] or "", line):
                return self.line + number
        return self.line


def statements(text: str) -> tuple[Statement, ...]:
    """Return the policies of a file in order; what follows the last semicolon counts as one where it is more than comment."""
    return tuple(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    start = -1
    for match in _WORD.finditer(text):
        word = match[0]
        if word.isspace() or word.startswith("//"):
            continue
        if start < 0:
            start = match.start()
        if word == ";":
            yield Statement(_line(text, start), text[start : match.end()])
            start = -1
    if start >= 0:
        yield Statement(_line(text, start), text[start:])


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
