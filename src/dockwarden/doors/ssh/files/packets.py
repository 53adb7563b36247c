"""SFTP version 3, closed: every request, every answer and the extensions that may pass, each a type with its own fields.

`codec.py` reads and writes them. A request of another number or extension is read as `Unknown`.
Source: draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL §4; draft-ietf-secsh-filexfer-extensions-00 (copy-data, home-directory).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import msgspec


class Code(IntEnum):
    """What a status says."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Flag(IntFlag):
    """How a file is opened."""

    READ = 1
    WRITE = 2
    APPEND = 4
    CREAT = 8
    TRUNC = 16
    EXCL = 32


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known, or to be set, of a file; `None` says nothing about it. `has_extended` was read and is never written."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    times: tuple[int, int] | None = None
    has_extended: bool = False


class Name(NamedTuple):
    """One entry of a folder, or one path."""

    name: bytes
    line: bytes
    attributes: Attributes


class Message(msgspec.Struct, frozen=True):
    """A request or its answer; `id` joins them."""

    id: int


class Request(Message, frozen=True):
    """What a client asks."""


class Answer(Message, frozen=True):
    """What a server answers."""


class PathRequest(Request, frozen=True):
    """A request about one path."""

    path: bytes


class PairRequest(Request, frozen=True):
    """A request about two paths: what there is, and the name that it gets."""

    path: bytes
    other: bytes


class HandleRequest(Request, frozen=True):
    """A request about something open."""

    handle: bytes


class Open(PathRequest, frozen=True):
    """Open or make a file."""

    flags: int
    attributes: Attributes


class Close(HandleRequest, frozen=True):
    """Let a handle go."""


class Read(HandleRequest, frozen=True):
    """Read of a file."""

    offset: int
    length: int


class Write(HandleRequest, frozen=True):
    """Write into a file."""

    offset: int
    data: memoryview


class Lstat(PathRequest, frozen=True):
    """Ask about a name, or a link itself."""


class Fstat(HandleRequest, frozen=True):
    """Ask about what is open."""


class Setstat(PathRequest, frozen=True):
    """Change a file's attributes."""

    attributes: Attributes


class Fsetstat(HandleRequest, frozen=True):
    """Change the attributes of what is open."""

    attributes: Attributes


class Opendir(PathRequest, frozen=True):
    """Open a folder."""


class Readdir(HandleRequest, frozen=True):
    """Some more of a folder's entries."""


class Remove(PathRequest, frozen=True):
    """Remove a file."""


class Mkdir(PathRequest, frozen=True):
    """Make a folder."""

    attributes: Attributes


class Rmdir(PathRequest, frozen=True):
    """Remove an empty folder."""


class Realpath(PathRequest, frozen=True):
    """Ask where a path leads."""


class Stat(PathRequest, frozen=True):
    """Ask about a file, through links."""


class Rename(PairRequest, frozen=True):
    """Give `path` the name `other`, where there is none such."""


class Readlink(PathRequest, frozen=True):
    """Ask what a link says."""


class Symlink(PairRequest, frozen=True):
    """Make a link `other` that says `path`: OpenSSH's order, which clients follow, not the draft's."""


class PosixRename(PairRequest, frozen=True):
    """Give `path` the name `other`, in the place of what has it."""


class Hardlink(PairRequest, frozen=True):
    """Make `other` another name of `path`."""


class Fsync(HandleRequest, frozen=True):
    """Have what was written on the disk."""


class Statvfs(PathRequest, frozen=True):
    """Ask about a path's file system."""


class Fstatvfs(HandleRequest, frozen=True):
    """Ask about the file system of what is open."""


class Lsetstat(PathRequest, frozen=True):
    """Change the attributes of a name, or of a link itself."""

    attributes: Attributes


class AskLimits(Request, frozen=True):
    """Ask how long packets may be."""


class ExpandPath(PathRequest, frozen=True):
    """Ask where a path leads that may begin with `~`."""


class CopyData(Request, frozen=True):
    """Copy within the server, from one open file to another; a `length` of 0 is everything."""

    handle: bytes
    offset: int
    length: int
    to_handle: bytes
    to_offset: int


class HomeDirectory(Request, frozen=True):
    """Ask for a user's home."""

    user: bytes


class AskNames(Request, frozen=True):
    """Ask for the names of users and groups; both are runs of 4-byte numbers."""

    users: bytes
    groups: bytes


class Unknown(Request, frozen=True):
    """A request that is none of these; it is never passed on."""

    what: str


class Status(Answer, frozen=True):
    """How it went; `words` is for people."""

    code: int
    words: bytes


class Handle(Answer, frozen=True):
    """What was opened."""

    handle: bytes


class Data(Answer, frozen=True):
    """What was read."""

    data: memoryview


class Names(Answer, frozen=True):
    """Entries of a folder, or one path."""

    names: tuple[Name, ...]


class Attrs(Answer, frozen=True):
    """What was asked about a file."""

    attributes: Attributes


class Reply(Answer, frozen=True):
    """The answer of an extension, still closed: `codec.read_reply` opens it."""

    body: bytes


class Space(msgspec.Struct, frozen=True):
    """The answer to Statvfs and Fstatvfs: `struct statvfs`, in its order."""

    numbers: tuple[int, ...]


class Limits(msgspec.Struct, frozen=True):
    """The answer to AskLimits; 0 is no limit."""

    packet: int
    read: int
    write: int
    handles: int


class UserNames(msgspec.Struct, frozen=True):
    """The answer to AskNames, each in the order of the question, empty where unknown."""

    users: tuple[bytes, ...]
    groups: tuple[bytes, ...]
