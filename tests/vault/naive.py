"""The vault's format read a second time, from docs/spec/vault.md alone: slow, plain, and with nothing of dockwarden."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def lengthened(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def H(*parts: Any) -> bytes:
    return hashlib.sha256(lengthened(*(part if isinstance(part, bytes) else str(part).encode() for part in parts))).digest()


def place(purpose: str, *names: Any) -> bytes:
    return lengthened(b"dockwarden vault 1", purpose.encode(), *(str(name).encode() for name in names))


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of 32 bytes."""
    extracted = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def opened(key: bytes, sealed: bytes, where: bytes) -> bytes:
    return AESGCM(key).decrypt(bytes(12), sealed, where)


def unwrapped(key: bytes, salt: bytes, sealed: bytes, where: bytes) -> bytes:
    return opened(hkdf(key, salt, where), sealed, where)


def read(unseal_key: bytes, rows: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, bytes]]:
    """Every value of a vault by path and version, each row of it checked on the way. Raises: AssertionError, InvalidTag."""
    head = json.loads(b64decode(rows["head"][0]["row"]))
    vault = head["vault"]
    keyring = sorted((json.loads(b64decode(row["row"])) for row in rows["keyring"]), key=lambda row: row["name"])
    flat = [part for row in keyring for part in (row["name"], row["generation"], b64decode(row["salt"]), b64decode(row["sealed"]), row["how"])]
    assert b64decode(head["keyring"]) == H("keyring", *flat)

    root_row = next(row for row in keyring if row["name"] == "root")
    root = unwrapped(unseal_key, b64decode(root_row["salt"]), b64decode(root_row["sealed"]), place("root key", vault, root_row["generation"]))
    keys = {
        row["name"]: unwrapped(root, b64decode(row["salt"]), b64decode(row["sealed"]), place("keyring", vault, row["name"]))
        for row in keyring
        if row["name"] != "root"
    }

    packed = {row["number"]: b64decode(row["packed"]) for row in rows["bucket"]}
    level = [hashlib.sha256(packed.get(number, b"")).digest() for number in range(1 << 14)]
    while len(level) > 1:
        level = [hashlib.sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
    assert b64decode(head["root"]) == level[0]
    signed = H("head", vault, head["seq"], level[0], b64decode(head["keyring"]))
    assert b64decode(head["mac"]) == hmac.new(keys["seal"], signed, hashlib.sha256).digest()

    versions = {(row["path"], row["version"]): row for row in rows["version"]}
    pairs: dict[int, list[bytes]] = {}
    values: dict[str, dict[str, bytes]] = {}
    for row in rows["record"]:
        path, text = row["path"], b64decode(row["row"])
        number = int.from_bytes(H("path", path)[:2], "big") >> 2
        pairs.setdefault(number, []).append(H("path", path) + H("record", text))
        record = json.loads(text)
        assert record["path"] == path
        for version, state, _at, _by, size, digest in record["versions"]:
            found = versions.pop((path, version))
            salt, wrapped, sealed = (b64decode(found[name]) for name in ("salt", "wrapped", "sealed"))
            assert b64decode(digest) == H("version", path, version, found["term"], salt, wrapped, sealed)
            if state == "destroyed":
                assert (0, b"", b"", b"") == (found["term"], salt, wrapped, sealed)
                continue
            data_key = unwrapped(keys[f"term {found['term']}"], salt, wrapped, place("data key", vault, path, version, found["term"]))
            value = opened(data_key, sealed, place("value", vault, path, version))
            assert size == len(value)
            values.setdefault(path, {})[str(version)] = value
    assert not versions
    assert packed == {number: b"".join(sorted(entries)) for number, entries in pairs.items()}
    return values


def head_name(head: dict[str, Any]) -> str:
    parts = (b64decode(head[name]) for name in ("root", "keyring", "mac"))
    return H("head name", head["vault"], head["seq"], *parts).hex()
