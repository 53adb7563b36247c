"""Who is at the other end of a unix socket: the kernel's word for it, and a look at where that process lives.

Uid 0 inside a container is uid 0 to the kernel, and `--user 20002` is Bob; so a peer in another user, mount or PID namespace than the
host's is never a person.

1. SO_PEERCRED says uid, gid and pid as they were when the socket was connected.
2. SO_PEERPIDFD (Linux 6.5) holds that very process, so that its pid cannot come to mean another while we look.
3. The namespaces of /proc/PID/ns are compared with our own. A process that is gone, or that cannot be looked at, is nobody.
4. Only where the kernel does not know SO_PEERPIDFD is a descriptor opened for the pid. The pid may have changed hands by then, so the
   process it holds must have the uid of step 1, and the look is repeated: one that changed hands meanwhile has another start time.
   Any other error of SO_PEERPIDFD means that the process is gone; its pid says nothing any more.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import select
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dockwarden.access.people import People
from dockwarden.words.principal import Account, Principal, stranger

SO_PEERPIDFD = 77
UCRED = struct.Struct("3i")
NAMESPACES = ("user", "mnt", "pid")
NO_PLACE = "uid {uid} has no place in people.toml; ask an admin for a [people.NAME] there with uid = {uid}"


@dataclass(frozen=True, slots=True)
class Peer:
    """What the kernel said. `why_not` tells why the process counts as nobody, "" where it does not."""

    pid: int
    uid: int
    gid: int
    why_not: str = ""


def namespaces_of(pid: str) -> Mapping[str, int]:
    """The inode of each namespace that matters; raises `OSError` for a process that cannot be looked at."""
    return {name: Path(f"/proc/{pid}/ns/{name}").stat().st_ino for name in NAMESPACES}


class PeerSocket(Protocol):
    """What is asked of a client's socket."""

    def getsockopt(self, level: int, name: int, length: int = ..., /) -> Any:
        """A socket option: a number, or bytes of at most `length`."""


class Peers:
    """Asks the kernel about peers; knows our own namespaces from its start."""

    def __init__(self) -> None:
        self._ours = namespaces_of("self")

    def look(self, sock: PeerSocket) -> Peer:
        """Return who connected `sock`; it may be closed by then."""
        try:
            pid, uid, gid = UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
        except OSError as error:
            return Peer(0, -1, -1, f"the kernel does not say who it is ({error.strerror})")
        if pid <= 0:
            return Peer(pid, uid, gid, "its process is in a PID namespace that cannot be seen from here")
        return Peer(pid, uid, gid, self._stranger(sock, pid, uid))

    def _stranger(self, sock: PeerSocket, pid: int, uid: int) -> str:
        try:
            held, is_certain = _hold(sock, pid)
        except OSError as error:
            return f"its process cannot be held ({error.strerror})"
        try:
            if not is_certain and uid not in _uids(pid):
                return "its process was gone before it could be looked at"
            before = _start_time(pid)
            theirs = namespaces_of(str(pid))
            if _has_ended(held) or before != _start_time(pid):
                return "its process was gone before it could be looked at"
        except OSError:
            return "its process cannot be looked at"
        finally:
            os.close(held)
        other = [name for name in NAMESPACES if theirs[name] != self._ours[name]]
        return f"it is in another {', '.join(other)} namespace: in a container; use a named door there" if other else ""


def _hold(sock: PeerSocket, pid: int) -> tuple[int, bool]:
    """Return a descriptor of the peer's process, and whether it is certainly that process."""
    try:
        return int(sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)), True
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    return os.pidfd_open(pid), False


def _uids(pid: int) -> frozenset[int]:
    """The real, effective, saved and file system uid of a process."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    line = next(line for line in status.splitlines() if line.startswith("Uid:"))
    return frozenset(map(int, line.split()[1:]))


def _has_ended(pidfd: int) -> bool:
    """Whether the held process ended: its descriptor is readable then."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]


def host_groups(uid: int) -> tuple[frozenset[str], Account | None]:
    """The host's word on an account: its groups by name, and its ids; an account without an entry has its uid alone."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return frozenset(), Account(uid, uid)
    ids = os.getgrouplist(entry.pw_name, entry.pw_gid)
    names = set()
    for gid in ids:
        with contextlib.suppress(KeyError):
            names.add(grp.getgrgid(gid).gr_name)
    return frozenset(names), Account(uid, entry.pw_gid, tuple(sorted(set(ids))))


def identify(sock: PeerSocket, peers: Peers, people: People) -> Principal:
    """Return the person at the other end of `sock`, or a stranger with the reason."""
    peer = peers.look(sock)
    if peer.why_not:
        return stranger(peer.why_not)
    return people.by_uid(peer.uid, host_groups) or stranger(NO_PLACE.format(uid=peer.uid))
