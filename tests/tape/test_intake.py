"""What a session's tape is given: found secrets masked on each stream, a mark beside them, and nothing of it where it is turned off."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake, Share
from dockwarden.tape.recorder import Tape

AWS = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYq8Lm2PzT4v"


class Kept:
    """A tape that remembers what it was given."""

    def __init__(self) -> None:
        self.frames: list[tuple[Kind, bytes]] = []

    def add(self, kind: Kind, data: bytes) -> None:
        self.frames.append((kind, data))


def intake(**more: Any) -> tuple[Intake, list[tuple[Kind, bytes]]]:
    kept = Kept()
    return Intake(cast("Tape", kept), **more), kept.frames


def test_a_mark_says_what_was_masked_and_one_at_the_end_how_many() -> None:
    taken, frames = intake(is_terminal=False)
    taken.output(b"TOKEN=abc1")
    taken.output(b"23\n", Kind.OUTPUT)
    taken.output(b"password: hunter2\n", Kind.ERROR)
    taken.input(b"x PASSWORD=held-to-the-end")
    taken.finish()

    assert [
        (Kind.OUTPUT, b"TOKEN="), (Kind.OUTPUT, b"[masked]\n"), (Kind.MARK, b"masked: token of 6 bytes"),
        (Kind.ERROR, b"password: [masked]\n"), (Kind.MARK, b"masked: password of 7 bytes"),
        (Kind.INPUT, b"x PASSWORD="), (Kind.INPUT, b"[masked]"), (Kind.MARK, b"masked: password of 15 bytes"),
        (Kind.MARK, b"masked in all: 3 found secrets"),
    ] == frames  # fmt: skip


def test_many_at_once_are_told_in_one_mark() -> None:
    taken, frames = intake(is_terminal=False)
    taken.output(b"TOKEN=abc123\n" * 20)

    assert (Kind.MARK, b"masked: " + b"token of 6 bytes, " * 8 + b"12 more of 72 bytes") == frames[-1]


def test_what_is_asked_for_by_its_name_is_masked_as_it_is_typed_and_as_it_is_shown() -> None:
    """`aws configure`: the name stands on the screen alone, and the line that was typed is the value."""
    taken, frames = intake(is_terminal=True)
    taken.output(b"AWS Secret Access Key [None]: ")
    for key in (*AWS, 13):
        taken.input(bytes([key]))
        taken.output(bytes([key]) if key != 13 else b"\r\n")
    taken.finish()

    assert AWS not in b"".join(data for _, data in frames)
    assert (Kind.INPUT, b"[masked]\r") in frames
    assert (Kind.MARK, b"masked: echoed of 40 bytes") in frames


def test_a_command_typed_at_a_prompt_that_asks_for_a_password_is_in_what_was_typed() -> None:
    """Somebody sets `PS1=password=`: the screen's echo is masked, and what they typed is not."""
    taken, frames = intake(is_terminal=True)
    taken.output(b"password=")
    for key in b"reboot\r":
        taken.input(bytes([key]))
        taken.output(bytes([key]) if key != 13 else b"\r\n")

    assert (Kind.INPUT, b"reboot\r") in frames


def test_without_it_all_is_kept() -> None:
    taken, frames = intake(is_terminal=False, finds=False)
    taken.output(b"TOKEN=abc123\n")
    taken.finish()

    assert [(Kind.OUTPUT, b"TOKEN=abc123\n")] == frames


def test_where_looking_takes_too_long_all_is_kept_and_a_mark_says_how_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, frames = intake(is_terminal=False)
    taken.output(b"TOKEN=abc")
    monkeypatch.setattr(taken, "_share", Share(0.0, 0.0))
    taken.output(b"123 password=hunter2\n")
    taken.output(b"password=hunter2\n")
    monkeypatch.setattr(taken, "_share", Share())
    taken.output(b"password=hunter2\n")
    taken.finish()

    assert b"TOKEN=[masked]123 password=hunter2\npassword=hunter2\npassword=[masked]\n" == b"".join(data for kind, data in frames if kind is Kind.OUTPUT)
    assert b"not looked through for secrets: 38 bytes, since that would have taken too long" in [data for kind, data in frames if kind is Kind.MARK]


def test_a_share_is_spent_and_comes_again() -> None:
    share = Share(1e-6, 1e6)
    with share.spending():
        sum(range(10_000))

    assert share.left_s < 0
    assert not share.is_spent
    assert Share(0.0, 0.0).is_spent
