"""Sees that every tape that has ended is in the search index, and none that is gone. It reads none itself: a process of its own does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from dockwarden.tape.faults import BadIndex, BadSegment
from dockwarden.tape.index import Index
from dockwarden.tape.keys import BY, TapeKeys
from dockwarden.tape.marks import DELETED
from dockwarden.tape.opening import unwrap
from dockwarden.tape.orders import Begin, Done, Order
from dockwarden.tape.read import opening_of
from dockwarden.tape.shelf import Shelf
from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import OURS
from dockwarden.words.errors import Hidden, Refused
from dockwarden.words.secret import Secret

PATH = f"{OURS}search"
KEY_BYTES = 32
LOOK_S = 60.0
"""How often the folder of tapes is looked at when no tape was heard to end."""
IDLE_S = 10.0
"""How long the reading process, and the keys it has, outlast the last tape."""
ANSWER_S = 300.0
"""How long reading one tape may take before the process is ended; it ends by itself long before."""
PROGRESS_S = 0.5
GONE_AT_ONCE = 500
WORDS = (sys.executable, "-I", "-m", "dockwarden.tape.indexing")

Told = Callable[[str, Mapping[str, Any]], None]
AtHand = Callable[[str], AbstractAsyncContextManager[None]]
"""Sees that a tape's contents are on this disk meanwhile. Raises: Refused: they cannot be."""


async def search_key(keeper: KeepsSecrets) -> bytes:
    """The index's key, made where the vault has none. Raises: Refused: the vault is sealed, or away."""
    return await keeper.run(_key)


def _key(vault: Secrets) -> bytes:
    with contextlib.suppress(Hidden):
        return bytes.fromhex(vault.get(PATH).value.reveal().decode())
    key = secrets.token_bytes(KEY_BYTES)
    vault.put(PATH, Secret(key.hex().encode()), BY)
    return key


class Lost(Exception):
    """The reading process ended, or does not answer."""


class Reader:
    """The reading process. Made by `start`; `end` ends it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, begin: Begin) -> Reader:
        """Start it. Raises: Lost, OSError. BadIndex: it cannot open the index."""
        reader = cls(await asyncio.create_subprocess_exec(*WORDS, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd="/", env={}))
        try:
            if wrong := await reader.ask(begin):
                raise BadIndex(wrong)
        except BaseException:
            await reader.end(seconds=0)
            raise
        return reader

    async def ask(self, order: Begin | Order) -> str:
        """Have it done; what was wrong, "" if nothing. Raises: Lost."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018  they are pipes
        try:
            async with asyncio.timeout(ANSWER_S):
                stdin.write(msgspec.json.encode(order) + b"\n")
                await stdin.drain()
                return msgspec.json.decode(await stdout.readline(), type=Done).wrong
        except (TimeoutError, OSError, msgspec.MsgspecError):
            raise Lost("the process that reads tapes ended, or did not answer") from None

    async def end(self, seconds: float = 5.0) -> None:
        """End it, so long after it was asked to."""
        assert self._process.stdin is not None  # noqa: S101  it is a pipe
        self._process.stdin.close()
        try:
            async with asyncio.timeout(seconds):
                await self._process.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.communicate()


class Indexer:
    """Keeps the index as the tapes are. Make it inside the running loop, and `open` it."""

    def __init__(
        self, file: Path, shelf: Shelf, keeper: KeepsSecrets, live: Callable[[], Collection[str]], told: Told, at_hand: AtHand
    ) -> None:
        """`live` are the ids of tapes that are recorded now; `told` hears of what cannot be read."""
        self.file, self._at_hand = file, at_hand
        self._shelf, self._keeper, self._live, self._told = shelf, keeper, live, told
        self._news = asyncio.Event()
        self._is_anew = False
        self._unread: dict[str, str] = {}
        """Tapes that could not be read since we began, and why: they are not tried again."""
        self._unknown: set[str] = set()
        """Of those the ones that not even the index has."""
        self.waiting: list[str] = []
        """Tapes that have ended and are not in the index yet, as far as is known; the last is next."""
        self.done = 0
        """How many were taken in since the index was last begun anew."""
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; a tape that is being read is read again next time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def look(self) -> None:
        """A tape has ended, or was deleted."""
        self._news.set()

    async def rebuild(self) -> AsyncIterator[tuple[int, int, int]]:
        """Make the index anew from the tapes; yields how many of how many are done, and are not read, now and again, until all are done.

        Raises:
            Refused: the vault is sealed, or away.
        """
        await search_key(self._keeper)
        self._is_anew, self.done = True, 0
        self._unread.clear()
        self._unknown.clear()
        self.look()
        while self._is_anew or self.waiting:
            yield self.done, self.done + len(self.waiting), len(self._unread)
            await asyncio.sleep(PROGRESS_S)
            await search_key(self._keeper)
        yield self.done, self.done, len(self._unread)

    async def _run(self) -> None:
        said = ""
        while True:
            self._news.clear()
            try:
                await self._catch_up()
                said = ""
            except BadIndex as error:
                self._told("the search index is made anew", {"because": str(error)})
                self._is_anew = True
                self.look()
            except (Refused, OSError, Lost) as error:
                if said != str(error):
                    said = str(error)
                    self._told("the search index is behind", {"because": said})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_S)

    async def _catch_up(self) -> None:
        """Take in what is not there, let go of what is gone, and wait a little for more."""
        key = await search_key(self._keeper)
        gone = await self._look_through(key)
        if not (gone or self.waiting or self._is_anew):
            return
        reader = await Reader.start(Begin(file=str(self.file), key=key, is_anew=self._is_anew))
        self._is_anew = False
        try:
            while True:
                for start in range(0, len(gone), GONE_AT_ONCE):
                    await reader.ask(Order(gone=gone[start : start + GONE_AT_ONCE]))
                while self.waiting and not self._is_anew:
                    await self._take_in(reader, self.waiting[-1])
                if self._is_anew:
                    self.look()
                    return
                try:
                    await asyncio.wait_for(self._news.wait(), IDLE_S)
                except TimeoutError:
                    return
                self._news.clear()
                gone = await self._look_through(await search_key(self._keeper))
        except asyncio.CancelledError:
            await reader.end(seconds=0)
            raise
        finally:
            await reader.end()

    async def _look_through(self, key: bytes) -> tuple[str, ...]:
        """Find out what is `waiting`, and return what is to leave the index. Raises: BadIndex, OSError."""
        ids, known = await asyncio.to_thread(self._ids, key)
        left_out = known.union(self._live(), self._unknown)
        self.waiting = [id for id in ids if id not in left_out]
        return tuple(known.difference(ids))

    def _ids(self, key: bytes) -> tuple[list[str], set[str]]:
        with os.scandir(self._shelf.folder):  # where the folder itself is away, no tape is gone
            ids = [id for id in self._shelf.ids() if not (self._shelf.path(id) / DELETED).exists()]
        if self._is_anew or not self.file.exists():
            return ids, set()
        index = Index(self.file, key)
        try:
            return ids, index.ids()
        finally:
            index.close()

    async def _take_in(self, reader: Reader, id: str) -> None:
        folder, why_not = self._shelf.path(id), self._unread.get(id, "")
        identity = await TapeKeys.identity(self._keeper)
        try:
            key = b"" if why_not else await asyncio.to_thread(lambda: unwrap(opening_of(folder), identity))
            async with contextlib.nullcontext() if why_not else self._at_hand(id):
                wrong = await reader.ask(Order(folder=str(folder), key=key, why_not=why_not))
        except (BadSegment, Refused) as error:  # refused: the store does not give it
            wrong = str(error)
        except Lost:
            self._unread[id] = "its reader ended, or did not answer"
            self.look()
            raise
        if not wrong:
            self.done += 1
            self.waiting.remove(id)
        elif why_not or not folder.is_dir():
            self._unknown.add(id)
            self.waiting.remove(id)
        else:
            self._unread[id] = f"it could not be read: {wrong}"  # it comes again at once, and goes into the index as such
            self._told("a tape cannot be searched", {"tape": id, "because": wrong})
