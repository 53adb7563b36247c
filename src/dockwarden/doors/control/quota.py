"""How much of the vault one person may fill with what is their own: `people/NAME/…`. What is shared, admins answer for."""

from __future__ import annotations

from dataclasses import dataclass

from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import PEOPLE, resource_of
from dockwarden.vault.rows import State
from dockwarden.words.errors import Forbidden

PAGE = 1000


@dataclass(slots=True)
class _Used:
    """What somebody has, or more: it grows with each version, and is counted afresh before anything is refused for it."""

    paths: int = 0
    bytes: int = 0


class Quota:
    """Counts what people keep. A limit of 0 is none."""

    def __init__(self, keeper: KeepsSecrets, most_paths: int, most_bytes: int) -> None:
        self._keeper, self._most_paths, self._most_bytes = keeper, most_paths, most_bytes
        self._used: dict[str, _Used] = {}

    async def check(self, path: str, size: int) -> None:
        """Return if the owner of `path` may keep `size` bytes more there.

        Raises:
            Forbidden: `secret.quota`.
        """
        owner = resource_of(path).owner
        if not owner:
            return
        used = self._used.setdefault(owner, _Used(self._most_paths, self._most_bytes))  # not counted yet: so it is now
        if not self._fits(used, size):
            used = self._used[owner] = await self._keeper.run(lambda vault: _counted(vault, f"{PEOPLE}{owner}/"))
        if not self._fits(used, size):
            what = f"{owner} keeps {used.paths} secrets with {used.bytes} bytes in all their versions"
            limits = f"{self._most_paths} secrets and {self._most_bytes} bytes are the most"
            raise Forbidden("secret.quota", f"{what}; {limits}, so ask an admin to destroy what is not needed, or for more ([vault] person_…)")
        used.paths += 1
        used.bytes += size

    def _fits(self, used: _Used, size: int) -> bool:
        return (not self._most_paths or used.paths < self._most_paths) and (not self._most_bytes or used.bytes + size <= self._most_bytes)


def _counted(vault: Secrets, prefix: str) -> _Used:
    used, after = _Used(), ""
    while paths := vault.paths(prefix, after, PAGE):
        records = [vault.record(path) for path in paths]
        used.paths += len(records)
        used.bytes += sum(held.size for record in records for held in record.versions if held.state is not State.DESTROYED)
        after = paths[-1]
    return used
