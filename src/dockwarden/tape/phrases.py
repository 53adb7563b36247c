"""What somebody searches for: words that must all be there, each of its pieces in order. Pure.

A text of a caller's never reaches the index's own query language: only its letters and digits do, in quotes.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from dockwarden.tape.screen import visible

PIECE = re.compile(r"[^\W_]+")
WORD = re.compile(r'"([^"]*)"|(\S+)')
MOST_PIECES = 64
MOST_LOOKED_AT = 200
"""Places of one word that are looked at for the lines that are shown."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The words of one text, each as its pieces: `/etc/shadow` is `etc shadow`, and `"rm -rf"` in quotes is one word of two."""

    words: tuple[tuple[str, ...], ...]

    @property
    def match(self) -> str:
        """As FTS5 takes it. Source: sqlite.org/fts5.html, 3.1."""
        return " AND ".join(f'"{" ".join(pieces)}"' for pieces in self.words)

    @property
    def patterns(self) -> list[re.Pattern[str]]:
        """As a text is looked through for each word."""
        gap = r"[\W_]+"
        return [re.compile(rf"(?<![^\W_]){gap.join(map(re.escape, pieces))}(?![^\W_])", re.IGNORECASE) for pieces in self.words]

    def are_in(self, *texts: str) -> bool:
        """Whether each word is in one of `texts`."""
        return all(any(pattern.search(text) for text in texts) for pattern in self.patterns)

    def lines(self, lines: Sequence[str], most: int) -> list[int]:
        """The numbers of the first lines to show: those that have all words, else the first of each."""
        starts, at = [], 0
        for line in lines:
            starts.append(at)
            at += len(line) + 1
        text = "\n".join(lines)
        found: list[list[int]] = []
        for pattern in self.patterns:
            places = [place.start() for place, _ in zip(pattern.finditer(text), range(MOST_LOOKED_AT))]  # noqa: B905  the first so many
            found.append([bisect(starts, place) - 1 for place in places])
        together = set.intersection(*map(set, found)) if found else set()
        return sorted(together or {numbers[0] for numbers in found if numbers})[:most]


def read_phrases(text: str) -> Phrases:
    """Return the words of `text`. Those without a letter or digit are none; so `Phrases.words` may be empty."""
    words: list[tuple[str, ...]] = []
    for quoted, bare in WORD.findall(visible(text)):
        if pieces := tuple(piece.lower() for piece in PIECE.findall(quoted or bare)):
            words.append(pieces)
    return Phrases(tuple(dict.fromkeys(words)))
