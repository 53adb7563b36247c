"""docs/spec/ledger-vectors.json by a second reading of docs/spec/ledger.md: hashlib, Ed25519, and nothing of dockwarden's but the file."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import naive

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "spec" / "ledger-vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
LINES = [line.encode() for line in VECTORS["lines"]]


def key_of(written: str) -> tuple[str, bytes, int, Ed25519PublicKey]:
    name, id, material = written.split("+", 2)
    raw = base64.b64decode(material)
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == id
    return name, bytes.fromhex(id), raw[0], Ed25519PublicKey.from_public_bytes(raw[1:])


def signed_text(note: str, key: str) -> str:
    """The text of a note, when `key` signed it."""
    name, id, kind, public = key_of(key)
    text, _, below = note.rpartition("\n\n")
    for line in below.splitlines():
        found = re.fullmatch(r"— (\S+) (\S+)", line)
        assert found
        data = base64.b64decode(found[2])
        if (found[1], data[:4]) == (name, id):
            message = (text + "\n").encode()
            if kind == 4:
                message = f"cosignature/v1\ntime {int.from_bytes(data[4:12], 'big')}\n".encode() + message
            public.verify(data[4 if kind == 1 else 12 :], message)
            return text + "\n"
    raise AssertionError("the key did not sign")


def test_our_code_writes_the_published_vectors() -> None:
    spec = importlib.util.spec_from_file_location("make_ledger_vectors", ROOT / "scripts" / "make_ledger_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    assert FILE.read_text("utf-8") == script.text()


def test_lines_are_chained() -> None:
    previous = bytes(32)
    for seq, line in enumerate(LINES, 1):
        previous = hashlib.sha256(previous + line[65:]).digest()
        assert (previous.hex().encode(), seq) == (line[:64], json.loads(line[65:])["seq"])


def test_the_name_is_the_keys() -> None:
    name, _, kind, public = key_of(VECTORS["key"])

    assert (f"dockwarden/ledger-{hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]}", 1) == (name, kind)


def test_checkpoints_have_the_roots_of_the_lines() -> None:
    for size, note in VECTORS["checkpoints"].items():
        root = base64.b64encode(naive.mth(LINES[: int(size)])).decode()
        assert f"{key_of(VECTORS['key'])[0]}\n{size}\n{root}\n" == signed_text(note, VECTORS["key"])


def test_the_witness_signed_the_newest_one() -> None:
    assert signed_text(VECTORS["checkpoints"]["260"], VECTORS["key"]) == signed_text(VECTORS["witnessed"], VECTORS["witness_key"])
    assert signed_text(VECTORS["witnessed"], VECTORS["key"])


def test_tiles_have_the_hashes() -> None:
    leaves = [naive.mth([line]) for line in LINES]
    low = {"tile/0/000.p/1": leaves[:1], "tile/0/000.p/7": leaves[:7], "tile/0/000": leaves[:256], "tile/0/001.p/4": leaves[256:]}
    expected = {**low, "tile/1/000.p/1": [naive.mth(LINES[:256])]}

    assert {path: b"".join(hashes).hex() for path, hashes in expected.items()} == VECTORS["tiles"]


def test_proofs_are_the_naive_ones() -> None:
    for index, proof in VECTORS["proofs"].items():
        hashes = "".join(base64.b64encode(hash).decode() + "\n" for hash in naive.path(int(index), LINES))
        extra = base64.b64encode(LINES[int(index)]).decode()
        assert f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{hashes}\n{VECTORS['checkpoints']['260']}" == proof


def test_consistency_proofs_are_the_naive_ones() -> None:
    for old, hashes in VECTORS["consistency"].items():
        assert [base64.b64encode(hash).decode() for hash in naive.proof(int(old), LINES)] == hashes
