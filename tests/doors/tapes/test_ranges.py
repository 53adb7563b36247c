"""Ranges and conditions, row by row, as RFC 9110 says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.tapes.ranges import Selected, select

TAG = '"tag"'
WHOLE = Selected(200, 0, 99)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"range": "bytes=0-0"}, Selected(206, 0, 0)),
        ({"range": "bytes=10-19"}, Selected(206, 10, 19)),
        ({"range": "BYTES=10-19"}, Selected(206, 10, 19)),
        ({"range": "bytes=90-"}, Selected(206, 90, 99)),
        ({"range": "bytes=90-1000"}, Selected(206, 90, 99)),
        ({"range": "bytes=-10"}, Selected(206, 90, 99)),
        ({"range": "bytes=-1000"}, Selected(206, 0, 99)),
        ({"range": "bytes=-0"}, Selected(416)),
        ({"range": "bytes=100-"}, Selected(416)),
        ({"range": "bytes=100-200"}, Selected(416)),
        ({"range": "bytes=20-10"}, WHOLE),
        ({"range": "bytes=-"}, WHOLE),
        ({"range": "bytes=a-b"}, WHOLE),
        ({"range": "bytes=0-1,3-4"}, WHOLE),
        ({"range": "lines=0-1"}, WHOLE),
        ({"range": "bytes=0-1", "if-range": TAG}, Selected(206, 0, 1)),
        ({"range": "bytes=0-1", "if-range": '"other"'}, WHOLE),
        ({"range": "bytes=0-1", "if-range": f"W/{TAG}"}, WHOLE),
        ({"range": "bytes=0-1", "if-range": "Fri, 27 Nov 2026 01:00:00 GMT"}, WHOLE),
        ({"range": "bytes=200-", "if-range": '"other"'}, WHOLE),
        ({"if-none-match": TAG}, Selected(304)),
        ({"if-none-match": f'"a", W/{TAG}'}, Selected(304)),
        ({"if-none-match": "*"}, Selected(304)),
        ({"if-none-match": '"other"'}, WHOLE),
        ({"if-match": TAG, "range": "bytes=0-1"}, Selected(206, 0, 1)),
        ({"if-match": f"W/{TAG}"}, Selected(412)),
        ({"if-match": '"other"', "range": "bytes=0-1"}, Selected(412)),
        ({"if-match": "*"}, WHOLE),
    ],
)
def test_what_is_asked_for_is_selected(headers: dict[str, str], expected: Selected) -> None:
    assert expected == select(headers, TAG, 100)


def test_of_nothing_there_is_no_part() -> None:
    assert [Selected(200, 0, -1), Selected(416), Selected(416)] == [select({"range": value}, TAG, 0) for value in ("", "bytes=0-", "bytes=-1")]


@given(st.text(), st.text(), st.text(), st.integers(0, 1000))
def test_whatever_is_said_what_is_sent_is_there(range_: str, tag: str, known: str, length: int) -> None:
    found = select({"range": f"bytes={range_}", "if-range": tag, "if-none-match": known}, TAG, length)

    assert found.status in {200, 206, 304, 416}
    assert -1 <= found.last < length
    assert found.status != 206 or 0 <= found.first <= found.last


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_range_is_what_it_says(first: int, last: int) -> None:
    expected = Selected(206, first, last) if first <= last else WHOLE

    assert expected == select({"range": f"bytes={first}-{last}"}, TAG, 100)
