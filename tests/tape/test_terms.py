"""The terms of a session and its course under them, by a clock of the test's own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.obligations import parse_obligations
from dockwarden.tape.terms import Allowance, Course, Do, Patience, State, Step, Terms, spent_words

PATIENCE = Patience(before_s=300, after_s=60)


def course(words: str) -> Course:
    return Course(Terms.of(parse_obligations([words])), PATIENCE, 1000.0)


def test_without_terms_it_runs_and_nothing_is_ever_due() -> None:
    free = course("")

    assert (State.RUNNING, math.inf) == (free.state, free.next_at())
    assert [] == free.at(1e9)


@pytest.mark.parametrize(("longest", "warned"), [("8h", 1000 + 8 * 3600 - 60), ("10m", 1000 + 540), ("20s", 1000 + 18)])
def test_it_is_warned_a_minute_before_its_end_or_a_tenth_of_a_short_one_and_then_ends(longest: str, warned: float) -> None:
    one = course(f"longest={longest}")

    assert warned == one.next_at()
    assert [] == one.at(warned - 0.1)
    assert [Do.WARN] == [step.do for step in one.at(warned)]
    assert [] == one.at(warned)
    assert [Step(Do.END, f"this session has lasted {longest}, which is as long as it may")] == one.at(one.next_at())
    assert (State.OVER, math.inf) == (one.state, one.next_at())


def test_what_is_typed_or_shown_puts_off_the_end_of_an_idle_one() -> None:
    one = course("idle=15m")
    one.moved(1800.0)

    assert [] == one.at(1900.0)
    assert 1800.0 + 900 == one.next_at()
    assert [Step(Do.END, "nothing was typed or shown for 15m, so it ends")] == one.at(2700.0)


def test_a_watched_one_waits_runs_pauses_goes_on_and_ends_alone() -> None:
    one = course("watched, longest=1h, idle=30s")
    assert (State.WAITING, 1300.0) == (one.state, one.next_at())

    assert [Step(Do.BEGIN)] == one.watched(1, 1200.0)
    assert [] == one.watched(2, 1201.0)
    assert [] == one.watched(1, 1202.0)
    assert [Do.HOLD] == [step.do for step in one.watched(0, 1203.0)]
    assert [] == one.at(1240.0)  # it is paused, not idle
    assert [Do.GO_ON] == [step.do for step in one.watched(1, 1250.0)]
    assert [] == one.at(1279.0)
    one.watched(0, 1279.0)
    assert [Step(Do.END, "nobody watched this session for 1m, so it ends")] == one.at(1279.0 + 60)
    assert [] == one.watched(1, 1400.0)


def test_its_time_begins_with_its_watcher_and_goes_on_in_a_pause() -> None:
    one = course("watched, longest=90s")
    one.watched(1, 1250.0)
    one.watched(0, 1320.0)

    assert [Step(Do.END, "this session has lasted 90s, which is as long as it may")] == one.at(1340.0)


def test_nobody_who_comes_is_an_end_before_the_beginning() -> None:
    one = course("watched")

    assert [Step(Do.END, "nobody came to watch this session within 5m, so it does not begin")] == one.at(1300.0)


@given(st.lists(st.tuples(st.sampled_from(["moved", "watched", "at"]), st.integers(0, 2), st.floats(0, 400)), max_size=40))
def test_whatever_happens_what_needs_a_watcher_is_held_while_there_is_none(deeds: list[tuple[str, int, float]]) -> None:
    """Who obeys the steps passes bytes on only between BEGIN or GO_ON and HOLD or END, and that is when somebody watches."""
    one, now, watchers, passes = course("watched, longest=20m, idle=5m"), 1000.0, 0, False
    for deed, number, seconds in deeds:
        now += seconds
        steps = one.at(now)
        if deed == "watched":
            watchers = number
            steps += one.watched(number, now)
        elif deed == "moved":
            one.moved(now)
        for step in steps:
            passes = step.do in {Do.BEGIN, Do.GO_ON} or (step.do is Do.WARN and passes)
        assert passes == (one.state is State.RUNNING)
        assert not passes or watchers
        assert one.next_at() > now


def test_it_is_warned_of_nine_tenths_of_what_it_may_record_once_and_ends_with_all_of_it() -> None:
    one = Course(Terms.of(parse_obligations(["most=10m"]), Allowance(session_bytes=1 << 20)), PATIENCE, 1000.0)

    assert [] == one.recorded((9 << 20) - 1, 1 << 50)
    assert [Step(Do.WARN, "this session ends when it has recorded 10 MiB; nine tenths of that it has")] == one.recorded(9_500_000, 0)
    assert [] == one.recorded(9_600_000, 0)
    assert [Step(Do.END, "this session has recorded 10 MiB, which is as much as it may")] == one.recorded(10 << 20, 0)
    assert ([], State.OVER) == (one.recorded(11 << 20, 0), one.state)


def test_what_its_person_records_in_a_day_counts_beside_it() -> None:
    one = Course(Terms.of(parse_obligations([]), Allowance(session_bytes=1 << 30, daily_bytes=20 << 20)), PATIENCE, 1000.0)

    assert [Do.WARN] == [step.do for step in one.recorded(0, 19 << 20)]
    assert [Step(Do.END, spent_words(20 << 20))] == one.recorded(0, 20 << 20)


def test_the_least_that_a_policy_allows_counts_and_more_than_the_settings_if_it_says_so() -> None:
    allowance = Allowance(session_bytes=1 << 30, daily_bytes=2 << 30)

    assert Terms(most_bytes=1 << 30, daily_bytes=2 << 30) == Terms.of(parse_obligations([]), allowance)
    assert Terms(most_bytes=2 << 20, daily_bytes=9 << 40) == Terms.of(parse_obligations(["most=8m, daily=9t", "most=2m"]), allowance)


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_what_is_not_near_a_limit_has_nothing_said_of_it(most: int, daily: int, size: int, today: int) -> None:
    terms = Terms(most_bytes=most, daily_bytes=daily)

    assert terms.is_near(size, today) == bool(Course(terms, PATIENCE, 0.0).recorded(size, today))
