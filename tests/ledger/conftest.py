"""A folder with a key, and ledgers that are written into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwarden.ledger.keys import make_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_key(tmp_path / "ledger")
    return tmp_path / "ledger"
