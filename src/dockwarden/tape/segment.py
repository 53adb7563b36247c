"""A segment: frames, compressed, sealed with the tape's key, bound to all before them, and signed. Pure.

    "DWT1"                                        4 bytes
    seq, wall_us, mono_us, size, length, flags    u64, i64, u64, u32, u32, u8, big-endian
    hash                                          SHA-256("dockwarden tape segment v1\\n" || hash of the one before || header || sealed)
    signature                                     Ed25519 over "dockwarden tape v1\\n" || tape id || " " || seq || " " || hash in hex
    sealed                                        AES-256-GCM(zstd(frames)), nonce = seq in 12 bytes, associated data = hash before || header

`seq` counts from 1. `wall_us` is microseconds since 1970 at the moment `mono_us` after the tape's opening. `size` is that of the frames,
`length` that of `sealed`. Before the first segment stands the hash of the opening. A segment without frames has nothing sealed: so can a
tape be ended by who does not have its key.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from enum import IntFlag
from typing import NamedTuple

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import LONGEST

MAGIC = b"DWT1"
_HEADER = struct.Struct(">QqQIIB")
_FRONT = len(MAGIC) + _HEADER.size + 32 + 64
FRONT_BYTES = _FRONT
LINK, VOUCH = b"dockwarden tape segment v1\n", b"dockwarden tape v1\n"
LEVEL = 1
TAG = 16
MOST_SEALED = LONGEST + (1 << 16)

Sign = Callable[[bytes], bytes]
"""Vouches for a message with the ledger's key (Ed25519)."""


class Flag(IntFlag):
    """What is to be said of a segment."""

    LAST = 1
    """The tape was ended by who recorded it."""
    FOUND = 2
    """The tape was found without an end and ended then: its session was cut off with its recorder."""
    BROKEN = 4
    """Recording failed before this segment; frames may be missing."""


NO_FLAG = Flag(0)


class Head(NamedTuple):
    """The header of a segment, its hash, and its signature."""

    seq: int
    wall_us: int
    mono_us: int
    size: int
    length: int
    flags: Flag
    hash: bytes
    signature: bytes

    def packed(self) -> bytes:
        """The header's bytes, as hashed."""
        return _HEADER.pack(self.seq, self.wall_us, self.mono_us, self.size, self.length, self.flags)


class Segment(NamedTuple):
    """One segment as it is stored."""

    head: Head
    sealed: bytes

    def stored(self) -> bytes:
        """The bytes in the file."""
        return b"".join((MAGIC, self.head.packed(), self.head.hash, self.head.signature, self.sealed))


class Sealer:
    """Seals the segments of one tape in their order. Not for two threads."""

    def __init__(self, id: str, key: bytes, opening: bytes, sign: Sign, *, seq: int = 0) -> None:
        """`opening` is the hash of the opening, or of segment `seq` to go on after that."""
        self._id, self._sign = id, sign
        self._cipher = AESGCM(key) if key else None
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress
        self.seq, self.hash = seq, opening

    def seal(self, content: bytes, wall_us: int, mono_us: int, flags: Flag = NO_FLAG) -> Segment:
        """Return the next segment. Without a key it can have no content.

        The nonce is the segment's number. INVARIANT: a tape's key is used by one sealer only, which gives no number to two contents.
        """
        seq = self.seq + 1
        packed = self._compress(content) if content else b""
        head = Head(seq, wall_us, mono_us, len(content), len(packed) + TAG if packed else 0, flags, b"", b"")
        header = head.packed()
        sealed = self._cipher.encrypt(seq.to_bytes(12, "big"), packed, self.hash + header) if packed and self._cipher else b""
        digest = link(self.hash, header, sealed)
        made = Segment(head._replace(hash=digest, signature=self._sign(voucher(self._id, seq, digest))), sealed)
        self.seq, self.hash = seq, digest
        return made


def link(previous: bytes, header: bytes, sealed: bytes) -> bytes:
    """The hash of a segment."""
    found = hashlib.sha256(LINK)
    for part in (previous, header, sealed):
        found.update(part)
    return found.digest()


def voucher(id: str, seq: int, digest: bytes) -> bytes:
    """What is signed of a segment."""
    return VOUCH + f"{id} {seq} {digest.hex()}".encode()


def read_head(stored: bytes, at: int) -> Head | None:
    """The head of the segment that begins at `at`; `None` where its front is not whole.

    Raises:
        BadSegment: there is no segment here.
    """
    front = stored[at : at + _FRONT]
    if len(front) < _FRONT and MAGIC.startswith(front[: len(MAGIC)]):
        return None
    if front[: len(MAGIC)] != MAGIC:
        raise BadSegment("no segment begins where one should")
    seq, wall_us, mono_us, size, length, flags = _HEADER.unpack_from(front, len(MAGIC))
    if length > MOST_SEALED or size > LONGEST or flags & ~7:
        raise BadSegment("its header cannot be meant")
    after = len(MAGIC) + _HEADER.size
    return Head(seq, wall_us, mono_us, size, length, Flag(flags), front[after : after + 32], front[after + 32 :])


def check(segment: Segment, previous: bytes, seq: int, id: str, public: Ed25519PublicKey) -> None:
    """Return if `segment` is number `seq` of tape `id` and follows `previous`.

    Raises:
        BadSegment: it does not; the text says what is wrong.
    """
    head = segment.head
    if head.seq != seq:
        raise BadSegment(f"it says that it is number {head.seq}")
    if link(previous, head.packed(), segment.sealed) != head.hash:
        raise BadSegment("its bytes were changed, or it does not follow the one before it")
    try:
        public.verify(head.signature, voucher(id, seq, head.hash))
    except InvalidSignature:
        raise BadSegment("it is not signed by this ledger's key") from None


def unseal(segment: Segment, previous: bytes, key: bytes) -> bytes:
    """Return the frames' bytes of a segment that follows `previous`.

    Raises:
        BadSegment: it was changed, or `key` is not the tape's.
    """
    head = segment.head
    if not head.length:
        if head.size:
            raise BadSegment("it has frames and nothing sealed")
        return b""
    try:
        packed = AESGCM(key).decrypt(head.seq.to_bytes(12, "big"), segment.sealed, previous + head.packed())
        content = zstandard.ZstdDecompressor().decompress(packed, max_output_size=LONGEST)
    except (InvalidTag, zstandard.ZstdError):
        raise BadSegment("it cannot be opened: it was changed, or the key is another tape's") from None
    if len(content) != head.size:
        raise BadSegment("it holds another number of bytes than it says")
    return content
