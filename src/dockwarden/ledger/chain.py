"""How entries hang together: one a line, each line's hash over the one before it and its own bytes.

    <64 hex digits of the hash> <entry as JSON>\\n

JSON escapes every control character, so that nothing a caller sends can begin a line. The hash of line n is
SHA-256(hash of line n-1, 32 bytes, followed by the JSON of line n); before the first line stand 32 zero bytes.
"""

from __future__ import annotations

import hashlib

import msgspec

from dockwarden.ledger.entry import Entry

GENESIS = bytes(32)
HASH_CHARS = 64

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Entry)


def body_of(entry: Entry) -> bytes:
    """The JSON of an entry: what is hashed."""
    return _encode(entry)


def link(previous: bytes, body: bytes) -> bytes:
    """The 32-byte hash of a line."""
    return hashlib.sha256(previous + body).digest()


def line_of(digest: bytes, body: bytes) -> bytes:
    """The line as it is written."""
    return b"%s %s\n" % (digest.hex().encode(), body)


def read_line(line: bytes) -> tuple[str, Entry]:
    """Return hash and entry of a line (without its end).

    Raises:
        ValueError: it is no line of a ledger.
    """
    if len(line) <= HASH_CHARS or line[HASH_CHARS : HASH_CHARS + 1] != b" ":
        raise ValueError("not a ledger line")
    return line[:HASH_CHARS].decode("ascii"), _decoder.decode(line[HASH_CHARS + 1 :])
