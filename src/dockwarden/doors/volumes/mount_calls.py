"""The kernel's mount calls that Python has no names for.

The old `mount(2)` and not the newer calls, so that one way serves every kernel an Engine runs on.
Source: mount(2), umount2(2), statvfs(3), include/uapi/linux/mount.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from dockwarden.words.errors import Broken

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_PRIVATE, MS_SHARED = 1 << 12, 1 << 13, 1 << 18, 1 << 20
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
CARRIED = MS_RDONLY | MS_NOEXEC
"""Flags of the mount a source is on that its bind must not lose; in statvfs they have the same numbers."""

NOT_MOUNTED = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    """Call `mount(2)`.

    Raises:
        Broken: `volume.mount`; the kernel would not.
    """
    done = _libc.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    if done != 0:
        why = os.strerror(ctypes.get_errno())
        raise Broken("volume.mount", f"mounting was not possible ({why}); it takes CAP_SYS_ADMIN and a service that may mount")


def unmount(target: Path) -> bool:
    """Detach what is mounted at `target`, in use or not; return whether anything was.

    Raises:
        Broken: `volume.unmount`.
    """
    if _libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW) == 0:
        return True
    code = ctypes.get_errno()
    if code in NOT_MOUNTED:
        return False
    raise Broken("volume.unmount", f"a volume could not be taken down ({os.strerror(code)})")


def bind(fd: int, target: Path, *, is_read_only: bool) -> None:
    """Mount what `fd` holds at `target`, `nosuid,nodev`, and for reading only where so asked. `target` must be on a private mount.

    What is mounted below the source stays out. The mount gets its last flags before anybody else can see it only because its
    place is private; so it is moved to where others look afterwards.
    """
    flags = (os.fstatvfs(fd).f_flag & CARRIED) | MS_NOSUID | MS_NODEV | (MS_RDONLY if is_read_only else 0)
    mount(f"/proc/self/fd/{fd}", target, "", MS_BIND)
    try:
        mount("", target, "", MS_PRIVATE)
        mount("", target, "", MS_REMOUNT | MS_BIND | flags)
    except Broken:
        unmount(target)
        raise
