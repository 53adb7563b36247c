"""Kind `bind`: a folder or file below one of the bind roots.

Options, all text: `dockwarden.root` (a bind root), `dockwarden.path` (the way from there, "." for the root itself),
`dockwarden.mode` (`ro` or `rw`), and for whose account: `dockwarden.uid`, `.gid`, `.groups` (ids with commas). Without an account
nobody's rights are asked: only where policy let somebody mount what no account stands for. The groups are those of the time the
container was made, as a process keeps the groups it began with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dockwarden.access.host_files import open_source
from dockwarden.doors.volumes.kinds import Options, Source
from dockwarden.engine.driver import GID, GROUPS, MODE, PATH, ROOT, UID
from dockwarden.engine.mounts import clean
from dockwarden.words.errors import Forbidden, Malformed
from dockwarden.words.principal import Account

ID = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
LARGEST_ID = (1 << 32) - 2
MODES = frozenset({"ro", "rw"})


class Binds:
    """Opens bind sources below the roots it was made with."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = frozenset(map(clean, roots))

    def check(self, options: Options) -> None:
        """Refuse options that are not complete, not canonical, or not below a root of today."""
        self._path(options)
        _account(options)
        if options.get(MODE) not in MODES:
            raise _unreadable(MODE)

    def open(self, name: str, options: Options) -> Source:  # noqa: ARG002  what is mounted does not depend on the volume's name
        """Walk to the source with the account's rights and hold it."""
        self.check(options)
        is_read_only = options[MODE] == "ro"
        found = open_source(self._path(options), _account(options), is_read_only=is_read_only)
        return Source(found.fd, is_read_only)

    def forget(self, name: str) -> None:
        """Nothing was made."""

    def _path(self, options: Options) -> str:
        root, relative = options.get(ROOT, ""), options.get(PATH, "")
        path = clean(f"{root}/{relative}")
        if not relative or relative.startswith("/") or "\0" in path or ".." in relative.split("/") or clean(root) != root:
            raise _unreadable(PATH)
        if root not in self._roots:
            raise Forbidden("bind.root", f"{root or 'that folder'} is not one of this host's bind roots; ask an operator ([binds] roots)")
        return path


def _account(options: Options) -> Account | None:
    if UID not in options:
        return None
    groups = options.get(GROUPS, "")
    return Account(_id(options, UID), _id(options, GID), tuple(_number(text, GROUPS) for text in groups.split(",")) if groups else ())


def _id(options: Options, name: str) -> int:
    return _number(options.get(name, ""), name)


def _number(text: str, name: str) -> int:
    if ID.fullmatch(text) is None or int(text) > LARGEST_ID:
        raise _unreadable(name)
    return int(text)


def _unreadable(name: str) -> Malformed:
    return Malformed("volume.options", f"the volume's option {name} cannot be read; make the container again through dockwarden")
