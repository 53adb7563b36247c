"""Where policies stand in their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dockwarden.policy.source import statements

TEXT = """\
// A comment; with a semicolon and "a quote.

@id("one")   // @id("not-this")
@advice("a; b // c \\" d")
permit (principal, action, resource);  permit (principal, action, resource)
when { true };
// the end
"""


def test_policies_are_found_with_their_first_lines_and_comments_are_none() -> None:
    found = statements(TEXT)

    assert [3, 5] == [statement.line for statement in found]
    assert found[0].text.startswith('@id("one")')
    assert found[1].text.endswith("when { true };")


def test_what_follows_the_last_semicolon_is_a_policy_only_if_it_is_more_than_comment() -> None:
    assert 1 == len(statements("permit(principal, action, resource);\n// nothing\n"))
    assert [1, 2] == [statement.line for statement in statements("permit(principal, action, resource);\npermit(")]
    assert () == statements("// only this\n\n")


def test_words_are_found_outside_comments() -> None:
    statement = statements("permit (principal, // escpe\naction, resource)\nwhen { context.escpe };")[0]

    assert 3 == statement.line_of("escpe")
    assert 1 == statement.line_of("nowhere")


@given(st.text(alphabet='ab";/\\\n ', max_size=60))
def test_any_text_is_taken_apart_without_an_error(text: str) -> None:
    found = statements(text)

    assert all(1 <= statement.line <= text.count("\n") + 1 for statement in found)
