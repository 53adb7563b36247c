"""What a user name says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.names import Wanted, parse_wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("alice", Wanted("alice")),
        ("alice@corp.test%web", Wanted("alice@corp.test", "", "web")),
        ("alice%deploy%web-1.corp", Wanted("alice", "deploy", "web-1.corp")),
        ("alice%container.shop_1", Wanted("alice", container="shop_1")),
        ("", None),
        ("%web", None),
        ("alice%", None),
        ("alice%%web", None),
        ("alice%a%b%c", None),
        ("alice%root%container.shop", None),
        ("alice%container.", None),
        ("alice%container.../x", None),
        ("alice%we b", None),
        ("alice\n%web", None),
        ("al\u0131ce", None),
        ("a" * 65, None),
    ],
)
def test_a_name_says_who_and_where(name: str, wanted: Wanted | None) -> None:
    assert wanted == parse_wanted(name)


@given(st.text(max_size=80))
def test_whatever_is_said_is_understood_whole_or_not_at_all(name: str) -> None:
    wanted = parse_wanted(name)
    assert wanted is None or name == wanted.words
