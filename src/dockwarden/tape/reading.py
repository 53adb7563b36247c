"""What a session showed, as text with its moments, and the commands in it. Pure: whoever calls says when enough time was spent.

A terminal's output goes through an emulator; without one the two streams are read line by line. Each different line is kept once, at its
first moment.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening
from dockwarden.tape.screen import Screen
from dockwarden.tape.seen import Command, Line, Seen
from dockwarden.tape.visible import visible

TERMINAL_BYTES, STREAM_BYTES = 8 << 20, 32 << 20
"""How much of a tape's output is read, with a terminal and without."""
TEXT_CHARS = 2 << 20
"""How much text of one tape is kept."""
WALKED_BYTES = 4 << 30
"""How far a tape is looked through for its end."""
STEPS = 8
"""After so many it is asked whether enough time was spent; one of them may take a second (16 KiB of text inserted at the width of the screen)."""
MOST_COMMANDS = 5000
LONGEST_LINE, LONGEST_COMMAND = 4096, 1000
PROMPT_ENDS = "#$%>❯➜λ»"  # noqa: RUF001  what prompts really end with
PROMPT = re.compile(rf".*?[{PROMPT_ENDS}]\s+(?=\S)")
SHOWN = frozenset({Kind.OUTPUT, Kind.ERROR})


class _Text:
    """The lines so far."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._known: set[str] = set()
        self.chars = 0

    @property
    def is_full(self) -> bool:
        return self.chars >= TEXT_CHARS

    def keep(self, at_us: int, text: str) -> None:
        """Take a line that is not there yet; a long one in pieces."""
        for start in range(0, len(text), LONGEST_LINE):
            piece = text[start : start + LONGEST_LINE].strip()
            if piece and piece not in self._known and not self.is_full:
                self._known.add(piece)
                self.lines.append(Line(at_us, piece))
                self.chars += len(piece)


class _Streams:
    """Output without a terminal: its streams in lines."""

    def __init__(self, keep: Callable[[int, str], None]) -> None:
        self._keep = keep
        self._decoders = {kind: codecs.getincrementaldecoder("utf-8")("replace") for kind in SHOWN}
        self._rest = dict.fromkeys(SHOWN, "")
        self._at_us = 0

    def feed(self, frame: Frame) -> Iterator[None]:
        """Take a piece of one stream."""
        self._at_us = frame.at_us
        for start in range(0, len(frame.data), LONGEST_LINE):
            text = self._decoders[frame.kind].decode(frame.data[start : start + LONGEST_LINE])
            *lines, rest = (self._rest[frame.kind] + text).split("\n")
            for line in lines:
                self._take(line)
                yield
            if len(rest) > LONGEST_LINE:
                self._take(rest)
                rest = ""
            self._rest[frame.kind] = rest
            yield

    def finish(self) -> None:
        """Take what was not ended by a line's end."""
        for rest in self._rest.values():
            self._take(rest)

    def _take(self, line: str) -> None:
        self._keep(self._at_us, visible(line.expandtabs()))


def see(opening: Opening, frames: Iterable[Frame], is_spent: Callable[[], bool]) -> Seen:
    """Return what the session of `frames` showed. Total for every content; bounded in what it keeps, and by `is_spent` in time."""
    reader = _Reader(opening)
    read = walked = 0
    is_whole, ended = True, ""
    most = TERMINAL_BYTES if opening.is_terminal else STREAM_BYTES
    for frame in frames:
        walked += len(frame.data)
        if frame.kind is Kind.EXIT:
            ended = frame.data.decode("ascii", "replace")[:32]
        elif frame.kind not in SHOWN:
            reader.note(frame)
        elif not is_whole:
            pass
        elif read + len(frame.data) > most or reader.text.is_full:
            is_whole = False
        else:
            read += len(frame.data)
            is_whole = reader.show(frame, is_spent)
        if walked > WALKED_BYTES:
            break
    reader.finish()
    is_whole = is_whole and not reader.text.is_full
    lines, commands = tuple(reader.text.lines), tuple(reader.commands)
    return Seen(lines=lines, commands=commands, exit=ended, read_bytes=read, is_whole=is_whole, undrawn=reader.undrawn)


class _Reader:
    """One tape's way into text."""

    def __init__(self, opening: Opening) -> None:
        self._said = f"{opening.kind}: "
        self.text = _Text()
        self.commands: list[Command] = []
        self._screen = Screen(opening.columns, opening.rows, self.text.keep, self._entered) if opening.is_terminal else None
        self._streams = _Streams(self.text.keep)

    def show(self, frame: Frame, is_spent: Callable[[], bool]) -> bool:
        """Take a piece of output; `False` where there was no time for all of it."""
        if self._screen is not None:
            self._screen.now_us = frame.at_us
        steps = self._streams.feed(frame) if self._screen is None else self._screen.feed(frame.data)
        return not any(not number % STEPS and is_spent() for number, _ in enumerate(steps))

    def note(self, frame: Frame) -> None:
        """Take what is no output: what was typed, a size, the command that it began with."""
        if frame.kind is Kind.MARK:
            words = frame.data.decode("utf-8", "replace")
            if words.startswith(self._said):
                self._command(frame.at_us, words[len(self._said) :], is_derived=False)
        elif self._screen is None:
            return
        elif frame.kind is Kind.RESIZE:
            columns, _, rows = frame.data.partition(b"x")
            if columns.isdigit() and rows.isdigit() and len(frame.data) < 32:
                self._screen.resize(int(rows), int(columns))
        elif frame.kind is Kind.HIDDEN:
            self._screen.enter("")
        elif frame.kind is Kind.INPUT and frame.data.endswith((b"\r", b"\n")):
            self._screen.enter(visible(frame.data.decode("utf-8", "replace")).strip())

    @property
    def undrawn(self) -> int:
        """How much of it could not be drawn."""
        return self._screen.undrawn if self._screen is not None else 0

    def finish(self) -> None:
        """Nothing more comes."""
        self._streams.finish() if self._screen is None else self._screen.finish()

    def _entered(self, line: str, typed: str) -> None:
        if self._screen is not None:
            self._command(self._screen.now_us, command_of(line, typed), is_derived=True)

    def _command(self, at_us: int, text: str, *, is_derived: bool) -> None:
        text = visible(text[:LONGEST_COMMAND]).strip()
        if text and len(self.commands) < MOST_COMMANDS:
            self.commands.append(Command(at_us, text, is_derived))


def command_of(line: str, typed: str) -> str:
    """What was most likely the command on a line that was entered: what is known to be typed, or what follows the prompt; "" for a mere answer."""
    line = line[:LONGEST_LINE]
    if typed and line.endswith(typed) and line[: -len(typed)].rstrip().endswith(tuple(PROMPT_ENDS)):
        return typed
    found = PROMPT.match(line)
    return line[found.end() :] if found else ""
