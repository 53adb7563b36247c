"""`dockwarden secret`: keep, show and retire secrets. Values come from standard input or a prompt, never from arguments."""

from __future__ import annotations

import base64
import getpass
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, AsJson, Config
from dockwarden.cli.replace import original, replacement
from dockwarden.cli.tables import show
from dockwarden.settings import Settings, load_settings
from dockwarden.words.errors import BadConfig
from dockwarden.words.moment import moment

if TYPE_CHECKING:
    from dockwarden.cli.imports import Plan

app = typer.Typer(no_args_is_help=True)

SecretPath = Annotated[str, typer.Argument(metavar="PATH", help="where the secret is kept, as prod/db/password")]
Versions = Annotated[list[int] | None, typer.Option("--version", help="only this version; repeat it")]


@app.command()
def put(
    path: SecretPath,
    config: Config = USUAL_PLACE,
    label: Annotated[str, typer.Option("--label", help="current, or pending: kept, but not given to anybody yet")] = "current",
    as_json: AsJson = False,
) -> None:
    """Keep a new version of PATH; its value is what comes on standard input, every byte of it.

    Example: printf %s "$VALUE" | dockwarden secret put prod/db/password
    """
    value = base64.b64encode(_value(path)).decode()
    said = ask(load_settings(config), "secret/put", {"path": path, "value": value, "label": label})
    typer.echo(json.dumps(said) if as_json else f"{path}: version {said['version']} is {label}{_renewed(said)}")


def _renewed(said: dict[str, Any]) -> str:
    """What became of running containers. Those that could not be given a new version are told of on standard error, too."""
    for why in said["failed"]:
        sys.stderr.write(f"dockwarden: not every running container followed: {why}\n")
    return f"; {said['renewed']} running containers have it now" if said["renewed"] else ""


@app.command()
def get(
    path: SecretPath,
    config: Config = USUAL_PLACE,
    version: Annotated[int, typer.Option("--version", help="this version instead of the current one")] = 0,
    label: Annotated[str, typer.Option("--label", help="current, pending or previous")] = "current",
) -> None:
    """Print the value of PATH alone, without a line end of ours.

    Example: dockwarden secret get prod/db/password
    """
    said = ask(load_settings(config), "secret/get", {"path": path, "version": version, "label": label})
    sys.stdout.buffer.write(base64.b64decode(said["value"]))
    sys.stdout.buffer.flush()
    if sys.stdout.isatty():
        sys.stderr.write("\n")


@app.command("list")
def list_(
    prefix: Annotated[str, typer.Argument(help="only paths that begin so")] = "", config: Config = USUAL_PLACE, as_json: AsJson = False
) -> None:
    """List the paths that you may know of.

    Example: dockwarden secret list prod/
    """
    paths = list(_paths(load_settings(config), prefix))
    typer.echo(json.dumps(paths) if as_json else "\n".join(paths), nl=bool(paths) or as_json)


@app.command()
def history(path: SecretPath, config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Show the versions of PATH: when, by whom, and what became of them. No values.

    Example: dockwarden secret history prod/db/password
    """
    _show(ask(load_settings(config), "secret/history", {"path": path}), as_json)


@app.command()
def where(path: SecretPath, config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Show which containers hold PATH, and which version each has now.

    Example: dockwarden secret where prod/db/password
    """
    rows = ask(load_settings(config), "secret/where", {"path": path})["containers"]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    show(("container", "state", "file", "version", "for"), map(_held, rows), f"no container holds {path}")


def _held(row: dict[str, Any]) -> tuple[str, ...]:
    version = str(row["version"] or "none, it does not run")
    return row["container"] or row["id"][:12], row["state"], f"/run/secrets/{row['file']}", version, row["for"]


@app.command()
def label(
    path: SecretPath,
    label: Annotated[str, typer.Argument(help="current, pending or previous")],
    version: Annotated[int, typer.Argument(help="the version that goes by it from now on")],
    config: Config = USUAL_PLACE,
) -> None:
    """Let another version go by a label: make a pending one current, or go back to an earlier one.

    Example: dockwarden secret label prod/db/password current 3
    """
    said = ask(load_settings(config), "secret/label", {"path": path, "label": label, "version": version})
    typer.echo(f"{path}: version {version} is {label}{_renewed(said)}")


@app.command()
def delete(path: SecretPath, config: Config = USUAL_PLACE, versions: Versions = None, as_json: AsJson = False) -> None:
    """Let versions of PATH (all, if none is named) not be read any more; `undelete` brings them back.

    Example: dockwarden secret delete prod/db/password --version 2
    """
    _of_versions("delete", path, config, versions, as_json)


@app.command()
def undelete(path: SecretPath, config: Config = USUAL_PLACE, versions: Versions = None, as_json: AsJson = False) -> None:
    """Bring deleted versions of PATH back.

    Example: dockwarden secret undelete prod/db/password
    """
    _of_versions("undelete", path, config, versions, as_json)


@app.command()
def destroy(
    path: SecretPath,
    config: Config = USUAL_PLACE,
    versions: Versions = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Take the values of versions of PATH (all, if none is named) away for good.

    Example: dockwarden secret destroy prod/db/password --version 1
    """
    if not yes:
        which = f"version {', '.join(map(str, versions))}" if versions else "every version"
        typer.confirm(f"{which} of {path} will be gone for good; go on?", abort=True)
    _of_versions("destroy", path, config, versions, as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a .env file, or a compose file (.yml, .yaml)")],
    under: Annotated[str, typer.Option("--under", help="the path below which the values are kept, as people/alice/shop")],
    config: Config = USUAL_PLACE,
    only: Annotated[list[str] | None, typer.Option("--only", help="this variable; repeat it; without, those that look like secrets")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Bring the secrets of FILE into the vault, and write references in their place; what will change is shown first, values hidden.

    Example: dockwarden secret import .env --under people/alice/shop
    """
    from dockwarden.cli.imports import path_of, plan  # loads the finder, which the other verbs have no use for

    settings = load_settings(config)
    with original(file) as old:
        planned = plan(old.text, str(file), under, only or ())
        _show_plan(planned)
        if not planned.chosen:
            typer.echo(f"{file}: nothing in it can be imported as a secret; name a variable with --only NAME")
            return
        if not yes:
            typer.confirm(f"keep {len(planned.chosen)} values in the vault, and write {file} so?", abort=True)
        with replacement(old, planned.fresh) as put:  # before any value is kept: a file that cannot be replaced would keep its own
            for one in planned.chosen:
                body = {"path": path_of(under, one), "value": base64.b64encode(one.value.reveal()).decode(), "label": "current"}
                ask(settings, "secret/put", body)
            put()
    count = len(planned.chosen)
    typer.echo(f"{file} names {count} secrets now. Its old values are still in backups and in version control, if it was there: change them.")


def _show_plan(planned: Plan) -> None:
    """What will change, and what else stands in the file; no values."""
    for line in planned.change:
        typer.secho(line, fg={"+": "green", "-": "red"}.get(line[:1]))
    for note in planned.notes:
        typer.secho(note, fg="yellow")


def _of_versions(verb: str, path: str, config: Path, versions: list[int] | None, as_json: bool) -> None:
    _show(ask(load_settings(config), f"secret/{verb}", {"path": path, "versions": versions or []}), as_json)


def _value(path: str) -> bytes:
    """What is to be kept: standard input, or what is typed twice without being shown."""
    if not sys.stdin.isatty():
        value = sys.stdin.buffer.read()
        if not value:
            raise BadConfig("standard input", "nothing came", f'write: printf %s "$VALUE" | dockwarden secret put {path}')
        return value
    first = getpass.getpass(f"value of {path}: ")
    if first != getpass.getpass("once more: "):
        raise BadConfig("the prompt", "the two were not the same; nothing was changed", "type it again")
    return first.encode()


def _paths(settings: Settings, prefix: str) -> Iterator[str]:
    after = ""
    while True:
        said = ask(settings, "secret/list", {"prefix": prefix, "after": after})
        yield from said["paths"]
        after = said["after"]
        if not after:
            return


def _show(record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(record))
        return
    columns = ("version", "state", "labels", "made", "by", "bytes")
    show(columns, map(_version, reversed(record["versions"])), right={"version", "bytes"})


def _version(one: dict[str, Any]) -> tuple[str, ...]:
    return str(one["version"]), one["state"], ", ".join(one["labels"]), moment(one["at_us"]), one["by"], str(one["bytes"])
