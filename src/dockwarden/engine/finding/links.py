"""Passwords in the addresses of things: `scheme://user:password@host`, a line of .pgpass, a machine of .netrc."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dockwarden.engine.finding.chance import is_random
from dockwarden.engine.finding.finding import Finding, Span
from dockwarden.engine.finding.honest import is_hole, is_reference

URL_PASSWORD = Finding("url-password", "a URL holds a user's password")
URL_TOKEN = Finding("url-password", "a URL holds a token in its user's place")
ORACLE = Finding("url-password", "a JDBC address holds a user's password")
PGPASS = Finding("pgpass", "it has the form of a line of .pgpass")
NETRC = Finding("netrc", "it has the form of a machine in .netrc")
FINDINGS = (URL_PASSWORD, URL_TOKEN, ORACLE, PGPASS, NETRC)

# A password may hold what a URL should have escaped, `@` and `:` among it, but no slash, space or quote.
USER_INFO = re.compile(r"://([^\s:/?#@'\"<>]{0,256}):([^\s/'\"\0]{1,512})@")
USER_ALONE = re.compile(r"://([A-Za-z0-9_~.-]{20,512})@")
BETWEEN = re.compile(r"<[^<>]{1,64}>")
THIN = re.compile(r"(?i:jdbc:oracle:(?:thin|oci8?)):([A-Za-z0-9_$#]{1,64})/([^\s@'\"\0]{1,128})@")
PGPASS_LINE = re.compile(
    r"(?m)(?:^|(?<=['\"=\s\0]))[A-Za-z0-9.*_-]{1,253}:(?:[0-9]{2,5}|\*):[^:\s\\/]{1,63}:[^:\s\\/]{1,63}:"
    r"((?:[^\s:'\"\0\\]|\\[:\\]){1,256}+)(?=$|['\"\s\0])"
)

NETRC_WORDS = re.compile(r"\blogin[ \t\r\n]{1,8}\S{1,128}[ \t\r\n]{1,8}password[ \t\r\n]{1,8}(\S{1,512})")


def links_in(text: str) -> Iterator[Span]:
    """Yield the password of every address in `text`."""
    if "://" in text:
        for match in USER_INFO.finditer(text):
            if is_url_password(match[2]):
                yield Span(*match.span(2), URL_PASSWORD)
        for match in USER_ALONE.finditer(text):
            if is_random(match[1]):
                yield Span(*match.span(1), URL_TOKEN)
    if "jdbc:" in text:
        for match in THIN.finditer(text):
            if not is_reference(match[2]):
                yield Span(*match.span(2), ORACLE)
    if text.count(":") >= 4:
        for match in PGPASS_LINE.finditer(text):
            if not (is_reference(match[1]) or is_hole(match[1])):
                yield Span(*match.span(1), PGPASS)
    if "login" in text:
        for match in NETRC_WORDS.finditer(text):
            if not (is_reference(match[1]) or is_hole(match[1])):
                yield Span(*match.span(1), NETRC)


def is_url_password(password: str) -> bool:
    """Whether what stands in a password's place is one, and not to be filled in."""
    return not (is_reference(password) or is_hole(password) or BETWEEN.search(password))
