"""What the Engine says in words, errors and warnings, with what it tells of another's things taken out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

HIDDEN = "hidden-id"
ENDPOINT = re.compile(r'name:"[^"]*" id:"([0-9a-f]+)"')
"""How newer Engines name who is on a network."""
ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{12,64}(?![0-9A-Za-z])")
"""A full id, or one that was cut short; a bridge is called `br-` and the beginning of one."""
MANY = re.compile(rf"{HIDDEN}(?:[ ,]+{HIDDEN})+")
SAID = ("message", "Warning", "Warnings")

IsVisible = Callable[[str], bool]
"""Whether an id, or the beginning of one, is of something that the caller may see."""


def masked_words(text: str, is_visible: IsVisible) -> str:
    """Return `text` without the ids that may not be seen, nor how many they were, nor the names that stand beside them."""

    def endpoint(found: re.Match[str]) -> str:
        return found[0] if is_visible(found[1]) else HIDDEN

    def id(found: re.Match[str]) -> str:
        return found[0] if is_visible(found[0]) else HIDDEN

    return MANY.sub(HIDDEN, ID.sub(id, ENDPOINT.sub(endpoint, text)))


def masked_answer(body: bytes, is_visible: IsVisible) -> bytes:
    """Return an error's body, or one with warnings, with its words masked; what is no JSON is masked as a text."""
    try:
        said: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return masked_words(body.decode("utf-8", "replace"), is_visible).encode()
    if not isinstance(said, dict):
        return body
    masked = {name: _masked(said[name], is_visible) for name in SAID if said.get(name)}
    if all(said[name] == value for name, value in masked.items()):
        return body
    return msgspec.json.encode({**said, **masked}) + b"\n"


def with_warnings(body: bytes, warnings: Sequence[str]) -> bytes:
    """Return the answer of a create or an update with more `Warnings`, which clients print; one that cannot be read stays as it is."""
    try:
        said: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    if not isinstance(said, dict):
        return body
    said["Warnings"] = [*(said.get("Warnings") or ()), *(f"dockwarden: {text}" for text in warnings)]
    return msgspec.json.encode(said) + b"\n"


def _masked(said: Any, is_visible: IsVisible) -> Any:
    if isinstance(said, list):
        return [_masked(one, is_visible) for one in said]
    return masked_words(said, is_visible) if isinstance(said, str) else said
