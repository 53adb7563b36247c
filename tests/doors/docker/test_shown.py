"""What was shown is shown again only where nothing that decided it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dockwarden.doors.docker.shown import KEPT_BYTES, LONGEST, Basis, Shown, ShownAnswers
from dockwarden.policy.load import PolicySet, load
from fixtures.calls import ALICE, TOOL

SHOWN = Shown(b"[1]")


@pytest.fixture(scope="module")
def rules() -> PolicySet:
    return load({})


def test_the_same_bytes_on_the_same_basis_are_shown_the_same(rules: PolicySet) -> None:
    answers, basis = ShownAnswers(), Basis("/a", ALICE, rules, 1)
    answers.keep(basis, b"[1,2]", SHOWN)

    assert SHOWN is answers.of(Basis("/a", ALICE, rules, 1), b"[1,2]")


@pytest.mark.parametrize("change", ["target", "principal", "groups", "policies", "owners", "body"])
def test_any_change_is_worked_out_anew(rules: PolicySet, change: str) -> None:
    answers, basis, body = ShownAnswers(), Basis("/a", ALICE, rules, 1), b"[1,2]"
    answers.keep(basis, body, SHOWN)
    others = {
        "target": replace(basis, target="/b"), "principal": replace(basis, principal=TOOL), "owners": replace(basis, owners=2),
        "groups": replace(basis, principal=replace(ALICE, groups=frozenset())), "policies": replace(basis, policies=load({})),
    }

    assert answers.of(others.get(change, basis), b"[1,3]" if change == "body" else body) is None


def test_memory_is_bounded(rules: PolicySet) -> None:
    answers = ShownAnswers()
    answers.keep(Basis("/long", ALICE, rules, 1), bytes(LONGEST + 1), SHOWN)
    assert answers.of(Basis("/long", ALICE, rules, 1), bytes(LONGEST + 1)) is None
    for number in range(100):
        answers.keep(Basis(f"/{number}", ALICE, rules, 1), bytes(LONGEST - 3), SHOWN)

    kept = sum(answers.of(Basis(f"/{number}", ALICE, rules, 1), bytes(LONGEST - 3)) is not None for number in range(100))
    assert 0 < kept <= KEPT_BYTES // LONGEST
