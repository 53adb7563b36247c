"""Nothing that a session shows can make a watcher's terminal do anything but draw."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.neutral import Neutral

HARMLESS = ["plain €\r\n", "\x1b[31;1mred\x1b[m", "\x1b[2J\x1b[H", "\x1b[?25l\x1b[?1049h", "\x1b(B", "\x1b7\x1b8", "\x1b[38:2::1:2:3m", "\x1b[10;20H\x1b[K"]
HARMFUL = [
    "\x1b]0;title\x07", "\x1b]52;c;aGk=\x1b\\", "\x1b[c", "\x1b[>c", "\x1b[6n", "\x1b[?6n", "\x1bZ", "\x05", "\x1b[21t", "\x1b[5i", "\x1bP$qm\x1b\\", "\x1b_G;x\x1b\\",
    "\x1b^pm\x1b\\", "\x1b[?1000h", "\x1b[?2004h", "\x1b[?1004h", "\x9b6n", "\x9d0;t\x9c", "\x1b[x", "\x1b]8;;http://x\x07", "\x1b[?25;1000h", "\x1b[!p", "\x1b]0;cut",
    "\x1b[20$p", "\x07", "\x1b[>4;2m", "\x1b[=1u", "\x1b[?u", "\u202e", "\u2066\u2069", "\u2028",
]  # fmt: skip
SAFE = re.compile(r"\x1b(?:\[(?:\?[0-9;]+[hl]|[0-9;:]*[@-Zab-gm`rsuh-l])|[78DEMc=>]|[()*+][A-Za-z0-9])")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_draws_passes(text: str) -> None:
    assert text == Neutral().feed(text.encode())


@pytest.mark.parametrize("text", HARMFUL)
def test_what_does_more_does_not_pass(text: str) -> None:
    assert "" == Neutral().feed(text.encode())


def test_text_around_goes_on() -> None:
    assert "ab" == Neutral().feed(b"a\x1b]0;title\x1b\\b")
    assert "a\ufffdb" == Neutral().feed(b"a\x9bb")


@given(st.lists(st.one_of(st.sampled_from([*HARMLESS, *HARMFUL]).map(str.encode), st.binary(max_size=4)), max_size=12))
def test_nothing_else_ever_passes_however_it_is_cut(pieces: list[bytes]) -> None:
    neutral = Neutral()
    shown = "".join(neutral.feed(piece) for piece in pieces)

    left = SAFE.sub("", shown)
    assert not [letter for letter in left if (letter < " " and letter not in "\b\t\n\v\f\r") or "\x7f" <= letter <= "\x9f"]
    whole = Neutral()
    assert shown == whole.feed(b"".join(pieces))
