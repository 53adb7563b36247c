"""Second factors: which codes are right, and how often."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.access.totp import FAILURES_S, MOST_FAILURES, STEP_S, SecondFactors
from dockwarden.words.errors import Forbidden, Hidden
from dockwarden.words.secret import Secret

T = TypeVar("T")
START = 1_800_000_000.0


class Got:
    def __init__(self, value: Secret) -> None:
        self.value = value


class Vault:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Secret] = {}

    def get(self, path: str) -> Got:
        if path not in self.kept:
            raise Hidden("secret.absent", path)
        return Got(self.kept[path])

    def put(self, path: str, value: Secret, by: str) -> int:
        del by
        self.kept[path] = value
        return 1

    def destroy(self, path: str) -> None:
        del self.kept[path]

    async def run(self, deed: Callable[[Any], T]) -> T:
        return deed(self)


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


def made() -> tuple[SecondFactors, Clock, Callable[[int], str]]:
    clock = Clock()
    factors = SecondFactors(cast(Any, Vault()), clock)
    uri = run(factors.enroll("alice")).reveal().decode()
    key = base64.b32decode(parse_qs(urlsplit(uri).query)["secret"][0])
    return factors, clock, lambda steps: TOTP(key, 6, SHA1(), STEP_S).generate(int(clock.now) + steps * STEP_S).decode()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_a_code_is_good_once_and_so_is_none_before_it() -> None:
    factors, clock, code = made()
    clock.now += 5 * STEP_S
    assert [True, False] == [run(factors.check("alice", code(0))), run(factors.check("alice", code(0)))]
    assert not run(factors.check("alice", code(-1)))
    clock.now += STEP_S
    assert run(factors.check("alice", f" {code(0)} "))


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_a_step_off(steps: int, is_right: bool) -> None:
    factors, clock, code = made()
    clock.now += 5 * STEP_S
    assert is_right is run(factors.check("alice", code(steps)))


def test_codes_of_the_time_before_this_process_count_as_used() -> None:
    factors, _, code = made()
    assert [False, False, True] == [run(factors.check("alice", code(steps))) for steps in (-1, 0, 1)]


def test_many_wrong_codes_make_none_right_for_a_while() -> None:
    factors, clock, code = made()
    clock.now += 5 * STEP_S
    for _ in range(MOST_FAILURES):
        assert not run(factors.check("alice", "000000"))
    assert not run(factors.check("alice", code(0)))
    clock.now += FAILURES_S + 1
    assert run(factors.check("alice", code(0)))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "äöü123", "\0" * 6])
def test_what_is_no_code_is_wrong(code: str) -> None:
    factors, clock, _ = made()
    clock.now += 5 * STEP_S
    assert not run(factors.check("alice", code))


def test_who_has_one_does_not_make_another_and_who_has_none_is_not_let_in() -> None:
    factors, clock, code = made()
    with pytest.raises(Forbidden):
        run(factors.enroll("alice"))
    run(factors.remove("alice"))
    clock.now += 5 * STEP_S
    assert [False, False] == [run(factors.is_enrolled("alice")), run(factors.check("alice", code(0)))]
    with pytest.raises(Hidden):
        run(factors.remove("alice"))


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_whatever_is_typed_is_no_code(typed: list[str]) -> None:
    """Many at once as well; and after `MOST_FAILURES` of them the right one is none either."""

    async def work() -> None:
        factors = SecondFactors(Vault(), lambda: START)  # type: ignore[arg-type]  # in memory
        uri = (await factors.enroll("olga")).reveal().decode()
        totp = TOTP(base64.b32decode(parse_qs(urlsplit(uri).query)["secret"][0]), 6, SHA1(), STEP_S)
        right = {totp.generate(int(START) + step * STEP_S).decode() for step in (-1, 0, 1)}
        wrong = [one for one in typed if one.strip() not in right]
        assert [False] * len(wrong) == await asyncio.gather(*(factors.check("olga", one) for one in wrong))
        assert (len(wrong) < MOST_FAILURES) == await factors.check("olga", totp.generate(int(START) + STEP_S).decode())

    asyncio.run(work())
