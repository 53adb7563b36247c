"""Secrets that stand in a text under a name or after a command's option: `NAME=value`, `--password value`, headers, SQL, `mysql -p…`.

Arguments joined with NUL keep their edges; a command line or a script is read as a shell reads it, roughly: quotes are known, nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from dockwarden.engine.finding.chance import is_hinted_random
from dockwarden.engine.finding.finding import LOOKED_AT, Finding, Span
from dockwarden.engine.finding.honest import is_hole, is_honest, is_plain, is_reference
from dockwarden.engine.finding.names import CREDENTIALS, PASSWORD, NameSays, Strength, is_secretish, says
from dockwarden.engine.finding.wrapped import unwrapped_text

BEARER = Finding("bearer-token", "a header carries a bearer's token")
BASIC = Finding("basic-auth", "it carries a user's name and password in base64")
SQL = Finding("password", "an SQL statement sets a password")
OPTION = Finding("password", "a command's option gives a password")
FINDINGS = (BEARER, BASIC, SQL, OPTION)

NAME = re.compile(
    r"(?<![A-Za-z0-9_.-])(?P<name>-{0,2}[A-Za-z_][A-Za-z0-9_.-]{0,127}+)\]?(?P<quote>\\?[\"'])?(?P<sep>[ \t]{0,4}(?::=|=>|=|:)[ \t]{0,4})"
)
OPTION_NAME = re.compile(
    r"(?:(?<=[\s\0'\"])|^)(?P<name>--?[A-Za-z][A-Za-z0-9_.-]{2,63}+)(?P<quote>)(?P<sep>[ \t]{1,4}|\0|[\"'][, \t]{1,4}(?=[\"']))(?![\s-])"
)
WORD_NAME = re.compile(r"(?:^|\s)(?:ENV|ARG)[ \t]{1,4}(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,127}+)(?P<quote>)(?P<sep>[ \t]{1,4})(?=[^\s=])")
VALUE = re.compile(
    r"\\?\"(?P<double>(?:[^\"\\\0]|\\(?!\"|$).|\\\"(?=[^,}\]:\s])){0,4096}+)|'(?P<single>[^'\0]{0,4096}+)|"
    r"(?P<bare>(?:\$\([^)\0]{0,256}+\)|\$\{[^}\0]{0,256}+\}|[^\s'\"\0;&|]){1,4096}+)",
    re.DOTALL,
)
"""A value as a shell or JSON quotes it; a longer one than 4,096 characters is read in part."""
UNLESS_SCRIPT = re.compile(r"-[a-z]{0,4}c[ \0]$")
GAP = r"(?:[ \t]|\0)"
ARGUMENT = r"(?:'(?P<single>[^'\0]{1,512})'|\"(?P<double>[^\"\0]{1,512})\"|(?P<bare>[^\s'\"\0]{1,512}))"

ANY = rf"[^\s\0]{{1,256}}{GAP}+"
USER = r"[^\s:'\"\0]{1,128}:"
PAIR = rf"(?:'{USER}(?P<single>[^'\0]{{1,512}})'|\"{USER}(?P<double>[^\"\0]{{1,512}})\"|{USER}(?P<bare>[^\s'\"\0]{{1,512}}))"


def _option(words: str, option: str, *, gap: str = GAP + "*", value: str = ARGUMENT, most: int = 256) -> re.Pattern[str]:
    """A command, options that do not matter, and the one that takes a secret."""
    return re.compile(rf"\b(?:{words}){GAP}[^\n|;&]{{0,{most}}}?(?<=[ \t\0])(?:{option}){gap}{value}")


COMMANDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("mysql", _option("mysql[a-z]*", "-p", gap="")),
    ("mariadb", _option("mariadb[a-z-]*", "-p", gap="")),
    ("sshpass", re.compile(rf"\bsshpass{GAP}+-p{GAP}*{ARGUMENT}")),
    ("curl", _option("curl", "-u|--user|--proxy-user|-U", value=PAIR, most=512)),
    ("redis-cli", _option("redis-cli", "-a", gap=GAP + "+")),
    ("login", _option(rf"(?:docker|podman|helm{GAP}registry|crane{GAP}auth|skopeo|oras|az){GAP}login", "-p")),
    ("ldap", _option("ldap[a-z]+", "-w")),
    ("mongo", _option("mongo[a-z]*", "-p", gap=GAP + "+", value="(?!-)" + ARGUMENT)),
    ("sqlcmd", _option("sqlcmd|bcp", "-P")),
    ("zip", _option("(?:un)?zip", "-P")),
    ("htpasswd", re.compile(rf"\bhtpasswd{GAP}+-[a-zA-Z]*b[a-zA-Z]*{GAP}+(?:-[a-zA-Z]+{GAP}+)?{ANY}(?:[^\s\0|>&;]{{1,128}}{GAP}+)?{ARGUMENT}")),
    ("rabbitmqctl", re.compile(rf"\brabbitmqctl{GAP}+(?:add_user|change_password){GAP}+{ANY}{ARGUMENT}")),
    ("aws", re.compile(rf"\baws{GAP}+configure{GAP}+set{GAP}+[a-z.]{{0,64}}aws_(?:secret_access_key|session_token){GAP}+{ARGUMENT}")),
    ("mc", re.compile(rf"\bmc{GAP}+(?:alias{GAP}+set|config{GAP}+host{GAP}+add){GAP}+{ANY}{ANY}{ANY}{ARGUMENT}")),
    ("chpasswd", re.compile(r"(?<![\w-])[\w-]{1,64}:(?P<bare>[^\s'\"|:]{1,256})['\"]?[ \t]{0,4}\|[ \t]{0,4}(?:sudo[ \t]{1,4})?chpasswd")),
    ("stdin", re.compile(
        rf"\b(?:echo|printf)[ \t]{{1,4}}(?:-[neE]{{1,3}}[ \t]{{1,4}}|['\"]?%s(?:\\n)?['\"]?[ \t]{{1,4}})?{ARGUMENT}[ \t]{{0,4}}\|"
        r"[^|\n;]{0,128}?(?:--password-stdin|passwd[ \t]{1,4}--stdin)"
    )),
    ("sudo", re.compile(rf"\becho[ \t]{{1,4}}{ARGUMENT}[ \t]{{0,4}}\|[ \t]{{0,4}}sudo[ \t]{{1,4}}-S")),
    ("pass:", re.compile(r"(?<![\w:])pass:(?P<bare>[^\s'\"\0]{1,256})")),
)
SCHEME = re.compile(r"(?i)\b(?P<scheme>bearer|basic|token)[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/-]{8,4096}={0,2})")
SQL_WORDS = re.compile(
    r"(?i)\b(?:identified[ \t]{1,4}(?:with[ \t]{1,4}\w{1,64}[ \t]{1,4})?(?:by|as)(?:[ \t]{1,4}password)?|password)[ \t]{1,4}"
    r"(?:'(?P<single>[^'\0]{1,256})'|\\?\"(?P<double>[^\"\\\0]{1,256})\\?\")"
)
MOST_COMMANDS = 32
"""Of one command, this many are looked at in a text."""
ANOTHER = re.compile(r",(?=[A-Za-z_][A-Za-z0-9_.-]{0,63}=)")
"""Where the next of several assignments in one word begins."""
OPENERS = {")": "(", "}": "{", "]": "["}
LONGEST_QUOTED = 4096
MOST_READ = 2 * LOOKED_AT
MOST_NAMES = 1024
"""Of one form, this many names of secrets are looked at in a text."""
CONNECTION = re.compile(r"(?i)(?:driver|server|data source|host|uid|user id|database|dsn|addr)\s{0,2}=")


def assigned_in(text: str) -> Iterator[Span]:
    """Yield the values that `text` gives to names of secrets, and those that its commands are given."""
    if is_secretish(text):
        if "=" in text or ":" in text:
            yield from _named(text, NAME)
        if "-" in text:
            yield from _named(text, OPTION_NAME)
        if "ENV" in text or "ARG" in text:
            yield from _named(text, WORD_NAME)
    if " " in text or "\0" in text or "\t" in text:
        yield from _headers(text)
        yield from _statements(text)
        yield from _commands(text)


def is_secret(value: str, said: NameSays) -> bool:
    """Whether `value` is a secret, by what its name says and by what it looks like itself."""
    if said.strength <= Strength.NOTHING or is_honest(value, is_number_honest=said.is_number_honest):
        return False
    if said.strength is Strength.SURE:
        return True
    if said.strength is Strength.LIKELY:
        return not is_plain(value)
    if said.finding is CREDENTIALS and _is_pair(value):
        return True
    return is_hinted_random(value)


def is_basic(text: str) -> bool:
    """Whether `text` is the base64 of a name, a colon and a password. Source: RFC 7617 §2."""
    inside = unwrapped_text(text)
    if not inside or "\n" in inside.rstrip("\n"):
        return False
    user, colon, password = inside.partition(":")
    return bool(colon and user and password and " " not in user and not password.startswith("//"))


def scheme_finding(scheme: str, secret: str) -> Finding | None:
    """Return what a header carries after `bearer`, `basic` or `token`; None for no secret."""
    if is_hole(secret) or is_reference(secret):
        return None
    if scheme == "basic":
        return BASIC if is_basic(secret) else None
    is_random = is_hinted_random(secret) or (scheme == "bearer" and any(letter.isdigit() for letter in secret))
    return BEARER if is_random and len(secret) >= 16 else None


def _is_pair(value: str) -> bool:
    """`user:password`, or `user/password` as one image takes it."""
    match = re.fullmatch(r"[A-Za-z0-9_.@-]{1,64}[:/](\S{3,256})", value)
    return bool(match and "/" not in match[1] and not is_honest(match[1], is_number_honest=True))


def _named(text: str, shape: re.Pattern[str]) -> Iterator[Span]:
    """The values of the names of secrets that `shape` finds.

    A value that is no secret is read again for names inside of it (a URL's parameters), up to `MOST_READ` characters in all: the work stays
    linear whatever the text.
    """
    at, read, count = 0, 0, 0
    while count < MOST_NAMES and (match := shape.search(text, at)):
        at = match.end()
        if not is_secretish(match["name"]):
            continue
        count += 1
        said = _says(match, text)
        if said.strength <= Strength.NOTHING:
            continue
        start, end, seen = _value(match, text, is_word=shape is WORD_NAME)
        if start < end and is_secret(text[start:end], said):
            yield Span(start, end, said.finding)
            at = max(at, end)
        elif is_reference(text[start : start + 256]):
            at = max(at, end)
        elif (read := read + seen - start) > MOST_READ:
            at = max(at, seen)


def _says(match: re.Match[str], text: str) -> NameSays:
    """What the name of an assignment says; `pwd` alone is a folder in a shell and a password in a connection string."""
    name = match["name"]
    low = name.lstrip("-").lower()
    if low in {"pwd", "pw"} and (text[max(0, match.start() - 1) : match.start()] == ";" or CONNECTION.search(text, match.end(), match.end() + 256)):
        return NameSays(Strength.SURE, PASSWORD, is_number_honest=False)
    if low in {"_auth", "auth"} and is_basic(text[slice(*_value(match, text)[:2])]):
        return NameSays(Strength.SURE, BASIC)
    return says(name.lstrip("-"))


def _value(match: re.Match[str], text: str, *, is_word: bool = False) -> tuple[int, int, int]:
    """Where the value of an assignment begins and ends, and how far was read: to its argument's, its quote's, its line's or its word's end."""
    start, sep = match.end(), match["sep"]
    if sep == "\0" or ("=" in sep and _is_argument(text, match.start())):
        end = _end_of(text, start, "\0")
    elif is_word:
        end = _end_of(text, start, "\n")
    elif sep == "=" and not match["quote"] and (closing := _closing_quote(text, match.start(), start)):
        end = closing
    else:
        return _shell_value(match, text)
    return start, end, end


def _shell_value(match: re.Match[str], text: str) -> tuple[int, int, int]:
    start = match.end()
    value = VALUE.match(text, start)
    if value is None:
        return start, start, start
    if value["bare"] is None:
        return (*value.span("double" if value["double"] is not None else "single"), value.end())
    end = start + len(trimmed(value["bare"]))
    # After a colon, as in YAML and headers, an unquoted value is all that follows; else it is a word of a sentence, a port or an image's tag.
    is_whole = ":" not in match["sep"] or match["quote"] or (_ends_line(text, end) and text[match.start() - 1 : match.start()] not in {"/", "@"})
    return start, end if is_whole else start, value.end()


def trimmed(bare: str) -> str:
    """Return an unquoted value without what closes something around it, and without the next of several assignments in one word."""
    more = ANOTHER.search(bare)
    bare = bare[: more.start()] if more else bare.rstrip(",")
    while bare and (opener := OPENERS.get(bare[-1])) and opener not in bare:
        bare = bare.rstrip(bare[-1])
    return bare


def _closing_quote(text: str, name: int, start: int) -> int:
    """Where the quote that was opened before a name is closed again, in `-e "NAME=a value"`; 0 for a script or a value with quotes of its own."""
    quote = text[name - 1 : name]
    if not quote or quote not in "'\"" or text[start : start + 1] in {"'", '"', "\\"} or UNLESS_SCRIPT.search(text, max(0, name - 9), name - 1):
        return 0
    return max(0, text.find(quote, start, start + LONGEST_QUOTED))


def _is_argument(text: str, start: int) -> bool:
    """Whether an assignment begins an argument of its own, and no script."""
    if "\0" not in text[:LOOKED_AT] or (start and text[start - 1] != "\0"):
        return False
    return not UNLESS_SCRIPT.search(text, max(0, start - 8), start)


def _end_of(text: str, start: int, edge: str) -> int:
    end = text.find(edge, start)
    return len(text) if end < 0 else end


def _ends_line(text: str, end: int) -> bool:
    """Whether an unquoted value after a colon is all that follows, as in YAML and headers, and no word of a sentence."""
    rest = text[end : end + 16].lstrip(" \t,")
    return not rest or rest[0] in "\r\n\0'\"}])#|;&\\"


def _headers(text: str) -> Iterator[Span]:
    for match in SCHEME.finditer(text):
        if finding := scheme_finding(match["scheme"].lower(), match["secret"]):
            yield Span(*match.span("secret"), finding)


def _statements(text: str) -> Iterator[Span]:
    for match in SQL_WORDS.finditer(text):
        group = "single" if match["single"] else "double"
        if not (is_reference(match[group]) or is_hole(match[group])):
            yield Span(*match.span(group), SQL)


def _commands(text: str) -> Iterator[Span]:
    for name, shape in COMMANDS:
        if name in text:
            for match in islice(shape.finditer(text), MOST_COMMANDS):
                yield from _given(match, text)


def _given(match: re.Match[str], text: str) -> Iterator[Span]:
    """What a command is given: where arguments have edges, all of its argument."""
    group = next(group for group in ("bare", "single", "double") if match.groupdict().get(group))
    start, end = match.span(group)
    edge = text.rfind("\0", max(0, start - 1024), start)
    if group == "bare" and edge >= 0 and not any(letter.isspace() for letter in text[edge + 1 : start]):
        end = _end_of(text, start, "\0")
    value = text[start : min(end, start + 1024)]
    if not (is_reference(value) or is_hole(value)):
        yield Span(start, end, OPTION)
