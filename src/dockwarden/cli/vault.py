"""`dockwarden vault`: seal, unseal and re-key what keeps the secrets."""

from __future__ import annotations

import base64
import getpass
import json
import re
import sys
from typing import Annotated, Any

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

app = typer.Typer(name="vault", no_args_is_help=True, help="The vault itself: sealed or open, and its keys.")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
SHARES = re.compile(r"([0-9]{1,2})-of-([0-9]{1,2})", re.ASCII)


@app.command()
def status(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Say whether the vault is sealed, how it is unsealed, and where it stands.

    Example: dockwarden vault status
    """
    _say(ask(load_settings(config), "vault/status"), as_json)


@app.command()
def seal(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Let the serving process forget the keys: no secret is read, and no container that needs one starts, until `unseal`.

    Example: dockwarden vault seal
    """
    _say(ask(load_settings(config), "vault/seal"), as_json)


@app.command()
def unseal(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Open the vault, by its key file, or by a passphrase or one share on standard input (or typed, unseen).

    Example: dockwarden vault unseal < share-of-mine
    """
    settings = load_settings(config)
    by = ask(settings, "vault/status")["by"]
    body: dict[str, Any] = {}
    if by in {"passphrase", "shares"}:
        text = _secret_line("passphrase: " if by == "passphrase" else "your share, all its words: ")
        body = {"share": text} if by == "shares" else {"passphrase": base64.b64encode(text.encode()).decode()}
    _say(ask(settings, "vault/unseal", body), as_json)


@app.command()
def rekey(
    config: Config = USUAL_PLACE,
    by: Annotated[str, typer.Option("--by", help="what unseals it from now on: file, passphrase, or shares such as 3-of-5")] = "file",
    as_json: AsJson = False,
) -> None:
    """Make a new root key under a new unseal key; what opened the vault before opens it no more.

    Example: dockwarden vault rekey --by 3-of-5
    """
    settings, body = load_settings(config), {"by": by}
    found = SHARES.fullmatch(by)
    if found:
        body = {"by": "shares", "shares": [int(found[1]), int(found[2])]}  # type: ignore[dict-item]  # JSON
    elif by == "passphrase":
        body["passphrase"] = base64.b64encode(_secret_line("new passphrase: ", twice=True).encode()).decode()
    elif by != "file":
        raise BadConfig("--by", f"{by!r} is no way to unseal a vault", "write file, passphrase, or NEEDED-of-MADE as 3-of-5")
    _say(ask(settings, "vault/rekey", body), as_json)


@app.command()
def rotate(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Begin a new term: a new key wraps all that is kept, and the old one is gone.

    Example: dockwarden vault rotate
    """
    _say(ask(load_settings(config), "vault/rotate"), as_json)


def _secret_line(prompt: str, *, twice: bool = False) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    text = getpass.getpass(prompt)
    if twice and text != getpass.getpass("once more: "):
        raise BadConfig("the prompt", "the two were not the same; nothing was changed", "type it again")
    return text


def _say(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said))
        return
    state = "sealed" if said["sealed"] else f"open, at change {said['change']}"
    needs = f": {said['needed']} of {said['made']}, {said['have']} brought so far" if "needed" in said else ""
    typer.echo(f"{state}; unsealed by {said['by']}{needs}")
    if said.get("trouble"):
        typer.echo(f"not unsealed at start: {said['trouble']}", err=True)
    for number, share in enumerate(said.get("shares", ()), 1):
        typer.echo(f"\nshare {number}, for one person alone; it is shown this once:\n{share}")
