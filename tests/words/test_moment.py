"""A moment is read the same everywhere."""

from __future__ import annotations

import pytest

from dockwarden.words.moment import moment


@pytest.mark.parametrize(("at_us", "read"), [(0, ""), (1, "1970-01-01T00:00:00Z"), (1_769_860_800_999_999, "2026-01-31T12:00:00Z")])
def test_a_moment_is_rfc_3339_in_utc_and_none_is_nothing(at_us: int, read: str) -> None:
    assert read == moment(at_us)
