"""What a session showed, as the search index has it. Pure values; `reading.py` makes them of a tape's frames."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line that was seen. `at_us` counts from the tape's opening."""

    at_us: int
    text: str


class Command(msgspec.Struct, frozen=True, array_like=True):
    """A command that was given. `is_derived`: it was read off the screen, where a program can show what it likes."""

    at_us: int
    text: str
    is_derived: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `read_bytes` of output were read; `is_whole` says that there was no more, `undrawn` how many steps of it the emulator
    failed at."""

    lines: tuple[Line, ...]
    commands: tuple[Command, ...]
    exit: str
    read_bytes: int
    is_whole: bool
    undrawn: int = 0
