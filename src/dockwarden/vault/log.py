"""The ledger as a vault speaks with it: what it goes to is written before, that it is there after.

`OpenLog` is for the process that serves, `ReadLog` for looking at the files alone, while no ledger is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.segments import hash_at, newest, segments
from dockwarden.ledger.writer import Ledger
from dockwarden.vault.vault import Spoken
from dockwarden.words.errors import Broken, Refused

KIND = "vault"


class ReadLog:
    """What the ledger's files say; nothing can be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, vault: str) -> Spoken | None:
        """As `Log.last`."""
        for entry in newest(self._folder):
            said = entry.detail
            if entry.kind == KIND and said.get("vault") == vault:
                names = {str(said.get("head")), *([str(said["before"])] if said.get("before") else [])}
                return Spoken(int(said.get("seq", 0)), frozenset(names))
        return None

    def has(self, seq: int, hash: bytes) -> bool:
        """As `Log.has`."""
        files = segments(self._folder)
        if files and int(files[0].stem) > seq:
            return True
        return hash_at(self._folder, seq) == hash.hex()

    def intend(self, vault: str, seq: int, name: str, before: str) -> tuple[int, bytes]:  # noqa: ARG002  as `Log.intend`
        """Never: nothing is changed where the ledger is not open."""
        raise Broken("vault.read_only", "this vault is open for reading alone")

    def kept(self, vault: str, seq: int, name: str) -> None:
        """Nothing to write."""


class OpenLog(ReadLog):
    """The ledger that is open in `loop`; the vault calls from a thread of its own."""

    def __init__(self, folder: Path, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(folder)
        self._ledger, self._loop = ledger, loop

    def intend(self, vault: str, seq: int, name: str, before: str) -> tuple[int, bytes]:
        """As `Log.intend`."""
        entry = Entry(kind=KIND, detail={"vault": vault, "seq": seq, "head": name, "before": before})
        return asyncio.run_coroutine_threadsafe(self._durably(entry), self._loop).result()

    def kept(self, vault: str, seq: int, name: str) -> None:
        """As `Log.kept`."""
        entry = Entry(kind=KIND, detail={"vault": vault, "seq": seq, "head": name})
        self._loop.call_soon_threadsafe(self._append, entry)

    def _append(self, entry: Entry) -> None:
        with contextlib.suppress(Refused):  # the intent says both states; that alone is safe
            self._ledger.append(entry)

    async def _durably(self, entry: Entry) -> tuple[int, bytes]:
        await self._ledger.settle(self._ledger.append(entry))
        return self._ledger.durable_end
