"""The signing key of a ledger, a file only its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dockwarden.words.errors import BadConfig

PRIVATE, PUBLIC = "signing.key", "signing.pub"


def make_key(folder: Path) -> None:
    """Make `folder` (0700) with a key pair, unless there is one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(folder / PRIVATE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    key = Ed25519PrivateKey.generate()
    with os.fdopen(handle, "wb") as out:
        out.write(key.private_bytes_raw())
    (folder / PUBLIC).write_text(key.public_key().public_bytes_raw().hex() + "\n")


def read_key(folder: Path) -> Ed25519PrivateKey:
    """Return the signing key.

    Raises:
        BadConfig: it is missing, or others may read it.
    """
    file = folder / PRIVATE
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        raw = file.read_bytes()
    except OSError as error:
        raise BadConfig(str(file), f"cannot be read ({error.strerror})", "run dockwarden init, or restore it") from None
    if mode & 0o077:
        raise BadConfig(str(file), f"others may use it (mode {mode:o})", f"chmod 600 {file}, and think about who has read it")
    if len(raw) != 32:
        raise BadConfig(str(file), "is no signing key", "restore it")
    return Ed25519PrivateKey.from_private_bytes(raw)


def read_public_key(file: Path) -> Ed25519PublicKey:
    """Return the key that checkpoints are verified with.

    Raises:
        BadConfig: it is missing or no key.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(file.read_text("ascii").strip()))
    except (OSError, ValueError) as error:
        raise BadConfig(str(file), f"is no public key ({error})", "name the file with --public-key") from None
