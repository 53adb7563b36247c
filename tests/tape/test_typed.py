"""What was typed without echo is not kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.frames import Kind
from dockwarden.tape.typed import Kept, Typed


def kept(*steps: tuple[str, bytes]) -> list[Kept]:
    typed, found = Typed(), []
    for side, data in steps:
        found += typed.feed(data) if side == "i" else typed.shown(data)
    return found + typed.finish()


def test_a_line_that_shows_is_kept() -> None:
    assert [(Kind.INPUT, b"ls\r")] == kept(("i", b"l"), ("o", b"l"), ("i", b"s"), ("o", b"s"), ("i", b"\r"), ("o", b"\r\nfile\r\n$ "))


def test_a_line_that_was_pasted_is_kept() -> None:
    assert [(Kind.INPUT, b"ls -l\r")] == kept(("i", b"ls -l\r"), ("o", b"ls -l\r\nfile\r\n"))


def test_a_password_is_not_kept() -> None:
    steps = (("o", b"Password: "), ("i", b"hun"), ("i", b"ter2"), ("i", b"\r"), ("o", b"\r\nWelcome, hunter2 is not here\r\n"))
    assert [(Kind.HIDDEN, b"")] == kept(*steps)


def test_a_password_after_a_command_is_not_kept_and_the_command_is() -> None:
    found = kept(("i", b"sudo x\r"), ("o", b"sudo x\r\n[sudo] password: "), ("i", b"hunter2\r"), ("o", b"\r\nroot\r\n# "), ("i", b"id\r"), ("o", b"id\r\n"))
    assert [(Kind.INPUT, b"sudo x\r"), (Kind.HIDDEN, b""), (Kind.INPUT, b"id\r")] == found


def test_one_that_was_never_entered_is_not_kept() -> None:
    assert [(Kind.HIDDEN, b"")] == kept(("o", b"Password: "), ("i", b"hunter2"))
    assert [(Kind.INPUT, b"ech\r")] == kept(("i", b"ech"), ("o", b"ech"))


def test_keys_that_print_nothing_are_kept_at_once() -> None:
    assert [(Kind.INPUT, b"\x1b[A"), (Kind.INPUT, b"\x03")] == Typed().feed(b"\x1b[A\x03")


def test_a_corrected_line_is_kept() -> None:
    assert [(Kind.INPUT, b"\x7f"), (Kind.INPUT, b"lxs\r")] == kept(("i", b"lx"), ("o", b"lx"), ("i", b"\x7f"), ("o", b"\b \b"), ("i", b"s"), ("o", b"s"), ("i", b"\r"), ("o", b"\r\n"))


def test_an_endless_line_is_not_held() -> None:
    typed = Typed()
    for _ in range(20):
        typed.feed(b"x" * 1000)
    assert len(typed._line) <= 5096


@given(st.lists(st.tuples(st.sampled_from("io"), st.binary(max_size=20))))
def test_what_is_typed_and_never_shown_is_never_kept(steps: list[tuple[str, bytes]]) -> None:
    found = kept(*[(side, data if side == "o" else data.translate(None, b"Q\x1b") + b"Q") for side, data in steps if b"Q" not in data or side == "i"])

    assert not [data for kind, data in found if b"Q" in data]
