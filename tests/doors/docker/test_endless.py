"""Which calls a door that closes does not wait for."""

from __future__ import annotations

import pytest

from dockwarden.doors.docker.endless import is_endless
from dockwarden.doors.docker.grammar import RequestHead
from dockwarden.upstream.framing import NO_BODY


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/v1.41/events", True),
        ("GET", "/events?since=1", True),
        ("POST", "/v1.41/containers/web/wait?condition=removed", True),
        ("GET", "/v1.41/containers/web/logs?follow=1&stdout=1", True),
        ("GET", "/v1.41/containers/web/logs?stdout=1", False),
        ("GET", "/v1.41/containers/web/logs?follow=0&stdout=1", False),
        ("GET", "/v1.41/containers/web/stats", True),
        ("GET", "/v1.41/containers/web/stats?stream=1", True),
        ("GET", "/v1.41/containers/web/stats?stream=0", False),
        ("GET", "/v1.41/containers/web/stats?stream=0&one-shot=1", False),
        ("GET", "/v1.41/containers/json", False),
        ("POST", "/v1.41/build?t=x", False),
        ("POST", "/v1.41/images/create?fromImage=busybox", False),
        ("GET", "/nothing/known", False),
        ("GET", "*", False),
    ],
)
def test_a_call_is_endless_if_it_goes_on_until_a_container_ends_or_for_ever(method: str, target: str, expected: bool) -> None:
    assert expected == is_endless(RequestHead(method, target.encode(), ((b"host", b"docker"),), NO_BODY, False, True))
