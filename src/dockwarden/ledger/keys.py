"""The signing key of a ledger, a file only its owner may read."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dockwarden.words.errors import BadConfig

PRIVATE, PUBLIC = "signing.key", "signing.pub"


def make_key(folder: Path) -> None:
    """Make `folder` (0700) with a key pair, unless there is one; half of one, as a crash leaves it, is made whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = folder / PRIVATE, folder / PUBLIC
    if not private.exists():
        with contextlib.suppress(FileExistsError):  # somebody else was faster
            os.link(_written(private, Ed25519PrivateKey.generate().private_bytes_raw(), 0o600), private)
        _part(private).unlink(missing_ok=True)
    if not public.exists():
        _written(public, read_key(folder).public_key().public_bytes_raw().hex().encode() + b"\n", 0o644).rename(public)


def _part(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


def _written(file: Path, data: bytes, mode: int) -> Path:
    """What will be `file`, whole and on the disk under another name."""
    part = _part(file)
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return part


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
    except PermissionError:
        raise BadConfig(str(file), "is not yours to read", "run this as root, or on a copy: --key, and what dockwarden ledger key printed") from None
    except OSError as error:
        raise BadConfig(str(file), f"cannot be read ({error.strerror})", "name the file with --public-key, or --key") from None
    except ValueError:
        raise BadConfig(str(file), "is no public key", "name the file with --public-key, or --key") from None
