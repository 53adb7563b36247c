"""`hosts.toml` as it is now: read again when it changes. A file that cannot be read keeps what was read before, and the log says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dockwarden.hosts.hosts import Host, parse_hosts
from dockwarden.words.errors import BadConfig


class PinnedHosts:
    """The hosts of one file."""

    def __init__(self, file: Path, told: Callable[[str], None]) -> None:
        """`told` hears why a file was not taken."""
        self._file, self._told = file, told
        self._stamp: tuple[int, int, int] | None = None
        self._hosts: Mapping[str, Host] = {}

    def get(self, name: str) -> Host | None:
        """One host, by name."""
        return self.fresh().get(name)

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(self.fresh()))

    def at(self, address: str, port: int) -> Host | None:
        """The host that is called `address`, or the only one that is there; `port` is its own, or 22."""
        hosts = self.fresh()
        named = hosts.get(address)
        if named is not None:
            return named if port in {22, named.place[1]} else None
        there = [host for host in hosts.values() if host.place == (address, port)]
        return there[0] if len(there) == 1 else None

    def fresh(self) -> Mapping[str, Host]:
        """All of them, as the file has them now."""
        try:
            status = self._file.stat()
            stamp = status.st_mtime_ns, status.st_ino, status.st_size
            if self._stamp != stamp:
                self._stamp = stamp
                self._hosts = parse_hosts(self._file.read_text("utf-8"), str(self._file))
        except FileNotFoundError:
            self._hosts, self._stamp = {}, None
        except (OSError, UnicodeDecodeError, BadConfig) as error:
            self._told(str(error))
        return self._hosts
