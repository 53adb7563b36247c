"""Query parameters: one closed set a route, each value read strictly and written in one canonical way.

The Engine takes the first of two values, ignores case-sensitive strangers, and reads any word it does not know as true (THREATS 3.4);
here each of those is malformed or unknown, by name. Parameters that hold JSON are read as bodies are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from dockwarden.engine import gojson
from dockwarden.engine.call import Param
from dockwarden.engine.marks import Mark, harmless, judged
from dockwarden.words.errors import Forbidden, Malformed

TRUE, FALSE = frozenset({"1", "true", "True"}), frozenset({"0", "false", "False", ""})
NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
WELL_ESCAPED = re.compile(rb"(?:[A-Za-z0-9._~!$'()*+,:@/?=\[\]{}|\"^`<>\\-]|%[0-9A-Fa-f]{2})*")
"""What one pair may be written with. The Engine and its clients leave more unescaped than RFC 3986 does; `;` and `#` are never."""
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
PLAIN_IN_VALUE = "-._~,:/@"


def boolean(text: str) -> str:
    """`1`, `0` and the words honest clients send; the Engine would take `off` for true."""
    if text in TRUE:
        return "1"
    if text in FALSE:
        return "0"
    raise Malformed("query.not_boolean", f"{text[:40]!r} is neither true nor false; write 1 or 0")


def number(text: str) -> str:
    """A whole number; "" is what clients send for none."""
    if text and not NUMBER.fullmatch(text):
        raise Malformed("query.not_number", f"{text[:40]!r} is not a whole number; write digits alone")
    return text if not text else str(int(text))


def plain(text: str) -> str:
    """Any text without control characters."""
    if not text.isprintable():
        raise Malformed("query.bad_text", "a value has a control character; remove it")
    return text


def lines(text: str) -> str:
    """Text that may have line ends: a message, a Dockerfile instruction."""
    if any(not char.isprintable() and char not in "\n\t" for char in text):
        raise Malformed("query.bad_text", "a value has a control character; remove it")
    return text


def document(kind: Any) -> Callable[[str], str]:
    """JSON of a known type, "" for none."""

    def read(text: str) -> str:
        if not text:
            return ""
        value = gojson.parse(text.encode("utf-8", "surrogatepass"), "its value")
        return "null" if value is None else written(gojson.read(kind, value, "its value"))

    return read


def filters(known: frozenset[str]) -> Callable[[str], str]:
    """A reader of filters by the names in `known`.

    Clients write a map to maps to true, or to lists as before API 1.22; the Engine looks at the keys alone, `false` included (J18).
    What is written is the first form, which every Engine since then reads, each value true.
    """

    def read(text: str) -> str:
        if not text:
            return ""
        value = gojson.parse(text.encode("utf-8", "surrogatepass"), "filters")
        if value is None:
            return ""
        found = gojson.read(dict[str, Any], value, "filters")
        for name in found.keys() - known:
            raise Forbidden("engine.unknown_filter", f"there is no filter {name[:60]!r} here; use one of {', '.join(sorted(known))}")
        return written({name: dict.fromkeys(_wanted(name, values), True) for name, values in found.items()})

    return read


def _wanted(name: str, values: Any) -> Iterable[str]:
    place = f"filters.{name}"
    if isinstance(values, dict):
        read: dict[str, bool] = gojson.read(dict[str, bool], values, place)
        return read
    listed: list[str] = gojson.read(list[str], values, place)
    return listed


PLATFORM_FIELDS = ("architecture", "os", "os.version", "os.features", "variant")
PLATFORM = re.compile(r"(?:[A-Za-z0-9._()-]+(?:/[A-Za-z0-9._-]+){0,3})?")


def platform(text: str) -> str:
    """`os/arch/variant`, or the OCI description that newer Engines take, in one spelling."""
    if not text.startswith("{"):
        if not PLATFORM.fullmatch(text):
            raise Malformed("query.not_platform", f"{text[:40]!r} is no platform; write it as linux/amd64")
        return text
    value = gojson.parse(text.encode("utf-8", "surrogatepass"), "its value")
    for name in value.keys() - set(PLATFORM_FIELDS):
        raise Forbidden("engine.unknown_field", f"a platform has no field {name[:60]!r}; use {', '.join(PLATFORM_FIELDS)}")
    return written({name: gojson.read(list[str] if name == "os.features" else str, item, name) for name, item in value.items() if item is not None})


def written(value: Any) -> str:
    """JSON in one spelling: keys in order, no blanks."""
    return msgspec.json.encode(value, order="deterministic").decode()


def read_query(raw: bytes, known: Mapping[str, Param], action: str) -> dict[str, tuple[str, ...]]:
    """Return the parameters of a raw query, canonical.

    Raises:
        Malformed: a bad escape, `;`, a fragment, a value given twice, a value of the wrong type.
        Forbidden: `engine.unknown_parameter`, by name.
    """
    found: dict[str, tuple[str, ...]] = {}
    for pair in raw.split(b"&") if raw else ():
        name, value = _pair(pair)
        parameter = known.get(name)
        if parameter is None:
            raise Forbidden("engine.unknown_parameter", f"{action} has no query parameter {name[:60]!r} here; remove it, or check its spelling")
        if name in found and not parameter.is_many:
            raise Malformed("query.duplicate", f"query parameter {name!r} is given twice; give it once")
        try:
            canonical = parameter.read(value)
        except Malformed as error:
            raise Malformed(error.code, f"query parameter {name!r}: {error.message}") from None
        found[name] = (*found.get(name, ()), canonical)
    return found


def _pair(pair: bytes) -> tuple[str, str]:
    if not WELL_ESCAPED.fullmatch(pair):
        raise Malformed("query.unreadable", "the query has a bad escape, `;`, `#` or a byte that must be escaped; write %HH")
    name, _, value = pair.partition(b"=")
    return unescape(name, is_query=True), unescape(value, is_query=True)


def unescape(raw: bytes, *, is_query: bool = False) -> str:
    """Percent-decoded once, as UTF-8.

    Raises:
        Malformed: the bytes are not UTF-8, or hold a NUL.
    """
    if is_query:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("query.not_utf8", "the request line is not UTF-8 once decoded; send it as UTF-8") from None
    if "\0" in text:
        raise Malformed("query.bad_text", "the request line has a NUL; remove it")
    return text


def write_query(query: Mapping[str, tuple[str, ...]]) -> str:
    """The canonical query, parameters in the order they were read; "" for none."""
    return "&".join(f"{name}={quote(value, safe=PLAIN_IN_VALUE)}" for name, values in query.items() for value in values)


def flag(mark: Mark = harmless("it asks for more or less of the same answer")) -> Param:  # noqa: B008  a frozen value
    """A boolean parameter."""
    return Param(boolean, mark)


def count(mark: Mark = harmless("a number within the thing that is asked about")) -> Param:  # noqa: B008  a frozen value
    """A whole number."""
    return Param(number, mark)


def text(mark: Mark = harmless("text within the thing that is asked about")) -> Param:  # noqa: B008  a frozen value
    """Text."""
    return Param(plain, mark)


def texts(mark: Mark) -> Param:
    """Text that may be given many times."""
    return Param(lines, mark, is_many=True)


def prose(mark: Mark) -> Param:
    """Text with line ends."""
    return Param(lines, mark)


def json_of(kind: Any, mark: Mark) -> Param:
    """JSON of a known type."""
    return Param(document(kind), mark)


def filtered(*known: str) -> Param:
    """Filters by these names."""
    return Param(filters(frozenset(known)), judged("narrowed to the caller's own where that is exact; every row is judged"))


def variant(*, is_many: bool = False) -> Param:
    """Which of a name's variants: a platform, or many."""
    return Param(platform, harmless("which of a name's variants"), is_many)
