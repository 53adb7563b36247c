"""A tape checked by files and a public key alone, offline; by who has its key, its content too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.segments import entries
from dockwarden.tape import deletion
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import ENDS, state_of
from dockwarden.tape.frames import decode
from dockwarden.tape.marks import Deleted, deleted_of, stored_of
from dockwarden.tape.opening import Opening, hash_of, read_opening
from dockwarden.tape.segment import NO_FLAG, Flag, check, unseal
from dockwarden.tape.shelf import OPENING, Torn, reels_of, stored_segments


@dataclass(frozen=True, slots=True)
class Gone:
    """A deletion as the ledger has it: `at` in microseconds since 1970, `entry` its place there."""

    at: int
    by: str
    why: str
    rule: str
    entry: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a tape: the newest segment it has the hash of, and whether that is the last there will be."""

    seq: int
    hash: bytes
    is_closed: bool
    deleted: Gone | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A tape as it was found. `wrong` is "" for one that is whole so far; else `segment` is the first that is not as it was written."""

    opening: Opening | None
    segments: int = 0
    head: bytes = b""
    flags: Flag = NO_FLAG
    wrong: str = ""
    segment: int = 0
    deleted: Gone | None = None
    is_away: bool = False

    @property
    def state(self) -> str:
        """As `found.state_of`, or `deleted`; `away` where the segments are in the store alone, and were not looked at."""
        return "deleted" if self.deleted else "away" if self.is_away else state_of(self.flags)


def known_tapes(ledger: Path) -> dict[str, Known]:
    """What the ledger in folder `ledger` says of each tape, and whether a recorded deed took it away."""
    found: dict[str, Known] = {}
    for entry in entries(ledger, 0):
        if entry.kind == "tape" and "tape" in entry.detail:
            id, what = str(entry.detail["tape"]), entry.detail.get("what")
            gone = None
            if what == deletion.WHAT:
                gone = Gone(entry.at, entry.principal, str(entry.detail["why"]), str(entry.detail.get("rule", "")), entry.seq)
            found[id] = Known(int(entry.detail["segment"]), bytes.fromhex(entry.detail["head"]), what in ENDS, gone)
    return found


def check_kept(folder: Path, public: Ed25519PublicKey, known: Known | None = None, key: bytes = b"", *, since: int = 0) -> Checked:
    """As `check_tape`, of a tape that may be deleted, or in the store alone: whether that is so by the ledger's word.

    `since` is the place of the ledger's oldest entry: what was deleted before that has its mark alone, which is signed. Total.
    """
    try:
        mark, stored = deleted_of(folder), stored_of(folder)
    except (BadSegment, OSError) as error:
        return Checked(None, wrong=str(error))
    if known is not None and known.deleted is not None:
        return _check_deleted(folder, mark, known, known.deleted)
    if mark is not None and mark.entry < since and mark.is_signed(public) and mark.id == folder.name and not reels_of(folder):
        gone = Gone(mark.at, mark.by, mark.why, mark.rule, mark.entry)
        return Checked(None, mark.tail.segments, bytes.fromhex(mark.tail.head), deleted=gone)
    if mark is not None and not reels_of(folder):
        return Checked(None, wrong="its contents are gone, and the ledger has no deletion of it", segment=1)
    if stored.is_away and stored.tail is not None and not reels_of(folder):
        head = bytes.fromhex(stored.tail.head)
        if known is not None and (known.seq, known.hash) != (stored.tail.segments, head):
            return Checked(None, wrong="what is in the store is not what the ledger has", segment=1)
        return Checked(None, stored.tail.segments, head, is_away=True)
    return check_tape(folder, public, known, key)


def _check_deleted(folder: Path, mark: Deleted | None, known: Known, gone: Gone) -> Checked:
    """A deleted tape: what is left of it must be what the ledger deleted."""
    if mark is not None and (mark.tail.segments, bytes.fromhex(mark.tail.head)) != (known.seq, known.hash):
        return Checked(None, wrong="what is left of it is not of the tape that the ledger deleted", segment=1)
    if folder.is_dir() and reels_of(folder):
        return Checked(None, wrong="the ledger has its deletion, and its contents are here; the next start of dockwarden finishes it", segment=1)
    return Checked(None, known.seq, known.hash, deleted=gone)


def check_tape(folder: Path, public: Ed25519PublicKey, known: Known | None = None, key: bytes = b"") -> Checked:
    """Return how the tape in `folder` is found: every segment's place, hash and signature, and the ledger's word on how far it goes.

    With `key`, every segment is opened too. Total: what cannot be read is wrong.
    """
    opening, seq, previous, flags = None, 0, b"", NO_FLAG
    try:
        stored = (folder / OPENING).read_bytes()
        opening = read_opening(stored)
        if opening.id != folder.name:
            raise BadSegment(f"the opening is that of tape {opening.id}")
        previous = hash_of(stored)
        for segment in stored_segments(folder):
            if Flag.LAST in flags:
                raise BadSegment("it comes after the last one")
            check(segment, previous, seq + 1, opening.id, public)
            if key:
                for _ in decode(unseal(segment, previous, key), segment.head.mono_us):
                    pass
            seq, previous, flags = seq + 1, segment.head.hash, segment.head.flags
            if known is not None and known.seq == seq and known.hash != previous:
                raise _Another(seq, "it is not the one that the ledger has")
        _see_the_end(seq, known)
    except _Another as error:
        return Checked(opening, seq, previous, flags, str(error), error.seq)
    except BadSegment as error:
        return Checked(opening, seq, previous, flags, str(error), seq + 1 if opening else 0)
    except Torn:
        why = "it is cut off within its bytes" if known is None or known.seq <= seq else "it is cut off, and the ledger has more"
        return Checked(opening, seq, previous, flags, why, seq + 1)
    except OSError as error:
        return Checked(opening, seq, previous, flags, f"it cannot be read ({error.strerror})", seq + 1)
    return Checked(opening, seq, previous, flags)


class _Another(BadSegment):
    def __init__(self, seq: int, text: str) -> None:
        super().__init__(text)
        self.seq = seq


def _see_the_end(seq: int, known: Known | None) -> None:
    """Refuse a tape that ends before what the ledger knows of it, or goes on after its end."""
    if known is None:
        return
    if seq < known.seq:
        raise _Another(seq + 1, f"it is missing: the ledger has {known.seq} segments of this tape, and {seq} are here")
    if known.is_closed and seq > known.seq:
        raise _Another(known.seq + 1, f"it is one too many: the ledger closed this tape with {known.seq}")
