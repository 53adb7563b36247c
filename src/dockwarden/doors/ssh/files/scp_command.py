"""`scp -t …` and `scp -f …`, as a client has them run at the other end, told from every other command, and written afresh.

A shell reads the line there, so only a line that every shell reads the same way is taken for a copy: words, quotes, and the patterns that
a client leaves for the shell on purpose (`*.log`, `~/x`). A line with anything else in it (`;`, `$(…)`, a redirection, a second command)
is none, and is to be judged as the command that it is.
"""

from __future__ import annotations

import fnmatch
import posixpath
from dataclasses import dataclass

_PATTERNS = b"*?[]{}!^"
_UNCLEAR = b"{}^"
"""Of the patterns, those whose meaning depends on the shell."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:@%+=") | frozenset(range(0x80, 0x100))
_ENDS_WORD, _REFUSED = b" \t", b";&|<>()$`"
_ESCAPED_IN_QUOTES = b'$`"\\'
_LETTERS = frozenset("vrpdqtf")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line: its bytes, and which of them were quoted."""

    text: bytes
    quoted: tuple[bool, ...]

    @property
    def line(self) -> bytes:
        """The word as a shell reads it the same way again."""
        return b"".join(self._written(at) for at in range(len(self.text))) or b"''"

    def _written(self, at: int) -> bytes:
        char = self.text[at]
        is_for_the_shell = not self.quoted[at] and (char in _PATTERNS or (char == ord("~") and at == 0))
        return bytes([char]) if char in _PLAIN or is_for_the_shell else b"\\" + bytes([char])

    def has_pattern(self, *, is_last_too: bool) -> bool:
        """Whether a shell fills in part of it: in its folders, or anywhere."""
        end = len(self.text) if is_last_too else self._last_start
        return any(self.text[at] in _PATTERNS and not self.quoted[at] for at in range(end))

    @property
    def _last_start(self) -> int:
        """Where the last part begins, its slash included."""
        return len(posixpath.split(self.text.rstrip(b"/"))[0].rstrip(b"/"))

    def last_name(self) -> str | None:
        """A pattern of what the last part of this path names; `None` where only the shell or the other end can tell."""
        start = self._last_start
        last = [at for at in range(start, len(self.text.rstrip(b"/"))) if self.text[at] != ord("/")]
        name = bytes(self.text[at] for at in last)
        if name in (b"", b".", b"..") or any(self.text[at] in _UNCLEAR and not self.quoted[at] for at in range(len(self.text))):
            return None
        if name.startswith(b"~") and not start and not self.quoted[0]:
            return None
        return "".join(f"[{chr(self.text[at])}]" if self.quoted[at] and self.text[at] in b"*?[" else chr(self.text[at]) for at in last)


@dataclass(frozen=True, slots=True)
class ScpCommand:
    """One end of a copy: `is_upload` for `-t`, the end that takes; else `-f`, the end that gives."""

    is_upload: bool
    is_recursive: bool
    keeps_times: bool
    wants_folder: bool
    words: tuple[Word, ...]

    @property
    def paths(self) -> tuple[bytes, ...]:
        """What is named, without quotes; patterns are not followed."""
        return tuple(word.text for word in self.words)

    @property
    def line(self) -> bytes:
        """The command to run there, in our own words: no other command can be in it."""
        flags = [(self.is_recursive, b"-r"), (self.keeps_times, b"-p"), (self.wants_folder, b"-d"), (True, b"-t" if self.is_upload else b"-f")]
        return b" ".join([b"scp", *[flag for is_set, flag in flags if is_set], b"--", *[word.line for word in self.words]])

    @property
    def hides_folders(self) -> bool:
        """Whether a shell fills in more than the last name of a download (`/et*/x`): then a path says less than where it leads."""
        return any(word.has_pattern(is_last_too=self.is_upload) for word in self.words)

    def source_of(self, name: bytes) -> bytes | None:
        """Of a download, the path that gives `name`, with patterns of its folders as they were asked; `None` where nothing is called so."""
        for word in self.words:
            wanted = word.last_name()
            if wanted is None or fnmatch.fnmatchcase(name.decode("latin-1"), wanted):
                return posixpath.join(posixpath.dirname(word.text.rstrip(b"/")), name)
        return None


def read_scp(command: bytes) -> ScpCommand | None:
    """Return the copy that a command line asks for; `None` for every other command, and for one that a shell would do more with."""
    words = _words(command)
    if not words or words[0].text != b"scp":
        return None
    letters: set[str] = set()
    rest = words[1:]
    while rest and rest[0].text.startswith(b"-") and rest[0].text != b"-":
        option = rest.pop(0).text
        if option == b"--":
            break
        letters |= set(option[1:].decode("latin-1"))
    is_upload = "t" in letters
    if not letters <= _LETTERS or is_upload == ("f" in letters) or not rest or (is_upload and len(rest) != 1):
        return None
    return ScpCommand(is_upload, "r" in letters, "p" in letters, "d" in letters, tuple(rest))


def _words(line: bytes) -> list[Word] | None:
    """The words of a line; `None` where a shell would do more than read words."""
    if any((char < 0x20 and char != ord("\t")) or char == 0x7F for char in line):
        return None
    words: list[Word] = []
    at = 0
    while at < len(line):
        if line[at] in _ENDS_WORD:
            at += 1
            continue
        found = _word(line, at)
        if found is None:
            return None
        word, at = found
        words.append(word)
    return words


def _word(line: bytes, at: int) -> tuple[Word, int] | None:
    """The word that begins at `at`, and where it ends."""
    if line[at] == ord("#"):
        return None
    text, quoted, quote = bytearray(), [], 0
    while at < len(line) and (quote or line[at] not in _ENDS_WORD):
        char = line[at]
        at += 1
        if char == quote:
            quote = 0
            continue
        if not quote and char in b"'\"":
            quote = char
            continue
        if char == ord("\\") and quote != ord("'"):
            if at == len(line):
                return None
            if not quote or line[at] in _ESCAPED_IN_QUOTES:
                char, at = line[at], at + 1
            is_quoted = True
        elif char in _REFUSED and quote != ord("'") and (not quote or char in b"$`"):
            return None
        else:
            is_quoted = bool(quote)
        text.append(char)
        quoted.append(is_quoted)
    return None if quote else (Word(bytes(text), tuple(quoted)), at)
