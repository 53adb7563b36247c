"""Files of this host that containers may mount: found without following a link, and judged by the account's own rights.

The same walk answers the question at create (`describe_source`) and finds what is mounted at every start (`open_source`), so
that both cannot differ. It goes from `/` one name at a time, each opened relative to the descriptor of the folder before
(`O_PATH|O_NOFOLLOW`): nobody can put a link or another folder between the look and the use, since what was looked at is held.
Names are single and never `..`, so there is nothing left that openat2's RESOLVE flags would add, and one way serves every kernel.

The walk runs with the account's rights (`impersonate.py`): a folder that the account cannot search ends it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from dockwarden.access.impersonate import as_account, libc
from dockwarden.engine.known import ENGINE_SOCKETS, BindSource
from dockwarden.engine.mounts import clean, is_below
from dockwarden.settings import Settings
from dockwarden.words.errors import BadConfig, Broken, Forbidden, Refused
from dockwarden.words.principal import Account

FACCESSAT2 = 439
"""The number of the system call, the same on every machine (Linux 5.8)."""
AT_EACCESS, AT_EMPTY_PATH = 0x200, 0x1000
GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk arrived at. `fd` is an `O_PATH` descriptor that the receiver closes; the rights are the walking account's."""

    fd: int
    status: os.stat_result
    can_read: bool
    can_write: bool

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_socket(self) -> bool:
        """Whether it is a unix socket."""
        return stat.S_ISSOCK(self.status.st_mode)

    @property
    def is_device(self) -> bool:
        """Whether it is a device node."""
        return stat.S_ISBLK(self.status.st_mode) or stat.S_ISCHR(self.status.st_mode)


class NotThere(Refused):
    """The path leads to nothing."""


class NoWay(Refused):
    """The path goes through a link, or through a folder that the account cannot search."""


def describe_source(path: str, roots: Sequence[str], account: Account | None) -> BindSource:
    """Return what the host says of a bind source, for judging at create. Total for every path; leaves nothing open.

    Outside of every root nothing is looked at. A path through a link, or through a folder that `account` cannot search, counts
    as there and as nobody's to use, so that the answer never tells of names that the account could not see itself. Without an
    account there is nobody whose rights could be asked: both are false.
    Raises:
        Broken: `host.impersonation`, `host.kernel`.
    """
    path = clean(path)
    root = root_of(path, roots)
    if root is None:
        return BindSource(path)
    relative = path[len(root):].strip("/") or "."
    try:
        found = _walk_as(account, path)
    except NotThere:
        return BindSource(path, root, relative)
    except NoWay:
        return BindSource(path, root, relative, exists=True)
    os.close(found.fd)
    has_account = account is not None
    return BindSource(
        path, root, relative, exists=True, can_read=has_account and found.can_read, can_write=has_account and found.can_write,
        owner_uid=found.status.st_uid, is_dir=found.is_dir, is_socket=found.is_socket,
    )


def open_source(path: str, account: Account | None, *, is_read_only: bool) -> Found:
    """Return the bind source at `path` (absolute, cleaned), held open, if `account` may use it that way itself.

    Without an account only the way is checked. Who uses a socket writes to it, whatever the mount says.
    Raises:
        NotThere, NoWay: as their classes say. Forbidden: `bind.unreadable`, `bind.unwritable`, `bind.device`.
    """
    found = _walk_as(account, path)
    try:
        _check(path, found, account, is_read_only)
    except Refused:
        os.close(found.fd)
        raise
    return found


def root_of(path: str, roots: Sequence[str]) -> str | None:
    """The innermost of `roots` that the cleaned `path` lies below, `None` where none."""
    return max((clean(root) for root in roots if is_below(path, clean(root))), key=len, default=None)


def check_roots(roots: Sequence[str]) -> None:
    """Refuse a bind root that is a link, or lies below one: ways are walked without following any, so nothing below it could be mounted.

    Raises:
        BadConfig: `roots` has one; the text names the folder that it stands for.
    """
    for root in roots:
        meant = os.path.realpath(root)
        if meant != clean(root):
            raise BadConfig("[binds] roots", f"{root} is, or lies below, a symbolic link, and links are not followed", f"name {meant} instead")


def _check(path: str, found: Found, account: Account | None, is_read_only: bool) -> None:
    if found.is_device:
        raise Forbidden("bind.device", f"{path} is a device; devices are not mounted from bind roots")
    if account is None:
        return
    if not found.can_read:
        raise Forbidden("bind.unreadable", f"uid {account.uid} itself cannot read {path} on the host")
    if not found.can_write and (found.is_socket or not is_read_only):
        mend = "it is a socket, and who uses a socket writes to it" if found.is_socket else "mount it read-only"
        raise Forbidden("bind.unwritable", f"uid {account.uid} itself cannot write {path} on the host; {mend}")


def _walk_as(account: Account | None, path: str) -> Found:
    walk: Callable[[], Found] = lambda: _walk(path)  # noqa: E731  one expression, typed
    return walk() if account is None else as_account(account, walk)


def _walk(path: str) -> Found:
    """Walk `path` from `/` with the rights of the running thread."""
    names = [name for name in path.split("/") if name]
    if not path.startswith("/") or "\0" in path or any(name in {".", ".."} for name in names):
        raise Broken("host.path", "a path that is not absolute and cleaned was to be walked; please report this")
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for depth, name in enumerate(names, 1):
            fd = _step(fd, name, "/" + "/".join(names[:depth]))
        status = os.fstat(fd)
        execute = os.X_OK if stat.S_ISDIR(status.st_mode) else 0
        return Found(fd, status, _may(fd, os.R_OK | execute), _may(fd, os.R_OK | os.W_OK | execute))
    except BaseException:
        os.close(fd)
        raise


def _step(fd: int, name: str, so_far: str) -> int:
    """Return the descriptor of `name` in the folder `fd`, which is closed then; on any error it stays open."""
    try:
        inner = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    except OSError as error:
        if error.errno in GONE:
            raise NotThere("bind.missing", f"{so_far} is not there on the host; make it first") from None
        if error.errno == errno.EACCES:
            raise NoWay("bind.unreachable", f"the way to {so_far} leads through a folder that your account cannot search") from None
        raise NotThere("bind.missing", f"{so_far} cannot be reached on the host ({error.strerror})") from None
    if stat.S_ISLNK(os.fstat(inner).st_mode):
        os.close(inner)
        raise NoWay("bind.link", f"{so_far} is a symbolic link, and links are not followed; name what it stands for")
    os.close(fd)
    return inner


def _may(fd: int, mode: int) -> bool:
    """Ask the kernel whether the running thread may use what `fd` holds."""
    if libc.syscall(FACCESSAT2, fd, b"", mode, AT_EACCESS | AT_EMPTY_PATH) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.ENOSYS:
        raise Broken("host.kernel", "this kernel cannot tell what an account may do with an open file (faccessat2); use Linux 5.8 or newer")
    return False


def our_sockets(settings: Settings) -> tuple[str, ...]:
    """Every socket that gives power over the Engine or over us."""
    ours = [urlsplit(address).path for address in (settings.engine.address, *(door.listen for door in settings.doors)) if address.startswith("unix:")]
    return tuple(dict.fromkeys((*ENGINE_SOCKETS, *ours, settings.engine.plugin_dir, str(settings.dir))))
