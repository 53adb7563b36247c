"""A terminal's screen, from which every line is taken before it goes: scrolled off, overwritten, erased, or left behind with its screen. Pure.

The emulator is pyte's. What reaches it has passed `neutral.py`, so a sequence is whole, short, and draws or moves. Two things that pyte does
not do are done here: the second screen of editors and pagers, and lines that are one line although the terminal broke them.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator

from pyte import Screen as Emulator
from pyte import Stream
from pyte.charsets import VT100_MAP
from pyte.modes import DECAWM, IRM
from pyte.screens import Char, Cursor, StaticDefaultDict

from dockwarden.tape.neutral import Neutral
from dockwarden.tape.visible import visible

MOST_COLUMNS, MOST_ROWS = 500, 300
"""A bigger terminal is read as if it were of this size, so that one sequence never costs much."""
AT_ONCE = 16 << 10
MOST_NUMBERS, HIGHEST = 8, 9999
MOST_SAVED, MOST_ENTERED = 16, 64
SECOND_SCREEN = frozenset({47, 1047, 1049})
MODES = frozenset({6, 7}), frozenset({4, 20})
"""Private and other modes that change what is drawn where: origin and wrapping; inserting and new lines."""
OF_TWO = frozenset({"cursor_position", "set_margins"})
PIECE = re.compile(r"\x1b\[([0-9;:?]*)([@-~])|\x1b(\(?.)|([\b\t\n\v\f\r])|([^\x00-\x1f\x7f-\x9f]+)", re.DOTALL)
ESCAPES = {"7": "save_cursor", "8": "restore_cursor", "D": "index", "E": "linefeed", "M": "reverse_index", "c": "reset"}
CONTROLS = {"\b": "backspace", "\t": "tab", "\n": "linefeed", "\v": "linefeed", "\f": "linefeed", "\r": "carriage_return"}
SEQUENCES = {
    **{final: name for final, name in Stream.csi.items() if final not in "cgmn"},
    "S": "scroll_up", "T": "scroll_down", "b": "repeat", "s": "save_cursor", "u": "restore_cursor", "`": "cursor_to_column",
}  # fmt: skip
PLAIN = {chr(code): Char(chr(code)) for code in range(0x20, 0x7F)}

Keep = Callable[[int, str], None]
"""Takes a line that was seen: the moment at which it was last drawn on, and its text."""


class Line(StaticDefaultDict[int, Char]):
    """One line. `is_new` says that it was drawn on since it was taken, at `at_us`; `goes_on` that the next one is the rest of it."""

    is_new = False
    at_us = 0
    goes_on = False

    def text(self) -> str:
        """What stands on it."""
        return "".join([self[x].data for x in range(max(self) + 1)]) if self else ""

    def has_text(self, start: int, end: int) -> bool:
        """Whether anything but blanks stands between two columns."""
        return any(x in self and self[x].data.strip() for x in range(start, end))


class Screen(Emulator):
    """One terminal. `feed` it what was shown; each line goes to `keep` once before it is gone, the rest at `finish`."""

    def __init__(self, columns: int, rows: int, keep: Keep, entered: Callable[[str, str], None] = lambda _line, _typed: None) -> None:
        """`entered` hears of each line that was ended by a person's Enter: as it stood on the screen, and what is known to be typed of it."""
        self._keep, self._entered_line = keep, entered
        self._neutral = Neutral()
        self._typed: deque[str] = deque(maxlen=MOST_ENTERED)
        self._first: tuple[dict[int, StaticDefaultDict[int, Char]], Cursor] | None = None
        self._draws_lines = False
        self._last = ""
        self.now_us = 0
        super().__init__(min(max(columns, 1), MOST_COLUMNS), min(max(rows, 1), MOST_ROWS))
        self.buffer = self._blank()

    # --- what the session brings ---

    def feed(self, data: bytes) -> Iterator[None]:
        """Show `data`, a step at a time: who drives this may stop between two."""
        for start in range(0, len(data), AT_ONCE):
            for piece in PIECE.finditer(self._neutral.feed(data[start : start + AT_ONCE])):
                self._show(*piece.groups())
                yield

    def enter(self, typed: str) -> None:
        """A person entered a line: "" where what they typed is not known. It is read off the screen when the cursor leaves it."""
        if self._first is None:
            self._typed.append(typed)

    def finish(self) -> None:
        """Take all that is still there: of the second screen, and of the first behind it."""
        self._leave_second()
        self._keep_all()

    # --- one step ---

    def _show(self, numbers: str | None, final: str, escape: str | None, control: str | None, text: str | None) -> None:
        if text is not None:
            self._write(text)
        elif control is not None:
            getattr(self, CONTROLS[control])()
        elif escape is not None:
            if escape.startswith("("):
                self._draws_lines = escape == "(0"
            elif escape in ESCAPES:
                getattr(self, ESCAPES[escape])()
        elif final in SEQUENCES and numbers is not None:
            self._sequence(SEQUENCES[final], numbers)

    def _sequence(self, name: str, text: str) -> None:
        is_private = text.startswith("?")
        numbers = [min(int(number or 0), HIGHEST) for number in re.split("[;:]", text.replace("?", ""))][:MOST_NUMBERS]
        if name in {"set_mode", "reset_mode"}:
            self._switch(name == "set_mode", numbers, is_private=is_private)
        elif name in {"save_cursor", "restore_cursor"}:
            getattr(self, name)()
        elif not is_private:
            getattr(self, name)(*numbers[: 2 if name in OF_TWO else 1])

    def _switch(self, is_on: bool, modes: list[int], *, is_private: bool) -> None:
        if is_private and SECOND_SCREEN & set(modes):
            self._enter_second() if is_on else self._leave_second()
        for mode in MODES[0 if is_private else 1] & set(modes):
            (self.set_mode if is_on else self.reset_mode)(mode, private=is_private)

    def _enter_second(self) -> None:
        if self._first is None:
            self._keep_all()
            self._first = self.buffer, copy.copy(self.cursor)
            self._typed.clear()
            self.buffer = self._blank()

    def _leave_second(self) -> None:
        if self._first is not None:
            self._keep_all()
            (self.buffer, self.cursor), self._first = self._first, None
            self.ensure_hbounds()
            self.ensure_vbounds()

    def _blank(self) -> defaultdict[int, StaticDefaultDict[int, Char]]:
        return defaultdict(lambda: Line(self.default_char))

    # --- drawing ---

    def _write(self, text: str) -> None:
        text = visible(text)
        if self._draws_lines:
            text = text.translate(VT100_MAP)
        self._last = text[-1:] or self._last
        while text:
            room = self.columns - self.cursor.x
            if room <= 0:
                if DECAWM in self.mode:
                    self._line(self.cursor.y).goes_on = True
                    self.index()
                    self.carriage_return()
                room = self.columns
            part = text[: room if text.isascii() else max(room // 2, 1)]  # a letter may be two columns wide
            text = text[len(part) :]
            self._draw_part(part)

    def _draw_part(self, part: str) -> None:
        line, x = self._line(self.cursor.y), self.cursor.x
        if line.is_new and line.has_text(x, x + len(part)):
            self._keep_line(self.cursor.y)
        if not x:
            line.goes_on = False
        if part.isascii() and x + len(part) <= self.columns and IRM not in self.mode:
            line.update(zip(range(x, x + len(part)), map(PLAIN.__getitem__, part), strict=True))  # as `draw`, and faster: without colours
            self.cursor.x += len(part)
        else:
            self.draw(part)
        self._drawn()

    def _drawn(self) -> None:
        line = self._line(self.cursor.y)
        line.is_new, line.at_us = True, self.now_us

    def repeat(self, count: int = 1) -> None:
        """Draw the last letter again."""
        self._write(self._last * min(count or 1, self.columns))

    # --- taking lines ---

    def _line(self, y: int) -> Line:
        line = self.buffer[y]
        assert isinstance(line, Line)  # noqa: S101  INVARIANT: every line comes from `_blank`
        return line

    def _whole(self, y: int) -> list[Line]:
        """The line that `y` is a part of: from its first row to its last."""
        first = y
        while first > 0 and first - 1 in self.buffer and self._line(first - 1).goes_on:
            first -= 1
        found = [self._line(first)]
        while found[-1].goes_on and first + len(found) < self.lines:
            found.append(self._line(first + len(found)))
        return found

    def _keep_line(self, y: int) -> None:
        if y in self.buffer and self._line(y).is_new:
            parts = self._whole(y)
            for part in parts:
                part.is_new = False
            self._keep(max(part.at_us for part in parts), "".join(part.text() for part in parts).rstrip())

    def _keep_all(self) -> None:
        for y in sorted(self.buffer):
            self._keep_line(y)

    def _keep_span(self, start: int, end: int) -> None:
        if self._line(self.cursor.y).has_text(start, min(end, self.columns)):
            self._keep_line(self.cursor.y)

    # --- what takes something off the screen ---

    def linefeed(self) -> None:
        """The cursor leaves its line: if by a person's Enter, that line is read."""
        if self._typed and self._first is None:
            self._entered_line("".join(part.text() for part in self._whole(self.cursor.y)).rstrip(), self._typed.popleft())
        super().linefeed()

    def index(self) -> None:
        """Down; at the bottom the top line scrolls off."""
        if self.cursor.y == (self.margins.bottom if self.margins else self.lines - 1):
            self._keep_line(self.margins.top if self.margins else 0)
        super().index()

    def reverse_index(self) -> None:
        """Up; at the top the bottom line scrolls off."""
        if self.cursor.y == (self.margins.top if self.margins else 0):
            self._keep_line(self.margins.bottom if self.margins else self.lines - 1)
        super().reverse_index()

    def scroll_up(self, count: int = 1) -> None:
        """Let lines go at the top, the cursor staying where it is."""
        self._at_top(self.delete_lines, count)

    def scroll_down(self, count: int = 1) -> None:
        """Let lines go at the bottom, the cursor staying where it is."""
        self._at_top(self.insert_lines, count)

    def _at_top(self, change: Callable[[int], None], count: int) -> None:
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = self.margins.top if self.margins else 0
        change(count)
        self.cursor.x, self.cursor.y = x, y

    def insert_lines(self, count: int | None = None) -> None:
        """Push lines down."""
        self._keep_all()
        super().insert_lines(count)

    def delete_lines(self, count: int | None = None) -> None:
        """Pull lines up."""
        self._keep_all()
        super().delete_lines(count)

    def insert_characters(self, count: int | None = None) -> None:
        """Push letters to the right, some off the screen."""
        self._keep_span(self.columns - (count or 1), self.columns)
        super().insert_characters(count)

    def delete_characters(self, count: int | None = None) -> None:
        """Pull letters to the left: what was apart stands together now."""
        self._keep_span(self.cursor.x, self.cursor.x + (count or 1))
        super().delete_characters(count)
        self._drawn()

    def erase_characters(self, count: int | None = None) -> None:
        """Blank some letters."""
        self._keep_span(self.cursor.x, self.cursor.x + (count or 1))
        super().erase_characters(count)

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """Blank a line, or what is on one side of the cursor; pyte fails on a number that says neither."""
        if how not in {0, 1, 2}:
            return
        start, end = (self.cursor.x, self.columns) if how == 0 else (0, self.cursor.x + 1 if how == 1 else self.columns)
        self._keep_span(start, end)
        super().erase_in_line(how, private)

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        """Blank the screen, or what is on one side of the cursor; as in a line."""
        if how not in {0, 1, 2, 3}:
            return
        self._keep_all()
        super().erase_in_display(how, *args, **kwargs)

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Another size, bounded."""
        self._keep_all()
        super().resize(min(max(lines or 1, 1), MOST_ROWS), min(max(columns or 1, 1), MOST_COLUMNS))

    def reset(self) -> None:
        """As it was switched on."""
        if hasattr(self, "cursor"):  # pyte calls this before there is anything
            self._leave_second()
            self._keep_all()
        super().reset()

    def save_cursor(self) -> None:
        """Remember where the cursor is, of so many times the last few."""
        super().save_cursor()
        del self.savepoints[:-MOST_SAVED]
