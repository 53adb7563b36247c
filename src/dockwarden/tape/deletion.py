"""A tape is deleted: its segments go, and what proves that it was stays. Killed at any step, it is whole still or deleted after the next start.

1. `deleting.json` says that it may be about to happen; alone it means nothing.
2. The ledger has that it is deleted, by whom, why, and with which head. From here on it is.
3. `deleted.json` says the same, signed with the ledger's key.
4. The segments go, then `deleting.json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.durable import sync_folder
from dockwarden.ledger.entry import Entry
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.marks import DELETED, DELETING, Deleted, Tail, deleted_of, write_mark
from dockwarden.tape.segment import Sign
from dockwarden.tape.shelf import reels_of

WHAT = "tape.deleted"
CLOCK_US = 3600 * 10**6
"""How far the clock may have been put back between a step and the next."""
KEPT = "tape.kept"
"""What the ledger says where a deletion that it has could not be done: the tape is still there."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deleted. `at` is microseconds since 1970, taken before the ledger's entry gets its time."""

    id: str
    at: int
    by: str
    why: str
    rule: str = ""
    tail: Tail

    def entry(self, what: str = WHAT) -> Entry:
        """What the ledger is to have."""
        detail = {"what": what, "tape": self.id, "segment": self.tail.segments, "head": self.tail.head, "why": self.why}
        detail |= {"rule": self.rule} if self.rule else {}
        return Entry(kind="tape", resource=f"Tape:{self.id}", principal=self.by, action="session.delete", detail=detail)

    def deleted(self, seq: int) -> Deleted:
        """What the mark says, the ledger having it at `seq`."""
        return Deleted(id=self.id, at=self.at, by=self.by, why=self.why, rule=self.rule, entry=seq, tail=self.tail)


def announce(folder: Path, intent: Intent) -> None:
    """Step 1. Raises: OSError: nothing happened."""
    write_mark(folder, DELETING, intent)


def take_back(folder: Path) -> None:
    """Undo step 1: nothing was recorded. Raises: OSError."""
    (folder / DELETING).unlink(missing_ok=True)
    sync_folder(folder)


def carry_out(folder: Path, intent: Intent, seq: int, sign: Sign) -> None:
    """Steps 3 and 4, the ledger having it at `seq`. Raises: OSError: what is left of it is done by `finish`."""
    write_mark(folder, DELETED, intent.deleted(seq).signed(sign))
    sweep(folder)


def sweep(folder: Path) -> None:
    """Step 4: let the segments of a tape go that is marked as deleted. Raises: OSError."""
    for reel in reversed(reels_of(folder)):  # what is left after a crash is a tape's beginning, and no hole in it
        reel.unlink()
    sync_folder(folder)
    take_back(folder)


def finish(folder: Path, newest: Iterable[Entry], sign: Sign, public: Ed25519PublicKey) -> bool:
    """Bring a deletion to its end that was cut off, if the ledger has it; whether it had. `newest` are its entries, the newest first.

    Raises:
        BadSegment: `deleted.json` cannot be read or is not signed by this ledger's key: nothing is deleted on its word. OSError.
    """
    mark = deleted_of(folder)
    if mark is not None:
        if mark.id != folder.name or not mark.is_signed(public):
            raise BadSegment(f"{DELETED} is not signed by this ledger's key")
        sweep(folder)
        return True
    try:
        intent = msgspec.json.decode((folder / DELETING).read_bytes(), type=Intent)
    except msgspec.MsgspecError:
        raise BadSegment(f"{DELETING} cannot be read") from None
    entry = recorded(intent, newest)
    if entry is None:
        take_back(folder)
        return False
    told = msgspec.structs.replace(intent, by=entry.principal, why=str(entry.detail["why"]), rule=str(entry.detail.get("rule", "")))
    carry_out(folder, told, entry.seq, sign)
    return True


def is_half_done(folder: Path) -> bool:
    """Whether `finish` has something to look at."""
    return (folder / DELETING).exists() or ((folder / DELETED).exists() and bool(reels_of(folder)))


def recorded(intent: Intent, newest: Iterable[Entry]) -> Entry | None:
    """The ledger's entry of it; `None` if there is none, or a later one took it back."""
    for entry in newest:
        if entry.at < intent.at - CLOCK_US:
            return None
        if entry.kind == "tape" and entry.detail.get("tape") == intent.id:
            what = entry.detail.get("what")
            if what == WHAT and entry.detail.get("head") == intent.tail.head:
                return entry
            if what == KEPT:
                return None
    return None
