"""The starter policies, as `init` writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwarden.policy.load import PolicySet, load

STARTER = Path(__file__).resolve().parents[2] / "src" / "dockwarden" / "policy" / "starter"


@pytest.fixture(scope="session")
def starter() -> PolicySet:
    return load({file.name: file.read_text("utf-8") for file in STARTER.glob("*.cedar")})
