"""JSON as the Engine's Go reads it, made strict: what two readers could read differently is malformed.

A closed type is compiled once into a reader that checks names, types and duplicates in one pass. Go matches keys without regard to
case (Unicode simple folding: THREATS J1, J2), merges what is given twice (J4-J6), takes `null` for "leave it" (J7) and puts U+FFFD
for what is no character (J11). Here one odd spelling of a known key becomes the known one, `null` is absence, and the rest refuses.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from dockwarden.engine.bodies.body import Body
from dockwarden.engine.marks import Mark, Stance
from dockwarden.words.errors import Forbidden, Malformed, Refused

INT64 = range(-(1 << 63), 1 << 63)
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
        Malformed: not UTF-8, a byte order mark, trailing bytes, a key given twice, NaN, NUL, lone surrogates, nesting without end.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("json.not_utf8", f"{root} is not UTF-8; send it as UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
        if "\\u" in text or REPLACEMENT in text:
            _check_text(value)
    except _Bad as bad:
        raise bad.told(root) from None
    except RecursionError:
        raise Malformed("json.too_deep", f"{root} is nested too deeply") from None
    except ValueError as error:
        raise Malformed("json.unreadable", f"{root} is not one JSON document ({_short(str(error))}); send exactly one") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Bad(Malformed, "json.duplicate_key", "given twice; give it once", _short(twice))
    return made


def _constant(name: str) -> Any:
    raise _Bad(Malformed, "json.unreadable", f"{name} is not JSON")


def _check_text(value: Any) -> None:
    """Refuse strings that Go would change or that end early for the kernel."""
    if isinstance(value, str):
        if NO_TEXT.search(value):
            raise _Bad(Malformed, "json.bad_text", "a string has a NUL or half a character; remove it")
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if REPLACEMENT in name:
                raise _Bad(Malformed, "json.bad_text", "a key has a replacement character; write the key as it is")
            _check_text(name)
            _check_text(item)


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


def _struct(kind: type[Body], drop_unknown: bool) -> Reader:
    hints = typing.get_type_hints(kind, include_extras=True)
    exact = {name: reader(hint, drop_unknown) for name, hint in hints.items()}
    folded = {name.casefold(): name for name in hints}
    refusals = {name: mark.why for name, mark in marks_of(kind).items() if mark.stance is Stance.REFUSED}

    def known(key: str) -> str:
        name = key if key in exact else folded.get(key.casefold(), "")
        if not name and not drop_unknown:
            raise _Bad(Forbidden, "engine.unknown_field", "no Engine field of this name is known here; remove it, or check its spelling", _short(key))
        return name

    def read_struct(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        seen: dict[str, Any] = {}
        for key, item in value.items():
            name = known(key)
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
