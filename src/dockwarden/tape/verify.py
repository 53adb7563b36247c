"""A tape checked by files and a public key alone, offline; by who has its key, its content too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import state_of
from dockwarden.tape.frames import decode
from dockwarden.tape.opening import Opening, hash_of, read_opening
from dockwarden.tape.segment import NO_FLAG, Flag, check, unseal
from dockwarden.tape.shelf import OPENING, Torn, stored_segments


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a tape: the newest segment it has the hash of, and whether that is the last there will be."""

    seq: int
    hash: bytes
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A tape as it was found. `wrong` is "" for one that is whole so far; else `segment` is the first that is not as it was written."""

    opening: Opening | None
    segments: int = 0
    head: bytes = b""
    flags: Flag = NO_FLAG
    wrong: str = ""
    segment: int = 0

    @property
    def state(self) -> str:
        """As `found.state_of`."""
        return state_of(self.flags)


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
