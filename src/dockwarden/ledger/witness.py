"""Asks a witness, now and then, to sign the newest checkpoint: it does so only where the ledger went on from what it saw before.

In a thread of its own: nothing waits for it. What it answers is kept beside the tiles; how far it is behind shows in `dockwarden ledger
witness` and in `doctor`, and that it does not answer, or saw another history, is told once.
Source: C2SP tlog-witness (add-checkpoint) and tlog-cosignature.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dockwarden.ledger.checkpoint import Signed
from dockwarden.ledger.merkle import consistency_proof
from dockwarden.ledger.note import COSIGNER, BadNote, Note, NoteKey, read_key, read_signatures
from dockwarden.ledger.tree import CHECKPOINT, TREE, WITNESSED, MissingTile, Tiles, TreeFiles, read_published
from dockwarden.words.errors import BadConfig

EVERY_S = 10.0
RETRY_S = 30.0
TIMEOUT_S = 10.0
MOST_ANSWER = 1 << 16
CLOSE_S = TIMEOUT_S + 5.0

Told = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class WitnessPlace:
    """Where the witness is, and whose cosignatures are believed."""

    url: str
    key: NoteKey
    ca: str = ""


class Unwitnessed(Exception):
    """The witness did not sign; the text says why. `is_alarm` where it saw what this ledger does not have."""

    def __init__(self, text: str, *, is_alarm: bool = False) -> None:
        super().__init__(text)
        self.is_alarm = is_alarm


def read_place(url: str, key: str, ca: str = "") -> WitnessPlace:
    """Return the witness that settings name. Raises: BadConfig."""
    try:
        found = read_key(key)
    except BadNote as error:
        raise BadConfig("ledger.witness_key", str(error), "write the verifier key that the witness publishes: NAME+ID+BASE64") from None
    if found.kind != COSIGNER:
        raise BadConfig("ledger.witness_key", "is the key of a log, not of a witness", "write the verifier key that the witness publishes")
    return WitnessPlace(url.rstrip("/"), found, ca)


class Witness:
    """Keeps one ledger's tree witnessed. `wake` and `close` are for others, the rest is the thread's."""

    def __init__(self, ledger: Path, place: WitnessPlace, told: Told) -> None:
        self._tree, self._place, self._told = ledger / TREE, place, told
        self._trouble = ""
        self._wake = threading.Condition()
        self._is_asked, self._is_closing = True, False
        self._thread = threading.Thread(target=self._run, name="ledger witness", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is a new checkpoint beside the tiles."""
        with self._wake:
            self._is_asked = True
            self._wake.notify()

    def close(self) -> None:
        """End the thread; what it is asking now it may still hear."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._is_asked or self._is_closing)
                if self._is_closing:
                    return
                self._is_asked = False
            is_done = self._try()
            with self._wake:
                self._is_asked = self._is_asked or not is_done
                self._wake.wait_for(lambda: self._is_closing, EVERY_S if is_done else RETRY_S)

    def _try(self) -> bool:
        try:
            catch_up(self._tree, self._place)
        except (Unwitnessed, OSError, BadNote, MissingTile, http.client.HTTPException) as error:
            trouble = str(error) or type(error).__name__
            if trouble != self._trouble:
                self._trouble = trouble
                is_alarm = isinstance(error, Unwitnessed) and error.is_alarm
                self._told("ledger.witness_disagrees" if is_alarm else "ledger.unwitnessed", {"because": trouble})
            return False
        if self._trouble:
            self._told("ledger.witnessed", {"was": self._trouble})
            self._trouble = ""
        return True


def catch_up(tree: Path, place: WitnessPlace) -> None:
    """Have the newest checkpoint of `tree` signed, and keep it. Raises: Unwitnessed, OSError, BadNote, MissingTile, HTTPException."""
    newest = read_published(tree / CHECKPOINT)
    if newest is None:
        return
    before = read_published(tree / WITNESSED)
    old = before.checkpoint.size if before else 0
    if before == newest or old == newest.checkpoint.size:
        return
    status, answer = _ask(tree, place, newest, old)
    if status == 409 and (seen := answer.strip()).isdigit():
        if int(seen) > newest.checkpoint.size:
            what = f"it signed a checkpoint of {int(seen)} entries, and there are {newest.checkpoint.size} here: an older copy was put in the ledger's place"
            raise Unwitnessed(what, is_alarm=True)
        status, answer = _ask(tree, place, newest, int(seen))
    if status != 200:
        raise Unwitnessed(_why(status), is_alarm=status in {409, 422})
    both = Note(newest.note.text, (*newest.note.signatures, *read_signatures(answer.decode("utf-8", "replace"))))
    if place.key.signed_at(both) is None:
        raise Unwitnessed("what it answers is not signed by its key")
    kept = Note(both.text, tuple(line for line in both.signatures if line in newest.note.signatures or (line.name, line.id) == (place.key.name, place.key.id)))
    files = TreeFiles(tree)
    files.put(WITNESSED, kept.written().encode())
    files.settle()


def _why(status: int) -> str:
    known = {
        403: "it does not know this ledger's key (403): give it what dockwarden ledger key prints",
        404: "it does not know this ledger (404): give it what dockwarden ledger key prints",
        409: "it signed another checkpoint of this size (409): there are two histories",
        422: "it finds that this ledger does not go on from what it signed (422): there are two histories",
    }
    return known.get(status, f"it answers {status}")


def _ask(tree: Path, place: WitnessPlace, newest: Signed, old: int) -> tuple[int, bytes]:
    size = newest.checkpoint.size
    hashes = consistency_proof(old, size, Tiles(tree, size).subtree())
    proof = "".join(f"{base64.b64encode(hash).decode()}\n" for hash in hashes)
    return _post(place, f"old {old}\n{proof}\n{newest.note.written()}".encode())


def _post(place: WitnessPlace, body: bytes) -> tuple[int, bytes]:
    parts = urlsplit(place.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=place.ca or None)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", f"{parts.path}/add-checkpoint", body)
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_ANSWER)
    finally:
        connection.close()
