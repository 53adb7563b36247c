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

    Pieces come as they move, in either direction; `offset` is where one belongs, and of what is appended how much was before it. Laid one
    over the other in this order, those that the server took make what it has (a server does what is asked of one file in order: SFTP 3, §4.1).
    """

    token: int
    is_upload: bool
    offset: int
    data: Buffer


@dataclass(frozen=True, slots=True)
class Cut:
    """The file of `token`, which is kept, is given this size, between the pieces before and those that follow."""

    token: int
    size: int


@dataclass(frozen=True, slots=True)
class Untaken:
    """The server did not take piece `number`, from 0, of those that were written to the file of `token`; perhaps a part of it."""

    token: int
    number: int


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Something of a file was not passed on, since no more of it may be kept: tell the person. Once for what is open."""

    op: FileOp
    words: str


@dataclass(frozen=True, slots=True)
class Broke:
    """`by` sent what cannot be: close both sides. The last event."""

    by: Side
    words: str


Event = Send | SendEnd | Ask | Content | Cut | Untaken | TooLarge | FileDone | Broke


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done. Where `keep_bytes` is not 0, the contents that it moves come out as `Content`, and none beyond that size move."""

    keep_bytes: int = 0

    def too_large(self, end: int) -> str:
        """Why nothing may move up to `end`, "" where it may."""
        return f"contents are kept, and of no file beyond {self.keep_bytes} bytes" if 0 < self.keep_bytes < end else ""


@dataclass(frozen=True, slots=True)
class Denied:
    """It is not done; the client reads `words`."""

    words: str


Verdict = Allowed | Denied
