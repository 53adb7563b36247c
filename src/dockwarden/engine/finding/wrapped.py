"""What stands inside of one wrapping: base64 of a text or of a key, and the header of a JSON web token. Nothing raises."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
DER_PRIVATE = re.compile(rb"0(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01](?:0|\x02|\x04)", re.DOTALL)
"""RFC 8017 RSAPrivateKey, RFC 5208/5958 PrivateKeyInfo, RFC 5915 ECPrivateKey: a sequence that begins with a version; a certificate,
a request and a public key begin with a sequence."""


def unwrapped(text: str) -> bytes | None:
    """Return what `text` is the base64 of, in either alphabet, with or without its padding; None if it is of nothing."""
    text = text.rstrip("=").translate(_STANDARD)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def unwrapped_text(text: str) -> str | None:
    """Return the readable text that `text` is the base64 of; None if there is none."""
    inside = unwrapped(text)
    if not inside:
        return None
    try:
        said = inside.decode("utf-8")
    except UnicodeDecodeError:
        # a text that was looked at in part ends where it ends
        said = inside[:-3].decode("utf-8", "ignore") if inside.isascii() else ""
    return said if said and said.translate(_WHITE).isprintable() else None


def is_private_der(text: str) -> bool:
    """Whether `text` is the base64 of a private key without the lines of a PEM around it."""
    head = unwrapped(text[:32])
    return bool(head and DER_PRIVATE.match(head))


def is_token_header(text: str) -> bool:
    """Whether `text` is the header of a signed or encrypted JSON web token. Source: RFC 7515 §4.1.1, RFC 7516 §4.1.1."""
    inside = unwrapped(text)
    if not inside:
        return False
    try:
        header = msgspec.json.decode(inside)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str) and header["alg"].lower() != "none"


_WHITE = dict.fromkeys(map(ord, "\r\n\t"))
_STANDARD = str.maketrans("-_", "+/")
