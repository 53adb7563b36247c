"""Whether a ledger is what was written: on the files and the public key alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.agree import Agreement, Disagreement
from dockwarden.ledger.chain import GENESIS, HASH_CHARS, read_line
from dockwarden.ledger.checkpoint import NOTE, ChainCheckpoint, Signed, ledger_key, read_signed
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.note import BadNote
from dockwarden.ledger.segments import CHAIN_HEAD, read_chain_head, segments
from dockwarden.ledger.tree import CHECKPOINT as PUBLISHED
from dockwarden.ledger.tree import TREE, WITNESSED, read_base, read_published

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
    """What was found. `first` and `last` are sequence numbers; `signed` is the last entry that a checkpoint vouches for.

    `origin`, `size` and `root` (hex) are of the newest checkpoint beside the tiles; "" and 0 where there is none.
    """

    entries: int
    first: int
    last: int
    signed: int
    checkpoints: int
    flaw: Flaw | None
    origin: str = ""
    size: int = 0
    root: str = ""


class _Broken(Exception):
    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw


class Verifier:
    """Walks a ledger's segments in order."""

    def __init__(
        self, folder: Path, public: Ed25519PublicKey, told: Callable[[int], None] = lambda _: None, kept: Mapping[str, Signed] | None = None
    ) -> None:
        """`told` gets the number of bytes read, now and then. `kept` are checkpoints from elsewhere, by name, that the ledger must go on from."""
        self._folder, self._public, self._told, self._kept = folder, public, told, dict(kept or {})
        self._key = ledger_key(public)
        self._previous = GENESIS
        self._seq = self._first = self._count = self._checkpoints = self._signed = 0
        self._segment = self._head_hash = ""
        self._wrong = ""
        # INVARIANT: read before the entries; an open ledger has them before it has the checkpoint
        self._head = read_chain_head(folder)
        self._published = self._read_published()
        self._tree = Agreement(folder / TREE, self._published.checkpoint if self._published else None, self._read_base())

    def run(self) -> Verified:
        """Return what was found; a ledger without entries is in order."""
        flaw = None
        try:
            if self._wrong:
                self._segment = f"{TREE}/{PUBLISHED}"
                raise self._flaw(0, self._wrong)
            for file in segments(self._folder):
                self._begin(file)
                self._walk(file.read_bytes())
            self._check_head()
            self._check_kept()
        except _Broken as broken:
            flaw = broken.flaw
        newest = self._published.checkpoint if self._published else None
        said = (newest.origin, newest.size, newest.root.hex()) if newest else ("", 0, "")
        return Verified(self._count, self._first, self._seq, self._signed, self._checkpoints, flaw, *said)

    def _read_published(self) -> Signed | None:
        try:
            published = read_published(self._folder / TREE / PUBLISHED)
        except BadNote as error:
            self._wrong = f"the signed checkpoint {error}"
            return None
        if published and not published.is_by(self._key):
            self._wrong = "the checkpoint's signature is not by this key"
        return published

    def _read_base(self) -> int:
        try:
            return read_base(self._folder / TREE)
        except BadNote as error:
            self._wrong = str(error)
            return 0

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
            try:
                self._tree.begin(first)
            except Disagreement as error:
                raise self._of_tree(error) from None

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
            try:
                self._tree.add(line)
            except Disagreement as error:
                self._previous, self._seq = previous, seq
                raise self._of_tree(error) from None
            previous = digest
            seq += 1
            self._count += 1
            if self._head and seq == self._head.seq:
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

    def _of_tree(self, error: Disagreement) -> _Broken:
        self._segment = f"{TREE}/{error.file}"
        return self._flaw(0, str(error))

    def _check(self, number: int, line: bytes) -> None:
        _, entry = read_line(line)
        if NOTE in entry.detail:
            self._check_note(number, entry)
        else:
            self._check_chain(number, entry)
        self._checkpoints += 1

    def _check_note(self, number: int, entry: Entry) -> None:
        try:
            signed = read_signed(str(entry.detail[NOTE]).encode())
        except BadNote as error:
            raise self._flaw(number, f"a checkpoint that {error}") from None
        if not signed.is_by(self._key):
            raise self._flaw(number, "a checkpoint whose signature is not by this key")
        try:
            self._tree.check(signed.checkpoint, self._segment)
        except Disagreement as error:
            raise self._flaw(number, str(error)) from None
        self._signed = self._seq

    def _check_chain(self, number: int, entry: Entry) -> None:
        """The form before the tree."""
        try:
            checkpoint = msgspec.convert(entry.detail, ChainCheckpoint)
        except msgspec.ValidationError:
            raise self._flaw(number, "a checkpoint that vouches for nothing") from None
        if not checkpoint.is_signed(self._public):
            raise self._flaw(number, "a checkpoint whose signature is not by this key")
        if (checkpoint.seq, checkpoint.hash) != (self._seq, self._previous.hex()):
            raise self._flaw(number, "a checkpoint that vouches for other entries than those before it: they were rewritten")
        self._signed = checkpoint.seq

    def _check_head(self) -> None:
        if self._published is None and self._head is None and self._count:
            raise self._flaw(0, "the signed head is missing or cannot be read")
        if self._published is not None:
            self._check_end(self._tree.base + self._published.checkpoint.size, f"{TREE}/{PUBLISHED}", "checkpoint")
        if self._head is not None:
            self._segment = CHAIN_HEAD
            if not self._head.is_signed(self._public):
                raise self._flaw(0, "the head's signature is not by this key")
            self._check_end(self._head.seq, CHAIN_HEAD, "head")
            if self._head_hash and self._head.hash != self._head_hash:
                raise self._flaw(0, f"the head vouches for another entry {self._head.seq} than the one here")

    def _check_end(self, seq: int, segment: str, name: str) -> None:
        self._segment = segment
        self._signed = max(self._signed, min(seq, self._seq))
        if seq > self._seq:
            raise self._flaw(0, f"the {name} vouches for entry {seq}, but the last one here is {self._seq}: the tail was cut off")

    def _check_kept(self) -> None:
        """The witness's checkpoint and those that were kept elsewhere: this ledger goes on from each."""
        try:
            witnessed = read_published(self._folder / TREE / WITNESSED)
        except BadNote as error:
            self._segment = f"{TREE}/{WITNESSED}"
            raise self._flaw(0, f"the witnessed checkpoint {error}") from None
        every = {**({f"{TREE}/{WITNESSED}": witnessed} if witnessed else {}), **self._kept}
        for name, kept in every.items():
            self._segment = name
            if not kept.is_by(self._key):
                raise self._flaw(0, "a checkpoint whose signature is not by this key")
            try:
                self._tree.see_kept(kept, name)
            except Disagreement as error:
                raise self._flaw(0, str(error)) from None
