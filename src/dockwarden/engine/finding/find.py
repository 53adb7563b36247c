"""The three questions: is this variable a secret, where do secrets stand in this text, and in these arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dockwarden.engine.finding.assigned import BASIC, assigned_in, is_basic, is_secret
from dockwarden.engine.finding.assigned import FINDINGS as ASSIGNED
from dockwarden.engine.finding.chance import PUBLIC_TOKEN, TOKEN, is_hinted_random, is_random
from dockwarden.engine.finding.finding import LOOKED_AT, Finding, Span, union
from dockwarden.engine.finding.formats import FORMATS, formats_in
from dockwarden.engine.finding.honest import MARK, is_reference
from dockwarden.engine.finding.links import FINDINGS as IN_LINKS
from dockwarden.engine.finding.links import links_in
from dockwarden.engine.finding.names import CREDENTIALS, Strength, is_of_public, says
from dockwarden.engine.finding.names import FINDINGS as NAMED
from dockwarden.engine.finding.wrapped import BASE64, is_private_der, unwrapped_text

ENTROPY = Finding("entropy", "it is one token that looks made by chance")
DER = Finding("private-key", "it is the base64 of a private key")
WRAPPED = " inside of base64"
SHORTEST = 6
"""Shorter values are judged by their names alone."""
ALONE = re.compile(r"(?<![A-Za-z0-9+/_.:@%&?#~-])[A-Za-z0-9+/_-]{24,512}+={0,2}(?![A-Za-z0-9+/_.:@%&?#~=-])")
LONG_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}+={0,2}")
PUBLIC_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{1,64}-----[^-]*+-----END")
"""A certificate, a request, a public key; a private key was found before."""
NAME_BEFORE = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,63})[\"']?[=: ]{1,3}[\"']?$")
MORE = re.compile(r"[\s=;]")
"""With one of these, more than a reference may stand in a value."""
STRUCTURED = re.compile(r"[\s=:]")


def find(name: str, value: str) -> Finding | None:
    """Return what secret `value` is or holds, in a variable, build argument or label called `name`; None if it is none.

    Total: never raises. Of `value`, the first `LOOKED_AT` characters are read. A documented format names the kind before the name does.
    """
    if len(value) < SHORTEST:
        said = says(name)
        return said.finding if is_secret(value, said) else None
    value = value[:LOOKED_AT]
    if is_reference(value) and MORE.search(value) is None:
        return None
    return _by_structure(value) or _by_name(name, value) or _by_chance(name, value)


def find_in_text(text: str) -> tuple[Span, ...]:
    """Return where secrets stand in a command line, a line of history or a script: in order, apart from each other, inside `text`.

    Total: never raises. The first `LOOKED_AT` characters are read. Arguments joined with NUL keep their edges.
    """
    text = text[:LOOKED_AT]
    spans = [*formats_in(text), *links_in(text), *assigned_in(text), *_wrapped_in(text), *_chance_in(text)]
    return union([part for span in spans for part in _beside_marks(text, span)], len(text))


def find_in_arguments(arguments: Sequence[str]) -> tuple[tuple[Span, ...], ...]:
    """Return, for each argument of a command, where secrets stand in it: `("mysql", "-p", …)`, `("--password", "x")`, `("sh", "-c", …)`."""
    parts = [argument.replace("\0", " ") for argument in arguments]
    found: list[tuple[Span, ...]] = []
    spans, at = find_in_text("\0".join(parts)), 0
    for part in parts:
        inside = (replace(span, start=max(span.start, at), end=min(span.end, at + len(part))).moved(-at) for span in spans)
        found.append(tuple(span for span in inside if span.start < span.end))
        at += len(part) + 1
    return tuple(found)


def masked(text: str, mark: str = MARK) -> str:
    """Return `text` with `mark` in every secret's place, and in the place of all that was not looked at. Masking twice is masking once."""
    whole, text = text, text[:LOOKED_AT]
    for _ in range(MOST_PASSES):
        spans = find_in_text(text)
        if not spans:
            break
        edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(text)]
        text = mark.join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    return text + mark if len(whole) > LOOKED_AT and not whole.endswith(mark) else text


MOST_PASSES = 8


def all_findings() -> frozenset[Finding]:
    """Return every finding that there is: whatever is looked at, nothing else is ever said of it."""
    plain = {*(row.finding for row in FORMATS), *IN_LINKS, *ASSIGNED, *NAMED, ENTROPY, DER}
    return frozenset(plain | {_wrapped(finding) for finding in plain})


def _by_structure(value: str) -> Finding | None:
    span = next(formats_in(value), None) or next(links_in(value), None)
    if span is None and STRUCTURED.search(value):
        span = next(assigned_in(value), None)
    if span is not None:
        return span.finding
    return _unwrapped(value) if len(value) >= 16 and BASE64.fullmatch(value.rstrip()) else None


def _by_name(name: str, value: str) -> Finding | None:
    said = says(name)
    if said.is_file and not any(letter in value for letter in "/\\."):
        return said.finding if is_hinted_random(value) else None
    if said.strength is Strength.HINT and said.finding is CREDENTIALS and is_basic(value):
        return BASIC
    return said.finding if is_secret(value, said) else None


def _by_chance(name: str, value: str) -> Finding | None:
    if len(value) < 20 or not TOKEN.fullmatch(value) or is_of_public(name) or says(name).strength is Strength.QUIET:
        return None
    return ENTROPY if is_random(value) and not _is_readable(value) else None


def _unwrapped(token: str) -> Finding | None:
    """What the base64 `token` wraps, once."""
    token = token.strip()
    if is_private_der(token):
        return DER
    inside = unwrapped_text(token)
    if not inside or len(inside) < SHORTEST:
        return None
    span = next(formats_in(inside), None) or next(links_in(inside), None) or next(assigned_in(inside), None)
    return _wrapped(span.finding) if span else None


def _wrapped(finding: Finding) -> Finding:
    return replace(finding, why=finding.why + WRAPPED)


def _is_readable(token: str) -> bool:
    return unwrapped_text(token) is not None and len(token) >= 20


def _wrapped_in(text: str) -> Iterator[Span]:
    for match in LONG_BASE64.finditer(text):
        finding = _unwrapped(match[0])
        if finding:
            yield Span(*match.span(), finding)


def _chance_in(text: str) -> Iterator[Span]:
    public = [block.span() for block in PUBLIC_BLOCK.finditer(text)]
    for match in ALONE.finditer(text):
        while public and public[0][1] < match.start():
            public.pop(0)
        if public and public[0][0] < match.start():
            continue
        if PUBLIC_TOKEN.match(match[0]) or not is_random(match[0]) or _is_readable(match[0]):
            continue
        named = NAME_BEFORE.search(text, max(0, match.start() - 80), match.start())
        if named is None or not (is_of_public(named[1]) or says(named[1]).strength is Strength.QUIET):
            yield Span(*match.span(), ENTROPY)


def _beside_marks(text: str, span: Span) -> Iterator[Span]:
    """A span without what is hidden in it already."""
    at = span.start
    while (mark := text.find(MARK, at, span.end)) >= 0:
        if at < mark:
            yield replace(span, start=at, end=mark)
        at = mark + len(MARK)
    if at < span.end:
        yield replace(span, start=at)
