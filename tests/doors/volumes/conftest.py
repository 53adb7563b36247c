from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.plugin_engine import Plugins, plugins_beside_an_engine


@pytest.fixture(scope="module")
def plugins() -> Iterator[Plugins]:
    """An Engine and our plugins beside it, for one file of tests."""
    with plugins_beside_an_engine("vol") as made:
        yield made
