"""Environment values, hidden wherever they stand in an answer, and recognised when they come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dockwarden.engine.delivery import SCHEME
from dockwarden.engine.fields import read
from dockwarden.words.errors import Forbidden

MARK = "dockwarden:masked"
ENV_KEYS = frozenset({"env", "environment"})
IN_OPTIONS = re.compile(r"((?:pass(?:word|wd)?|secret|credentials?|token)\s*=)[^,]*", re.IGNORECASE)


def masked(entry: str, source: str, shown: frozenset[str]) -> str:
    """`NAME=value` with the value hidden; a name in `shown`, one without a value, and a reference to a secret stay as they are."""
    name, equals, value = entry.partition("=")
    if not equals or name in shown or value.startswith(SCHEME):
        return entry
    return f"{name}={MARK}:{source}" if source else f"{name}={MARK}"


def mask_env(said: Any, source: str, shown: frozenset[str]) -> None:
    """Hide the values of every list called `Env` in `said`, at any depth; in place."""
    if isinstance(said, list):
        for item in said:
            mask_env(item, source, shown)
    elif isinstance(said, dict):
        for key, item in said.items():
            if key.casefold() in ENV_KEYS and isinstance(item, list):
                said[key] = [masked(entry, source, shown) if isinstance(entry, str) else entry for entry in item]
            elif isinstance(item, (dict, list)):
                mask_env(item, source, shown)


def mask_options(options: Any) -> None:
    """Hide passwords among the options of a volume; in place."""
    if isinstance(options, dict):
        for key, value in options.items():
            if isinstance(value, str):
                options[key] = IN_OPTIONS.sub(rf"\1{MARK}", value)


def masked_sources(body: object) -> dict[str, str]:
    """Return which variable of a create's `Env` holds the mask of which container: {variable: container id}.

    Raises:
        Forbidden: `veil.masked_value`; a mask that says not whose value it hides, or one elsewhere than as a variable's whole value.
    """
    found: dict[str, str] = {}
    for name, value in _variables(body):
        if MARK not in value:
            continue
        head, _, source = value.partition(MARK + ":")
        if head or not re.fullmatch(r"[0-9a-f]{64}", source):
            raise unrestorable(name)
        found[name] = source
    for place in ("Cmd", "Entrypoint", "Labels"):
        if MARK in str(read(body, place, "")):
            raise unrestorable(place)
    return found


def refuse_masks(body: object) -> None:
    """Raise if a variable holds a mask where none is turned back into its value: in an exec, a commit.

    Raises:
        Forbidden: `veil.masked_value`.
    """
    for name, value in _variables(body):
        if MARK in value:
            raise unrestorable(name)


def restored(env: list[str], values: dict[str, str]) -> list[str]:
    """`env` with the variables in `values` set to their real values."""
    return [f"{name}={values[name]}" if (name := entry.partition("=")[0]) in values else entry for entry in env]


def unrestorable(name: str) -> Forbidden:
    """The refusal of a mask that cannot be turned back into its value."""
    return Forbidden(
        "veil.masked_value",
        f"{name} holds {MARK}, which stands for a value that was hidden from you; set the real value, or recreate the container from the "
        "same image, command and entrypoint while the old one is still there",
    )


def _variables(body: object) -> Iterator[tuple[str, str]]:
    env: list[str] = read(body, "Env", [])
    for entry in env:
        name, _, value = entry.partition("=")
        yield name, value
