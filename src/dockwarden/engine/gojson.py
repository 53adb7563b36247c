"""JSON as the Engine's Go reads it, made strict: what two readers could read differently is malformed.

A closed type is compiled once into a reader that checks names, types and duplicates in one pass. Go matches keys without regard to
case (Unicode simple folding: THREATS J1, J2), merges what is given twice (J4-J6), takes `null` for "leave it" (J7) and puts U+FFFD
for what is no character (J11). Here one odd spelling of a known key becomes the known one, `null` is absence, and the rest refuses.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from dockwarden.engine.bodies.body import Body
from dockwarden.engine.marks import Mark, Stance
from dockwarden.words.errors import Forbidden, Malformed, Refused

INT64 = range(-(1 << 63), 1 << 63)
DEEPEST = 64
"""Levels of nesting; the deepest described body has eight."""
STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
BRACKET = re.compile(r"[\[\]{}]")
NO_TEXT = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
LONGEST_SHOWN = 60

Reader = Callable[[Any], Any]


class _Bad(Exception):
    """A value that cannot be read; the way to it is put together as the error leaves each level."""

    def __init__(self, kind: type[Refused], code: str, what: str, place: str = "") -> None:
        self.kind, self.code, self.what, self.place = kind, code, what, place

    def under(self, name: str) -> _Bad:
        """The same, seen from one level up."""
        joined = f"{name}{self.place}" if self.place.startswith("[") or not self.place else f"{name}.{self.place}"
        return _Bad(self.kind, self.code, self.what, joined)

    def told(self, root: str) -> Refused:
        """The error for the caller."""
        return self.kind(self.code, f"{self.place or root}: {self.what}")


def parse(data: bytes, root: str) -> Any:
    """Return the one JSON value of `data`, objects as dicts.

    Raises:
        Malformed: `json.not_utf8`; `json.too_deep`; `json.duplicate_key` and `json.bad_text` (NUL, half a character), by place;
            `json.unreadable` (byte order mark, trailing bytes, NaN, and whatever else is not one JSON document).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("json.not_utf8", f"{root} is not UTF-8; send it as UTF-8") from None
    if _is_too_deep(text):
        raise Malformed("json.too_deep", f"{root} is nested deeper than {DEEPEST} levels; send it flatter")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
        if "\\u" in text or REPLACEMENT in text:
            _check_text(value)
    except _Twice:
        raise _first_twice(text).told(root) from None
    except _Bad as bad:
        raise bad.told(root) from None
    except ValueError as error:
        raise Malformed("json.unreadable", f"{root} is not one JSON document ({_short(str(error))}); send exactly one") from None
    return value


def _is_too_deep(text: str) -> bool:
    """Whether brackets outside strings nest deeper than any body does; the count is the same whoever calls, and costs nothing for short ones."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    depth = 0
    for bracket in BRACKET.findall(STRING.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        if depth > DEEPEST:
            return True
    return False


class _Twice(Exception):
    """Some object has a key twice; which one is looked for only then."""


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice
    return made


def _first_twice(text: str) -> _Bad:
    """Where a key is given twice: the first such place, found by reading the document again, if the rest of it can be read at all."""
    try:
        found = _find_twice(json.loads(text, object_pairs_hook=_Pairs))
    except ValueError:
        found = None
    return found or _twice("")


def _find_twice(value: Any) -> _Bad | None:
    if isinstance(value, _Pairs):
        seen = set()
        for name, _ in value:
            if name in seen:
                return _twice(_short(name))
            seen.add(name)
        inside = ((_short(name), item) for name, item in value)
    else:
        inside = ((f"[{index}]", item) for index, item in enumerate(value if isinstance(value, list) else ()))
    return next((bad.under(name) for name, item in inside if (bad := _find_twice(item)) is not None), None)


def _twice(place: str) -> _Bad:
    return _Bad(Malformed, "json.duplicate_key", "given twice; give it once", place)


def _constant(name: str) -> Any:
    raise _Bad(Malformed, "json.unreadable", f"{name} is not JSON")


def _check_text(value: Any) -> None:
    """Refuse strings that Go would change or that end early for the kernel."""
    if isinstance(value, str):
        if NO_TEXT.search(value):
            raise _Bad(Malformed, "json.bad_text", "has a NUL or half a character; remove it")
        return
    inside: Iterable[tuple[str, Any]] = ()
    if isinstance(value, list):
        inside = ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        _check_keys(value)
        inside = ((_short(name), item) for name, item in value.items())
    for name, item in inside:
        try:
            _check_text(item)
        except _Bad as bad:
            raise bad.under(name) from None


def _check_keys(value: dict[str, Any]) -> None:
    for name in value:
        if REPLACEMENT in name or NO_TEXT.search(name):
            what = "is a key with a NUL, half a character or a replacement character; write it as it is"
            raise _Bad(Malformed, "json.bad_text", what, _short(name))


def _short(text: str) -> str:
    shown = text.encode("ascii", "backslashreplace").decode()
    return shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"


def read(kind: Any, value: Any, root: str, *, drop_unknown: bool = False) -> Any:
    """Return `value` as `kind`: a closed `Body`, or a list, dict or leaf type.

    Raises:
        Malformed: `json.wrong_type`, `json.duplicate_key`; names the field by its whole way.
        Forbidden: `engine.unknown_field`, `engine.refused_field`.
    """
    try:
        return reader(kind, drop_unknown)(value)
    except _Bad as bad:
        raise bad.told(root) from None


@cache
def reader(kind: Any, drop_unknown: bool = False) -> Reader:
    """The compiled reader of a type."""
    if get_origin(kind) is typing.Annotated:
        return reader(get_args(kind)[0], drop_unknown)
    if get_origin(kind) in {Union, types.UnionType}:
        return _union(kind, drop_unknown)
    if get_origin(kind) is list:
        return _list(reader(get_args(kind)[0], drop_unknown))
    if get_origin(kind) is dict:
        return _map(reader(get_args(kind)[1], drop_unknown))
    if isinstance(kind, type) and issubclass(kind, Body):
        return _struct(kind, drop_unknown)
    return _LEAVES[kind]


def _union(kind: Any, drop_unknown: bool) -> Reader:
    """`X | UnsetType` is X; `X | None` lets null through; `list[str] | str` takes a bare string for a list, as the Engine does."""
    members = [member for member in get_args(kind) if member is not msgspec.UnsetType]
    takes_null = types.NoneType in members
    members = [member for member in members if member is not types.NoneType]
    if len(members) == 2 and str in members:
        inner = reader(next(member for member in members if member is not str), drop_unknown)
        return lambda value: [value] if type(value) is str else inner(value)
    inner = reader(members[0], drop_unknown)
    return (lambda value: None if value is None else inner(value)) if takes_null else inner


def _wrong(value: Any, wanted: str) -> _Bad:
    got = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a number", float: "a fraction", type(None): "null"}
    return _Bad(Malformed, "json.wrong_type", f"is {got.get(type(value), 'something else')}, not {wanted}; send {wanted}")


def _list(inner: Reader) -> Reader:
    def read_list(value: Any) -> Any:
        if type(value) is not list:
            raise _wrong(value, "an array")
        made = []
        for index, item in enumerate(value):
            try:
                made.append(inner(item))
            except _Bad as bad:
                raise bad.under(f"[{index}]") from None
        return made

    return read_list


def _map(inner: Reader) -> Reader:
    def read_map(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        made = {}
        for name, item in value.items():
            try:
                made[name] = inner(item)
            except _Bad as bad:
                raise bad.under(_short(name)) from None
        return made

    return read_map


def fold(name: str) -> str:
    """A key as Go compares it with a field: ASCII without case, and the two other characters that fold to ASCII letters (J2)."""
    return name.lower() if name.isascii() else name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _struct(kind: type[Body], drop_unknown: bool) -> Reader:
    hints = typing.get_type_hints(kind, include_extras=True)
    exact = {name: reader(hint, drop_unknown) for name, hint in hints.items()}
    folded = {fold(name): name for name in hints}
    if len(folded) != len(hints):
        raise TypeError(f"{kind.__name__} has two fields that Go could not tell apart")
    refusals = {name: mark.why for name, mark in marks_of(kind).items() if mark.stance is Stance.REFUSED}
    elsewhere = _names_below(hints)

    def known(key: str, item: Any) -> str:
        """The field's own name; "" for what is dropped: a stranger that says null says nothing to any Engine, so it is absent."""
        name = key if key in exact else folded.get(fold(key), "")
        if name or item is None or drop_unknown:
            return name
        below = elsewhere.get(fold(key))
        what = "no Engine field of this name is known here; remove it, or check its spelling"
        if below:
            what = f"no Engine field of this name is known here; it belongs below {below}, move it there"
        raise _Bad(Forbidden, "engine.unknown_field", what, _short(key))

    def read_struct(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        seen: dict[str, Any] = {}
        for key, item in value.items():
            name = known(key, item)
            if not name:
                continue
            if name in seen:
                raise _Bad(Malformed, "json.duplicate_key", "given in two spellings; give it once", name)
            if item is None:
                seen[name] = UNSET
                continue
            try:
                seen[name] = exact[name](item)
            except _Bad as bad:
                raise bad.under(name) from None
            if name in refusals and seen[name] not in (0, "", False, [], {}):
                raise _Bad(Forbidden, "engine.refused_field", f"is refused: {refusals[name]}", name)
        return kind(**seen)

    return read_struct


def _names_below(hints: Mapping[str, Any]) -> Mapping[str, str]:
    """The fields of the bodies right below, folded, with the name of what they are below: for advice alone (J10)."""
    found: dict[str, str] = {}
    for name, hint in hints.items():
        for member in get_args(get_args(hint)[0] if get_origin(hint) is typing.Annotated else hint):
            if isinstance(member, type) and issubclass(member, Body):
                found |= {fold(inner): name for inner in typing.get_type_hints(member) if fold(inner) not in found}
    return found


@cache
def marks_of(kind: type[Body]) -> Mapping[str, Mark]:
    """Each field's mark."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: extra for name, hint in hints.items() for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Mark)}


def _bool(value: Any) -> Any:
    if type(value) is not bool:
        raise _wrong(value, "true or false")
    return value


def _int(value: Any) -> Any:
    if type(value) is not int:
        raise _wrong(value, "a whole number")
    if value not in INT64:
        raise _Bad(Malformed, "json.wrong_type", "does not fit 64 bits; send a smaller number")
    return value


def _float(value: Any) -> Any:
    if type(value) not in {int, float}:
        raise _wrong(value, "a number")
    if not math.isfinite(value):
        raise _Bad(Malformed, "json.wrong_type", "is too large for a number; send a smaller one")
    return value


def _str(value: Any) -> Any:
    if type(value) is not str:
        raise _wrong(value, "a string")
    return value


def _empty(value: Any) -> Any:
    """Go's `struct{}`: any object, of which nothing is read, so nothing is passed on."""
    if type(value) is not dict:
        raise _wrong(value, "an object")
    return {}


_LEAVES: dict[Any, Reader] = {bool: _bool, int: _int, float: _float, str: _str, dict: _empty, Any: lambda value: value}
