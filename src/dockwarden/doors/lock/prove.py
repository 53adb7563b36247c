"""Prove that the lock is on, by a call on the raw socket that must be refused and is."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

import msgspec

from dockwarden.doors.lock.door import lock_name
from dockwarden.doors.lock.tickets import HEADER, TICKET_BYTES
from dockwarden.engine.call import Request
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.errors import Refused

WAIT_S = 40.0
"""An Engine whose lock is gone tries for about 15 s before it refuses."""


@dataclass(frozen=True, slots=True)
class LockProof:
    """What came of it. `call` is what was sent; `answer` is the Engine's own words."""

    is_on: bool
    call: str
    answer: str
    what: str


async def prove_lock(address: str, plugin: str) -> LockProof:
    """Call the Engine at `address` (`unix://PATH`) with a ticket that nobody issued, and see who says no.

    The call is a ping: harmless if it passes, allowed by every policy, and still refused by a lock that is on, whatever the policy.
    """
    link = EngineLink(address)
    call = "GET /_ping with a ticket that nobody issued"
    try:
        async with asyncio.timeout(WAIT_S):
            answer = await link.call(Request("GET", "/_ping", ((HEADER, secrets.token_hex(TICKET_BYTES)),), b""))
    except TimeoutError:
        return LockProof(False, call, "", f"the Engine did not answer within {WAIT_S:g} s: it waits for a plugin that does not answer")
    except Refused as error:
        return LockProof(False, call, error.message, "the Engine could not be asked")
    finally:
        link.close()
    return _read(call, answer.status, answer.body, lock_name(plugin))


def _read(call: str, status: int, body: bytes, name: str) -> LockProof:
    try:
        said = str(msgspec.json.decode(body)["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        said = body.decode("utf-8", "replace")[:200]
    if status == 403 and said.startswith(f"authorization denied by plugin {name}: dockwarden: "):
        return LockProof(True, call, said, "the Engine asked us, and we refused")
    if status == 200:
        mend = f'put "authorization-plugins": ["{name}"] into the Engine\'s daemon.json and reload it'
        return LockProof(False, call, said, f"the Engine let the call pass: its raw socket is open; {mend}")
    return LockProof(False, call, said, f"the call was refused (status {status}), but not by this lock")
