"""Text as it takes room on a screen: what is searched for and what was seen are brought to the same letters by it. Pure."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """`text` in one spelling, without what takes no room: marks that cannot be part of a letter, controls, joiners, turns of direction."""
    if text.isascii() and text.isprintable():
        return text
    from wcwidth import wcwidth  # its tables are 5 MiB, which who serves does without until somebody searches for such a text

    return "".join(letter for letter in unicodedata.normalize("NFC", text) if wcwidth(letter) > 0)
