from __future__ import annotations

from collections.abc import Mapping

import pytest

from dockwarden.doors.lock.handed_over import MOST_BYTES, body_seen, is_handed_over


@pytest.mark.parametrize(
    ("target", "content_type", "length", "expected"),
    [
        ("/v1.41/containers/create", "application/json", 2, True),
        ("/v1.41/containers/create", "Application/JSON; charset=utf-8", 2, True),
        ("/v1.41/containers/create", "application/json", MOST_BYTES, True),
        ("/v1.41/containers/create", "application/json", MOST_BYTES + 1, False),
        ("/v1.41/containers/create", "application/json", 0, False),
        ("/v1.41/containers/create", "text/plain", 2, False),
        ("/v1.41/containers/create", "application/jsonx", 2, False),
        ("/v1.41/build", "application/x-tar", 2, False),
        ("/v1.41/auth", "application/json", 2, False),
        ("/v1.41/containers/create?name=/auth", "application/json", 2, True),
    ],
)
def test_what_every_engine_hands_over(target: str, content_type: str, length: int, expected: bool) -> None:
    assert expected == is_handed_over(target, content_type, length)


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{}", {"Content-Length": "2"}, b"{}"),
        (b"{}", {}, b"{}"),
        (b"{}", {"Content-Length": "3"}, None),
        (b"", {"Content-Length": "0"}, b""),
        (b"", {"content-length": "0"}, b""),
        (b"", {"Content-Length": "2"}, None),
        (b"", {}, None),
    ],
    ids=["announced", "chunked", "cut", "none", "none, small letters", "not shown", "chunked and not shown, or none"],
)
def test_what_is_known_of_a_body(body: bytes, headers: Mapping[str, str], expected: bytes | None) -> None:
    assert expected == body_seen(body, headers)
