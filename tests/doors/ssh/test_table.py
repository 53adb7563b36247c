"""The table of what may be opened and asked."""

from __future__ import annotations

import pytest

from dockwarden.doors.ssh.table import ROWS, Outcome, Where, row_of


def test_what_nobody_knows_is_refused() -> None:
    for where in Where:
        row = row_of(where, "made-up@example.org")
        assert (Outcome.REFUSED, True) == (row.outcome, bool(row.why))


def test_every_name_is_there_once_and_every_refusal_says_why() -> None:
    assert len(ROWS) == len({(row.where, row.name) for row in ROWS})
    assert [] == [row.name for row in ROWS if (row.outcome is Outcome.REFUSED) != bool(row.why)]


@pytest.mark.parametrize(
    "name",
    [
        "session", "x11", "forwarded-tcpip", "direct-tcpip", "direct-streamlocal@openssh.com", "forwarded-streamlocal@openssh.com", "tun@openssh.com",
        "auth-agent@openssh.com",
    ],
)  # fmt: skip
def test_every_channel_type_of_the_protocol_and_of_openssh_is_there(name: str) -> None:
    assert (Where.CHANNEL, name) in {(row.where, row.name) for row in ROWS}
