"""What no request may be, whoever asks; such a one is answered here and never passed on."""

from __future__ import annotations

from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.handles import Opened
from dockwarden.doors.ssh.files.packets import Code

DATA_LIMIT = 255 << 10
"""The most that one READ or WRITE moves: OpenSSH's own."""
OUR_PACKET_LIMIT = 256 << 10
PATH_LIMIT = 4096
"""PATH_MAX of every host that runs containers."""
_ALL_FLAGS = int(sent.Flag.READ | sent.Flag.WRITE | sent.Flag.APPEND | sent.Flag.CREAT | sent.Flag.TRUNC | sent.Flag.EXCL)
"""A plain number: the complement of an `IntFlag` has no bits but those that are named."""


def refused_here(request: sent.Request, extensions: frozenset[bytes]) -> tuple[Code, str] | None:
    """Return what is answered here, whoever asks; `extensions` are those that the server has. `None` where it may go on."""
    if isinstance(request, sent.Unknown):
        return Code.OP_UNSUPPORTED, f"{request.what} does not pass here"
    name = codec.NAMES_OF_EXTENSIONS.get(type(request))
    if name is not None and name not in extensions:
        return Code.OP_UNSUPPORTED, f"the server has no {name.decode()}"
    if getattr(request, "attributes", sent.Attributes()).has_extended:
        return Code.OP_UNSUPPORTED, "extended attributes do not pass here"
    for path in _paths_of(request):
        if b"\0" in path:
            return Code.BAD_MESSAGE, "a path has a zero byte in it"
        if len(path) > PATH_LIMIT:
            return Code.FAILURE, f"a path is longer than {PATH_LIMIT} bytes"
    if isinstance(request, sent.Open) and request.flags & ~_ALL_FLAGS:
        return Code.OP_UNSUPPORTED, f"the flags {request.flags:#x} of an open are not all known"
    if isinstance(request, sent.Write) and len(request.data) > DATA_LIMIT:
        return Code.FAILURE, f"a write is longer than {DATA_LIMIT} bytes; write in smaller pieces"
    if isinstance(request, sent.AskNames) and (len(request.users) % 4 or len(request.groups) % 4):
        return Code.BAD_MESSAGE, "users and groups are numbers of four bytes"
    return None


def fits(request: sent.HandleRequest, opened: Opened) -> bool:
    """Whether what is open was opened, and judged, for that."""
    if isinstance(request, sent.Read):
        return opened.may_read
    if isinstance(request, sent.Write | sent.Fsync):
        return opened.may_write
    if isinstance(request, sent.Readdir):
        return opened.is_folder
    return True


def unkept(request: sent.Request, opened: Opened | None, target: Opened | None) -> str:
    """Why a request does not go on though it may: what it does to a file could not be kept. "" where it goes on."""
    if isinstance(request, sent.Write) and opened is not None:
        return opened.refusal(opened.write_end(request.offset, len(request.data)))
    if isinstance(request, sent.Fsetstat) and opened is not None and request.attributes.size is not None:
        return opened.refusal(request.attributes.size)
    if target is not None and target.keep_bytes:
        return "contents are kept, and what the server copies by itself is not seen here: read and write it"
    return ""


def _paths_of(request: sent.Request) -> tuple[bytes, ...]:
    if isinstance(request, sent.PairRequest):
        return request.path, request.other
    if isinstance(request, sent.PathRequest):
        return (request.path,)
    return (request.user,) if isinstance(request, sent.HomeDirectory) else ()
