"""What is searched for is words, whatever else it looks like."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.phrases import read_phrases


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("passwd", '"passwd"'),
        ("permission denied", '"permission" AND "denied"'),
        ('"permission denied" root', '"permission denied" AND "root"'),
        ("/etc/shadow", '"etc shadow"'),
        ("rm -rf rm", '"rm" AND "rf"'),
        ('a" OR lines : b*', '"a" AND "or" AND "lines" AND "b"'),
        ("NEAR(a b)", '"near a" AND "b"'),
        ("Zoë", '"zoë"'),
        ("-- !!! ''", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_words_as_they_are_asked_for(text: str, match: str) -> None:
    assert match == read_phrases(text).match


def test_the_lines_that_are_shown() -> None:
    lines = ["nothing", "Permission granted", "denied", "permission denied: /root", "permission", "PERMISSION DENIED"]

    assert [3, 5] == read_phrases("permission denied").lines(lines, 3)
    assert [1, 3, 4] == read_phrases("permission").lines(lines, 3)
    assert [1, 2] == read_phrases("granted denied").lines(lines, 3)
    assert [2] == read_phrases('"denied permission"').lines(lines, 3)  # where the terminal went on in the next line
    assert [] == read_phrases("miss").lines(lines, 3)
    assert [] == read_phrases("").lines(lines, 3)


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_no_text_is_anything_but_words_to_the_index(text: str, lines: list[str]) -> None:
    phrases = read_phrases(text)
    phrases.lines(lines, 3)
    if phrases.words:
        db = apsw.Connection(":memory:")
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (lines, commands, tokenize='unicode61 remove_diacritics 0')")
        assert [] == db.execute("SELECT rowid FROM words WHERE words MATCH ?", (phrases.match,)).fetchall()


WORDS = st.text(alphabet="abcäß日_- .\n", max_size=30)


@given(WORDS, WORDS)
def test_looking_through_a_text_finds_what_the_index_finds(text: str, asked: str) -> None:
    phrases = read_phrases(asked)
    if not phrases.words:
        return
    db = apsw.Connection(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (lines, commands, tokenize='unicode61 remove_diacritics 0')")
    db.execute("INSERT INTO words VALUES (?, '')", (text,))

    assert bool(db.execute("SELECT rowid FROM words WHERE words MATCH ?", (phrases.match,)).fetchall()) == phrases.are_in(text)
