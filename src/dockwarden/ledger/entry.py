"""One entry of the ledger."""

from __future__ import annotations

from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened, to whom, and why. Times are integer microseconds since 1970, never going back within a ledger.

    `kind` is one of `intent`, `outcome`, `read`, `refused`, `observed` for calls (joined by `call`); `opened`, `closed`, `segment`,
    `checkpoint`, `retired`, `recovered`, `event` for the ledger's own life; `vault` for the states that a vault goes through, `tape` for a
    recording's. `facts` are the names of facts, `digest` is the SHA-256 of the canonical call, `detail` what the kind needs more. No value
    of a secret is ever in one.
    """

    seq: int = 0
    at: int = 0
    kind: str
    call: str = ""
    principal: str = ""
    groups: tuple[str, ...] = ()
    via: str = ""
    door: str = ""
    action: str = ""
    resource: str = ""
    why: str = ""
    policies: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    harden: tuple[str, ...] = ()
    digest: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration_us: int = 0
    detail: dict[str, Any] = {}
