"""Casts are what the asciicast pages say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from dockwarden.tape.cast import Caster, Version
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening

OPENING = Opening(id="20260101-000000-0123456789ab", at=1_767_225_600_000_000, person="alice", kind="exec", target="web", columns=100, rows=30)
FRAMES = [
    Frame(1_000_000, Kind.OUTPUT, "pr€".encode()[:-1]), Frame(1_500_000, Kind.OUTPUT, "€".encode()[-1:] + b"\xff"), Frame(2_000_000, Kind.INPUT, b"ls\r"),
    Frame(2_000_000, Kind.HIDDEN, b""), Frame(2_250_000, Kind.RESIZE, b"80x24"), Frame(3_000_000, Kind.EXIT, b"3"),
]  # fmt: skip


def lines(frames: Iterable[Frame], version: Version = 3, opening: Opening = OPENING) -> list[bytes]:
    caster = Caster(opening, version)
    return b"".join((caster.begin(), *caster.feed(frames), *caster.end())).splitlines(keepends=True)


def test_version_3_counts_from_the_event_before() -> None:
    head, *events = [json.loads(line) for line in lines(FRAMES)]

    assert {"cols": 100, "rows": 30, "type": "xterm-256color"} == head["term"]
    assert (3, 1_767_225_600) == (head["version"], head["timestamp"])
    assert [[1.0, "o", "pr"], [0.5, "o", "€\ufffd"], [0.5, "i", "ls\r"], [0.0, "i", "•"], [0.25, "r", "80x24"], [0.75, "x", "3"]] == events


def test_version_2_counts_from_the_beginning() -> None:
    head, *events = [json.loads(line) for line in lines(FRAMES, 2)]

    assert (2, 100, 30) == (head["version"], head["width"], head["height"])
    assert [1.0, 1.5, 2.0, 2.0, 2.25, 3.0] == [event[0] for event in events]
    assert ["m", "exit 3"] == events[-1][1:]


def said(frames: list[Frame], opening: Opening = OPENING) -> list[list[object]]:
    return [json.loads(line)[1:] for line in lines(frames, opening=opening)[1:]]


def test_a_character_that_never_gets_whole_comes_before_the_exit() -> None:
    cut = "€".encode()[:2]

    assert [["o", "a"], ["o", "\ufffd"], ["x", "0"]] == said([Frame(1, Kind.OUTPUT, b"a" + cut), Frame(2, Kind.EXIT, b"0")])
    assert [["i", "\ufffd"]] == said([Frame(1, Kind.INPUT, cut)])


def test_output_and_errors_do_not_complete_each_other_s_characters() -> None:
    first, rest = "€".encode()[:1], "€".encode()[1:]
    frames = [Frame(1, Kind.OUTPUT, first), Frame(2, Kind.ERROR, b"!"), Frame(3, Kind.OUTPUT, rest)]

    assert [["o", "!"], ["o", "€"]] == said(frames)


def test_without_a_terminal_lines_begin_at_the_left() -> None:
    plain = structs.replace(OPENING, columns=0, rows=0)

    assert [["o", "a\r\nb\r\n"]] == said([Frame(1, Kind.OUTPUT, b"a\nb\n")], plain)
    assert [["o", "a\nb\n"]] == said([Frame(1, Kind.OUTPUT, b"a\nb\n")])


def test_who_goes_on_from_what_was_heard_makes_the_same_lines() -> None:
    for at in range(len(FRAMES)):
        first = Caster(OPENING)
        before = [first.begin(), *first.feed(FRAMES[:at])]
        then = Caster(OPENING, heard=first.heard)

        assert b"".join(lines(FRAMES)) == b"".join((*before, *then.feed(FRAMES[at:]), *then.end()))


@given(st.binary(max_size=200), st.lists(st.integers(1, 9), min_size=1, max_size=40), st.sampled_from((2, 3)))
def test_however_bytes_are_cut_they_read_the_same(data: bytes, sizes: list[int], version: Version) -> None:
    cuts = [sum(sizes[:number]) for number in range(len(sizes) + 1)] + [len(data)]
    frames = [Frame(number, Kind.OUTPUT, data[start:stop]) for number, (start, stop) in enumerate(pairwise(sorted(cuts)))]

    assert data.decode("utf-8", "replace") == "".join(json.loads(line)[2] for line in lines(frames, version)[1:])
