"""`dockwarden vault`: seal, unseal and re-key what keeps the secrets."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import getpass
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.ledger.hold import hold
from dockwarden.ledger.writer import Ledger
from dockwarden.settings import Settings, load_settings
from dockwarden.vault import seals
from dockwarden.vault.backup import restore as put_back
from dockwarden.vault.keyring import ROOT, open_keyring
from dockwarden.vault.log import OpenLog, ReadLog
from dockwarden.vault.rows import Head
from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.verify import verify as check
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.secret import Secret

app = typer.Typer(no_args_is_help=True)

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
    by: Annotated[str, typer.Option("--by", help="what unseals it from now on: file, credential, passphrase, or shares such as 3-of-5")] = "file",
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
    elif by not in {"file", "credential"}:
        raise BadConfig("--by", f"{by!r} is no way to unseal a vault", "write file, credential, passphrase, or NEEDED-of-MADE as 3-of-5")
    said = ask(settings, "vault/rekey", body)
    if "shares" in said:
        _say_shares(said["shares"], as_json)
        said = ask(settings, "vault/rekey-confirm", {"shares": said["shares"][: said["needed_shares"]]})
    if not (found and as_json):
        _say(said, as_json)


@app.command()
def rotate(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Begin a new term: a new key wraps all that is kept, and the old one is gone.

    Example: dockwarden vault rotate
    """
    _say(ask(load_settings(config), "vault/rotate"), as_json)


@app.command()
def backup(
    file: Annotated[Path | None, typer.Argument(help="where to put it; without, it stays in D/state/backups")] = None,
    config: Config = USUAL_PLACE,
    as_json: AsJson = False,
) -> None:
    """Copy the vault as it is now, sealed; it goes on serving meanwhile.

    Example: dockwarden vault backup /mnt/safe/vault.db
    """
    if file is not None and file.exists():
        raise BadConfig(str(file), "is there already", "name a file that is not")
    if file is not None and not os.access(file.absolute().parent, os.W_OK):
        raise BadConfig(str(file.absolute().parent), "is no folder that you may write to", "name a file in one that is")
    with Console(stderr=True).status("copying the vault"):
        said = ask(load_settings(config), "vault/backup")
    if file is not None:
        shutil.move(said["file"], file)
        said["file"] = str(file)
    typer.echo(json.dumps(said) if as_json else f"{said['file']}: the vault at change {said['change']}; it opens with the same key alone")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="a file that `vault backup` made")],
    config: Config = USUAL_PLACE,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Put a backup in the place of what is in the vault, while nothing serves; it is written down in the ledger.

    Example: dockwarden vault restore /mnt/safe/vault.db
    """
    settings = _ours(config)
    if not file.is_file():
        raise BadConfig(str(file), "is no file", "name one that dockwarden vault backup made")
    if not yes:
        typer.confirm("all that is in the vault now will be replaced; go on?", abort=True)
    held = hold(settings.serve_lock, "stop it first: what serves would go on with what it had")
    try:
        with Console(stderr=True).status("putting the backup back"):
            head = asyncio.run(_restored(settings, file))
    finally:
        held.release()
    typer.echo(f"the vault is at change {head.seq} now")


@app.command()
def verify(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """See that every row is what was stored, and the whole what the ledger says; exit 0 if so, 1 if not. Works with no server running, too.

    Where the vault is unsealed by a file that you can read, or a passphrase or shares come on standard input, values are opened as well.
    Example: dockwarden vault verify
    """
    settings = _ours(config)
    try:
        store = open_store(settings.vault_url)
        snapshot = store.snapshot()
    except BadConfig as error:
        typer.echo(error)
        raise typer.Exit(1) from None
    try:
        key = _key_at_hand(settings, snapshot)
        with Console(stderr=True).status("looking at every row") as status:
            found = check(snapshot, ReadLog(settings.ledger_dir), key, lambda paths: status.update(f"{paths} paths are right so far"))
    finally:
        snapshot.close()
        store.close()
    if as_json:
        typer.echo(json.dumps({**dataclasses.asdict(found), "findings": list(map(str, found.findings))}))
    else:
        for finding in found.findings:
            typer.echo(finding)
        opened = "each opened" if found.is_opened else "none opened: no key was at hand"
        verdict = "is not what was stored" if found.findings else "is right"
        typer.echo(f"the vault at change {found.change} {verdict}: {found.paths} paths, {found.versions} versions, {opened}")
    raise typer.Exit(1 if found.findings else 0)


def _ours(config: Path) -> Settings:
    """The settings, where secrets are kept in a vault of our own. Raises: BadConfig."""
    settings = load_settings(config)
    if settings.vault.outside:
        raise BadConfig(f"{config}: [vault] outside", f"secrets are kept at {settings.vault.outside}", "do this there, with its own tools")
    return settings


async def _restored(settings: Settings, file: Path) -> Head:
    ledger = Ledger(settings.ledger_dir)
    try:
        log = OpenLog(settings.ledger_dir, ledger, asyncio.get_running_loop())
        return await asyncio.to_thread(_restore, settings, file, log)
    finally:
        await asyncio.to_thread(ledger.close)


def _restore(settings: Settings, file: Path, log: OpenLog) -> Head:
    backup, target = open_store(f"sqlite://{file.absolute()}"), open_store(settings.vault_url)
    try:
        key = _key_at_hand(settings, backup)
        if key is None:
            raise BadConfig("the vault's key", "is not at hand", "give the passphrase or the shares on standard input, one a line")
        return put_back(backup, target, key, log)
    finally:
        backup.close()
        target.close()


def _key_at_hand(settings: Settings, store: SqlStore) -> bytes | None:
    """The unseal key of what is in `store`: by its file, or by what comes on standard input; `None` where there is neither."""
    text = next((row.how for row in store.keyring() if row.name == ROOT), "")
    if not text:
        return None
    lines = [] if sys.stdin.isatty() else [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
    match seals.read_how(text):
        case seals.FileSeal():
            return _key_in_files(settings.vault_key, store)
        case seals.PassphraseSeal() as how if lines:
            return seals.passphrase_key(how, Secret(lines[0].encode()))
        case seals.SharesSeal() if lines:
            return seals.combine(lines)
    return None


def _key_in_files(file: Path, store: SqlStore) -> bytes | None:
    """The key in the key file; or in the one that waits to take its place, where a crash came in the middle of a re-key."""
    head, key = store.head(), None
    for one in (seals.new_key_file(file), file):
        try:
            key = seals.read_key_file(one)
            if head is not None and one != file:
                open_keyring(head.vault, store.keyring(), key)
                return key
        except (BadConfig, Refused):
            continue
    return key


def _secret_line(prompt: str, *, twice: bool = False) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    text = getpass.getpass(prompt)
    if twice and text != getpass.getpass("once more: "):
        raise BadConfig("the prompt", "the two were not the same; nothing was changed", "type it again")
    return text


def _say_shares(shares: list[str], as_json: bool) -> None:
    """Show the new shares, all of them, before the vault takes the key that they make."""
    if as_json:
        typer.echo(json.dumps({"shares": shares}))
    else:
        for number, share in enumerate(shares, 1):
            typer.echo(f"share {number}, for one person alone; it is shown this once:\n{share}\n")
    sys.stdout.flush()


def _say(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said))
        return
    if "outside" in said:
        state = "does not answer" if not said["answers"] else "sealed" if said["sealed"] else "open"
        typer.echo(f"{state}; run by {said['by']}")
        if said["trouble"]:
            typer.echo(said["trouble"], err=True)
        return
    state = "sealed" if said["sealed"] else f"open, at change {said['change']}"
    needs = f": {said['needed']} of {said['made']}, {said['have']} brought so far" if "needed" in said else ""
    typer.echo(f"{state}; unsealed by {said['by']}{needs}")
    if said.get("trouble"):
        typer.echo(f"not unsealed at start: {said['trouble']}", err=True)
