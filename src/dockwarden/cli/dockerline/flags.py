"""Flags as the Docker command line reads them (Go's pflag): `--name value`, `--name=value`, `-n value`, `-nvalue`, `-itu 5`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from dockwarden.cli.dockerline.draft import Draft
from dockwarden.words.errors import BadConfig

Put = Callable[[Draft, str], None]
"""Puts one value of a flag where it belongs."""

TRUE, FALSE = frozenset({"1", "t", "T", "TRUE", "true", "True"}), frozenset({"0", "f", "F", "FALSE", "false", "False"})
UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SIZE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `put` is `None` for what is the client's own affair and reaches no Engine."""

    long: str
    put: Put | None = None
    short: str = ""
    is_switch: bool = False


def table(*flags: Flag) -> Mapping[str, Flag]:
    """Flags by each of their names, dashes included."""
    return {name: flag for flag in flags for name in (f"--{flag.long}", f"-{flag.short}" if flag.short else "") if name}


def bad(command: str, what: str, mend: str) -> BadConfig:
    """A line that the Docker command line would not take either."""
    return BadConfig(f"docker {command}", what, mend)


def read_flags(command: str, words: Sequence[str], flags: Mapping[str, Flag], draft: Draft, *, ends_at_name: bool = False) -> list[str]:
    """Put every flag of `words` into `draft`; return the words that are none.

    `ends_at_name` says that what follows the first such word is the container's own command.
    Raises:
        BadConfig: a flag that the command does not have, or without its value.
    """
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return plain + rest
        if not word.startswith("-") or word == "-":
            plain.append(word)
            if ends_at_name:
                return plain + rest
        elif word.startswith("--"):
            _long(command, word, rest, flags, draft)
        else:
            _short(command, word[1:], rest, flags, draft)
    return plain


def _long(command: str, word: str, rest: list[str], flags: Mapping[str, Flag], draft: Draft) -> None:
    name, equals, value = word.partition("=")
    flag = _find(command, name, flags)
    if not equals:
        value = "true" if flag.is_switch else _value(command, name, rest)
    _put(command, flag, value, draft)


def _short(command: str, letters: str, rest: list[str], flags: Mapping[str, Flag], draft: Draft) -> None:
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        flag = _find(command, name, flags)
        if letters.startswith("="):
            value, letters = letters[1:], ""
        elif flag.is_switch:
            value = "true"
        else:
            value, letters = letters or _value(command, name, rest), ""
        _put(command, flag, value, draft)


def _value(command: str, name: str, rest: list[str]) -> str:
    if not rest:
        raise bad(command, f"{name} has no value", f"write {name} VALUE")
    return rest.pop(0)


def _find(command: str, name: str, flags: Mapping[str, Flag]) -> Flag:
    flag = flags.get(name)
    if flag is None:
        close = difflib.get_close_matches(name, list(flags), n=1)
        raise bad(command, f"{name} is not known here", f"did you mean {close[0]}?" if close else f"see docker {command} --help")
    return flag


def _put(command: str, flag: Flag, value: str, draft: Draft) -> None:
    if flag.is_switch:
        if value not in TRUE | FALSE:
            raise bad(command, f"--{flag.long}={value} is neither true nor false", f"write --{flag.long} or --{flag.long}=false")
        value = "true" if value in TRUE else "false"
    if flag.put is not None:
        try:
            flag.put(draft, value)
        except (ValueError, InvalidOperation):
            raise bad(command, f"--{flag.long} {value!r} cannot be meant", f"see docker {command} --help") from None


# --- what flags put ---


def text(long: str, place: str, short: str = "") -> Flag:
    """A flag whose value is a field."""
    return Flag(long, lambda draft, value: draft.put(place, value), short)


def number(long: str, place: str, short: str = "") -> Flag:
    """A flag whose value is a whole number."""
    return Flag(long, lambda draft, value: draft.put(place, int(value)), short)


def size(long: str, place: str, short: str = "") -> Flag:
    """A flag whose value is an amount of bytes: `64m`, `1.5g`."""
    return Flag(long, lambda draft, value: draft.put(place, size_bytes(value)), short)


def duration(long: str, place: str) -> Flag:
    """A flag whose value is a time: `5s`, `1m30s`."""
    return Flag(long, lambda draft, value: draft.put(place, nanoseconds(value)))


def switch(long: str, place: str, short: str = "") -> Flag:
    """A flag that is on or off."""
    return Flag(long, lambda draft, value: draft.put(place, value == "true"), short, is_switch=True)


def each(long: str, place: str, short: str = "") -> Flag:
    """A flag whose every value joins a list."""
    return Flag(long, lambda draft, value: draft.add(place, value), short)


def pairs(long: str, place: str, short: str = "") -> Flag:
    """A flag whose every value is `key=value`."""
    return Flag(long, lambda draft, value: draft.pair(place, value.partition("=")[0], value.partition("=")[2]), short)


def kept(long: str, short: str = "", *, is_switch: bool = False) -> Flag:
    """A flag that says something together with others."""
    return Flag(long, lambda draft, value: draft.given.setdefault(long, []).append(value), short, is_switch)


def own(*longs: str) -> Iterable[Flag]:
    """Flags with a value that are the client's own affair; `name:n` has a short form."""
    return tuple(Flag(name.partition(":")[0], None, name.partition(":")[2]) for name in longs)


def own_switches(*longs: str) -> Iterable[Flag]:
    """Switches that are the client's own affair; `name:n` has a short form."""
    return tuple(Flag(name.partition(":")[0], None, name.partition(":")[2], is_switch=True) for name in longs)


def asked(long: str, parameter: str, short: str = "") -> Flag:
    """A flag whose value is a query parameter; every value where it is given several times."""
    return Flag(long, lambda draft, value: draft.query.setdefault(parameter, []).append(value), short)


def turned(long: str, parameter: str, short: str = "") -> Flag:
    """A switch that is a query parameter: `1` where it is on."""

    def put(draft: Draft, value: str) -> None:
        draft.query.pop(parameter, None)
        if value == "true":
            draft.query[parameter] = ["1"]

    return Flag(long, put, short, is_switch=True)


def size_bytes(value: str) -> int:
    """Bytes of `64m`, `1.5g`, `1GiB`; `-1` means no limit. Raises `ValueError`."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError(value)
    return int(Decimal(match[1]) * (1 << UNITS[match[2].lower()]))


def nanoseconds(value: str) -> int:
    """Nanoseconds of a Go duration. Raises `ValueError`."""
    parts = _DURATION.findall(value)
    if value != "0" and (not parts or "".join(f"{amount}{unit}" for amount, unit in parts) != value):
        raise ValueError(value)
    return sum(int(Decimal(amount) * NANOSECONDS[unit]) for amount, unit in parts)
