"""A second factor: codes of six digits, each good for half a minute and for one use (RFC 6238), from a key in the vault.

A code is used up when it lets somebody in, and every code of the time before this process began is: it may have been used.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import OURS
from dockwarden.vault.vault import Got
from dockwarden.words.errors import Forbidden, Hidden
from dockwarden.words.secret import Secret

STEP_S, DIGITS, KEY_BYTES = 30, 6, 20
SLACK = 1
"""Steps that a clock may be off."""
MOST_FAILURES, FAILURES_S = 5, 300.0
"""So many wrong codes of one person in so many seconds, and none is right for as long."""
ISSUER = "dockwarden"


@dataclass
class _Tried:
    """What somebody has tried of late."""

    used: int = 0
    failures: deque[float] = field(default_factory=deque)


class SecondFactors:
    """Everybody's keys and codes. Belongs to one loop."""

    def __init__(self, keeper: KeepsSecrets, clock: Callable[[], float] = time.time) -> None:
        self._keeper, self._clock = keeper, clock
        self._began = int(clock()) // STEP_S
        self._tried: dict[str, _Tried] = {}

    async def enroll(self, person: str) -> Secret:
        """Make a key for `person`, and return it as the URI that authenticators take.

        Raises:
            Forbidden: `totp.there`: they have one; whoever has only the first factor must not replace the second.
            Refused: the vault is sealed, or away.
        """
        key = secrets.token_bytes(KEY_BYTES)

        def put(vault: Secrets) -> None:
            if _found(vault, person) is not None:
                raise Forbidden("totp.there", f"{person} has a second factor; an admin can take it away: dockwarden totp remove {person}")
            vault.put(_path(person), Secret(key), ISSUER)

        await self._keeper.run(put)
        return Secret(_totp(key).get_provisioning_uri(person, ISSUER).encode())

    async def remove(self, person: str) -> None:
        """Take `person`'s key away. Raises: Hidden: `totp.absent`. Refused: the vault is sealed, or away."""

        def destroy(vault: Secrets) -> None:
            if _found(vault, person) is None:
                raise Hidden("totp.absent", f"{person} has no second factor")
            vault.destroy(_path(person))

        await self._keeper.run(destroy)

    async def is_enrolled(self, person: str) -> bool:
        """Whether `person` has a key. Raises: Refused: the vault is sealed, or away."""
        return await self._keeper.run(lambda vault: _found(vault, person)) is not None

    async def check(self, person: str, code: str) -> bool:
        """Whether `code` is right now, and not used yet; it is used then. Raises: Refused: the vault is sealed, or away."""
        tried = self._tried.setdefault(person, _Tried(self._began))
        now = self._clock()
        while tried.failures and tried.failures[0] < now - FAILURES_S:
            tried.failures.popleft()
        key = await self._keeper.run(lambda vault: _found(vault, person))
        if key is None or len(tried.failures) >= MOST_FAILURES:
            return False
        step = _step_of(_totp(key.value.reveal()), code.strip(), int(now) // STEP_S)
        if step <= tried.used:
            tried.failures.append(now)
            return False
        tried.used = step
        return True


def _step_of(totp: TOTP, code: str, now: int) -> int:
    """The step that `code` is of, 0 if of none that may be now. Looks at all of them, however early one fits."""
    found = 0
    for step in range(now - SLACK, now + SLACK + 1):
        if secrets.compare_digest(totp.generate(step * STEP_S), code.encode("utf-8", "replace")):
            found = step
    return found


def _totp(key: bytes) -> TOTP:
    return TOTP(key, DIGITS, SHA1(), STEP_S)  # noqa: S303  RFC 6238's own, which every authenticator has


def _path(person: str) -> str:
    return f"{OURS}totp/{person}"


def _found(vault: Secrets, person: str) -> Got | None:
    try:
        return vault.get(_path(person))
    except Hidden:
        return None
