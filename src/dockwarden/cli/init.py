"""`dockwarden init`: make the folder that a warden lives in."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from dockwarden.ledger.keys import make_key
from dockwarden.settings import load_settings
from dockwarden.vault.begin import make_vault
from dockwarden.words.errors import BadConfig

FIRST_PERSON_UID, LAST_PERSON_UID = 1000, 59_999
NO_SHELLS = frozenset({"", "nologin", "false", "sync"})

Dir = Annotated[Path, typer.Option("--dir", help="the folder to make; settings, people, policies and state live in it")]
Engine = Annotated[str, typer.Option("--engine", help="the Engine to protect: unix://PATH or tcp://HOST:PORT")]
Registry = Annotated[list[str] | None, typer.Option("--registry", help="a registry that images may come from; repeat it; none named: any")]
BindRoot = Annotated[list[str] | None, typer.Option("--bind-root", help="a folder of the host that containers may mount from; repeat it")]
Everyone = Annotated[bool, typer.Option("--everyone", help="know every account of this host that can log in, not just group docker")]


def init(dir: Dir, engine: Engine, registry: Registry = None, bind_root: BindRoot = None, everyone: Everyone = False) -> None:
    """Make DIR with settings, people, starter policies and keys; what is already there is never overwritten.

    Example: dockwarden init --dir /etc/dockwarden --engine unix:///var/run/docker.sock --bind-root /srv/work
    """
    dir = dir.absolute()
    dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    state = dir / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    (dir / "policies").mkdir(exist_ok=True)
    _write(dir / "dockwarden.toml", settings_text(dir, engine, bind_root or []))
    load_settings(dir / "dockwarden.toml")
    _write(dir / "people.toml", people_text(everyone))
    for name, text in starter_policies(registry or []):
        _write(dir / "policies" / name, text)
    make_key(state / "ledger")
    make_seal_key(state)
    settings = load_settings(dir / "dockwarden.toml")
    if asyncio.run(make_vault(settings.vault_url, settings.vault_key, settings.ledger_dir)):
        typer.echo(f"made   the vault, its key in {settings.vault_key}")
    typer.echo(f"dockwarden is ready to serve: dockwarden serve --config {dir / 'dockwarden.toml'}")


def _write(file: Path, text: str) -> None:
    """Write `file` if nobody has yet; say which of both it was."""
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        typer.echo(f"kept   {file}")
        return
    typer.echo(f"wrote  {file}")


def make_seal_key(state: Path) -> None:
    """Make the key that seals what the volume driver is told, 0600, unless it is there."""
    try:
        handle = os.open(state / "seal.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as out:
        out.write(os.urandom(32))


def settings_text(dir: Path, engine: str, bind_roots: Iterable[str]) -> str:
    """The first `dockwarden.toml`: what matters on day one, the rest with its default in docs/settings.md."""
    roots = ", ".join(toml_text(os.path.normpath(root)) for root in bind_roots)
    return f"""\
# dockwarden: every option is described in docs/settings.md; an unknown one refuses to start.

[engine]
address = {toml_text(engine)}
# lock = true          # let the Engine ask us too, so that its raw socket obeys the same policy (docs/operations.md)

[[door]]
kind = "docker"
listen = {toml_text(f"unix://{dir / 'docker.sock'}")}

# A door for one tool, safe to mount into its container: whoever comes in here is `traefik` (see people.toml).
# [[door]]
# kind = "docker"
# listen = {toml_text(f"unix://{dir / 'traefik.sock'}")}
# as = "traefik"

[binds]
roots = [{roots}]
"""


def toml_text(text: str) -> str:
    """`text` as a TOML basic string.

    Raises:
        BadConfig: it has a control character, which no path or address means.
    """
    if not text.isprintable():
        raise BadConfig("the command line", f"{text!r} has a control character", "write it without")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def people_text(everyone: bool) -> str:
    """The first `people.toml`: root, whoever called sudo, and the accounts that can reach the Engine today."""
    rows = [("root", 0, "admins")]
    caller = int(os.environ.get("SUDO_UID", "0"))
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_uid):
        if not FIRST_PERSON_UID <= entry.pw_uid <= LAST_PERSON_UID or Path(entry.pw_shell).name in NO_SHELLS:
            continue
        if entry.pw_uid == caller:
            rows.append((entry.pw_name, entry.pw_uid, "admins"))
        elif everyone or entry.pw_name in docker_group():
            rows.append((entry.pw_name, entry.pw_uid, "developers"))
    people = "\n".join(f'[people.{toml_text(name)}]\nuid = {uid}\ngroups = ["{group}"]\n' for name, uid, group in rows)
    return f"""\
# Who may come in: a person for each account of this host (or certificate), and the groups that policies speak of.
# Groups of the starter policies: developers, operators, auditors, ci, admins. Without `groups`, the host's own count.
#
# [people.alice]
# uid = 20001
# groups = ["developers"]

{people}"""


def docker_group() -> frozenset[str]:
    """The members of the host's group `docker`, who are root on it today."""
    try:
        return frozenset(grp.getgrnam("docker").gr_mem)
    except KeyError:
        return frozenset()


def starter_policies(registries: Iterable[str]) -> list[tuple[str, str]]:
    """The starter policies as (file name, text), with the rule on registries where any is named."""
    folder = resources.files("dockwarden.policy") / "starter"
    texts = [(file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".cedar")]
    hosts = sorted(set(registries))
    if hosts:
        texts.append(("registries.cedar", registry_policy(hosts)))
    return sorted(texts)


def registry_policy(hosts: Iterable[str]) -> str:
    """The Cedar rule that lets images come from `hosts` only."""
    allowed = ", ".join(toml_text(host) for host in hosts)
    return f"""\
// Images come from these registries only. `docker.io` is where a name without a registry comes from.
@id("registries")
@advice("use an image from: {' '.join(hosts)}")
forbid (principal, action in Action::"uses-image", resource)
unless {{ [{allowed}].contains(context.image.registry) || principal in Group::"admins" }};
"""
