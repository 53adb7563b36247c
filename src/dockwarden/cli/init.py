"""`dockwarden init`: make the folder that a warden lives in."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from dockwarden.access.host_files import check_roots
from dockwarden.access.people import NAME, parse_people
from dockwarden.cli.options import USUAL_PLACE
from dockwarden.ledger.keys import make_key
from dockwarden.policy.load import load
from dockwarden.settings import EngineSettings, OperateSettings, Settings, parse_settings
from dockwarden.vault.begin import make_vault
from dockwarden.words.errors import BadConfig

PLUGIN, OPERATE = EngineSettings(address="").plugin, OperateSettings().listen
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)
FIRST_PERSON_UID, LAST_PERSON_UID = 1000, 59_999
NO_SHELLS = frozenset({"", "nologin", "false", "sync"})

Dir = Annotated[Path, typer.Option("--dir", help="the folder to make; settings, people, policies and state live in it")]
Engine = Annotated[str, typer.Option("--engine", help="the Engine to protect: unix://PATH or tcp://HOST:PORT")]
Registry = Annotated[list[str] | None, typer.Option("--registry", help="a registry that images may come from; repeat it; none named: any")]
BindRoot = Annotated[list[str] | None, typer.Option("--bind-root", help="a folder of the host that containers may mount from; repeat it")]
Everyone = Annotated[bool, typer.Option("--everyone", help="know every account of this host that can log in, not just group docker")]

Plugin = Annotated[str, typer.Option("--plugin", help="the name of our sockets in the Engine's plugin folder: one for each dockwarden of a machine")]
Operate = Annotated[str, typer.Option("--operate", help='HOST:PORT of /healthz and /metrics, loopback only; "" turns both off')]


def init(
    dir: Dir, engine: Engine, registry: Registry = None, bind_root: BindRoot = None, everyone: Everyone = False,
    plugin: Plugin = PLUGIN, operate: Operate = OPERATE,
) -> None:
    """Make DIR with settings, people, starter policies and keys; what is already there is never overwritten.

    Everything is checked before anything is written. Exits 3 if something cannot be meant.

    Example: dockwarden init --dir /etc/dockwarden --engine unix:///var/run/docker.sock --bind-root /srv/work
    """
    dir = dir.absolute()
    wanted = Wanted(engine, tuple(bind_root or ()), plugin, operate)
    files = {
        dir / "dockwarden.toml": settings_text(dir, wanted), dir / "people.toml": people_text(everyone),
        **{dir / "policies" / name: text for name, text in starter_policies(registry or [])},
    }
    settings = _checked(dir, files)
    try:
        for folder, mode in ((dir, 0o755), (dir / "state", 0o700), (dir / "policies", 0o755)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        for file, text in files.items():
            _write(file, text)
    except OSError as error:
        raise BadConfig(str(error.filename or dir), f"cannot be written ({error.strerror})", "run as root, or choose another --dir") from None
    make_key(settings.ledger_dir)
    make_seal_key(settings.state_dir)
    if asyncio.run(make_vault(settings.vault_url, settings.vault_key, settings.ledger_dir)):
        typer.echo(f"made   the vault, its key in {settings.vault_key}")
    for root in settings.binds.roots:
        if not Path(root).exists():
            typer.echo(f"note   the bind root {root} is not there yet: mkdir -p {root}")
    option = "" if settings.file == USUAL_PLACE else f" --config {settings.file}"
    typer.echo(f"dockwarden is ready to serve: dockwarden serve{option}")


def _checked(dir: Path, files: Mapping[Path, str]) -> Settings:
    """Return the settings that will be in force, those that are there already before those that would be written.

    Raises:
        BadConfig: something of what is there or would be written is wrong; nothing was written.
    """
    there = {file: _text(file) or text for file, text in files.items()}
    settings = parse_settings(there[dir / "dockwarden.toml"], dir / "dockwarden.toml")
    check_roots(settings.binds.roots)
    parse_people(there[dir / "people.toml"], str(dir / "people.toml"))
    others = {file: _text(file) or "" for file in sorted((dir / "policies").glob("*.cedar"))}
    load({str(file): text for file, text in (there | others).items() if file.suffix == ".cedar"})
    return settings


def _text(file: Path) -> str | None:
    """What is in `file`, `None` where it is not there yet."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(str(file), f"cannot be read ({error})", "run as root, mend it, or choose another --dir") from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the settings the command line says."""

    engine: str
    bind_roots: tuple[str, ...] = ()
    plugin: str = PLUGIN
    operate: str = OPERATE


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
    if (state / "seal.key").exists():
        return
    part = state / "seal.key.part"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(os.urandom(32))
        out.flush()
        os.fsync(out.fileno())
    part.rename(state / "seal.key")


def settings_text(dir: Path, wanted: Wanted) -> str:
    """The first `dockwarden.toml`: what matters on day one, the rest with its default in docs/settings.md."""
    roots = ", ".join(toml_text(os.path.normpath(root)) for root in wanted.bind_roots)
    plugin = "" if wanted.plugin == PLUGIN else f"plugin = {toml_text(wanted.plugin)}\n"
    operate = "" if wanted.operate == OPERATE else f"\n[operate]\nlisten = {toml_text(wanted.operate)}\n"
    return f"""\
# dockwarden: every option is described in docs/settings.md; an unknown one refuses to start.

# observe = true       # the first days: decide and record, but refuse nothing; it stands here, above the first [table]

[engine]
address = {toml_text(wanted.engine)}
{plugin}# lock = true          # let the Engine ask us too, so that its raw socket obeys the same policy (docs/operations.md)

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
{operate}"""


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
        if any(uid == entry.pw_uid for _, uid, _ in rows) or not NAME.fullmatch(entry.pw_name):  # two names of one uid are one person
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


def registry_policy(hosts: Sequence[str]) -> str:
    """The Cedar rule that lets images come from `hosts` only.

    Raises:
        BadConfig: one is no HOST or HOST:PORT.
    """
    for host in hosts:
        if not HOST.fullmatch(host):
            raise BadConfig("--registry", f"{host!r} is no registry", "write HOST or HOST:PORT, as image names begin: registry.corp.test:5000")
    allowed = ", ".join(toml_text(host) for host in hosts)
    return f"""\
// Images come from these registries only. `docker.io` is where a name without a registry comes from.
@id("registries")
@advice("use an image from: {' '.join(hosts)}")
forbid (principal, action in Action::"uses-image", resource)
unless {{ [{allowed}].contains(context.image.registry) || principal in Group::"admins" }};
"""
