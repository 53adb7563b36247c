"""docs/spec/vault.md is true: our code writes its vectors, and an implementation that knows the page alone reads them."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from dockwarden.vault.rows import Head, KeyRow, VersionRow
from dockwarden.vault.sql import open_store
from dockwarden.vault.store import Change
from dockwarden.vault.vault import Vault
from dockwarden.vault.verify import verify
from dockwarden.words.errors import Hidden

from . import naive
from .conftest import MemoryLog

ROOT = Path(__file__).parent.parent.parent
BLOBS = {"row", "digest", "packed", "salt", "wrapped", "sealed"}
VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "spec" / "vault-vectors.json").read_text())


def test_our_code_writes_the_published_vectors() -> None:
    spec = importlib.util.spec_from_file_location("make_vault_vectors", ROOT / "scripts" / "make_vault_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    assert (ROOT / "docs" / "spec" / "vault-vectors.json").read_text() == script.text()


def test_the_page_alone_is_enough_to_read_a_vault() -> None:
    values = naive.read(bytes.fromhex(VECTORS["unseal_key"]), VECTORS["rows"])

    assert {path: {number: b64encode(value).decode() for number, value in found.items()} for path, found in values.items()} == VECTORS["values"]


def test_the_ledger_names_the_head_as_the_page_says() -> None:
    head = json.loads(b64decode(VECTORS["rows"]["head"][0]["row"]))

    assert VECTORS["ledger"][-1] == {"vault": head["vault"], "seq": head["seq"], "head": naive.head_name(head)}
    assert VECTORS["ledger"][-2]["head"] == naive.head_name(head)


def test_each_store_takes_the_published_rows_and_gives_the_values_back(new_url: Callable[[], str]) -> None:
    rows = {table: [{name: b64decode(cell) if name in BLOBS else cell for name, cell in row.items()} for row in rows] for table, rows in VECTORS["rows"].items()}
    store, log = open_store(new_url()), MemoryLog()
    head = msgspec.json.decode(rows["head"][0]["row"], type=Head)
    store.commit(
        Change(
            head, {row["number"]: row["packed"] for row in rows["bucket"]}, {row["path"]: row["row"] for row in rows["record"]},
            tuple(VersionRow(**row) for row in rows["version"]), tuple(msgspec.json.decode(row["row"], type=KeyRow) for row in rows["keyring"]),
        )
    )
    log.said.append((head.vault, head.seq, head.name, ""))
    log.ends = [head.ledger_hash] * head.ledger_seq
    vault = Vault(store, log)
    vault.unseal(bytes.fromhex(VECTORS["unseal_key"]))

    assert () == verify(store, log, bytes.fromhex(VECTORS["unseal_key"])).findings
    for path, versions in VECTORS["values"].items():
        for number, value in versions.items():
            with contextlib.suppress(Hidden):  # deleted ones are stored, and not read
                assert b64decode(value) == vault.get(path, int(number)).value.reveal()


@pytest.mark.parametrize("table", list(VECTORS["rows"]))
def test_the_second_implementation_finds_what_was_changed(table: str) -> None:
    for at, row in enumerate(VECTORS["rows"][table]):
        for column, value in row.items():
            if isinstance(value, str) and column in {"row", "packed", "salt", "wrapped", "sealed"} and value:
                rows = copy.deepcopy(VECTORS["rows"])
                content = bytearray(b64decode(value))
                content[len(content) // 2] ^= 1
                rows[table][at][column] = b64encode(content).decode()
                with pytest.raises((AssertionError, InvalidTag, ValueError, KeyError)):
                    naive.read(bytes.fromhex(VECTORS["unseal_key"]), rows)
