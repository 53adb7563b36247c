"""Which tapes the settings let go: a table of cases, and what holds for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dockwarden.tape.retention import DAY_US, HOUR_US, Due, Kept, Rules, due, is_full

NOW = 1_000 * DAY_US


def tape(name: str, days: float, size: int = 10, **more: object) -> Kept:
    return Kept(name, int(NOW - days * DAY_US), size, **more)  # type: ignore[arg-type]


LIVE = Kept("live", 0, 50)


@pytest.mark.parametrize(
    ("rules", "tapes", "expected"),
    [
        pytest.param(Rules(), [tape("a", 999)], [], id="nothing is asked for"),
        pytest.param(Rules(retain_days=30), [tape("a", 31), tape("b", 29), LIVE], [("a", "retain_days = 30")], id="what is too old"),
        pytest.param(Rules(retain_days=30), [tape("a", 31, is_held=True)], [], id="a hold is above the rule"),
        pytest.param(Rules(quota_bytes=30), [tape("b", 20), tape("a", 30), tape("c", 10)], [("a", "quota_bytes = 30")], id="the oldest, until there is room"),
        pytest.param(Rules(quota_bytes=30), [tape("a", 30, is_held=True), tape("b", 20), tape("c", 10)], [("b", "quota_bytes = 30")], id="not the held one"),
        pytest.param(Rules(quota_bytes=1), [tape("a", 6), LIVE], [], id="none that is young"),
        pytest.param(Rules(quota_bytes=1, quota_keep_days=5), [tape("a", 6), LIVE], [("a", "quota_bytes = 1")], id="how young is a setting"),
        pytest.param(Rules(retain_days=25, quota_bytes=20), [tape("a", 30), tape("b", 20)], [("a", "retain_days = 25")], id="room by age is room"),
        pytest.param(Rules(quota_bytes=1, has_store=True), [tape("a", 30)], [], id="with a store nothing is deleted for room"),
        pytest.param(Rules(quota_bytes=1, has_store=True), [tape("a", 0.1, is_safe=True, is_held=True)], [("a", "quota_bytes = 1", True)], id="its copy goes"),
        pytest.param(Rules(quota_bytes=1, has_store=True), [Kept("a", 1, 10, is_safe=True, here_since=NOW - HOUR_US // 2)], [], id="not while it is looked at"),
        pytest.param(Rules(local_days=3), [tape("a", 4, is_safe=True), tape("b", 4)], [("a", "local_days = 3", True)], id="a copy that is safe elsewhere"),
        pytest.param(Rules(local_days=3), [tape("a", 9, is_safe=True, here_since=NOW - DAY_US)], [], id="brought back, it stays as long again"),
    ],
)  # fmt: skip
def test_what_goes(rules: Rules, tapes: list[Kept], expected: list[tuple[str, str]]) -> None:
    assert [Due(*one) for one in expected] == due(tapes, rules, NOW)


def test_full_is_at_the_quota_and_never_without_one() -> None:
    assert [False, False, True] == [is_full(10, Rules()), is_full(9, Rules(quota_bytes=10)), is_full(10, Rules(quota_bytes=10))]


KEPT = some.builds(
    Kept, some.uuids().map(str), some.integers(0, NOW), some.integers(0, 1000), is_held=some.booleans(), is_safe=some.booleans(), here_since=some.integers(0, NOW)
)
RULES = some.builds(Rules, some.integers(0, 999), some.integers(0, 3000), some.integers(0, 999), some.integers(0, 999), has_store=some.booleans())


@given(tapes=some.lists(KEPT, max_size=12), rules=RULES)
def test_never_one_that_is_held_live_or_twice(tapes: list[Kept], rules: Rules) -> None:
    by_id = {one.id: one for one in tapes}
    found = due(tapes, rules, NOW)

    assert len(found) == len({one.id for one in found})
    for one in found:
        assert by_id[one.id].ended
        assert by_id[one.id].is_safe if one.is_local else not by_id[one.id].is_held
        if one.rule.startswith("quota") and not one.is_local:
            assert not rules.has_store
            assert NOW - by_id[one.id].ended > rules.quota_keep_days * DAY_US
