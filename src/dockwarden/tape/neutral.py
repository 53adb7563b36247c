"""What a session showed, made safe to be shown on somebody else's terminal. Pure.

Text, colours and moves pass. What would set a title, a clipboard, a mode that makes the terminal talk back, ask it who it is, or print,
does not: a sequence that is not on the list below is left out. Source: ECMA-48, xterm's ctlseqs.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum, auto

CONTROLS = frozenset("\b\t\n\v\f\r")
PLAIN_ESCAPES = frozenset("78DEMc=>")
MOVES = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefmrsu")
"""Finals of control sequences that only draw or move."""
MODES = frozenset({"1", "3", "4", "6", "7", "12", "25", "45", "47", "1047", "1048", "1049"})
"""Private modes that change how things are drawn, and nothing that the terminal sends."""
CHARSETS = frozenset("()*+")
LONGEST = 256
TURNING = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""What lets text be read in another order than it stands, or begin a line."""
PLAIN = re.compile(rf"[^\x00-\x1f\x7f-\x9f{TURNING}]+")
_NUMBERS = re.compile(r"[0-9;:]*")


class _In(Enum):
    TEXT = auto()
    ESCAPE = auto()
    CONTROL = auto()
    STRING = auto()
    STRING_ESCAPE = auto()
    CHARSET = auto()


class Neutral:
    """One stream on its way to a watcher's terminal; a sequence may be cut between two pieces."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._state = _In.TEXT
        self._held = ""

    def feed(self, data: bytes) -> str:
        """Return what of `data` may be shown."""
        text, at = self._decode(data), 0
        shown: list[str] = []
        while at < len(text):
            run = PLAIN.match(text, at) if self._state is _In.TEXT else None
            shown.append(run[0] if run else self._step(text[at]))
            at = run.end() if run else at + 1
        return "".join(shown)

    def _step(self, letter: str) -> str:
        match self._state:
            case _In.TEXT:
                return self._text(letter)
            case _In.ESCAPE:
                return self._escape(letter)
            case _In.CONTROL:
                return self._control(letter)
            case _In.CHARSET:
                self._state = _In.TEXT
                return f"\x1b{self._held}{letter}" if letter.isascii() and letter.isalnum() else ""
            case _In.STRING:
                if letter in "\a\x9c\x18\x1a":
                    self._state = _In.TEXT
                elif letter == "\x1b":
                    self._state = _In.STRING_ESCAPE
                return ""
            case _In.STRING_ESCAPE:
                self._state = _In.TEXT
                return "" if letter == "\\" else self._escape(letter)

    def _text(self, letter: str) -> str:
        if letter == "\x1b":
            self._state = _In.ESCAPE
            return ""
        if letter == "\x9b":
            self._state, self._held = _In.CONTROL, ""
            return ""
        if letter in "\x90\x98\x9d\x9e\x9f":
            self._state = _In.STRING
            return ""
        return letter if PLAIN.match(letter) or letter in CONTROLS else ""

    def _escape(self, letter: str) -> str:
        self._state = _In.TEXT
        if letter == "[":
            self._state, self._held = _In.CONTROL, ""
        elif letter in "]PX^_":
            self._state = _In.STRING
        elif letter in CHARSETS:
            self._state, self._held = _In.CHARSET, letter
        elif letter == "\x1b":
            self._state = _In.ESCAPE
        elif letter in PLAIN_ESCAPES:
            return f"\x1b{letter}"
        return ""

    def _control(self, letter: str) -> str:
        if letter == "\x1b":
            self._state = _In.ESCAPE
        elif letter in "\x18\x1a" or len(self._held) > LONGEST:
            self._state = _In.TEXT
        elif "@" <= letter <= "~":
            self._state = _In.TEXT
            return f"\x1b[{self._held}{letter}" if self._is_harmless(letter) else ""
        elif letter < " ":
            return letter if letter in CONTROLS else ""
        else:
            self._held += letter
        return ""

    def _is_harmless(self, final: str) -> bool:
        if final in "hl" and self._held.startswith("?"):
            return all(mode in MODES for mode in self._held[1:].split(";"))
        if final in "hl":
            return self._held in {"4", "20"}
        return final in MOVES and _NUMBERS.fullmatch(self._held) is not None
