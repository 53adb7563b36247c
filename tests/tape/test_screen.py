"""Every text that stood on the screen at some time is taken once, whatever became of it then."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pyte.screens
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape import screen as module
from dockwarden.tape.screen import MOST_COLUMNS, MOST_ROWS, MOST_SAVED, Screen
from dockwarden.tape.visible import visible


def seen(*pieces: bytes | str | tuple[int, int], columns: int = 20, rows: int = 4) -> list[str]:
    """The lines taken from a screen that is shown bytes, resized (rows, columns), and typed into (a line that was entered)."""
    found: list[str] = []
    screen = Screen(columns, rows, lambda _at, text: found.append(text), lambda line, typed: found.append(f"[{line}|{typed}]"))
    for piece in pieces:
        if isinstance(piece, bytes):
            list(screen.feed(piece))
        elif isinstance(piece, str):
            screen.enter(piece)
        else:
            screen.resize(*piece)
    screen.finish()
    assert 0 == screen.undrawn
    return [text for text in found if text]


ROWS: list[tuple[str, list[bytes | str | tuple[int, int]], list[str]]] = [
    ("scrolls off at the top", [b"1\r\n2\r\n3\r\n4\r\n5\r\n6"], ["1", "2", "3", "4", "5", "6"]),
    ("a progress bar overwrites itself", [b"10 %\r20 %\r100 % done"], ["10 %", "20 %", "100 % done"]),
    ("a carriage return alone takes nothing", [b"word\r\n", b"\rother"], ["word", "other"]),
    ("letters one by one", [*(bytes([letter]) for letter in b"slowly typed")], ["slowly typed"]),
    ("cleared", [b"before\x1b[2J\x1b[Hafter"], ["before", "after"]),
    ("the rest of a line is erased", [b"secret word\x1b[1;7H\x1b[Kx"], ["secret word", "secretx"]),
    ("erasing blanks takes nothing", [b"ls\x1b[K -la\x1b[K"], ["ls -la"]),
    ("an erasure of nothing that there is", [b"word\x1b[9K\x1b[9J more"], ["word more"]),
    ("letters are deleted", [b"abcdef\x1b[1;2H\x1b[2P"], ["abcdef", "adef"]),
    ("letters are blanked", [b"abcdef\x1b[1;2H\x1b[2X"], ["abcdef"]),
    ("letters are pushed off the side", [b"0123456789abcdefghij\x1b[1;1H\x1b[3@"], ["0123456789abcdefghij"]),
    ("lines are deleted", [b"one\r\ntwo\x1b[1;1H\x1b[M"], ["one", "two"]),
    ("lines are inserted", [b"1\r\n2\r\n3\r\n4\x1b[1;1H\x1b[2Lnew"], ["1", "2", "3", "4", "new"]),
    ("scrolls down at the top", [b"1\r\n2\r\n3\r\n4\x1b[1;1H\x1bMnew"], ["4", "new", "1", "2", "3"]),
    ("a region scrolls", [b"head\x1b[2;3r\x1b[2;1Ha\r\nb\r\nc"], ["a", "head", "b", "c"]),
    ("scrolled by a sequence", [b"1\r\n2\r\n3\r\n4\x1b[2S"], ["1", "2", "3", "4"]),
    ("the second screen", [b"shell\r\n\x1b[?1049h\x1b[Hin vi\x1b[?1049lback"], ["shell", "in vi", "back"]),
    ("the second screen, older", [b"shell\x1b[?47h\x1b[H\x1b[2Jin less\x1b[?47l"], ["shell", "in less"]),
    ("the session ends in the second screen", [b"shell\x1b[?1049h\x1b[Hin vi"], ["shell", "in vi"]),
    ("one line that the terminal broke", [b"x" * 15 + b" wide-word-here end\r\n"], ["x" * 15 + " wide-word-here end"]),
    ("one broken line scrolls off", [b"y" * 30 + b"\r\n1\r\n2\r\n3\r\n4"], ["y" * 30, "1", "2", "3", "4"]),
    ("two lines are two, however long the first", [b"z" * 20, b"\r\nnext"], ["z" * 20, "next"]),
    ("wide letters", ["日本語のテキスト端末".encode() + "漢字".encode()], ["日本語のテキスト端末漢字"]),
    ("a letter cut in two", ["gr\u00fc".encode()[:3], "gr\u00fc".encode()[3:] + b"n"], ["gr\u00fcn"]),
    ("marks and joiners", ["cafe\u0301 \U0001f469\u200d\U0001f4bb ok".encode()], ["caf\u00e9 \U0001f469\U0001f4bb ok"]),
    ("colours, titles, hyperlinks", [b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"], ["red link"]),
    ("lines drawn with letters", [b"\x1b(0lqk\x1b(B box"], ["┌─┐ box"]),
    ("a letter repeated", [b"=\x1b[5b>"], ["======>"]),
    ("a tab", [b"a\tb"], ["a       b"]),
    ("a bigger terminal", [b"small", (8, 40), b"\r\n" + b"w" * 30], ["small", "w" * 30]),
    ("a smaller terminal", [b"0123456789", (2, 5), b"\r\nnext"], ["0123456789", "next"]),
    ("no part of a line or of the screen", [b"kept\x1b[3K\x1b[9999K\x1b[4J, all\x1b[5;5J of it"], ["kept, all of it"]),
    ("a line where lines count from margins that are not there", [b"\x1b[?6h\x1b[3dthird\x1b[dfirst\x1b[9999dlast"], ["     first", "third", "          last"]),
    ("reset", [b"before\x1bcafter"], ["before", "after"]),
    ("a sequence in two pieces", [b"a\x1b[", b"31mb"], ["ab"]),
    ("a line is entered", [b"$ ls", "ls", b"\r\nfile"], ["[$ ls|ls]", "$ ls", "file"]),
    ("nothing is entered in an editor", [b"\x1b[?1049h", "text", b"text\r\n\x1b[?1049l"], ["text"]),
]


@pytest.mark.parametrize(("pieces", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_stood_on_the_screen(pieces: list[bytes | str | tuple[int, int]], expected: list[str]) -> None:
    assert expected == seen(*pieces)


def test_a_line_has_the_moment_at_which_it_was_last_drawn_on() -> None:
    found: list[tuple[int, str]] = []
    screen = Screen(20, 4, lambda at, text: found.append((at, text)))
    for now_us, data in ((5, b"first"), (9, b" more\r\n"), (12, b"second")):
        screen.now_us = now_us
        list(screen.feed(data))
    screen.finish()

    assert [(9, "first more"), (12, "second")] == found


def test_no_size_and_no_sequence_makes_it_big() -> None:
    screen = Screen(10**9, 10**9, lambda _at, _text: None)
    assert (MOST_COLUMNS, MOST_ROWS) == (screen.columns, screen.lines)
    screen.resize(10**9, 10**9)
    list(screen.feed(b"\x1b7" * 1000 + b"x\x1b[99999999999999999999b" + b"a" + "\u0301".encode() * 10000 + b"\x1b[" + b"1;" * 5000 + b"H"))

    assert (MOST_COLUMNS, MOST_ROWS) == (screen.columns, screen.lines)
    assert MOST_SAVED == len(screen.savepoints)
    assert max(len(cell.data) for line in screen.buffer.values() for cell in line.values()) < 3


TERMINAL = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.builds(lambda numbers, final: f"\x1b[{numbers}{final}".encode(), st.from_regex(r"\??[0-9;]{0,8}", fullmatch=True), st.characters(min_codepoint=0x40, max_codepoint=0x7E)),
    st.sampled_from([b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[2J", b"\r\n", b"\x1bM", b"\x1bD", b"\x1bE", b"\x1bc", b"\x1b7", b"\x1b8", b"\x1b(0", b"\x1b[4h", b"\x1b[?7l", b"\x1b[2;3r"]),
    st.tuples(st.integers(-5, 60), st.integers(-5, 90)),
    st.sampled_from(["", "ls -la"]),
)  # fmt: skip


@given(st.lists(TERMINAL, max_size=20), st.integers(1, 30), st.integers(1, 8))
def test_any_output_is_read_without_a_fault(pieces: list[bytes | str | tuple[int, int]], columns: int, rows: int) -> None:
    for text in seen(*pieces, columns=columns, rows=rows):
        assert not {letter for letter in text if letter < " "}


def test_what_the_emulator_fails_at_hides_nothing_that_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_screen: Screen, _count: int = 1) -> None:
        raise UnboundLocalError

    monkeypatch.setattr(Screen, "scroll_up", fails)
    found: list[str] = []
    screen = Screen(20, 4, lambda _at, text: found.append(text))
    list(screen.feed(b"before\x1b[1S, and after\x1b[2S"))
    screen.finish()

    assert (["before, and after"], 2) == (found, screen.undrawn)


OF_SCREENS = frozenset({module.__file__, pyte.screens.__file__})


def work(pieces: list[bytes]) -> int:
    """How many lines of code it takes to show them: the same on every machine."""
    count, screen = 0, Screen(6, 2, lambda _at, _text: None)

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename in OF_SCREENS else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for piece in pieces:
            list(screen.feed(piece))
    finally:
        sys.settrace(before)
    return count


@given(st.lists(TERMINAL.filter(lambda one: isinstance(one, bytes)), min_size=1, max_size=4))
def test_what_is_shown_again_and_again_costs_the_same_each_time(pieces: list[bytes]) -> None:
    """Nothing that was shown makes what follows dearer without end."""
    first, second, third = (work(pieces * times) for times in (16, 32, 64))

    assert third - second <= 3 * (second - first) + 200


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=300), st.integers(2, 50), st.integers(1, 6))
def test_a_word_that_fits_the_screen_is_whole_however_the_terminal_breaks_it(word: str, columns: int, rows: int) -> None:
    word = word[: columns * rows]

    assert [word] == seen(word.encode() + b"\r\n" * 12, columns=columns, rows=rows)


def test_what_takes_no_room_is_not_visible() -> None:
    assert "ab" == visible("a\u200b\u202e\x1b\x00b")
    assert "é" == visible("e\u0301")
