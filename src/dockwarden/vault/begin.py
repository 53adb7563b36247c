"""The first vault of a folder, made while nobody serves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dockwarden.ledger.writer import Ledger
from dockwarden.vault import seals
from dockwarden.vault.log import OpenLog
from dockwarden.vault.sql import open_store
from dockwarden.vault.vault import Vault


async def make_vault(url: str, key_file: Path, ledger_dir: Path) -> bool:
    """Make a vault in the store at `url` under the key in `key_file`, which is made too; return whether there was none yet.

    Raises:
        BadConfig: the key, the ledger or the store cannot be had.
    """
    store = await asyncio.to_thread(open_store, url)
    try:
        if store.head() is not None:
            return False
    finally:
        store.close()
    key = _key(key_file)
    ledger = Ledger(ledger_dir)
    try:
        log = OpenLog(ledger_dir, ledger, asyncio.get_running_loop())
        await asyncio.to_thread(_create, url, key, log)
    finally:
        await asyncio.to_thread(ledger.close)
    return True


def _key(file: Path) -> bytes:
    if file.is_file() and not file.stat().st_size:
        file.unlink()  # a crash came before its first byte: it is no key of any vault
    return seals.make_key_file(file)


def _create(url: str, key: bytes, log: OpenLog) -> None:
    vault = Vault(open_store(url), log)
    try:
        vault.create(key, seals.written(seals.FileSeal()))
    finally:
        vault.seal()
        vault.store.close()
