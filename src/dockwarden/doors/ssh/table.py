"""Every channel type, request and subsystem of SSH: recorded, judged or refused. There is no third outcome, and what is not here is refused.

Sources: RFC 4254; RFC 4335 (break); OpenSSH's PROTOCOL (streamlocal, tun, agent, host keys).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """On what a name is opened or asked."""

    CHANNEL = "channel"
    GLOBAL = "global request"
    SESSION = "session request"
    SUBSYSTEM = "subsystem"


class Outcome(StrEnum):
    """What becomes of it."""

    RECORDED = "recorded"
    """It is judged, and what passes is on tape."""
    ANSWERED = "answered"
    """dockwarden answers it, and nothing of it goes anywhere."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One name. `why` is told to the person where it is refused."""

    where: Where
    name: str
    outcome: Outcome
    why: str = ""


_X11 = "X11 goes both ways: who is on the host could read your keyboard"
_AGENT = "with your agent, who is on the host is you"
_REMOTE = "remote forwarding (-R) opens a way back to you"
_SOCKET = "forwarding to a socket (-L to a path) could reach the Engine's own"
_NOT_YOURS = "a client does not open this"
_NOTHING = "there is nothing to cancel"
_ = Row
ROWS = (
    _(Where.CHANNEL, "session", Outcome.RECORDED),
    _(Where.CHANNEL, "direct-tcpip", Outcome.RECORDED),
    _(Where.CHANNEL, "direct-streamlocal@openssh.com", Outcome.REFUSED, _SOCKET),
    _(Where.CHANNEL, "forwarded-tcpip", Outcome.REFUSED, _NOT_YOURS),
    _(Where.CHANNEL, "forwarded-streamlocal@openssh.com", Outcome.REFUSED, _NOT_YOURS),
    _(Where.CHANNEL, "tun@openssh.com", Outcome.REFUSED, "a tunnel (-w) is a network of its own, which nobody sees"),
    _(Where.CHANNEL, "x11", Outcome.REFUSED, _X11),
    _(Where.CHANNEL, "auth-agent@openssh.com", Outcome.REFUSED, _AGENT),
    _(Where.GLOBAL, "tcpip-forward", Outcome.REFUSED, _REMOTE),
    _(Where.GLOBAL, "cancel-tcpip-forward", Outcome.REFUSED, _NOTHING),
    _(Where.GLOBAL, "streamlocal-forward@openssh.com", Outcome.REFUSED, _REMOTE),
    _(Where.GLOBAL, "cancel-streamlocal-forward@openssh.com", Outcome.REFUSED, _NOTHING),
    _(Where.GLOBAL, "keepalive@openssh.com", Outcome.ANSWERED),
    _(Where.GLOBAL, "hostkeys-prove-00@openssh.com", Outcome.ANSWERED),
    _(Where.GLOBAL, "no-more-sessions@openssh.com", Outcome.REFUSED, "it is not kept to here"),
    _(Where.SESSION, "pty-req", Outcome.RECORDED),
    _(Where.SESSION, "shell", Outcome.RECORDED),
    _(Where.SESSION, "exec", Outcome.RECORDED),
    _(Where.SESSION, "subsystem", Outcome.RECORDED),
    _(Where.SESSION, "window-change", Outcome.RECORDED),
    _(Where.SESSION, "signal", Outcome.RECORDED),
    _(Where.SESSION, "break", Outcome.RECORDED),
    _(Where.SESSION, "env", Outcome.RECORDED),
    _(Where.SESSION, "x11-req", Outcome.REFUSED, _X11),
    _(Where.SESSION, "auth-agent-req@openssh.com", Outcome.REFUSED, _AGENT),
    _(Where.SESSION, "keepalive@openssh.com", Outcome.ANSWERED),
    _(Where.SUBSYSTEM, "sftp", Outcome.RECORDED),
)
_BY_NAME = {(row.where, row.name): row for row in ROWS}


def row_of(where: Where, name: str) -> Row:
    """The row of a name; one that refuses it where there is none."""
    return _BY_NAME.get((where, name), Row(where, name[:64], Outcome.REFUSED, "dockwarden does not know what it would do"))
