"""What is said between `indexer.py` and the process that reads tapes, a JSON object a line. Pure."""

from __future__ import annotations

import msgspec


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The first order: which index, and its key; `is_anew` lets go of what is in it."""

    file: str
    key: bytes
    is_anew: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Take in the tape in `folder`, with its key; or, where `why_not` says so, only that there is one; or let the tapes `gone` go."""

    folder: str = ""
    key: bytes = b""
    why_not: str = ""
    gone: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to each, the first, too. `wrong` is "" where it was done."""

    wrong: str = ""
