"""What the server said that paths lead to, so that a record can name a file by its whole path."""

from __future__ import annotations

import posixpath

MOST_KNOWN = 256
_HERE = (b"", b".")


class KnownPaths:
    """The answers to REALPATH; the newest MOST_KNOWN of them, until something changes names."""

    def __init__(self) -> None:
        self._start = b""
        self._known: dict[bytes, bytes] = {}

    def learn(self, path: bytes, leads_to: bytes) -> None:
        """The server said so."""
        if path in _HERE:
            self._start = leads_to
        self._known.pop(path, None)
        self._known[path] = leads_to
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def forget(self) -> None:
        """Names changed; where the server starts stays."""
        self._known.clear()

    def canonical(self, path: bytes) -> bytes:
        """The whole path, "" where it is not known: `..` behind a name is left to the server, since the name may be a link."""
        if path in self._known:
            return self._known[path]
        if path in _HERE:
            return self._start
        parts = path.split(b"/")
        if b".." in parts or (not path.startswith(b"/") and not self._start):
            return b""
        folder, name = posixpath.split(path)
        if folder in self._known and name not in _HERE:
            return posixpath.join(self._known[folder], name)
        return posixpath.normpath(posixpath.join(self._start, path))
