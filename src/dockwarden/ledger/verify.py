"""Whether a ledger is what was written: on the files and the public key alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.chain import GENESIS, HASH_CHARS, read_line
from dockwarden.ledger.checkpoint import Checkpoint, is_signed
from dockwarden.ledger.segments import read_head, segments

CHECKPOINT = b'"kind":"checkpoint"'
KIND_WITHIN = 80


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing that is wrong, and where: `line` counts from 1 in `segment`, `seq` is the entry that should be there."""

    segment: str
    line: int
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found. `first` and `last` are sequence numbers; `signed` is the last entry that a checkpoint vouches for."""

    entries: int
    first: int
    last: int
    signed: int
    checkpoints: int
    flaw: Flaw | None


class _Broken(Exception):
    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw


class Verifier:
    """Walks a ledger's segments in order."""

    def __init__(self, folder: Path, public: Ed25519PublicKey, told: Callable[[int], None] = lambda _: None) -> None:
        """`told` gets the number of bytes read, now and then."""
        self._folder, self._public, self._told = folder, public, told
        self._previous = GENESIS
        self._seq = self._first = self._count = self._checkpoints = self._signed = 0
        self._segment = self._head_hash = ""
        head = read_head(folder)
        self._head_seq = head.seq if head else 0

    def run(self) -> Verified:
        """Return what was found; a ledger without entries is in order."""
        flaw = None
        try:
            for file in segments(self._folder):
                self._begin(file)
                self._walk(file.read_bytes())
            self._check_head()
        except _Broken as broken:
            flaw = broken.flaw
        return Verified(self._count, self._first, self._seq, self._signed, self._checkpoints, flaw)

    def _flaw(self, line: int, what: str) -> _Broken:
        return _Broken(Flaw(self._segment, line, self._seq + 1, what))

    def _begin(self, file: Path) -> None:
        """A segment's first line says which hash it goes on from; for the oldest one left, that is believed from its signature on."""
        self._segment = file.name
        first = int(file.stem)
        if self._count and first != self._seq + 1:
            raise self._flaw(1, f"segments between entries {self._seq} and {first} are missing")
        if not self._count:
            self._first, self._seq = first, first - 1
            if first > 1:
                with file.open("rb") as lines:
                    self._previous = self._handed_over(lines.readline())

    def _handed_over(self, line: bytes) -> bytes:
        try:
            _, entry = read_line(line.rstrip(b"\n"))
            return bytes.fromhex(entry.detail["previous"])
        except (ValueError, KeyError, TypeError, msgspec.DecodeError):
            raise self._flaw(1, "does not begin with the hash it goes on from") from None

    def _walk(self, data: bytes) -> None:
        sha256, previous, seq = hashlib.sha256, self._previous, self._seq
        lines = data.split(b"\n")
        if lines.pop():
            self._previous, self._seq = previous, seq
            raise self._flaw(len(lines) + 1, "the last line is cut short")
        for number, line in enumerate(lines, 1):
            body = line[HASH_CHARS + 1 :]
            digest = sha256(previous + body).digest()
            if digest.hex().encode() != line[:HASH_CHARS] or not body.startswith(b'{"seq":%d,' % (seq + 1)):
                self._previous, self._seq = previous, seq
                raise self._flaw(number, self._which(line, digest, seq))
            if CHECKPOINT in body[:KIND_WITHIN]:
                self._previous, self._seq = previous, seq
                self._check(number, line)
            previous = digest
            seq += 1
            self._count += 1
            if seq == self._head_seq:
                self._head_hash = digest.hex()
        self._previous, self._seq = previous, seq
        self._told(len(data))

    @staticmethod
    def _which(line: bytes, digest: bytes, seq: int) -> str:
        try:
            stated, entry = read_line(line)
        except (ValueError, msgspec.DecodeError):
            return "is no entry: its bytes were changed"
        if entry.seq != seq + 1:
            return f"is entry {entry.seq}: entries were taken out, put in or moved"
        return f"its hash is {stated[:16]}…, its content says {digest.hex()[:16]}…: it or the entry before it was changed"

    def _check(self, number: int, line: bytes) -> None:
        _, entry = read_line(line)
        checkpoint = msgspec.convert(entry.detail, Checkpoint)
        if not is_signed(self._public, checkpoint):
            raise self._flaw(number, "a checkpoint whose signature is not by this key")
        if (checkpoint.seq, checkpoint.hash) != (self._seq, self._previous.hex()):
            raise self._flaw(number, "a checkpoint that vouches for other entries than those before it: they were rewritten")
        self._checkpoints += 1
        self._signed = checkpoint.seq

    def _check_head(self) -> None:
        head = read_head(self._folder)
        if head is None:
            if self._count:
                raise self._flaw(0, "the signed head is missing or cannot be read")
            return
        self._segment = "head.json"
        if not is_signed(self._public, head):
            raise self._flaw(0, "the head's signature is not by this key")
        self._signed = max(self._signed, min(head.seq, self._seq))
        if head.seq > self._seq:
            raise self._flaw(0, f"the head vouches for entry {head.seq}, but the last one here is {self._seq}: the tail was cut off")
        if self._head_hash and head.hash != self._head_hash:
            raise self._flaw(0, f"the head vouches for another entry {head.seq} than the one here")
