"""What every closed body is: a struct whose attributes are the Engine's own JSON names, absent where the caller left them out."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["UNSET", "Body", "Bool", "Int", "Str", "Strs", "Texts", "UnsetType"]

Bool = bool | UnsetType
Int = int | UnsetType
Str = str | UnsetType
Strs = list[str] | UnsetType
Texts = dict[str, str] | UnsetType


class Body(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A closed body. `UNSET` is absence, which the Engine can tell from empty (`MaskedPaths`)."""
