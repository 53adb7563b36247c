"""A closed list of questions, and no browser that another site sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.tapes.asked import Asked, check_site, read_asked
from dockwarden.words.errors import Refused

ID = "20260101-000000-0123456789ab"
NAMES = frozenset({"tapes.corp.example", "*.lab.example", "10.0.0.7", "::1"})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/sessions", Asked("sessions")),
        (f"/sessions/{ID}/cast", Asked("cast", ID, "v3")),
        (f"/sessions/{ID}/cast?format=v2", Asked("cast", ID, "v2")),
        (f"/sessions/{ID}/raw", Asked("raw", ID, "both")),
        (f"/sessions/{ID}/raw?stream=err", Asked("raw", ID, "err")),
        (f"/sessions/{ID}/live", Asked("live", ID)),
    ],
)
def test_there_are_few_questions(target: str, expected: Asked) -> None:
    assert expected == read_asked("GET", target.encode())


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("POST", "/sessions", "tapes.method"),
        ("OPTIONS", f"/sessions/{ID}/cast", "tapes.method"),
        ("DELETE", "/nothing", "tapes.method"),
        ("GET", "/", "tapes.path"),
        ("GET", "/sessions/", "tapes.path"),
        ("GET", f"/sessions/{ID}", "tapes.path"),
        ("GET", f"/sessions/{ID}/cast/", "tapes.path"),
        ("GET", f"/sessions/{ID}/../{ID}/cast", "tapes.path"),
        ("GET", "/sessions/%2e%2e/cast", "tapes.path"),
        ("GET", f"/sessions/{ID.upper()}/cast", "tapes.path"),
        ("GET", "/sessions?x", "tapes.query"),
        ("GET", f"/sessions/{ID}/cast?format=v4", "tapes.query"),
        ("GET", f"/sessions/{ID}/cast?format=v2&format=v3", "tapes.query"),
        ("GET", f"/sessions/{ID}/cast?stream=out", "tapes.query"),
        ("GET", f"/sessions/{ID}/raw?stream=all", "tapes.query"),
        ("GET", f"/sessions/{ID}/live?format=v3", "tapes.query"),
        ("HEAD", f"/sessions/{ID}/live", "tapes.websocket"),
    ],
)
def test_what_is_none_of_them_is_refused(method: str, target: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_asked(method, target.encode())

    assert code == refused.value.code


def code_of(question: Callable[[], object]) -> str:
    """The code that it is refused with, "" if it is not."""
    try:
        question()
    except Refused as error:
        return error.code
    return ""


@given(st.binary())
def test_any_target_is_read_or_refused(target: bytes) -> None:
    assert code_of(lambda: read_asked("GET", target)) in {"", "tapes.path", "tapes.query"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "tapes.corp.example"}, ""),
        ({"host": "TAPES.corp.example.:8443"}, ""),
        ({"host": "a.lab.example:1"}, ""),
        ({"host": "10.0.0.7:8443"}, ""),
        ({"host": "[::1]:8443"}, ""),
        ({"host": "evil.example"}, "tapes.host"),
        ({"host": "a.b.lab.example"}, "tapes.host"),
        ({"host": "lab.example"}, "tapes.host"),
        ({"host": "[::1"}, "tapes.host"),
        ({"host": ""}, "tapes.host"),
        ({}, "tapes.host"),
        ({"host": "10.0.0.7", "sec-fetch-site": "same-origin"}, ""),
        ({"host": "10.0.0.7", "sec-fetch-site": "none"}, ""),
        ({"host": "10.0.0.7", "sec-fetch-site": "same-site"}, "tapes.cross_site"),
        ({"host": "10.0.0.7", "sec-fetch-site": "cross-site"}, "tapes.cross_site"),
        ({"host": "10.0.0.7", "sec-fetch-site": "same-origin, cross-site"}, "tapes.cross_site"),
        ({"host": "10.0.0.7:8443", "origin": "https://10.0.0.7:8443"}, ""),
        ({"host": "10.0.0.7:8443", "origin": "https://10.0.0.7"}, "tapes.cross_site"),
        ({"host": "10.0.0.7:8443", "origin": "http://10.0.0.7:8443"}, "tapes.cross_site"),
        ({"host": "10.0.0.7:8443", "origin": "null"}, "tapes.cross_site"),
        ({"host": "10.0.0.7:8443", "origin": "https://evil.example", "sec-fetch-site": "same-origin"}, "tapes.cross_site"),
    ],
)
def test_only_the_door_s_own_name_and_pages(headers: dict[str, str], code: str) -> None:
    assert code == code_of(lambda: check_site(headers, NAMES))


@pytest.mark.parametrize("headers", [{"host": "any", "origin": "https://any"}, {"sec-fetch-site": "cross-site"}])
def test_no_page_comes_by_a_unix_socket(headers: dict[str, str]) -> None:
    assert ["tapes.cross_site", ""] == [code_of(lambda: check_site(headers, None)), code_of(lambda: check_site({"host": "any"}, None))]
