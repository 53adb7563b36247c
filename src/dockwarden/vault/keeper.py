"""The vault of the process that serves: one thread, one deed at a time, so that the loop never waits for a disk or a key.

It decides nothing and records nothing about who asks: `doors/control/` and the volume driver do, before they come here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from dockwarden.vault.faults import WrongKey
from dockwarden.vault.log import OpenLog
from dockwarden.vault.rows import CURRENT, Record
from dockwarden.vault.seals import CredentialSeal, FileSeal, new_key_file, read_credential, read_how, read_key_file
from dockwarden.vault.sql import open_store
from dockwarden.vault.vault import Got, Vault
from dockwarden.words.errors import BadConfig, Malformed, Refused, Unavailable
from dockwarden.words.secret import Secret

ABSENT = "there is no vault here; make one with dockwarden init"

T = TypeVar("T")

Changed = Callable[[str], None]
"""Hears, in the vault's thread, of every path that got another current version, was deleted or destroyed."""


class Secrets(Protocol):
    """What people and containers do with secrets, wherever those are kept: `Vault` says each in full, `outside.OutsideVault` does the same."""

    def record(self, path: str) -> Record:
        """What is known of `path`."""

    def get(self, path: str, version: int = 0, label: str = CURRENT) -> Got:
        """The value of one version."""

    def paths(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Paths that begin with `prefix`, in order, from the first after `after`."""

    def put(self, path: str, value: Secret, by: str, *, label: str = CURRENT) -> int:
        """Keep a newest version; its number."""

    def label(self, path: str, label: str, version: int) -> None:
        """Let `label` name a live version."""

    def delete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Let versions not be read until `undelete`."""

    def undelete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Bring deleted versions back."""

    def destroy(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Take values away for good."""


class KeepsSecrets(Protocol):
    """Hands secrets to one deed after the other, in a thread of its own: `Keeper` here, `OutsideKeeper` for those that are kept elsewhere."""

    async def run(self, deed: Callable[[Secrets], T]) -> T:
        """What `deed` makes of them. Raises: whatever it raises."""

    def run_here(self, deed: Callable[[Secrets], T]) -> T:
        """As `run`, for a thread that is neither the loop's nor this one's: it waits."""


class Keeper:
    """Hands the vault to one deed after the other. Make it inside the running loop; `open` it."""

    def __init__(self, url: str, key_file: Path, log: OpenLog, environment: Mapping[str, str] = os.environ) -> None:
        """`url` is the store's (`sqlite:///PATH`, `postgresql://…`)."""
        self._url, self._key_file, self._log, self._environment = url, key_file, log, environment
        self._thread = ThreadPoolExecutor(1, "vault")
        self._vault: Vault | None = None
        self.trouble = ""
        """Why the vault did not unseal by itself; "" if it did, or nobody asked it to."""
        self._is_away = False
        """Whether it could not be read, its server was not there, or another's: it is tried again at every call."""

    @property
    def is_sealed(self) -> bool:
        """Whether no value can be read now."""
        return self._vault is None or self._vault.is_sealed

    async def open(self) -> None:
        """Open the store, and unseal it if its key is at hand. A vault that does not unseal leaves a reason in `trouble`.

        So does a PostgreSQL that is not there yet, as at a reboot: what needs no secret is served meanwhile.
        Raises:
            BadConfig: the file cannot be had.
        """
        await self._submit(self._open)

    async def run(self, deed: Callable[[Vault], T]) -> T:
        """What `deed` makes of the vault. Raises: whatever it raises."""
        return await self._submit(lambda: deed(self._opened()))

    def run_here(self, deed: Callable[[Vault], T]) -> T:
        """As `run`, for a thread that is neither the loop's nor the vault's: it waits."""
        return self._thread.submit(lambda: deed(self._opened())).result()

    async def unseal_by_itself(self) -> None:
        """Unseal it with the key that is at hand. Raises: BadConfig, Refused: why not."""
        await self._submit(self._unseal)

    async def close(self) -> None:
        """Seal the vault and let go of the store."""
        await self._submit(self._close)
        self._thread.shutdown()

    async def _submit(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _opened(self) -> Vault:
        if self._is_away:
            self._open()
        if self._is_away:
            raise Unavailable("vault.store", self.trouble)
        if self._vault is None:
            raise Malformed("vault.absent", ABSENT)
        return self._vault

    def _open(self) -> None:
        self._is_away = False
        try:
            self._open_store()
        except (BadConfig, Refused) as error:
            if isinstance(error, BadConfig) and self._url.startswith("sqlite:"):
                raise
            self._close()
            self._is_away, self.trouble = True, str(error)

    def _open_store(self) -> None:
        vault = Vault(open_store(self._url), self._log)
        how = vault.how()
        if not how:
            vault.store.close()
            self.trouble = ABSENT
            return
        self._vault = vault
        try:
            self._unseal()
        except Unavailable:
            raise
        except (BadConfig, Refused) as error:
            self.trouble = str(error)

    def _unseal(self) -> None:
        vault = self._opened()
        if vault.is_sealed:
            match read_how(vault.how()):
                case FileSeal():
                    self._unseal_by_file(vault)
                case CredentialSeal():
                    vault.unseal(read_credential(self._environment))
        self.trouble = ""

    def _unseal_by_file(self, vault: Vault) -> None:
        """By the key file; or, where a crash came between a re-key and its last step, by the key that was to take its place."""
        fresh = new_key_file(self._key_file)
        try:
            vault.unseal(read_key_file(self._key_file))
        except WrongKey:
            if not fresh.exists():
                raise
            vault.unseal(read_key_file(fresh))
            fresh.rename(self._key_file)

    def _close(self) -> None:
        if self._vault is not None:
            self._vault.seal()
            self._vault.store.close()
            self._vault = None
