"""Signatures over the chain: who holds the key vouched for everything up to an entry."""

from __future__ import annotations

import base64

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PURPOSE = b"dockwarden ledger checkpoint v1\n"


class Checkpoint(msgspec.Struct, frozen=True):
    """`hash` (hex) is that of entry `seq`; `signature` is base64 of Ed25519 over both."""

    seq: int
    hash: str
    signature: str


def _message(seq: int, digest: str) -> bytes:
    return PURPOSE + f"{seq} {digest}\n".encode()


def sign(key: Ed25519PrivateKey, seq: int, digest: str) -> Checkpoint:
    """Vouch for everything up to entry `seq`."""
    return Checkpoint(seq, digest, base64.b64encode(key.sign(_message(seq, digest))).decode())


def is_signed(public: Ed25519PublicKey, checkpoint: Checkpoint) -> bool:
    """Whether the key's holder vouched for it."""
    try:
        public.verify(base64.b64decode(checkpoint.signature, validate=True), _message(checkpoint.seq, checkpoint.hash))
    except (InvalidSignature, ValueError):
        return False
    return True
