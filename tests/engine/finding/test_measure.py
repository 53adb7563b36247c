"""What the finder finds of labelled rows; `python -m bench.finding` prints the figures, rows.py says what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dockwarden.engine.finding import Finding, find, find_in_arguments, find_in_text, masked
from engine.finding.rows import Row, held_out, rows, tuning


def measured(chosen: Sequence[Row], found: Sequence[object]) -> tuple[float, float]:
    """Precision and recall."""
    right = sum(row.is_secret for row, one in zip(chosen, found, strict=True) if one)
    return right / sum(bool(one) for one in found), right / sum(row.is_secret for row in chosen)


def test_there_are_rows_enough_of_both_labels_and_families_that_were_never_tuned_on() -> None:
    made, seen = rows(), {row.kind for row in tuning()}

    assert len(made) >= 2400
    assert len({(row.name, row.value) for row in made}) == len(made)
    assert 0.45 < sum(row.is_secret for row in made) / len(made) < 0.55
    assert 0.45 < sum(row.is_secret for row in held_out()) / len(held_out()) < 0.55
    for is_secret in (True, False):
        assert len({row.kind for row in held_out() if row.is_secret is is_secret} - seen) >= 25


def test_the_rows_are_the_same_in_every_run() -> None:
    assert rows() == rows()


@pytest.mark.parametrize("group", ["all", "unseen", "fresh"])
def test_the_held_out_rows_are_found_with_the_goals_precision_and_recall(group: str) -> None:
    """Goals of issue 5: precision 0.98, recall 0.95; also over the families alone that nothing was tuned on."""
    chosen = [row for row in held_out() if group in {"all", row.group}]

    precision, recall = measured(chosen, [find(row.name, row.value) for row in chosen])

    assert precision >= 0.98
    assert recall >= 0.95


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_values_of_the_same_families_are_found_as_well(seed: int) -> None:
    chosen = rows(seed)

    precision, recall = measured(chosen, [find(row.name, row.value) for row in chosen])

    assert precision >= 0.98
    assert recall >= 0.95


@pytest.mark.parametrize("form", ["line", "arguments"])
def test_the_held_out_rows_are_found_in_command_lines(form: str) -> None:
    chosen = [row for row in held_out() if "'" not in row.value]
    lines = [("docker", "run", "--rm", "-e", f"{row.name}={row.value}", "app") for row in chosen]
    quoted = [f"docker run --rm -e {row.name}='{row.value}' app" for row in chosen]

    found = [any(find_in_arguments(line)) for line in lines] if form == "arguments" else [bool(find_in_text(line)) for line in quoted]
    precision, recall = measured(chosen, found)

    assert precision >= 0.98
    assert recall >= 0.95


def test_what_is_found_in_a_command_line_is_not_in_its_masked_form() -> None:
    """A secret under a secret's name goes whole; of connection strings and configurations, only the secret part does."""
    chosen = [row for row in held_out() if row.kind in {"image-password", "named-token", "github-token", "unseen-rails", "unseen-wireguard", "jwt"} and "'" not in row.value]

    left = [row for row in chosen if row.value in masked(f"docker run -e {row.name}='{row.value}' app")]

    assert len(chosen) > 100
    assert [] == left


def test_kinds_of_tokens_are_named_by_their_structure() -> None:
    kinds = {"github-token", "gitlab-token", "slack-token", "stripe-key", "npm-token", "jwt", "private-key", "google-key", "telegram-token", "url-password", "vault-token"}

    for row in rows():
        if row.kind in kinds:
            found = find(row.name, row.value)
            assert isinstance(found, Finding)
            assert row.kind == found.kind
