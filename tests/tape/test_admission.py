"""Every session is admitted: by locks, by policy, and on the strictest terms of all that decided."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

import dockwarden
from dockwarden.engine.obligations import Recording
from dockwarden.policy.load import PolicySet, load
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.locks import Locks, new_lock
from dockwarden.tape.opening import Opening
from dockwarden.tape.terms import Terms
from dockwarden.words.errors import Forbidden
from dockwarden.words.principal import Principal

ALICE = Principal("alice", frozenset({"developers"}), None, "unix")
SHELL = Opening(id="", at=0, person="alice", kind="exec", target="web", columns=80, rows=24)
MONDAY = datetime.datetime(2026, 11, 23, 9, 30, tzinfo=datetime.UTC)


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[Locks]:
    made = Locks(tmp_path / "locks.db")
    yield made
    made.close()


def policies(*texts: str) -> PolicySet:
    starter = Path(dockwarden.__file__).parent / "policy" / "starter" / "sessions.cedar"
    return load({"sessions.cedar": starter.read_text(), **{f"{number}.cedar": text for number, text in enumerate(texts)}})


def test_the_starter_policy_lets_everybody_begin_their_own_and_sets_no_terms(locks: Locks) -> None:
    admitted = Admissions(locks).admit(Wish(ALICE, SHELL), policies())

    assert (Terms(), Recording.STRICT, ("sessions-may-begin",)) == (admitted.terms, admitted.recording, admitted.verdict.policies)


def test_the_strictest_terms_of_all_deciding_policies_count_and_a_watched_one_is_recorded(locks: Locks) -> None:
    more = '@id("more") @harden("longest=2h, watched, record=off") permit (principal, action == Action::"session.start", resource);'
    admitted = Admissions(locks).admit(Wish(ALICE, SHELL, obligations=("longest=8h", "idle=15m", "record=off")), policies(more))

    assert Terms(7200, 900, is_watched=True) == admitted.terms
    assert Recording.STRICT is admitted.recording


def test_without_the_permit_the_refusal_says_where_it_is(locks: Locks) -> None:
    with pytest.raises(Forbidden, match="sessions-may-begin") as refused:
        Admissions(locks).admit(Wish(ALICE, SHELL), load({}))
    assert "policy.none_permits" == refused.value.code


BY_DAY = """@id("by-day") @advice("come by day")
forbid (principal, action == Action::"session.start", resource)
unless { context.hour >= 8 && context.hour < 18 && context.weekday <= 5 };"""
FROM_NET = """@id("from-net") @advice("come by our network")
forbid (principal, action == Action::"session.start", resource)
unless { context.address.isInRange(ip("10.0.0.0/8")) || (context.source == "unix" && context.address.isLoopback()) };"""


@pytest.mark.parametrize(("hours", "may"), [(0, True), (8, True), (9, False), (22, False), (23, True), (24 * 5, False), (24 * 7, True)])
def test_the_hour_is_asked_each_time_and_no_old_answer_is_given(locks: Locks, hours: int, may: bool) -> None:
    times = [MONDAY, MONDAY + datetime.timedelta(hours=hours)]
    admissions, by_day = Admissions(locks, now=lambda: times[0]), policies(BY_DAY)
    admissions.admit(Wish(ALICE, SHELL), by_day)
    del times[0]

    if may:
        admissions.admit(Wish(ALICE, SHELL), by_day)
    else:
        with pytest.raises(Forbidden, match="come by day; refused by by-day"):
            admissions.admit(Wish(ALICE, SHELL), by_day)


@pytest.mark.parametrize(
    ("source", "may"),
    [("unix", True), ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.168.1.1", False), ("127.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("?", False)],
)
def test_where_somebody_is_is_an_address(locks: Locks, source: str, may: bool) -> None:
    wish, from_net = Wish(ALICE, SHELL, source), policies(FROM_NET)
    if may:
        Admissions(locks).admit(wish, from_net)
    else:
        with pytest.raises(Forbidden, match="come by our network"):
            Admissions(locks).admit(wish, from_net)


async def test_a_lock_comes_before_policy_and_counts_while_observing(locks: Locks) -> None:
    await locks.add(new_lock("alice", "", "a rest", "olga", 60))
    for admissions in (Admissions(locks), Admissions(locks, is_observing=True)):
        with pytest.raises(Forbidden, match="a rest") as refused:
            admissions.admit(Wish(ALICE, SHELL), load({}))
        assert "session.locked" == refused.value.code


def test_while_observing_what_policy_refuses_passes_and_is_told(locks: Locks) -> None:
    admitted = Admissions(locks, is_observing=True).admit(Wish(ALICE, SHELL, obligations=("watched",)), load({}))

    assert (Terms(), Recording.ALARM) == (admitted.terms, admitted.recording)
    assert admitted.observed is not None
    assert "policy.none_permits" == admitted.observed.code


def test_nothing_else_makes_what_a_recorder_takes() -> None:
    """So that no door can begin a tape that was not admitted."""
    source = Path(dockwarden.__file__).parent
    makers = [str(file.relative_to(source)) for file in source.rglob("*.py") if "Admitted(" in file.read_text()]

    assert ["tape/admission.py"] == makers
