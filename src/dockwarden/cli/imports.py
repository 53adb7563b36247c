"""Secrets in `.env` and compose files: found where they stand, and the file as it reads with references in their place. Pure.

Values are read as compose reads them, since that is what programs have today. Read `plan` first. Nothing here prints or raises a value.

Source: github.com/compose-spec/compose-go, dotenv/parser.go and template/template.go.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import yaml

from dockwarden.cli.words import printable
from dockwarden.engine.delivery import NAME, SCHEME, is_reference
from dockwarden.engine.finding import find, masked
from dockwarden.words.errors import BadConfig
from dockwarden.words.secret import Secret

BLANK = r"[ \t\v\f\r\x85\xa0]"
SPACES = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go trims; Python's own idea of a space has more."""
BETWEEN = re.compile(rf"\ufeff?(?:[{SPACES}]+|#[^\n]*)*")
NAMED = re.compile(rf"(?:export{BLANK}+)?(?P<name>[\w.\[\]-]+){BLANK}*(?P<mark>[=:]|(?=\n|\Z)){BLANK}*")
QUOTED = {quote: re.compile(rf"{quote}(?P<inner>(?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "'\""}
AFTER = re.compile(rf"(?:(?!\n)[{SPACES}])*(?:#[^\n]*)?(?=\n|\Z)")
BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)
ESCAPED = re.compile(r"\\([abfnrtv$\"\\0])")
LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
NUMBER = re.compile(r"[-+]?(?:0[xXoObB][0-9a-fA-F_]+|[0-9_.]+(?:[eE][-+]?[0-9_]+)?|\.(?:inf|nan))", re.ASCII | re.IGNORECASE)
BROKEN = (yaml.YAMLError, ValueError, OverflowError, RecursionError)
"""What PyYAML raises for text that is no YAML."""
NULL, TEXT, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
HIDDEN = "●●●●●●"
STAND_IN = "Tr0ub4dor-and-3"
"""Judged in the place of a value that compose puts in, to know whether its name says that it is a secret."""

DOLLAR = "it has a $, in whose place compose puts another value; import that one, or write $$ where $ itself is meant"
ODD_NAME = "no reference can have such a name; rename it"
IS_REFERENCE = "it is a reference already"
NO_VALUE = "it has no value here"
NO_TEXT = "YAML may read it as a number, a date or a truth value, and change it; put it in quotes"
DOUBTFUL = "it cannot be read surely; put it in quotes, and no #, octal escape or carriage return beside or in it"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a file: its value, and where in the text stands what a reference takes the place of.

    `line` begins at 1. `prefix` stands before the reference. `kind` is that of the secret, "" for none. `hurdle` says why it cannot be
    imported as it is, "" if it can. `is_shared`: it is written once, and meant by an alias, too.
    """

    name: str
    value: Secret = field(repr=False)
    start: int
    end: int
    line: int
    prefix: str = ""
    kind: str = ""
    hurdle: str = ""
    is_shared: bool = False

    @property
    def is_put_in(self) -> bool:
        """Whether the value, or a part of it, comes from elsewhere."""
        return self.hurdle == DOLLAR


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does: the variables, the file as it reads then, the change to show, and what else must be said. No text shown is secret."""

    chosen: Sequence[Variable] = field(repr=False)
    fresh: str = field(repr=False)
    change: Sequence[str]
    notes: Sequence[str]


def plan(text: str, file: str, under: str, only: Collection[str] = ()) -> Plan:
    """Return what importing `text` means: those of `only`, or, without, all that look like secrets and can be references.

    Raises:
        BadConfig: the text cannot be read; `only` names none of its variables, or one that cannot be a reference; one name has two values;
            a chosen value is shared by an alias; or references would change anything else in the file.
    """
    found, stays = variables(text, file), staying(text, file)
    _refuse_unknown(found, file, only)
    wanted = [one for one in found if (one.name in only if only else one.kind)]
    _refuse_shared(wanted, file)
    hindered = [one for one in wanted if one.hurdle]
    for one in hindered if only else []:
        raise BadConfig(f"{file}:{one.line}", f"{one.name} cannot be imported", one.hurdle)
    chosen = [one for one in wanted if not one.hurdle]
    if twice := clashes(chosen):
        raise BadConfig(file, f"sets {', '.join(twice)} to different values", "import one service's at a time, with --only and another --under")
    refuse_unlike(text, chosen, under, file)
    notes = [*(f"{file}:{one.line}: {printable(one.name)} is left as it is: {one.hurdle}" for one in hindered), *_staying_notes(stays, file)]
    change = _change(text, [*found, *(one for _, one in stays)], chosen, under, file)
    return Plan(chosen, rewritten(text, chosen, under), list(change), list(dict.fromkeys(notes)))


def variables(text: str, file: str) -> list[Variable]:
    """Every variable that `text` sets, in order, with the kind of secret it is, "" for none.

    Raises:
        BadConfig: a compose file that is no YAML, or a line of a .env file that cannot be read surely.
    """
    found = _of_compose(text, file) if is_compose(file) else _of_env(text, file)
    return [_judged(one) for one in found]


def staying(text: str, file: str) -> list[tuple[str, Variable]]:
    """The secrets in labels and build arguments of a compose file, where no reference is delivered, each after its place.

    Raises:
        BadConfig: it is no YAML.
    """
    found = [(place, _judged(one)) for place, one in _of_places(text, file)] if is_compose(file) else []
    return [(place, one) for place, one in found if one.kind and len(one.value) and not one.is_put_in]


def is_compose(file: str) -> bool:
    """Whether `file` is read as a compose file; if not, as a .env file."""
    return file.lower().endswith((".yml", ".yaml"))


def rewritten(text: str, chosen: Iterable[Variable], under: str) -> str:
    """The text with a reference for each of `chosen`, kept under the path `under`."""
    return _put(text, {one.start: (one.end, _reference(one, under)) for one in chosen})


def path_of(under: str, variable: Variable) -> str:
    """Where the value of `variable` is kept."""
    return f"{under.strip('/')}/{variable.name}"


def clashes(chosen: Sequence[Variable]) -> list[str]:
    """The names that are set to more than one value, which cannot be one secret."""
    values: dict[str, Secret] = {}
    return sorted({one.name for one in chosen if values.setdefault(one.name, one.value) != one.value})


def refuse_unlike(text: str, chosen: Sequence[Variable], under: str, file: str) -> None:
    """Raise if the text with references would be read as anything but the same with exactly these values changed.

    Raises:
        BadConfig: names the variables that cannot be written so, and the line of the first.
    """
    if _is_alike(text, chosen, under, file):
        return
    bad = [one for one in chosen if not _is_alike(text, [one], under, file)] or list(chosen)
    what = f"a reference for {', '.join(dict.fromkeys(one.name for one in bad))} would change something else in the file"
    raise BadConfig(f"{file}:{bad[0].line}", what, f"do this one by hand: dockwarden secret put, and {SCHEME}PATH in its place; nothing was stored")


def _refuse_unknown(found: Sequence[Variable], file: str, only: Collection[str]) -> None:
    for name in sorted(set(only) - {one.name for one in found}):
        names = ", ".join(printable(one.name) for one in found)
        raise BadConfig(file, f"sets no variable {name}", f"it sets: {names or 'none'}")


def _refuse_shared(wanted: Sequence[Variable], file: str) -> None:
    shared = [one for one in wanted if one.is_shared]
    if shared:
        names = ", ".join(dict.fromkeys(printable(one.name) for one in shared))
        mend = "write them where they are used, without & and *, or import others with --only; nothing was stored"
        raise BadConfig(f"{file}:{shared[0].line}", f"{names}: the value is shared by an anchor (&) and its alias (*)", mend)


def _staying_notes(stays: Sequence[tuple[str, Variable]], file: str) -> list[str]:
    notes = [f"{file}:{one.line}: {printable(f'{place} {one.name}')} looks like a secret, and stays in clear" for place, one in stays]
    return [*notes, "labels and build arguments cannot carry references: move these to environment, and import again"] if notes else []


def _change(text: str, found: Sequence[Variable], chosen: Sequence[Variable], under: str, file: str) -> Iterator[str]:
    """The lines that change, without those around them; every value on them is hidden."""
    hidden = {one.start: (one.end, one.prefix + HIDDEN) for one in found}
    shown = {one.start: (one.end, _reference(one, under)) for one in chosen}
    before, after = (_put(text, spans).splitlines() for spans in (hidden, hidden | shown))
    for line in difflib.unified_diff(before, after, file, file, lineterm="", n=0):
        yield printable(masked(line, HIDDEN))


def _reference(variable: Variable, under: str) -> str:
    return f"{variable.prefix}{SCHEME}{path_of(under, variable)}"


def _put(text: str, spans: dict[int, tuple[int, str]]) -> str:
    """The text with other words in `spans`: where one begins, where it ends, and what is there then."""
    for start in sorted(spans, reverse=True):
        end, words = spans[start]
        text = text[:start] + words + text[end:]
    return text


def _judged(variable: Variable) -> Variable:
    """`variable` with its kind, and with what is in the way whoever wrote it."""
    value = variable.value.reveal().decode("utf-8", "replace")
    hurdle = variable.hurdle or ("" if value else NO_VALUE) or (IS_REFERENCE if is_reference(value) else "")
    if not hurdle and not NAME.fullmatch(variable.name):
        hurdle = ODD_NAME
    finding = find(variable.name, value) or (find(variable.name, STAND_IN) if hurdle == DOLLAR else None)
    return replace(variable, kind=finding.kind if finding else "", hurdle=hurdle)


def _is_alike(text: str, chosen: Sequence[Variable], under: str, file: str) -> bool:
    """Whether reading the text with references gives what reading it without gives, but for `chosen`. Total."""
    given = {one.start: _reference(one, under) for one in chosen}
    fresh = rewritten(text, chosen, under)
    try:
        if is_compose(file):
            return [_with(given, *event) for event in _events(text)] == [event for _, event in _events(fresh)]
        expected = [(one.name, Secret(given[one.start].encode()) if one.start in given else one.value) for one in _of_env(text, file)]
        return expected == [(one.name, one.value) for one in _of_env(fresh, file)]
    except (BadConfig, *BROKEN):
        return False


# .env files


def _of_env(text: str, file: str) -> Iterator[Variable]:
    """The variables of a .env file, as compose's own reader takes them.

    Raises:
        BadConfig: a line that it would not take, or not as it looks.
    """
    at = _past(BETWEEN, text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        named = NAMED.match(text, at)
        if named is None:
            raise BadConfig(f"{file}:{line}", "cannot be read surely", "write NAME=VALUE there, or begin it with #")
        at = named.end()
        if named["mark"]:
            value, hurdle, end = _env_value(text, at, f"{file}:{line}")
            yield Variable(named["name"], Secret(value.encode()), at, end, line, hurdle=hurdle)
            at = end
        if AFTER.match(text, at) is None:
            raise BadConfig(f"{file}:{line}", "cannot be read surely, since more follows a quoted value", "put all of the value in the quotes")
        at = _past(BETWEEN, text, _past(AFTER, text, at))


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _env_value(text: str, at: int, where: str) -> tuple[str, str, int]:
    """The value that begins at `at`, what hinders its import, and where what stands for it ends."""
    quote = text[at : at + 1]
    if quote in {"'", '"'}:
        match = QUOTED[quote].match(text, at)
        if match is None:
            raise BadConfig(where, "opens a quote that is not closed", "close it, or put the value in the other kind of quotes")
        return *_unquoted(match["inner"], quote), match.end()
    end = text.find("\n", at)
    raw = text[at : end if end >= 0 else None].partition(" #")[0].rstrip(SPACES)
    is_doubtful = raw.startswith("#") or "\t#" in raw or "\r" in raw
    return *((raw, DOUBTFUL) if is_doubtful else _interpolated(raw)), at + len(raw)


def _unquoted(inner: str, quote: str) -> tuple[str, str]:
    """What stands in quotes as compose reads it, and what hinders its import: in single ones all is meant as it is, but for their own escape."""
    inner = BACKSLASHED.sub(lambda match: match[1] if match[1] == quote else match[0], inner)
    if "\r" in inner or (quote == '"' and any(match[1] == "0" for match in ESCAPED.finditer(inner))):
        return inner, DOUBTFUL
    return _interpolated(ESCAPED.sub(lambda match: LETTERS.get(match[1], match[1]), inner)) if quote == '"' else (inner, "")


def _interpolated(text: str) -> tuple[str, str]:
    """`text` as compose gives it to a program, and what hinders its import."""
    return (text, DOLLAR) if "$" in text.replace("$$", "") else (text.replace("$$", "$"), "")


# compose files


def _of_compose(text: str, file: str) -> Iterator[Variable]:
    document = _document(text, file)
    shared = _shared(document)
    for _, service in _pairs(_value(document, "services")):
        yield from _entries(_value(service, "environment"), text, shared)


def _of_places(text: str, file: str) -> Iterator[tuple[str, Variable]]:
    for service, node in _pairs(_value(_document(text, file), "services")):
        build, deploy = _value(node, "build"), _value(node, "deploy")
        places = {"labels": _value(node, "labels"), "deploy.labels": _value(deploy, "labels")}
        places |= {"build.args": _value(build, "args"), "build.labels": _value(build, "labels")}
        for place, entries in places.items():
            yield from ((f"services.{service}.{place}", one) for one in _entries(entries, text, frozenset()))


def _document(text: str, file: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except BROKEN as error:
        mark = getattr(error, "problem_mark", None)
        raise BadConfig(f"{file}:{mark.line + 1}" if mark else file, "is no YAML", "mend that line" if mark else "mend it") from None


def _entries(node: yaml.Node | None, text: str, shared: frozenset[int]) -> Iterator[Variable]:
    """What a mapping, or a list of NAME=VALUE, sets."""
    for name, value in _pairs(node):
        if isinstance(value, yaml.ScalarNode):
            yield _entry(name, value, "", _meant(value), text, shared)
    for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
        if isinstance(entry, yaml.ScalarNode) and "=" in entry.value:
            name, _, given = entry.value.partition("=")
            yield _entry(name, entry, f"{name}=", _interpolated(given), text, shared)


def _entry(name: str, node: yaml.Node, prefix: str, meant: tuple[str, str], text: str, shared: frozenset[int]) -> Variable:
    start, end = node.start_mark.index, node.end_mark.index
    end = start + len(text[start:end].rstrip())  # a block's last line ends stay where they are, or the next key would join its line
    return Variable(name, Secret(meant[0].encode()), start, end, node.start_mark.line + 1, prefix, hurdle=meant[1], is_shared=id(node) in shared)


def _meant(node: yaml.ScalarNode) -> tuple[str, str]:
    """The value of a scalar as compose gives it to a program, and what hinders its import."""
    if node.tag == NULL:
        return "", NO_VALUE
    is_sure = node.tag == TEXT and (node.style is not None or not NUMBER.fullmatch(node.value))
    return _interpolated(node.value) if is_sure or INTEGER.fullmatch(node.value) else (node.value, NO_TEXT)


def _shared(document: yaml.Node | None) -> frozenset[int]:
    """The nodes that an alias means, and all below them, by `id`; each is visited once, however often aliases name it."""
    seen: set[int] = set()
    shared: set[int] = set()
    waiting, twice = [document], list[yaml.Node | None]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            twice.append(node)
        else:
            seen.add(id(node))
            waiting.extend(_children(node))
    while twice:
        node = twice.pop()
        if id(node) not in shared:
            shared.add(id(node))
            twice.extend(_children(node))
    return frozenset(shared)


def _children(node: yaml.Node | None) -> Iterator[yaml.Node]:
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        yield from child if isinstance(child, tuple) else (child,)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """What a mapping sets, and then what is merged into it (<<) and it does not set itself. Other nodes set nothing."""
    names: set[str] = set()
    for mapping in _mappings(node, set()):
        own = [(key.value, value) for key, value in mapping.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE]
        yield from (pair for pair in own if pair[0] not in names)
        names.update(name for name, _ in own)


def _mappings(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.MappingNode]:
    """`node` and the mappings that are merged into it, each once."""
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for key, value in node.value:
        for merged in (value.value if isinstance(value, yaml.SequenceNode) else [value]) if key.tag == MERGE else ():
            yield from _mappings(merged, seen)


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if key == name), None)


Event = tuple[str, object, object, object, object]


def _events(text: str) -> Iterator[tuple[int, Event]]:
    """What YAML reads in `text`, each with where it begins: all that a document means, without the cost of its aliases."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        anchor, tag, implicit, value = (getattr(event, name, None) for name in ("anchor", "tag", "implicit", "value"))
        yield event.start_mark.index if event.start_mark else 0, (type(event).__name__, anchor, tag, implicit, value)


def _with(given: dict[int, str], at: int, event: Event) -> Event:
    """`event` as it is to be where a reference takes the place of a value: plain text."""
    return ("ScalarEvent", None, None, (True, False), given[at]) if event[0] == "ScalarEvent" and at in given else event
