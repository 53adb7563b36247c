"""What is known of a tape besides its segments: who holds it, what of it is in the store, and that it was deleted. Small files in its folder.

    holds.json      who wants it kept, and why
    killed.json     who ended its session from outside, and why
    stored.json     which of its segments are in the store, and whether they are still here
    deleting.json   somebody is about to delete it: the ledger says whether they did
    deleted.json    it is deleted: when, by whom, why, and what it was; signed with the ledger's key

A file is replaced whole or not at all, and is durable when a function returns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.durable import sync_folder
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.segment import Sign

HOLDS, KILLED, STORED, DELETING, DELETED = "holds.json", "killed.json", "stored.json", "deleting.json", "deleted.json"
_PURPOSE = b"dockwarden tape deletion v1\n"

T = TypeVar("T")


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants the tape kept, whatever the rules say. `at` is microseconds since 1970."""

    by: str
    at: int
    reason: str


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody ended the session, by itself or by a lock. `at` is microseconds since 1970. For lists: the ledger has it too, and is believed."""

    by: str
    at: int
    why: str


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole tape came to: its last segment, when that was, its state as `found.state_of`, and how many bytes they were."""

    segments: int
    head: str
    ended: int
    state: str
    bytes: int


class Copied(msgspec.Struct, frozen=True):
    """One object of the store: whole segments, one after the other, named as a reel is. `sha256` is hex."""

    name: str
    bytes: int
    sha256: str


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a tape is in the store. `reel` and `at` say where its next segment is looked for.

    `tail` is there once the whole tape is in the store; `is_away` says that its reels are there alone, `back` when they were last brought back.
    """

    objects: tuple[Copied, ...] = ()
    segments: int = 0
    reel: str = ""
    at: int = 0
    tail: Tail | None = None
    is_away: bool = False
    back: int = 0
    marks: dict[str, str] = {}
    """SHA-256 of each small file as it is in the store."""
    is_gone: bool = False
    """It was deleted, and so was what the store had of it."""


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """The tape is deleted. `rule` is the setting that asked for it, "" where a person did; `entry` is the place of its record in the ledger."""

    id: str
    at: int
    by: str
    why: str
    rule: str = ""
    entry: int
    tail: Tail
    signature: str = ""

    def message(self) -> bytes:
        """What is signed."""
        return _PURPOSE + msgspec.json.encode(msgspec.structs.replace(self, signature=""))

    def signed(self, sign: Sign) -> Deleted:
        """The same, vouched for."""
        return msgspec.structs.replace(self, signature=sign(self.message()).hex())

    def is_signed(self, public: Ed25519PublicKey) -> bool:
        """Whether the key's holder vouched for it."""
        try:
            public.verify(bytes.fromhex(self.signature), self.message())
        except (InvalidSignature, ValueError):
            return False
        return True


def holds_of(folder: Path) -> tuple[Hold, ...]:
    """Who holds the tape. Raises: BadSegment: the file cannot be read, so nobody knows; OSError."""
    return _read(folder / HOLDS, tuple[Hold, ...]) or ()


def killed_of(folder: Path) -> Killed | None:
    """Who ended its session, if somebody did. Raises: as `holds_of`."""
    return _read(folder / KILLED, Killed)


def mark_killed(folder: Path, by: str, why: str) -> None:
    """Say so in lists. Never raises: a disk that takes no mark is no reason not to end a session."""
    with contextlib.suppress(OSError):
        write_mark(folder, KILLED, Killed(by=by, at=time.time_ns() // 1000, why=why))


def stored_of(folder: Path) -> Stored:
    """What of it is in the store. Raises: as `holds_of`."""
    return _read(folder / STORED, Stored) or Stored()


def deleted_of(folder: Path) -> Deleted | None:
    """That it is deleted, if it is. Raises: as `holds_of`."""
    return _read(folder / DELETED, Deleted)


def absent(folder: Path) -> str:
    """Why a tape's segments are not in its folder, "" if they should be. Raises: as `holds_of`."""
    if (folder / DELETED).exists():
        return "its contents were deleted"
    return "its contents are in the store, and not here" if stored_of(folder).is_away else ""


def write_mark(folder: Path, name: str, mark: object) -> None:
    """Let `mark` be the file of that name. Raises: OSError: it is as it was."""
    part = folder / f"{name}.part"
    with contextlib.ExitStack() as undo:
        undo.callback(part.unlink, missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(msgspec.json.encode(mark) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(folder / name)
        undo.pop_all()
    sync_folder(folder)


def digest_of(data: bytes) -> str:
    """The SHA-256 of a mark or an object, in hex."""
    return hashlib.sha256(data).hexdigest()


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        # INVARIANT: a mark that cannot be read is no mark that is not there: what it may forbid is not done
        raise BadSegment(f"{file.name} cannot be read") from None
