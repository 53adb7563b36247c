"""What commands take that work on copied files and a key alone: that key, an auditor's own, folders instead of settings, kept checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.checkpoint import Signed, ledger_key, read_signed
from dockwarden.ledger.keys import PUBLIC, read_public_key
from dockwarden.ledger.note import BadNote, NoteKey, read_key
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

Key = Annotated[str, typer.Option("--key", metavar="VKEY", help="the key to believe, as dockwarden ledger key printed it, or a file with it")]
PublicKey = Annotated[Path | None, typer.Option("--public-key", help="the key to believe, as a file signing.pub; default: the one beside the ledger")]
Tapes = Annotated[Path | None, typer.Option("--tapes", help="the folder of tapes; default: D/state/tapes")]
Identity = Annotated[Path | None, typer.Option("--identity", help="an auditor's age key (a file): what is sealed is opened, too")]
WRITE_KEY = "write what dockwarden ledger key printed: NAME+ID+BASE64"


def believed(folder: Path, key: str, public_key: Path | None) -> Ed25519PublicKey:
    """Return the ledger's key: the one given, else the one beside the ledger in `folder`. Raises: BadConfig."""
    if not key:
        return read_public_key(public_key or folder / PUBLIC)
    found = verifier_key(key)
    public = Ed25519PublicKey.from_public_bytes(found.public)
    if found != ledger_key(public):
        raise BadConfig("--key", f"{found.name} is no ledger of dockwarden", WRITE_KEY)
    return public


def verifier_key(key: str, option: str = "--key") -> NoteKey:
    """Return the key that is written in `key`, or in the file of that name. Raises: BadConfig."""
    try:
        return read_key(key if "+" in key else Path(key).read_text("utf-8"))
    except (BadNote, OSError, UnicodeDecodeError) as error:
        raise BadConfig(option, f"{key[:80]!r} {error}", WRITE_KEY) from None


def ledger_folder(config: Path, folder: Path | None) -> Path:
    """Return `folder`, which needs no settings, or the one that settings name. Raises: BadConfig."""
    if folder is None:
        return load_settings(config).ledger_dir
    if not folder.is_dir():
        raise BadConfig(str(folder), "is no folder", "name a copy of D/state/ledger")
    return folder


def kept_checkpoints(files: list[Path]) -> dict[str, Signed]:
    """Return checkpoints that were copied away, by file. Raises: BadConfig."""
    found = {}
    for file in files:
        try:
            found[str(file)] = read_signed(file.read_bytes())
        except BadNote as error:
            raise BadConfig(str(file), str(error), "name a copy of D/state/ledger/tlog/checkpoint") from None
    return found


def age_key(file: Path | None) -> str:
    """Return the age key in `file`, "" where none is named. Raises: BadConfig: it holds none."""
    if file is None:
        return ""
    found = next((line.strip() for line in file.read_text("ascii").splitlines() if line.startswith("AGE-SECRET-KEY-")), "")
    if not found:
        raise BadConfig(str(file), "holds no age key", "name the file that age-keygen made")
    return found
