"""Secrets in `.env` and compose files: found where they stand, and the file as it reads with references in their place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import yaml

from dockwarden.engine.delivery import SCHEME
from dockwarden.engine.finding import find
from dockwarden.words.errors import BadConfig
from dockwarden.words.secret import Secret

LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<value>[^\n]*)")
ESCAPED = re.compile(r"\\(.)")
LETTERS = {"n": "\n", "r": "\r", "t": "\t"}
HIDDEN = "●●●●●●"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a file: its value, and where in the text stands what a reference takes the place of."""

    name: str
    value: Secret = field(repr=False)
    start: int
    end: int
    prefix: str = ""
    kind: str = ""


def variables(text: str, file: str) -> list[Variable]:
    """Every variable that `text` sets, with the kind of secret it is, "" for none.

    Raises:
        BadConfig: a compose file that is no YAML.
    """
    found = _of_compose(text, file) if file.endswith((".yml", ".yaml")) else _of_env(text)
    return [replace(one, kind=_kind(one)) for one in found]


def rewritten(text: str, chosen: Iterable[Variable], under: str, *, hides: bool = False) -> str:
    """The text with a reference for each of `chosen`, kept under the path `under`; with `hides`, with dots for each, to be shown."""
    for one in sorted(chosen, key=lambda one: one.start, reverse=True):
        text = text[: one.start] + one.prefix + (HIDDEN if hides else f"{SCHEME}{path_of(under, one)}") + text[one.end :]
    return text


def path_of(under: str, variable: Variable) -> str:
    """Where the value of `variable` is kept."""
    return f"{under.strip('/')}/{variable.name}"


def clashes(chosen: Sequence[Variable]) -> list[str]:
    """The names that are set to more than one value, which cannot be one secret."""
    values: dict[str, Secret] = {}
    return sorted({one.name for one in chosen if values.setdefault(one.name, one.value) != one.value})


def _kind(variable: Variable) -> str:
    finding = find(variable.name, variable.value.reveal().decode("utf-8", "replace"))
    return finding.kind if finding else ""


def _of_env(text: str) -> Iterator[Variable]:
    at = 0
    for line in text.splitlines(keepends=True):
        match = LINE.match(line)
        if match is not None and not line.lstrip().startswith("#"):
            raw = match["value"].rstrip("\r\n \t")
            start = at + match.start("value")
            yield Variable(match["name"], Secret(_unquoted(raw).encode()), start, start + len(raw))
        at += len(line)


def _unquoted(raw: str) -> str:
    """A value as compose reads it: quotes taken off, escapes of double ones read."""
    if len(raw) >= 2 and raw[0] == raw[-1] == '"':
        return ESCAPED.sub(lambda match: LETTERS.get(match[1], match[1]), raw[1:-1])
    if len(raw) >= 2 and raw[0] == raw[-1] == "'":
        return raw[1:-1]
    return raw


def _of_compose(text: str, file: str) -> Iterator[Variable]:
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise BadConfig(where, "is no YAML", "mend that line") from None
    for _, service in _pairs(_value(document, "services")):
        yield from _of_environment(_value(service, "environment"))


def _of_environment(node: yaml.Node | None) -> Iterator[Variable]:
    for name, value in _pairs(node):
        if isinstance(value, yaml.ScalarNode) and isinstance(name, yaml.ScalarNode):
            yield Variable(name.value, Secret(str(value.value).encode()), value.start_mark.index, value.end_mark.index)
    for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
        if isinstance(entry, yaml.ScalarNode) and "=" in entry.value:
            key, _, given = entry.value.partition("=")
            yield Variable(key, Secret(given.encode()), entry.start_mark.index, entry.end_mark.index, f"{key}=")


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    yield from node.value if isinstance(node, yaml.MappingNode) else ()


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if isinstance(key, yaml.ScalarNode) and key.value == name), None)
