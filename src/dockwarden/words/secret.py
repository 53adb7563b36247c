"""A value that must not be seen: it does not print, pickle, format or compare in variable time."""

from __future__ import annotations

import ctypes
import hmac
import sys
from typing import NoReturn

BYTES_AT = bytes.__basicsize__ - 1
"""Where in a `bytes` object its bytes begin."""


class Secret:
    """Some bytes that somebody keeps from somebody. Hold it only as long as it is used; `reveal` where it leaves us."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves, for the one place that needs them."""
        return self._value

    def wipe(self) -> None:
        """Overwrite the bytes where they are, once nobody needs them any more: whoever still holds what `reveal` gave has zeros now.

        CPython frees memory and leaves what was in it. Does nothing to a single byte, which CPython shares between all who have it.
        """
        value, self._value = self._value, b""
        if len(value) > 1 and type(value) is bytes and sys.implementation.name == "cpython":
            ctypes.memset(id(value) + BYTES_AT, 0, len(value))

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> str:
        return "Secret(...)"

    def __format__(self, spec: str) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of anything

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")
