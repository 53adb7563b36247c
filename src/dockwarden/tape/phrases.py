"""What somebody searches for: words that must all be there, each of its pieces in order. Pure.

A text of a caller's never reaches the index's own query language: only its letters and digits do, in quotes.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dockwarden.tape.visible import visible

PIECE = re.compile(r"[^\W_]+")
WORD = re.compile(r'"([^"]*)"|(\S+)')
GAP = r"[\W_]+"
MOST_LOOKED_AT = 50
"""Places of one word that are looked at for the lines that are shown."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The words of one text, each as its pieces: `/etc/shadow` is `etc shadow`, and `"rm -rf"` in quotes is one word of two."""

    words: tuple[tuple[str, ...], ...]

    @property
    def match(self) -> str:
        """As FTS5 takes it. Source: sqlite.org/fts5.html, 3.1."""
        return " AND ".join(f'"{" ".join(pieces)}"' for pieces in self.words)

    def are_in(self, *texts: str) -> bool:
        """Whether each word is in one of `texts`."""
        lowered = [text.lower() for text in texts]
        return all(any(True for text in lowered for _ in _places(text, pieces)) for pieces in self.words)

    def lines(self, lines: Sequence[str], most: int) -> list[int]:
        """The numbers of the first lines to show: those that have all words, else the first of each."""
        starts, at = [], 0
        lowered = [line.lower() for line in lines]
        for line in lowered:
            starts.append(at)
            at += len(line) + 1
        text = "\n".join(lowered)
        found = [[bisect(starts, place) - 1 for place in islice(_places(text, pieces), MOST_LOOKED_AT)] for pieces in self.words]
        together = set.intersection(*map(set, found)) if found else set()
        return sorted(together or {numbers[0] for numbers in found if numbers})[:most]


def _places(text: str, pieces: tuple[str, ...]) -> Iterator[int]:
    """Where in `text`, which is in lower case, a word stands."""
    here = re.compile(rf"(?<![^\W_]){GAP.join(map(re.escape, pieces))}(?![^\W_])")
    at = text.find(pieces[0])  # some ten times as fast as the pattern alone
    while at >= 0:
        if here.match(text, at):
            yield at
        at = text.find(pieces[0], at + 1)


def read_phrases(text: str) -> Phrases:
    """Return the words of `text`. Those without a letter or digit are none; so `Phrases.words` may be empty."""
    words: list[tuple[str, ...]] = []
    for quoted, bare in WORD.findall(visible(text)):
        if pieces := tuple(piece.lower() for piece in PIECE.findall(quoted or bare)):
            words.append(pieces)
    return Phrases(tuple(dict.fromkeys(words)))
