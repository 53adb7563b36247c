"""Where in a stream of bytes secrets may begin: after a sign, a name, an address or a header that is known. Pure.

What is a beginning at a place depends on the `LOOKED_BACK` bytes before it alone, so it is the same however the stream comes in pieces. Quick:
most text has none, and is looked through once for all signs (Aho-Corasick, in parts so small that the search is by vector instructions).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from dockwarden.engine.finding.formats import FORMATS, Format
from dockwarden.engine.finding.names import NameSays, Strength, says

LOOKED_BACK = 256
MOST_SHORT, MOST_LONG = 16, 48
"""Of one part of the search, for signs of three letters and longer ones: so it takes the least time over logs and source code."""
LITTLE = 2048
"""In so many bytes, one search for all signs is quicker than the quick ones together: a letter's echo, and what came before it."""
ESCAPE = rb"\x1b\[[0-9;]{0,16}[mK]"
"""What a terminal is told inside of a word: a colour, and to clear the rest of a line, as `grep --color` does."""
ESCAPES = re.compile(ESCAPE)


class Plain(Enum):
    """A user's password in a URL, what a header carries after its scheme, the lines of a private key."""

    ADDRESS = 1
    SCHEME = 2
    BLOCK = 3


class Name(NamedTuple):
    """The name of a secret, and `=` or `:` after it."""

    name: str
    said: NameSays
    separator: str
    is_spaced: bool
    """A space stands before the separator: no shell reads what follows as a command, as in `NAME= command`."""
    is_line: bool
    """Nothing but the name stands on its line before the separator, as in a file of settings."""
    opened: bytes
    """The quote that was opened before it on such a line, as in a list of JSON."""


class Beginning(NamedTuple):
    """A secret may begin at `at`, after a sign that starts at `since`. Of those at one place, `rank` says which is asked first."""

    at: int
    rank: int
    since: int
    of: Format | Name | Plain


INSTEAD: dict[str, tuple[str, ...]] = {
    "PRIVATE": (), "Private-Lines:": (),
    "gl": tuple(f"gl{kind}-" for kind in ("pat", "dt", "rt", "rtr", "cbt", "ptt", "ft", "imt", "agent", "oas", "soat", "ffct", "wt")),
    ":A": (":AA",), "Q~": tuple(f"{digit}Q~" for digit in range(10)), "$2": ("$2$", "$2a$", "$2b$", "$2x$", "$2y$"),
    "SK": (), "s.": (), "b.": (), "r.": (), ".": (), "-us": (), "NRAL": (),
}  # fmt: skip
"""Anchors that are too short to be looked for in a stream, or stand at a token's end, and the signs that are looked for instead."""
NAMES = (
    "pass", "secret", "token", "key", "pwd", "psk", "salt", "pepper", "mnemonic", "kennwort", "contrasena", "senha", "pw=", "pw:", 'pw"', "cookie",
)
BLOCKS = (b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----", b"Private-Lines:")
SCHEMES = (b"earer ", b"asic ")
ADDRESS = b"://"

BLOCK_HEAD = re.compile(rb"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----\Z|(?:\A|[\r\n])Private-Lines:\Z")
NAME_TAIL = re.compile(
    rb"[A-Za-z0-9_.-]{0,64}+(?:" + ESCAPE + rb"[A-Za-z0-9_.-]{0,64}+){0,4}(?:\\?[\"'])?\]?(?: \[[^\]\r\n]{0,40}\])?"
    rb"(?:[ \t]|" + ESCAPE + rb"){0,6}([=:])"
)
LONGEST_TAIL = 160
NAME_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
PROMPT = re.compile(rb"(?i)(?P<name>secret access key|secret key|api key|access token|auth token)(?: \[[^\]\r\n]{0,40}\])?[ \t]{0,6}:\Z")
LONGEST_PROMPT = 80
MOST_INDENT = 66
LINE = re.compile(rb"(?:\A|[\r\n\0])[ \t]{0,64}([\"']?)\Z")
LONGEST_BLOCK_HEAD = 80
ADDRESS_USER = re.compile(rb"://[^\s:/?#@'\"<>\x00-\x1f]{0,128}:")
SCHEME_HEAD = re.compile(rb"(?i)(?<![A-Za-z0-9_])(?:bearer|basic) \Z")


def _signs() -> dict[bytes, list[tuple[int, Format]]]:
    found: dict[bytes, list[tuple[int, Format]]] = {}
    for rank, row in enumerate(FORMATS):
        for anchor in row.anchors:
            for sign in INSTEAD.get(anchor, (anchor,)):
                found.setdefault(sign.encode(), []).append((rank, row))
    return found


FORMS = _signs()
NAME_RANK, LAST_RANK = len(FORMATS), len(FORMATS) + 1
WORDS = tuple(dict.fromkeys(case.encode() for word in NAMES for case in (word, word.upper(), word.capitalize())))
SIGNS = tuple(dict.fromkeys((*BLOCKS, *FORMS, *WORDS, *SCHEMES, ADDRESS)))
LONGEST_SIGN = max(map(len, SIGNS))
_LEAST = [sign for sign in SIGNS if not any(other in sign for other in SIGNS if other != sign)]
"""Where one of these stands, all are looked for: a sign that has another in it need not be among them."""
_SHORT = [sign for sign in _LEAST if len(sign) < 4]
_LONG = sorted(sign for sign in _LEAST if len(sign) >= 4)
QUICK = tuple(
    BytesAhoCorasick(signs[at : at + most], matchkind=MatchKind.LeftmostFirst)
    for signs, most in ((_SHORT, MOST_SHORT), (_LONG, MOST_LONG))
    for at in range(0, len(signs), most)
)
EVERY = BytesAhoCorasick(SIGNS, matchkind=MatchKind.Standard, implementation=Implementation.DFA)


@functools.lru_cache(1024)
def _said(name: str) -> NameSays:
    """What a name says: the same ones come again and again."""
    return says(name)


def beginnings_in(data: bytes, after: int = 0) -> list[Beginning]:
    """Return where secrets may begin in `data` from `after` on, in order; those at its end, which more data may make, come when that is there."""
    found: dict[tuple[int, int], Beginning] = {}
    for sign, start, end in _signs_in(data):
        for at, rank, since, of in _begun(data, SIGNS[sign], start, end):
            if at >= after and (at, rank) not in found and (what := of or _named(data, at)):
                found[at, rank] = Beginning(at, rank, since, what)
    return [one for _, one in sorted(found.items())]


def _signs_in(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Every sign in `data`. The quick searches leave out what overlaps something they found: around that, all are looked for."""
    if len(data) <= LITTLE:
        yield from EVERY.find_matches_as_indexes(data, overlapping=True)
        return
    near = sorted((start, end) for quick in QUICK for _, start, end in quick.find_matches_as_indexes(data))
    at, last = 0, len(near)
    while at < last:
        since, until = max(near[at][0] - LONGEST_SIGN, 0), near[at][1] + LONGEST_SIGN
        while at < last and near[at][0] <= until:
            until = max(until, near[at][1] + LONGEST_SIGN)
            at += 1
        for sign, first, end in EVERY.find_matches_as_indexes(data[since:until], overlapping=True):
            yield sign, since + first, since + end


def _begun(data: bytes, sign: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, Format | Plain | None]]:
    """What begins after one sign; after a name, where its separator ends, and nothing yet of what it says."""
    if sign in FORMS:
        is_inside = data[max(0, start - 1) : start].isalnum() and sign[:1].isalnum()
        for rank, row in FORMS[sign]:
            if not (is_inside and row.begins_word):
                yield end, rank, start, row
    if sign in WORDS:
        tail = NAME_TAIL.match(data, end - 1 if sign[-1:] in b"=:\"" else end)
        if tail is not None and tail.end() - end <= LONGEST_TAIL:
            yield tail.end(), NAME_RANK, tail.end(), None
    elif sign == ADDRESS:
        if user := ADDRESS_USER.match(data, start):
            yield user.end(), LAST_RANK, start, Plain.ADDRESS
    elif sign in SCHEMES and SCHEME_HEAD.search(data, max(0, end - 8), end):
        yield end, LAST_RANK, start - 1, Plain.SCHEME
    elif sign in BLOCKS and BLOCK_HEAD.search(data[max(0, end - LONGEST_BLOCK_HEAD) : end]):
        yield end, LAST_RANK, start, Plain.BLOCK


def _named(data: bytes, at: int) -> Name | None:
    """What the name before a separator says, if it is of a secret."""
    window = data[max(0, at - LOOKED_BACK) : at]
    if b"\x1b" in window:
        window = ESCAPES.sub(b"", window)
    body = window[:-1].rstrip(b" \t")
    is_spaced = len(body) < len(window) - 1
    body = body.removesuffix(b"]")
    body = body[:-1].removesuffix(b"\\") if body[-1:] in {b"'", b'"'} else body
    start = len(body.rstrip(NAME_LETTERS))
    line = LINE.search(body, max(0, start - MOST_INDENT), start)
    name, separator = body[start:].lstrip(b"-").decode(), chr(window[-1])
    said = _said(name)
    if said.strength < Strength.LIKELY and (prompt := PROMPT.search(window, max(0, len(window) - LONGEST_PROMPT))):
        line, name = None, prompt["name"].decode()
        said = _said(name)
    if said.strength < Strength.LIKELY:
        return None
    return Name(name, said, separator, is_spaced, line is not None, line[1] if line else b"")
