"""A file of somebody's, read once and replaced in one step: never another file, never half of it, and with the owner and mode it has.

Others may write to the folder while root works in it, so nothing is done by a name that could mean another file by then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockwarden.words.errors import BadConfig

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
ACL = "system.posix_acl_access"
NO_ACL = {errno.ENODATA, errno.ENOTSUP}


@dataclass(frozen=True, slots=True)
class Original:
    """A regular file as it was read: its text, the folder it is in and its own descriptor (open in the block only), and what it was then."""

    file: Path
    folder: int
    descriptor: int
    status: os.stat_result
    text: str = field(repr=False)

    @property
    def where(self) -> str:
        """The file, as errors name it."""
        return str(self.file)


@contextlib.contextmanager
def original(file: Path) -> Iterator[Original]:
    """Read `file` through one descriptor, and keep that open for the block.

    Raises:
        BadConfig: it is a link, has a second name, is no regular file, cannot be read and written by the caller, or is no UTF-8.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = os.open(file.parent, FOLDER)
            stack.callback(os.close, folder)
            descriptor = os.open(file.name, OPEN, dir_fd=folder)
            stack.callback(os.close, descriptor)
            status = os.fstat(descriptor)
            _refuse_odd(file, status)
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                text = stream.read().decode()
        except UnicodeDecodeError:
            raise BadConfig(str(file), "cannot be read, since it is no UTF-8", "name a .env or compose file") from None
        except OSError as error:
            raise _unopened(file, error) from None
        yield Original(file, folder, descriptor, status, text)


@contextlib.contextmanager
def replacement(old: Original, text: str) -> Iterator[Callable[[], None]]:
    """Write `text` beside the file, and give what puts it in the file's place; whatever happens, nothing else of it is left.

    1. refuse where the folder lets nobody but the file's owner rename over it;
    2. make the part: a name nobody can guess, in the folder that was opened, for the caller alone;
    3. give it the owner, access list and mode of the file, all by descriptor, and bring it to the disk;
    4. refuse if the file is not the one that was read, or not as it was;
    5. when told to: 4 once more, and rename within that folder.

    Raises:
        BadConfig: at 1 to 4, before the block: it cannot be replaced. By what is given, in the block: it changed, or cannot be after all.
    """
    part = f".dockwarden-{secrets.token_hex(16)}"
    try:
        try:
            _refuse_sticky(old)  # 1
            _make(old, part, text)  # 2, 3
            _refuse_changed(old, "nothing was stored")  # 4
        except OSError as error:
            what = f"cannot be replaced by you ({error.strerror})"
            raise BadConfig(old.where, what, "import it as its owner, from a folder that you may write to; nothing was stored") from None
        yield lambda: _put(old, part)  # 5
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=old.folder)


def _make(old: Original, part: str, text: str) -> None:
    with os.fdopen(os.open(part, MAKE, 0o600, dir_fd=old.folder), "wb") as stream:
        stream.write(text.encode())
        stream.flush()
        os.fchown(stream.fileno(), old.status.st_uid, old.status.st_gid)
        _copy_acl(old.descriptor, stream.fileno())
        os.fchmod(stream.fileno(), stat.S_IMODE(old.status.st_mode))  # after the owner, who else could lose a bit of it
        os.fsync(stream.fileno())


def _copy_acl(source: int, part: int) -> None:
    """Give `part` the access list of `source`, or none: the mode's group bits would open it to others than they do there."""
    try:
        try:
            acl = os.getxattr(source, ACL)
        except OSError as error:
            if error.errno not in NO_ACL:
                raise
            os.removexattr(part, ACL)  # one that the folder gave it
        else:
            os.setxattr(part, ACL, acl)
    except OSError as error:
        if error.errno not in NO_ACL:
            raise


def _put(old: Original, part: str) -> None:
    kept = "its values are in the vault already, and the file is as it was: run the same command again"
    _refuse_changed(old, kept)
    try:
        os.rename(part, old.file.name, src_dir_fd=old.folder, dst_dir_fd=old.folder)
        os.fsync(old.folder)
    except OSError as error:
        raise BadConfig(old.where, f"could not be replaced ({error.strerror})", kept) from None


def _refuse_changed(old: Original, so_far: str) -> None:
    try:
        now = os.stat(old.file.name, dir_fd=old.folder, follow_symlinks=False)
    except OSError as error:
        raise BadConfig(old.where, f"is gone ({error.strerror})", f"see who else works on it; {so_far}") from None
    if _identity(now) != _identity(old.status):
        raise BadConfig(old.where, "was changed, or replaced, since it was read", f"see who else works on it; {so_far}")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Which file, and as it was: any change of its bytes, mode, owner or names moves st_ctime."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _refuse_odd(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadConfig(str(file), "is no regular file", "name a .env or compose file")
    if status.st_nlink > 1:
        raise BadConfig(str(file), "has a second name (a hard link), which would keep the values", "remove that one, and import again")


def _refuse_sticky(old: Original) -> None:
    """Raise where a folder like /tmp would let the part be made, and not be renamed. Source: rename(2), EPERM."""
    folder, caller = os.fstat(old.folder), os.geteuid()
    if folder.st_mode & stat.S_ISVTX and caller not in {0, folder.st_uid, old.status.st_uid}:
        raise PermissionError(errno.EPERM, "the folder is sticky, and neither it nor the file is yours")


def _unopened(file: Path, error: OSError) -> BadConfig:
    if file.is_symlink():
        mend = f"name the real file: {os.path.realpath(file)}"
        return BadConfig(str(file), "is a symbolic link, and replacing it would leave the values in the file it means", mend)
    if isinstance(error, PermissionError):
        return BadConfig(str(file), "cannot be read and written by you", "import it as its owner; nothing was stored")
    return BadConfig(str(file), f"cannot be read and written ({error.strerror})", "name a .env or compose file that is yours")
