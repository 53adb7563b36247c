"""Reading typed bodies: what is absent or null is its default, as in Go."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import UNSET

T = TypeVar("T")


def read(body: object, name: str, default: T) -> T:
    """Return field `name` of `body`, `default` where it is absent, null, or not a field of this body.

    Twins share names and not classes, so the look-up is by name; a test holds every name read in this package against the bodies.
    """
    value: Any = getattr(body, name, UNSET)
    return default if value is UNSET or value is None else value


def is_given(body: object, name: str) -> bool:
    """Whether field `name` is there and not null: an empty list is given."""
    value = getattr(body, name, UNSET)
    return value is not UNSET and value is not None
