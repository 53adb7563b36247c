"""The catalogue is whole, and every refusal made from it teaches."""

from __future__ import annotations

import pytest

from dockwarden.engine.escapes import CATALOGUE, advice, describe


def test_names_are_unique_and_every_row_teaches() -> None:
    assert len(CATALOGUE) == len({row.name for row in CATALOGUE})
    for row in CATALOGUE:
        assert row.place
        assert row.meaning[0].islower() or row.meaning[0].isupper()
        assert not row.meaning.endswith(".")
        assert row.instead
        assert row.row


@pytest.mark.parametrize(
    ("fact", "row"),
    [
        ("privileged", "privileged"),
        ("cap:SYS_ADMIN", "cap:"),
        ("bind:/etc:x", "bind:"),
        ("namespace:host-pid", "namespace:host-pid"),
        ("namespace:other:pid=x", "namespace:other:"),
        ("device:/dev/sda", "device:"),
        ("no-new-privileges:false", "no-new-privileges:false"),
    ],
)
def test_a_fact_finds_its_row(fact: str, row: str) -> None:
    found = describe(fact)

    assert found is not None
    assert row == found.name


@pytest.mark.parametrize("fact", ["", "nosuch", "nosuch:x", "privileged:x", "cap", ":"])
def test_what_is_no_fact_has_no_row_and_still_an_answer(fact: str) -> None:
    assert describe(fact) is None
    assert advice(fact)


def test_advice_names_the_field_the_value_and_the_way_out() -> None:
    text = advice("bind:/etc")

    assert "HostConfig.Binds" in text
    assert "/etc" in text
    assert "named volume" in text
