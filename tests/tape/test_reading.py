"""A tape's text: streams in lines, commands off the screen, and an end to all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape import reading
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening
from dockwarden.tape.reading import command_of, see
from dockwarden.tape.seen import Command, Line, Seen

TERMINAL = Opening(id="20260101-000000-000000000000", at=0, person="alice", kind="exec", target="web", columns=40, rows=6)
STREAMS = Opening(id="20260101-000000-000000000000", at=0, person="alice", kind="exec", target="web")


def frames(*pieces: tuple[int, Kind, bytes]) -> list[Frame]:
    return [Frame(*piece) for piece in pieces]


def shown(opening: Opening, *pieces: tuple[int, Kind, bytes], spent: bool = False) -> Seen:
    return see(opening, frames(*pieces), lambda: spent)


def test_a_shell_is_its_lines_its_commands_and_its_exit() -> None:
    found = shown(
        TERMINAL,
        (0, Kind.MARK, b"recording"),
        (1, Kind.MARK, b"exec: sh -l"),
        (2, Kind.OUTPUT, b"root@web:/# "),
        (3, Kind.OUTPUT, b"rm -rf /data"),
        (4, Kind.INPUT, b"rm -rf /data\r"),
        (5, Kind.OUTPUT, b"\r\nSure? [y/N] "),
        (6, Kind.OUTPUT, b"y"),
        (7, Kind.INPUT, b"y\r"),
        (8, Kind.OUTPUT, b"\r\nroot@web:/# "),
        (9, Kind.INPUT, b"\x1b[A"),
        (10, Kind.OUTPUT, b"ls -la"),
        (11, Kind.INPUT, b"\r"),
        (12, Kind.OUTPUT, b"\r\nfile\r\n"),
        (13, Kind.EXIT, b"3"),
    )

    assert (Command(1, "sh -l", False), Command(5, "rm -rf /data", True), Command(12, "ls -la", True)) == found.commands
    assert (Line(3, "root@web:/# rm -rf /data"), Line(6, "Sure? [y/N] y"), Line(10, "root@web:/# ls -la"), Line(12, "file")) == found.lines
    assert ("3", True) == (found.exit, found.is_whole)


@pytest.mark.parametrize(
    ("line", "typed", "command"),
    [
        ("$ ls", "ls", "ls"),
        ("root@web:/var/www# cat x > y", "cat x > y", "cat x > y"),
        ("root@web:/# cat x > y", "", "cat x > y"),
        ("➜  ~ git status", "git status", "~ git status"),
        ("$ git commit -a", " -a", "git commit -a"),
        ("mysql> SELECT 1", "SELECT 1", "SELECT 1"),
        ("Continue? [y/N] y", "y", ""),
        ("Password:", "", ""),
        ("$", "", ""),
        ("", "", ""),
    ],
)
def test_what_is_most_likely_the_command(line: str, typed: str, command: str) -> None:
    assert command == command_of(line, typed)


def test_streams_are_read_line_by_line_each_for_itself() -> None:
    found = shown(
        STREAMS,
        (1, Kind.MARK, b"exec: make all"),
        (2, Kind.OUTPUT, b"out-"),
        (3, Kind.ERROR, "stra\u00dfe".encode()[:5]),
        (4, Kind.OUTPUT, b"put\nagain\nagain\n\xff\x00\x1b[31m?"),
        (5, Kind.ERROR, "stra\u00dfe".encode()[5:]),
        (6, Kind.INPUT, b"typed"),
    )

    assert (Line(4, "out-put"), Line(4, "again"), Line(6 - 1, "\ufffd[31m?"), Line(5, "stra\u00dfe")) == found.lines
    assert (Command(1, "make all", False),) == found.commands


def test_more_than_is_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STREAM_BYTES", 10)
    found = shown(STREAMS, (1, Kind.OUTPUT, b"12345678\n"), (2, Kind.OUTPUT, b"more\n"), (3, Kind.EXIT, b"0"))
    assert (("12345678",), 9, False, "0") == (tuple(line.text for line in found.lines), found.read_bytes, found.is_whole, found.exit)

    monkeypatch.setattr(reading, "TEXT_CHARS", 10)
    monkeypatch.setattr(reading, "STREAM_BYTES", 1000)
    found = shown(STREAMS, (1, Kind.OUTPUT, b"".join(b"line %d\n" % number for number in range(50))))
    assert (("line 0", "line 1"), False) == (tuple(line.text for line in found.lines), found.is_whole)


def test_when_the_time_is_spent_what_is_left_is_not_shown() -> None:
    found = shown(TERMINAL, (1, Kind.OUTPUT, b"first\r\n" * 100), (2, Kind.OUTPUT, b"second"), (3, Kind.EXIT, b"9"), spent=True)

    assert (False, "9") == (found.is_whole, found.exit)
    assert "second" not in [line.text for line in found.lines]


@pytest.mark.parametrize("data", [b"\n" * (1 << 22), b"x" * (1 << 22), b"\t" * (1 << 22), b"\x1b[2J" * (1 << 20), "\u0301".encode() * (1 << 21), b"\x1b7" * (1 << 21)])
@pytest.mark.parametrize("opening", [TERMINAL, STREAMS])
def test_endless_output_ends_when_the_time_does(opening: Opening, data: bytes) -> None:
    """However it is made, somebody asks soon whether the time is spent."""
    asked = 0

    def is_spent() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    found = see(opening, frames((1, Kind.OUTPUT, data)), is_spent)

    assert (False, 4) == (found.is_whole, asked)


KINDS = st.sampled_from(list(Kind))
PIECES = st.one_of(st.binary(max_size=30), st.sampled_from([b"\r", b"$ ls\r\n", b"80x24", b"0x0", b"99999999999x1", b"-1x5", b"\x1b[?1049h", b"exec: x"]))


@given(st.lists(st.builds(Frame, st.integers(0, 1 << 40), KINDS, PIECES), max_size=30), st.sampled_from([TERMINAL, STREAMS]))
def test_any_tape_is_read(pieces: list[Frame], opening: Opening) -> None:
    found = see(opening, pieces, lambda: False)

    assert len({line.text for line in found.lines}) == len(found.lines)
    assert all(line.text == line.text.strip() != "" for line in found.lines)
