"""What a relay tells its driver, in the order in which it is to be done; see the package for how they are joined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dockwarden.doors.ssh.files.contents import Buffer
from dockwarden.doors.ssh.files.operations import FileDone, FileOp


class Side(StrEnum):
    """Whose bytes."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Send:
    """Send `data` to `to`."""

    to: Side
    data: Buffer


@dataclass(frozen=True, slots=True)
class SendEnd:
    """Nothing more goes to the server."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Have `op` judged, and recorded where it changes something; then call `verdict(token, …)`, once."""

    op: FileOp
    token: int


@dataclass(frozen=True, slots=True)
class Content:
    """Keep this piece of the file of `token`, before what follows in the list is done.

    Pieces come in order, as long as the client moves the file in order; `offset` is always where the piece belongs, so that a store that
    writes it there is right in either case.
    """

    token: int
    is_upload: bool
    offset: int
    data: Buffer


@dataclass(frozen=True, slots=True)
class Broke:
    """`by` sent what cannot be: close both sides. The last event."""

    by: Side
    words: str


Event = Send | SendEnd | Ask | Content | FileDone | Broke


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done; with `is_kept`, the contents that it moves come out as `Content`."""

    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """It is not done; the client reads `words`."""

    words: str


Verdict = Allowed | Denied
