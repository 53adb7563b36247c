"""Casts are what the asciicast pages say."""

from __future__ import annotations

import json

from dockwarden.tape.cast import cast
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening

OPENING = Opening(id="20260101-000000-0123456789ab", at=1_767_225_600_000_000, person="alice", kind="exec", target="web", columns=100, rows=30)
FRAMES = [
    Frame(1_000_000, Kind.OUTPUT, "pr€".encode()[:-1]), Frame(1_500_000, Kind.OUTPUT, "€".encode()[-1:] + b"\xff"), Frame(2_000_000, Kind.INPUT, b"ls\r"),
    Frame(2_000_000, Kind.HIDDEN, b""), Frame(2_250_000, Kind.RESIZE, b"80x24"), Frame(3_000_000, Kind.EXIT, b"3"),
]  # fmt: skip


def test_version_3_counts_from_the_event_before() -> None:
    head, *events = [json.loads(line) for line in cast(OPENING, FRAMES)]

    assert {"cols": 100, "rows": 30, "type": "xterm-256color"} == head["term"]
    assert (3, 1_767_225_600) == (head["version"], head["timestamp"])
    assert [[1.0, "o", "pr"], [0.5, "o", "€\ufffd"], [0.5, "i", "ls\r"], [0.0, "i", "•"], [0.25, "r", "80x24"], [0.75, "x", "3"]] == events


def test_version_2_counts_from_the_beginning() -> None:
    head, *events = [json.loads(line) for line in cast(OPENING, FRAMES, 2)]

    assert (2, 100, 30) == (head["version"], head["width"], head["height"])
    assert [1.0, 1.5, 2.0, 2.0, 2.25, 3.0] == [event[0] for event in events]
    assert ["m", "exit 3"] == events[-1][1:]
