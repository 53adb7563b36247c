"""SFTP packets read into the types of `packets.py` and written from them.

What goes on is written here, field by field, from what was judged; nothing is passed through. Everything known stands in one table.
Source: draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL §4; draft-ietf-secsh-filexfer-extensions-00 (copy-data, home-directory).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from dockwarden.doors.ssh.files.packets import (
    Answer,
    AskLimits,
    AskNames,
    Attributes,
    Attrs,
    Close,
    CopyData,
    Data,
    ExpandPath,
    Fsetstat,
    Fstat,
    Fstatvfs,
    Fsync,
    Handle,
    Hardlink,
    HomeDirectory,
    Limits,
    Lsetstat,
    Lstat,
    Message,
    Mkdir,
    Name,
    Names,
    Open,
    Opendir,
    PosixRename,
    Read,
    Readdir,
    Readlink,
    Realpath,
    Remove,
    Rename,
    Reply,
    Request,
    Rmdir,
    Setstat,
    Space,
    Stat,
    Status,
    Statvfs,
    Symlink,
    Unknown,
    UserNames,
    Write,
)
from dockwarden.doors.ssh.files.wire import U32, U64, Reader, malformed

VERSION = 3
LONGEST_HANDLE = 256
LONGEST_NAME_LIST = 10_000
INIT, ANSWER_VERSION = 1, 2
EXTENDED, EXTENDED_REPLY = 200, 201
Found = TypeVar("Found", bound=Message)


class Field(NamedTuple):
    """How one kind of field is read and written."""

    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]


def _text(reader: Reader) -> bytes:
    return bytes(reader.string())


def _string(value: bytes | memoryview) -> bytes:
    return U32.pack(len(value)) + value


def _read_handle(reader: Reader) -> bytes:
    handle = _text(reader)
    if len(handle) > LONGEST_HANDLE:
        raise malformed(f"a handle is {len(handle)} bytes long")
    return handle


_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 1, 2, 4, 8, 0x80000000


def _read_attributes(reader: Reader) -> Attributes:
    flags = reader.u32()
    if flags & ~(_SIZE | _OWNER | _MODE | _TIMES | _EXTENDED):
        raise malformed(f"attributes have flags {flags:#x}")
    size = reader.u64() if flags & _SIZE else None
    owner = (reader.u32(), reader.u32()) if flags & _OWNER else None
    mode = reader.u32() if flags & _MODE else None
    times = (reader.u32(), reader.u32()) if flags & _TIMES else None
    if flags & _EXTENDED:
        for _ in range(reader.u32()):
            reader.string()
            reader.string()
    return Attributes(size, owner, mode, times, bool(flags & _EXTENDED))


def _write_attributes(found: Attributes) -> bytes:
    flags, parts = 0, []
    if found.size is not None:
        flags |= _SIZE
        parts.append(U64.pack(found.size))
    if found.owner is not None:
        flags |= _OWNER
        parts += map(U32.pack, found.owner)
    if found.mode is not None:
        flags |= _MODE
        parts.append(U32.pack(found.mode))
    if found.times is not None:
        flags |= _TIMES
        parts += map(U32.pack, found.times)
    return U32.pack(flags) + b"".join(parts)


def _read_names(reader: Reader) -> tuple[Name, ...]:
    count = reader.u32()
    if count > LONGEST_NAME_LIST:
        raise malformed(f"an answer says that it has {count} names")
    return tuple(Name(_text(reader), _text(reader), _read_attributes(reader)) for _ in range(count))


def _write_names(names: tuple[Name, ...]) -> bytes:
    written = [_string(name) + _string(line) + _write_attributes(found) for name, line, found in names]
    return U32.pack(len(written)) + b"".join(written)


def _read_words(reader: Reader) -> bytes:
    """A status's words and their language; old servers leave both out."""
    if not reader.left:
        return b""
    words = _text(reader)
    reader.string()
    return words


def _read_strings(reader: Reader) -> tuple[bytes, ...]:
    inner, found = Reader(reader.string()), []
    while inner.left:
        found.append(_text(inner))
    return tuple(found)


_NUMBERS = Field(lambda reader: tuple(reader.u64() for _ in range(11)), lambda numbers: b"".join(map(U64.pack, numbers)))
_STRINGS = Field(_read_strings, lambda strings: _string(b"".join(map(_string, strings))))
_U32, _U64 = Field(Reader.u32, U32.pack), Field(Reader.u64, U64.pack)
_PATH, _HANDLE = Field(_text, _string), Field(_read_handle, _string)
_DATA, _BODY = Field(Reader.string, _string), Field(lambda reader: bytes(reader.rest()), bytes)
_ATTRIBUTES, _NAMES = Field(_read_attributes, _write_attributes), Field(_read_names, _write_names)
_WORDS = Field(_read_words, lambda words: _string(words) + _string(b""))

REQUESTS: dict[int, tuple[type[Request], tuple[Field, ...]]] = {
    3: (Open, (_PATH, _U32, _ATTRIBUTES)),
    4: (Close, (_HANDLE,)),
    5: (Read, (_HANDLE, _U64, _U32)),
    6: (Write, (_HANDLE, _U64, _DATA)),
    7: (Lstat, (_PATH,)),
    8: (Fstat, (_HANDLE,)),
    9: (Setstat, (_PATH, _ATTRIBUTES)),
    10: (Fsetstat, (_HANDLE, _ATTRIBUTES)),
    11: (Opendir, (_PATH,)),
    12: (Readdir, (_HANDLE,)),
    13: (Remove, (_PATH,)),
    14: (Mkdir, (_PATH, _ATTRIBUTES)),
    15: (Rmdir, (_PATH,)),
    16: (Realpath, (_PATH,)),
    17: (Stat, (_PATH,)),
    18: (Rename, (_PATH, _PATH)),
    19: (Readlink, (_PATH,)),
    20: (Symlink, (_PATH, _PATH)),
}
EXTENSIONS: dict[bytes, tuple[bytes, type[Request], tuple[Field, ...]]] = {
    b"posix-rename@openssh.com": (b"1", PosixRename, (_PATH, _PATH)),
    b"hardlink@openssh.com": (b"1", Hardlink, (_PATH, _PATH)),
    b"fsync@openssh.com": (b"1", Fsync, (_HANDLE,)),
    b"statvfs@openssh.com": (b"2", Statvfs, (_PATH,)),
    b"fstatvfs@openssh.com": (b"2", Fstatvfs, (_HANDLE,)),
    b"lsetstat@openssh.com": (b"1", Lsetstat, (_PATH, _ATTRIBUTES)),
    b"limits@openssh.com": (b"1", AskLimits, ()),
    b"expand-path@openssh.com": (b"1", ExpandPath, (_PATH,)),
    b"copy-data": (b"1", CopyData, (_HANDLE, _U64, _U64, _HANDLE, _U64)),
    b"home-directory": (b"1", HomeDirectory, (_PATH,)),
    b"users-groups-by-id@openssh.com": (b"1", AskNames, (_PATH, _PATH)),
}
"""By name: the version that is known, the request, its fields."""
ANSWERS: dict[int, tuple[type[Answer], tuple[Field, ...]]] = {
    101: (Status, (_U32, _WORDS)),
    102: (Handle, (_HANDLE,)),
    103: (Data, (_DATA,)),
    104: (Names, (_NAMES,)),
    105: (Attrs, (_ATTRIBUTES,)),
    EXTENDED_REPLY: (Reply, (_BODY,)),
}
ExtensionReply = Space | Limits | UserNames
REPLIES: dict[type[Request], tuple[type[ExtensionReply], tuple[Field, ...]]] = {
    Statvfs: (Space, (_NUMBERS,)),
    Fstatvfs: (Space, (_NUMBERS,)),
    AskLimits: (Limits, (_U64, _U64, _U64, _U64)),
    AskNames: (UserNames, (_STRINGS, _STRINGS)),
}
"""What an extension answers with where it is not a status or names."""
_REPLY_FIELDS = dict(REPLIES.values())
NAMES_OF_EXTENSIONS = {kind: name for name, (_, kind, _) in EXTENSIONS.items()}
_WRITTEN: dict[type[Message], tuple[bytes, bytes, tuple[Field, ...]]] = {
    **{kind: (bytes([number]), b"", fields) for number, (kind, fields) in REQUESTS.items()},
    **{kind: (bytes([number]), b"", fields) for number, (kind, fields) in ANSWERS.items()},
    **{kind: (bytes([EXTENDED]), _string(name), fields) for name, (_, kind, fields) in EXTENSIONS.items()},
}


def read_request(packet: memoryview) -> Request:
    """Read one packet of a client, after INIT.

    Raises:
        Malformed: `sftp.malformed`; a known request that is cut, has bytes after its end, or holds what cannot be.
    """
    reader = Reader(packet)
    number, asked_id = reader.byte(), reader.u32()
    if number == EXTENDED:
        name = _text(reader)
        if name not in EXTENSIONS:
            return Unknown(asked_id, f"the extension {name[:64]!r}")
        _, kind, fields = EXTENSIONS[name]
    elif number in REQUESTS:
        kind, fields = REQUESTS[number]
    else:
        return Unknown(asked_id, f"request {number}")
    return _filled(reader, kind, asked_id, fields)


def read_answer(packet: memoryview) -> Answer:
    """Read one packet of a server, after VERSION.

    Raises:
        Malformed: `sftp.malformed`; as for `read_request`, or a number that no answer has.
    """
    reader = Reader(packet)
    number, asked_id = reader.byte(), reader.u32()
    if number not in ANSWERS:
        raise malformed(f"the server sent packet {number}")
    kind, fields = ANSWERS[number]
    return _filled(reader, kind, asked_id, fields)


def _filled(reader: Reader, kind: type[Found], asked_id: int, fields: tuple[Field, ...]) -> Found:
    found = kind(asked_id, *[field.read(reader) for field in fields])
    reader.end()
    return found


def written(packet: Message) -> bytes:
    """One packet as it is sent, its length included."""
    number, name, fields = _WRITTEN[type(packet)]
    asked_id, *values = msgspec.structs.astuple(packet)
    body = b"".join([number, U32.pack(asked_id), name, *[field.write(value) for field, value in zip(fields, values, strict=True)]])
    return U32.pack(len(body)) + body


def written_head(packet: Write | Data) -> bytes:
    """One packet as it is sent, up to its `data`, which follows as it is: large pieces are not copied once more."""
    if isinstance(packet, Write):
        body = b"".join([b"\x06", U32.pack(packet.id), _string(packet.handle), U64.pack(packet.offset), U32.pack(len(packet.data))])
    else:
        body = b"".join([b"\x67", U32.pack(packet.id), U32.pack(len(packet.data))])
    return U32.pack(len(body) + len(packet.data)) + body


def read_init(packet: memoryview) -> int:
    """Return the version that a client offers; what it says of extensions is dropped.

    Raises:
        Malformed: `sftp.malformed`; the packet is another, or the version is below 3.
    """
    return _read_hello(packet, INIT)[0]


def read_version(packet: memoryview) -> frozenset[bytes]:
    """Return which known extensions a server has, at the versions that are known.

    Raises:
        Malformed: `sftp.malformed`; the packet is another, or the version is not 3, which it was asked for.
    """
    version, found = _read_hello(packet, ANSWER_VERSION)
    if version != VERSION:
        raise malformed(f"the server answers with version {version}")
    return frozenset(name for name, says in found if name in EXTENSIONS and EXTENSIONS[name][0] == says)


def _read_hello(packet: memoryview, wanted: int) -> tuple[int, list[tuple[bytes, bytes]]]:
    reader = Reader(packet)
    number, version = reader.byte(), reader.u32()
    if number != wanted or version < VERSION:
        raise malformed(f"the first packet is {number} of version {version}")
    found = []
    while reader.left:
        found.append((_text(reader), _text(reader)))
    return version, found


def written_init() -> bytes:
    """What we say first to a server."""
    return U32.pack(5) + bytes([INIT]) + U32.pack(VERSION)


def written_version(extensions: frozenset[bytes]) -> bytes:
    """What we say first to a client, in the order of the table."""
    names = b"".join(_string(name) + _string(says) for name, (says, _, _) in EXTENSIONS.items() if name in extensions)
    return U32.pack(5 + len(names)) + bytes([ANSWER_VERSION]) + U32.pack(VERSION) + names


def read_reply(reply: Reply, asked: Request) -> ExtensionReply:
    """Return what an extension answers, read as what `asked` is answered with.

    Raises:
        Malformed: `sftp.malformed`; it is not that, or `asked` is not answered so.
    """
    if type(asked) not in REPLIES:
        raise malformed("the server answers as an extension what is none")
    kind, fields = REPLIES[type(asked)]
    reader = Reader(memoryview(reply.body))
    found = kind(*[field.read(reader) for field in fields])
    reader.end()
    return found


def written_reply(asked_id: int, reply: ExtensionReply) -> bytes:
    """The answer of an extension as it is sent."""
    fields = _REPLY_FIELDS[type(reply)]
    return written(Reply(asked_id, b"".join(field.write(value) for field, value in zip(fields, msgspec.structs.astuple(reply), strict=True))))
