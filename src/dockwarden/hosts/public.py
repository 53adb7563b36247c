"""The public halves of our authorities: files that everybody may read, as OpenSSH writes keys."""

from __future__ import annotations

from pathlib import Path

from dockwarden.words.errors import BadConfig

USER, HOST = "ssh-user", "ssh-host"
NAMES = (USER, HOST)


def read_public(folder: Path, name: str) -> str:
    """The public key of one authority, in a line. Raises: BadConfig: it is not there yet."""
    try:
        return (folder / f"{name}.pub").read_text("ascii")
    except OSError:
        raise BadConfig(str(folder / f"{name}.pub"), "is not there yet", "start dockwarden with its vault open: it makes it") from None
