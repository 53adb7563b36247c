"""The outside vault of the process that serves: as `keeper.Keeper`, one thread, one deed at a time; and its token kept alive."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from dockwarden.vault.outside import OutsideVault
from dockwarden.words.errors import Unavailable

if TYPE_CHECKING:
    from dockwarden.vault.outside_kv import Kv

AGAIN_S = 5.0
"""How long to wait after the outside vault, or its token, was not to be had."""
LEAST_S = 1.0

T = TypeVar("T")


class OutsideKeeper:
    """Hands the outside vault to one deed after the other. Make it inside the running loop; `open` it."""

    def __init__(self, kv: Kv) -> None:
        self._kv, self._vault = kv, OutsideVault(kv)
        self._thread = ThreadPoolExecutor(1, "vault")
        self._tending: asyncio.Task[None] | None = None
        self.trouble = ""
        """Why there is no token that is accepted, or no answer; "" if all is well."""

    async def open(self) -> None:
        """Log in, and begin to keep the token alive. What fails is in `trouble`, and is tried again."""
        wait_s = await self._submit(self._tend)
        self._tending = asyncio.ensure_future(self._tend_on(wait_s))

    async def run(self, deed: Callable[[OutsideVault], T]) -> T:
        """What `deed` makes of the vault. Raises: whatever it raises."""
        return await self._submit(lambda: deed(self._vault))

    def run_here(self, deed: Callable[[OutsideVault], T]) -> T:
        """As `run`, for a thread that is neither the loop's nor the vault's: it waits."""
        return self._thread.submit(lambda: deed(self._vault)).result()

    def where(self) -> str:
        """Where it is, in words."""
        place = self._kv.place
        below = f", below {place.prefix}" if place.prefix else ""
        return f"{place} (mount {place.mount}{below})"

    async def status(self) -> Mapping[str, Any]:
        """Where it is, whether it answers and is sealed, and how long our token lasts. Total: what is wrong is in `trouble`."""
        return await self._submit(self._status)

    async def close(self) -> None:
        """Forget the token and let go of the connections."""
        if self._tending is not None:
            self._tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tending
        await self._submit(self._kv.close)
        self._thread.shutdown()

    async def _submit(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _tend_on(self, wait_s: float) -> None:
        while True:
            await asyncio.sleep(wait_s)
            wait_s = await self._submit(self._tend)

    def _tend(self) -> float:
        """Renew the token if it is time; return in how many seconds to look again."""
        try:
            wait_s = self._kv.tend()
        except Unavailable as error:
            self.trouble = str(error)
            return AGAIN_S
        self.trouble = ""
        return max(LEAST_S, wait_s)

    def _status(self) -> Mapping[str, Any]:
        place = self._kv.place
        said: dict[str, Any] = {"outside": place.url, "mount": place.mount, "prefix": place.prefix, "answers": False, "sealed": True, "release": ""}
        try:
            health = self._kv.health()
            said |= {"answers": True, "sealed": bool(health.get("sealed")), "release": str(health.get("version", ""))}
        except Unavailable as error:
            said["trouble"] = str(error)
            return {**said, "token": self._token()}
        self._tend()
        return {**said, "trouble": self.trouble, "token": self._token()}

    def _token(self) -> dict[str, Any]:
        lease = self._kv.lease
        if lease is None:
            return {"accepted": False, "ends": "", "ends_us": 0, "renewable": False}
        ends = datetime.datetime.fromtimestamp(lease.ends_at, datetime.UTC).isoformat(timespec="seconds") if lease.ends_at else "never"
        return {"accepted": True, "ends": ends, "ends_us": int(lease.ends_at * 1e6), "renewable": lease.is_renewable}
