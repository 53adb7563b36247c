"""What a request does to which path, as policy and the ledger are told.

Names are judged, not files: `path` is what was sent, byte for byte, and the server follows links in it with the rights of the account
that it runs as. What is behind a name can change between two requests, by this client or by another. So a policy that allows one folder
means "by these names", and a deed with two paths (a rename, a link) is to be allowed for both, or it would carry a file out of what may
not be read; what the account must not touch, the server's own rights must say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.contents import Moved


class Right(StrEnum):
    """What policy is asked for."""

    READ = "sftp.read"
    WRITE = "sftp.write"


class Deed(StrEnum):
    """What is done."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "read-write"
    LIST = "list"
    STAT = "stat"
    READLINK = "readlink"
    SPACE = "space"
    NAMES = "names"
    RESOLVE = "resolve"
    CHANGE = "change"
    REMOVE = "remove"
    RMDIR = "rmdir"
    MKDIR = "mkdir"
    RENAME = "rename"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    COPY = "copy"


MOVING = frozenset({Deed.READ, Deed.WRITE, Deed.READ_WRITE})
"""By which contents move between the two sides."""
READS, WRITES = frozenset({Right.READ}), frozenset({Right.WRITE})
BOTH = READS | WRITES
RIGHTS = {
    **dict.fromkeys((Deed.READ, Deed.LIST, Deed.STAT, Deed.READLINK, Deed.SPACE, Deed.NAMES), READS),
    **dict.fromkeys((Deed.WRITE, Deed.CHANGE, Deed.REMOVE, Deed.RMDIR, Deed.MKDIR, Deed.RENAME, Deed.SYMLINK, Deed.HARDLINK), WRITES),
    **dict.fromkeys((Deed.READ_WRITE, Deed.COPY), BOTH),
    # Where a path leads is what a client asks first, whichever way it copies.
    Deed.RESOLVE: frozenset[Right](),
}
"""Every deed, and all the rights that it takes; where there are none, either is enough."""


@dataclass(frozen=True, slots=True)
class FileOp:
    """One deed, before it is done.

    Attributes:
        path: as it was sent; for what is open, as it was opened.
        other: the second path: what a rename or a hard link names anew, the link of a symlink, the target of a copy.
        canonical: what the server last said that `path` leads to, or `path` below the folder that it starts in; "" where that is not
            known. It helps a reader; it is no proof, since links change.
        flags: how it is opened.
        attributes: what is to be set.
        handle: our number of what is open, where the deed is done to that.
    """

    deed: Deed
    path: bytes
    other: bytes = b""
    canonical: bytes = b""
    flags: sent.Flag = sent.Flag(0)
    attributes: sent.Attributes = sent.Attributes()
    handle: int | None = None

    @property
    def rights(self) -> frozenset[Right]:
        """What policy must allow, all of it; where empty, either right."""
        return RIGHTS[self.deed]


@dataclass(frozen=True, slots=True)
class FileDone:
    """How a deed that was allowed ended; there is exactly one for each.

    Attributes:
        token: of the `Ask` that it answers to.
        status: the server's code; `None` where it was passed on and no answer came.
        read: what came from the server.
        written: what the server took.
        entries: how many names a folder showed.
        size: of the file, where the server said it.
        is_complete: everything asked was done: a file was read to its end, or written from its beginning and closed.
    """

    op: FileOp
    token: int
    status: int | None
    read: Moved = Moved()
    written: Moved = Moved()
    entries: int = 0
    size: int | None = None
    is_complete: bool = False


def shown(path: bytes) -> str:
    """A path as text: one line, no control character, and never the same for two paths."""
    text = path.decode("utf-8", "surrogateescape")
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in text)


def plain(path: str) -> str:
    """A path without what changes nothing: doubled slashes, and steps that stay where they are. What `..` and links do, the server knows alone."""
    steps = [step for step in path.split("/") if step not in {"", "."}]
    return ("/" if path.startswith("/") else "") + "/".join(steps) if path else ""


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return "\\\\" if char == "\\" else char.encode("unicode_escape").decode("ascii")


_BY_PATH: dict[type[sent.Request], Deed] = {
    sent.Lstat: Deed.STAT,
    sent.Stat: Deed.STAT,
    sent.Opendir: Deed.LIST,
    sent.Remove: Deed.REMOVE,
    sent.Rmdir: Deed.RMDIR,
    sent.Realpath: Deed.RESOLVE,
    sent.ExpandPath: Deed.RESOLVE,
    sent.Readlink: Deed.READLINK,
    sent.Statvfs: Deed.SPACE,
    sent.Mkdir: Deed.MKDIR,
    sent.Setstat: Deed.CHANGE,
    sent.Lsetstat: Deed.CHANGE,
    sent.Rename: Deed.RENAME,
    sent.PosixRename: Deed.RENAME,
    sent.Hardlink: Deed.HARDLINK,
    sent.Symlink: Deed.SYMLINK,
}


def deed_of_open(flags: int) -> Deed:
    """Reading, writing or both: OpenSSH opens for reading where neither is asked, and makes or empties a file even so."""
    is_reading = flags & sent.Flag.READ or not flags & sent.Flag.WRITE
    is_writing = flags & ~int(sent.Flag.READ)
    return Deed.READ_WRITE if is_reading and is_writing else Deed.WRITE if is_writing else Deed.READ


def op_of(request: sent.Request, canonical: bytes) -> FileOp | None:
    """Return what a request does by name; `None` for one about what is open, or about nothing."""
    if isinstance(request, sent.Open):
        return FileOp(deed_of_open(request.flags), request.path, b"", canonical, sent.Flag(request.flags), request.attributes)
    if isinstance(request, sent.HomeDirectory):
        return FileOp(Deed.RESOLVE, b"~" + request.user)
    if isinstance(request, sent.AskNames):
        return FileOp(Deed.NAMES, b"")
    deed = _BY_PATH.get(type(request))
    if deed is None:
        return None
    if isinstance(request, sent.PairRequest):
        # What a link says is a text, from where the link is.
        return FileOp(deed, request.path, request.other, b"" if deed is Deed.SYMLINK else canonical)
    assert isinstance(request, sent.PathRequest)  # noqa: S101  the rest of the table
    return FileOp(deed, request.path, b"", canonical, attributes=getattr(request, "attributes", sent.Attributes()))
