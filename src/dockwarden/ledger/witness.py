"""Asks a witness, now and then, to sign the newest checkpoint: it does so only where the ledger went on from what it saw before.

In a thread of its own: nothing waits for it. What it answers is kept beside the tiles; how far it is behind shows in `dockwarden ledger
witness` and in `doctor`, and that it does not answer, or saw another history, is told once.
Source: C2SP tlog-witness (add-checkpoint) and tlog-cosignature.
"""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dockwarden.ledger.checkpoint import Signed
from dockwarden.ledger.errand import Errand
from dockwarden.ledger.merkle import consistency_proof
from dockwarden.ledger.note import COSIGNER, BadNote, Note, NoteKey, read_key, read_signatures
from dockwarden.ledger.segments import entries
from dockwarden.ledger.tree import CHECKPOINT, TREE, WITNESSED, MissingTile, Tiles, TreeFiles, read_base, read_published
from dockwarden.words.errors import BadConfig
from dockwarden.words.moment import moment

EVERY_S = 10.0
RETRY_S = 30.0
TIMEOUT_S = 10.0
MOST_ANSWER = 1 << 16
WITNESSED_AGAIN = "ledger.witnessed"
"""What is told when it signs again."""
LATE_S = 120
"""How long an entry may wait for the witness before that is called a lag."""
OWN = frozenset({"checkpoint", "segment"})
"""Entries that a checkpoint itself makes: they wait for the next one, which comes only with others."""
SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
CLOSE_S = 1.0

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


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a witness is behind: of `size` entries it signed `witnessed`, at `at` (seconds since 1970, 0: never)."""

    size: int
    witnessed: int
    at: int
    is_late: bool

    def __str__(self) -> str:
        said = f"{self.witnessed} of {self.size} entries are witnessed, last {moment(self.at * 1_000_000) or 'never'}"
        return said + (": IT LAGS" if self.is_late else "")


def lag_of(ledger: Path, place: WitnessPlace) -> Lag:
    """Return how far the witness of the ledger in `ledger` is behind, from the files. Raises: BadConfig."""
    tree = ledger / TREE
    try:
        newest, seen, base = read_published(tree / CHECKPOINT), read_published(tree / WITNESSED), read_base(tree)
    except (BadNote, OSError) as error:
        raise BadConfig(str(tree), str(error), "run dockwarden ledger verify") from None
    at = (place.key.signed_at(seen.note) if seen else None) or 0
    size, witnessed = newest.checkpoint.size if newest else 0, seen.checkpoint.size if seen and at else 0
    waiting = (entry.at for entry in entries(ledger, base + witnessed) if entry.kind not in OWN)
    return Lag(size, witnessed, at, witnessed < size and time.time() - next(waiting, sys.maxsize) / 1e6 > LATE_S)


class Witness:
    """Keeps one ledger's tree witnessed. `start`, `wake` and `close` are for others, the rest is the thread's."""

    def __init__(self, ledger: Path, place: WitnessPlace, told: Told) -> None:
        self._tree, self._place, self._told = ledger / TREE, place, told
        self._trouble = ""
        self._errand = Errand("ledger witness", self._try, every_s=EVERY_S, retry_s=RETRY_S)

    def start(self) -> None:
        """Begin to ask. Call once, when the ledger is open."""
        self._errand.start()
        self.wake()

    def wake(self) -> None:
        """There is a new checkpoint beside the tiles."""
        self._errand.ask(self._tree)

    def close(self) -> None:
        """End the thread; an answer that does not come soon is not waited for: it is asked for again."""
        self._errand.close(CLOSE_S, is_dropped=True)

    def _try(self, tree: Path) -> bool:
        try:
            catch_up(tree, self._place)
        except (Unwitnessed, OSError, BadNote, MissingTile, http.client.HTTPException) as error:
            trouble = str(error) or type(error).__name__
            if trouble != self._trouble:
                self._trouble = trouble
                is_alarm = isinstance(error, Unwitnessed) and error.is_alarm
                self._told("ledger.witness_disagrees" if is_alarm else "ledger.unwitnessed", {"because": trouble})
            return False
        if self._trouble:
            self._told(WITNESSED_AGAIN, {"was": self._trouble})
            self._trouble = ""
        return True


def catch_up(tree: Path, place: WitnessPlace) -> None:
    """Have the newest checkpoint of `tree` signed, and keep it. Raises: Unwitnessed, OSError, BadNote, MissingTile, HTTPException."""
    newest = read_published(tree / CHECKPOINT)
    if newest is None:
        return
    before = read_published(tree / WITNESSED)
    old = before.checkpoint.size if before else 0
    if old == newest.checkpoint.size:
        return
    status, answer = _ask(tree, place, newest, old)
    if status == 409 and SIZE.fullmatch(answer):
        status, answer = _ask(tree, place, newest, int(answer))
    if status != 200:
        raise Unwitnessed(_why(status), is_alarm=status in {409, 422})
    files = TreeFiles(tree)
    files.put(WITNESSED, _with_cosignature(newest.note, answer, place.key).written().encode())
    files.settle()


def _with_cosignature(note: Note, answer: bytes, key: NoteKey) -> Note:
    """`note` with the witness's line below; lines of keys that are not known here are left out."""
    lines = read_signatures(answer.decode("utf-8", "replace"))
    both = Note(note.text, (*note.signatures, *(line for line in lines if (line.name, line.id) == (key.name, key.id))))
    if key.signed_at(both) is None:
        raise Unwitnessed("what it answers is not signed by its key")
    return both


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
    if old > size:
        what = f"a checkpoint of {old} entries was witnessed, and there are {size} here: an older copy was put in the ledger's place"
        raise Unwitnessed(what, is_alarm=True)
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
