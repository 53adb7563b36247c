"""`dockwarden host`: the hosts that people reach through the SSH door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.tables import show
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

app = typer.Typer(no_args_is_help=True)
SEEN_S = 10.0

Name = Annotated[str, typer.Argument(metavar="NAME", help="what people call it: ssh PERSON%NAME@…")]


@app.command()
def add(
    name: Name,
    address: Annotated[str, typer.Option("--address", help="HOST:PORT of its SSH server")],
    login: Annotated[str, typer.Option("--login", help="the account that people are there")],
    config: Config = USUAL_PLACE,
    secret: Annotated[str, typer.Option("--secret", help="where in the vault its private key or password is")] = "",
    certificate: Annotated[bool, typer.Option("--certificate", help="get in by a certificate of ours, made for minutes")] = False,
    host_key: Annotated[list[str] | None, typer.Option("--host-key", help='its public host key, as "ssh-ed25519 AAAA…"; repeat it')] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="NAME=VALUE, for policies; repeat it")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="approve the key that it shows now without being asked")] = False,
) -> None:
    """Let people reach a host. Without --host-key, the key that it shows now is shown to you, and pinned if you approve it.

    Example: dockwarden host add web --address 10.0.0.5:22 --login deploy --secret hosts/web/deploy
    """
    settings = load_settings(config)
    if bool(secret) == certificate:
        raise BadConfig("--secret, --certificate", "there must be one of them", "name where its key or password is, or --certificate")
    keys = host_key or [_approved(address, yes=yes)]
    labels = dict(part.partition("=")[::2] for part in label or ())
    pinned = [" ".join(key.split()[:2]) for key in keys]
    body: dict[str, object] = {"name": name, "address": address, "login": login, "host_keys": pinned, "labels": labels}
    body |= {"certificate": True} if certificate else {"secret": secret}
    ask(settings, "host/add", body)
    port = next((urlsplit(door.listen).port for door in settings.doors if door.kind == "ssh"), None)
    how = f"ssh -p {port} PERSON%{name}@THIS-MACHINE" if port else f"ssh PERSON%{name}@THIS-MACHINE, once there is a [[door]] of kind ssh"
    typer.echo(f"{name}: {how}")


@app.command("list")
def list_(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """List the hosts that you may know of.

    Example: dockwarden host list
    """
    found = ask(load_settings(config), "host/list")["hosts"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    show(("name", "address", "login", "by", "labels"), map(_cells, found), "no host that you may know of")


def _cells(host: Mapping[str, Any]) -> tuple[str, ...]:
    labels = " ".join(f"{key}={value}" for key, value in host["labels"].items())
    return host["name"], host["address"], host["login"], "certificate" if host["certificate"] else host["secret"], labels


@app.command()
def remove(name: Name, config: Config = USUAL_PLACE) -> None:
    """Let nobody reach a host any more. Sessions that are open stay.

    Example: dockwarden host remove web
    """
    typer.echo(f"{ask(load_settings(config), 'host/remove', {'name': name})['name']} is no longer reached")


def _approved(address: str, *, yes: bool) -> str:
    """The key that the host shows, once somebody said that it is the right one."""
    import asyncssh

    host, _, port = address.rpartition(":")

    async def seen() -> asyncssh.SSHKey | None:
        async with asyncio.timeout(SEEN_S):
            return await asyncssh.get_server_host_key(host.strip("[]"), int(port or 22))

    try:
        key = asyncio.run(seen())
    except (OSError, ValueError, asyncssh.Error, TimeoutError) as error:
        why = f"{address} shows no key ({type(error).__name__})"
        raise BadConfig("--address", why, "see whether it is right, or name the key with --host-key") from None
    if key is None:
        raise BadConfig("--address", f"{address} shows no key", "name it with --host-key")
    text = key.export_public_key().decode().strip()
    typer.echo(f"{address} shows {key.get_algorithm()} {key.get_fingerprint()}", err=True)
    if not yes:
        typer.confirm("is that the right key, as its console or its administrator says?", abort=True)
    return text
