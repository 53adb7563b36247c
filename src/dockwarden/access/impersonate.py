"""Look at files with an account's own rights: the kernel decides, by mode bits, ACLs and whatever else it knows.

Nothing here works permissions out; a second implementation of the kernel's rules would be wrong somewhere. Instead the look
is made by a thread that has the account's file system identity, and that lives for this one look:

1. A new thread starts. Credentials belong to a thread, so nothing else in the process changes; and since the thread ends
   with the look, no identity can be left over for the next one.
2. `setgroups`, by the bare system call: libc's wrapper would change every thread of the process.
3. `setfsgid` and `setfsuid`. They move file access alone. With `setresuid` the account could, for that moment, send signals
   to us; these two were made so that a server acting for others cannot be killed by them. Both fail silently, so the outcome
   is read back.
4. Every capability is dropped, unless the account is root: what is left is exactly what the mode bits and ACLs give it.

A forked helper would do the same at a hundred times the cost, and a fork of a process with threads is no safe place to run
Python in.
Source: credentials(7), setfsuid(2), capabilities(7) ("Effect of user ID changes on capabilities").
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from dockwarden.words.errors import Broken
from dockwarden.words.principal import Account

T = TypeVar("T")

SETGROUPS = {"x86_64": 116, "aarch64": 159, "riscv64": 159, "loongarch64": 159, "armv7l": 206, "ppc64le": 81, "s390x": 206}
"""The number of the `setgroups` call (`setgroups32` where there are two), by machine."""

CAPABILITY_VERSION_3 = 0x20080522
NOBODY_ID = -1
libc = ctypes.CDLL(None, use_errno=True)


class _Look(threading.Thread, Generic[T]):
    """A thread for one look; `outcome` or `error` once it ended."""

    def __init__(self, account: Account, look: Callable[[], T]) -> None:
        super().__init__(name=f"look-{account.uid}", daemon=True)
        self._account, self._look = account, look
        self.outcome: tuple[T] | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Become the account, then look."""
        try:
            _become(self._account)
            self.outcome = (self._look(),)
        except BaseException as error:  # noqa: BLE001  carried over to the thread that waits, which raises it
            self.error = error


def as_account(account: Account, look: Callable[[], T]) -> T:
    """Return what `look` returns when it runs with the file rights of `account`; what it raises is raised here.

    Blocks until it is done; descriptors that `look` opens belong to the process, as ever.
    Raises:
        Broken: `host.impersonation`; the kernel would not let us be that account, so nothing was looked at.
    """
    thread = _Look(account, look)
    thread.start()
    thread.join()
    if thread.error is not None:
        raise thread.error
    if thread.outcome is None:
        raise _impossible("its thread ended without a word")
    return thread.outcome[0]


def _become(account: Account) -> None:
    groups = (ctypes.c_uint32 * len(account.groups))(*account.groups)
    number = SETGROUPS.get(platform.machine())
    if number is None:
        raise _impossible(f"machine {platform.machine()} is not known")
    if libc.syscall(number, len(account.groups), groups) != 0:
        raise _impossible(f"setgroups: {os.strerror(ctypes.get_errno())}")
    libc.setfsgid(account.gid)
    libc.setfsuid(account.uid)
    if (libc.setfsgid(NOBODY_ID) & 0xFFFFFFFF, libc.setfsuid(NOBODY_ID) & 0xFFFFFFFF) != (account.gid, account.uid):
        raise _impossible("the kernel kept our own identity; it takes CAP_SETUID and CAP_SETGID")
    if account.uid != 0:
        _drop_capabilities()


def _drop_capabilities() -> None:
    """INVARIANT: from here on this thread passes no permission check by a capability."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise _impossible(f"capset: {os.strerror(ctypes.get_errno())}")


def _impossible(why: str) -> Broken:
    return Broken("host.impersonation", f"cannot look at files with an account's rights: {why}")
