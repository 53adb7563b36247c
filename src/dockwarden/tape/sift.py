"""Secrets found by their form in what a session shows or is sent, and taken out, wherever a piece of the stream ends. Pure.

1. Where a secret may begin is known by what stands before it (`engine/finding/beginnings.py`), which is kept as it is and at once: a prompt, a
   key that was typed and a name wait for nothing.
2. From there on is held back what may be of the secret, while it may: a value until it ends, at most `LONGEST` bytes, or `LONGEST_TOKEN` of
   the letters that tokens are made of; of a private key a line.
3. If it is one, `[masked]` is kept for it, and its escape sequences; else all of it.

INVARIANT: what is kept depends on the bytes that came and not on the pieces in which they did. So every decision looks at no more than
`PAST` bytes before it, and is made only when no byte to come could change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dockwarden.engine.finding.assigned import scheme_finding, trimmed
from dockwarden.engine.finding.beginnings import ESCAPE, ESCAPES, LAST_RANK, LOOKED_BACK, Beginning, Name, Plain, beginnings_in
from dockwarden.engine.finding.formats import Format
from dockwarden.engine.finding.links import URL_PASSWORD, is_url_password
from dockwarden.engine.finding.sure import is_sure
from dockwarden.tape.keyblock import KeyBlock
from dockwarden.tape.mask import MARK

PAST = 2 * LOOKED_BACK
LONGEST = 256
LONGEST_TOKEN = 4096
BEFORE_FORM = 64
"""What of a token may stand before its sign."""

PRINTED = rb"!#-&(-:=?-\[\]-_a-{}~\x80-\xff"
"""What an unquoted value is made of: no space, control, quote, `;`, `|`, `<`, `>`, backslash; `&` only where no shell reads it."""
INNER = rb"|" + ESCAPE + rb"| \r(?=[!-~])"
"""What may stand inside of a value: a colour, and how a shell's line goes on in the next row of the screen."""
BARE = re.compile(rb"(?:[" + PRINTED.replace(b"#-&", b"#-%") + rb"]+" + INNER + rb")*")
LINE = re.compile(rb"(?:[!-~\x80-\xff]+" + INNER + rb")*")
QUOTED = {
    b'"': re.compile(rb"(?:[^\"\\\x00-\x1f\x7f]+|\\[^\x00-\x1f\x7f]" + INNER + rb")*"),
    b"'": re.compile(rb"(?:[^'\x00-\x1f\x7f]+" + INNER + rb")*"),
    b'\\"': re.compile(rb"(?:[^\"\\\x00-\x1f\x7f]+" + INNER + rb")*"),
    b"\\'": re.compile(rb"(?:[^'\\\x00-\x1f\x7f]+" + INNER + rb")*"),
}
TOKEN = re.compile(rb"(?:[A-Za-z0-9+/_.~-]+" + INNER + rb")*={0,2}")
FORM = re.compile(rb"(?:[A-Za-z0-9+/_.~=%@$,-]+" + INNER + rb")*")
URL_USER = re.compile(rb"[^\s/'\"<>`\\\x00-\x1f\x7f]*")
LEAD = re.compile(rb"[=>]?(?:[ \t]|" + ESCAPE + rb"){0,8}(?:\\?[\"'])?(?:" + ESCAPE + rb"){0,4}")
QUOTE = re.compile(rb"\\?[\"']")
ESCAPED = re.compile(rb"(?:\x1b(?:\[[0-9;]{0,16})?|\\)\Z")
UNSURE = re.compile(rb"(?:\x1b(?:\[[0-9;]{0,16})?| \r?)\Z")
"""An end that more bytes may make part of what stands before it."""
REST = re.compile(rb"[ \t,]{0,4}")
ENDS_LINE = frozenset(b"\r\n\0'\"}])#|;&\\\x1b")
INSIDE = re.compile(ESCAPE + rb"| \r")


class Found(NamedTuple):
    """A secret stands from `start` to `end`."""

    start: int
    end: int
    kind: str


class Wait(NamedTuple):
    """It is not known yet; what comes before `held` is no part of it."""

    held: int


class Masked(NamedTuple):
    """What was masked: of which kind, how long, and, but for a private key, what it was."""

    kind: str
    size: int
    value: bytes = b""


class Sieve:
    """One stream."""

    def __init__(self, *, is_typed: bool = False, ends_at_binary: bool = False) -> None:
        """`is_typed`: it is sent by a person, whose lines are commands. `ends_at_binary`: what follows two zero bytes in a row is left alone."""
        self._is_typed, self._ends_at_binary = is_typed, ends_at_binary
        self._raw = b""
        self._kept = 0
        """Up to where `_raw` was kept, or masked."""
        self._done = (0, 0)
        """The last beginning that was decided on."""
        self._block: KeyBlock | None = None
        self.is_binary = False
        self.found: list[Masked] = []
        """What was masked, until somebody takes it out."""

    def feed(self, data: bytes) -> bytes:
        """Return what is kept of all that came up to now, and was not yet."""
        if self.is_binary:
            return data
        if self._ends_at_binary and (at := self._binary_from(data)) >= 0:
            kept = self._sift(data[:at], is_end=True)
            self.is_binary = True
            return kept + data[at:]
        return self._sift(data, is_end=False)

    def finish(self) -> bytes:
        """Return what was held back: the stream ends here."""
        return b"" if self.is_binary else self._sift(b"", is_end=True)

    def _binary_from(self, data: bytes) -> int:
        """Where in `data` the second of two zero bytes stands, -1 if nowhere."""
        if data[:1] == b"\0" and self._raw[-1:] == b"\0":
            return 0
        at = data.find(0)  # the search for one byte is twenty times as quick, and most text has none
        return data.find(b"\0\0", at) + 1 or -1 if at >= 0 else -1

    def _sift(self, data: bytes, *, is_end: bool) -> bytes:
        raw, at, since = self._raw + data, self._kept, -1
        out: list[bytes] = []
        if self._block is not None:
            at = self._through(self._block, raw, at, out, is_end=is_end)
        for one in () if self._block is not None else beginnings_in(raw, self._done[0]):
            if one[:2] <= self._done:
                continue
            if one.at > at:
                out.append(raw[at : one.at])
                at = one.at
            taken = self._taken(raw, one, is_end=is_end)
            if isinstance(taken, Wait):
                since = one.at
                if taken.held > at:
                    out.append(raw[at : taken.held])
                    at = taken.held
                break
            self._done = one[:2]
            if isinstance(taken, Found) and taken.start >= at:
                out += (raw[at : taken.start], MARK, *ESCAPES.findall(raw, taken.start, taken.end))
                value = INSIDE.sub(b"", raw[taken.start : taken.end])
                self.found.append(Masked(taken.kind, len(value), value))
                at, self._done = taken.end, (taken.end, LAST_RANK)
            elif one.of is Plain.BLOCK:
                self._block = KeyBlock()
                at = self._through(self._block, raw, at, out, is_end=is_end)
                if self._block is not None:
                    break
        if self._block is not None:
            since = at
        if since < 0:
            out.append(raw[at:] if at != len(self._raw) else data)
            at = since = len(raw)
        self._forget(raw, at, since)
        return b"".join(out) if len(out) > 1 else out[0] if out else b""

    def _through(self, block: KeyBlock, raw: bytes, at: int, out: list[bytes], *, is_end: bool) -> int:
        at = block.take(raw, at, out, is_end=is_end)
        self._done = (at, LAST_RANK)
        if block.is_over:
            self._block = None
            if block.masked_bytes:
                self.found.append(Masked("private-key", block.masked_bytes))
        return at

    def _forget(self, raw: bytes, at: int, since: int) -> None:
        """Remember what the next piece is judged by: `PAST` bytes before `since`, and all after it."""
        base = max(0, since - PAST)
        done, rank = self._done
        self._raw, self._kept, self._done = raw[base:], at - base, (done - base, rank)

    def _taken(self, raw: bytes, one: Beginning, *, is_end: bool) -> Found | Wait | None:
        """What follows a beginning: a secret, nothing of the kind, or not known yet."""
        match one.of:
            case Format() as form:
                return _form(raw, one, form, is_end=is_end)
            case Name() as name:
                return self._value(raw, one.at, name, is_end=is_end)
            case Plain.ADDRESS:
                return _address(raw, one.at, is_end=is_end)
            case Plain.SCHEME:
                return _scheme(raw, one, is_end=is_end)
            case _:
                return None

    def _value(self, raw: bytes, at: int, name: Name, *, is_end: bool) -> Found | Wait | None:
        """The value that a name is given: quoted, or to the end of its word."""
        if raw[at : at + 1] == name.separator.encode():  # `==` and `::` give nothing
            return None
        start = _end(LEAD, raw, at)
        if not is_end and (start == len(raw) or UNSURE.match(raw, start) or raw[start:] == b"\\"):
            return Wait(start)
        opening = QUOTE.search(raw, at, start)
        is_settings = name.is_line and not self._is_typed and name.separator == "=" and start == at
        if quote := opening[0] if opening else name.opened if is_settings else b"":
            end = _extent(QUOTED[quote], raw, start)
            if not is_end and 0 <= end and (end == len(raw) or ESCAPED.match(raw, end)):
                return Wait(start)
            if end >= 0 and raw.startswith(quote, end):
                return _judged(raw, at, name, start, end, is_quoted=True)
        end = _extent(LINE if is_settings else BARE, raw, start)
        if end <= start or (name.separator == "=" and start > at and not name.is_spaced):
            return None
        if not is_end and (end == len(raw) or UNSURE.match(raw, end)):
            return Wait(start)
        if b"\x1b" not in raw[start:end] and not is_settings:
            end = start + len(trimmed(raw[start:end].decode("latin-1")))
        if name.separator == ":":
            rest = _end(REST, raw, end)
            if rest == len(raw) and not is_end:
                return Wait(start)
            if rest < len(raw) and raw[rest] not in ENDS_LINE:
                return None
        return _judged(raw, at, name, start, end, is_quoted=False)


def _judged(raw: bytes, at: int, name: Name, start: int, end: int, *, is_quoted: bool) -> Found | None:
    """The value of a name, if it is a secret."""
    value = INSIDE.sub(b"", raw[start:end]).decode("latin-1")
    is_tight = name.separator == "=" and start == at
    return Found(start, end, name.said.finding.kind) if is_sure(value, name.said, name.name, is_quoted=is_quoted, is_tight=is_tight) else None


def _form(raw: bytes, one: Beginning, form: Format, *, is_end: bool) -> Found | Wait | None:
    """What is left of a token whose sign was seen."""
    end = _end(FORM, raw, one.at, one.at + LONGEST_TOKEN + 1)
    if end - one.at > LONGEST_TOKEN:
        return None
    if not is_end and (end == len(raw) or UNSURE.match(raw, end)):
        return Wait(one.at)
    since = max(0, one.since - BEFORE_FORM)
    text, places = _visible(raw[since:end])
    for found in form.shape.finditer(text):
        first, last = found.span("secret") if "secret" in form.shape.groupindex else found.span()
        start, stop = since + places[first], since + places[last]
        if since + places[found.start()] <= one.since and one.at < stop and (form.check is None or form.check(found[0])):
            return Found(max(start, one.at), stop, form.finding.kind)
    return None


def _address(raw: bytes, at: int, *, is_end: bool) -> Found | Wait | None:
    """The password of a user in a URL."""
    end = _end(URL_USER, raw, at, at + LONGEST + 1)
    if end == len(raw) and end - at <= LONGEST and not is_end:
        return Wait(at)
    stop = raw.rfind(b"@", at, end)
    return Found(at, stop, URL_PASSWORD.kind) if stop > at and is_url_password(raw[at:stop].decode("latin-1")) else None


def _scheme(raw: bytes, one: Beginning, *, is_end: bool) -> Found | Wait | None:
    """What a header carries after `Bearer` or `Basic`."""
    end = _end(TOKEN, raw, one.at, one.at + LONGEST_TOKEN + 1)
    if end - one.at > LONGEST_TOKEN:
        return None
    if not is_end and (end == len(raw) or UNSURE.match(raw, end)):
        return Wait(one.at)
    scheme = raw[one.since : one.at - 1].decode("latin-1").lower()
    finding = scheme_finding(scheme, INSIDE.sub(b"", raw[one.at : end]).decode("latin-1"))
    return Found(one.at, end, finding.kind) if finding else None


def _extent(shape: re.Pattern[bytes], raw: bytes, start: int) -> int:
    """Where a value ends; -1 if it is too long for one. A longer one than `LONGEST` is of a token's letters alone."""
    end = _end(shape, raw, start, start + LONGEST + 1)
    if end - start <= LONGEST:
        return end
    end = _end(TOKEN, raw, start, start + LONGEST_TOKEN + 1)
    return end if LONGEST < end - start <= LONGEST_TOKEN else -1


def _end(shape: re.Pattern[bytes], raw: bytes, at: int, limit: int = -1) -> int:
    """Where what `shape` matches at `at` ends: it may be nothing."""
    found = shape.match(raw, at, limit) if limit >= 0 else shape.match(raw, at)
    return found.end() if found else at


def _visible(raw: bytes) -> tuple[str, Sequence[int]]:
    """What is read of `raw`, and where in it each letter stands, and the end."""
    if b"\x1b" not in raw and b" \r" not in raw:
        return raw.decode("latin-1"), range(len(raw) + 1)
    places = [at for start, end in _between_escapes(raw) for at in range(start, end)]
    return bytes(raw[at] for at in places).decode("latin-1"), [*places, len(raw)]


def _between_escapes(raw: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    for escape in INSIDE.finditer(raw):
        yield at, escape.start()
        at = escape.end()
    yield at, len(raw)
