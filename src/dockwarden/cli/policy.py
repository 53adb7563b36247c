"""`dockwarden policy`: check the policies, test them with rows, and explain one call; no Engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dockwarden.policy.load import PolicySet, load
from dockwarden.policy.schema import schema_text
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

app = typer.Typer(name="policy", no_args_is_help=True, help="What people may do, and why.")

Config = Annotated[Path, typer.Option("--config", help="the settings file: D/dockwarden.toml")]


def load_policies(folder: Path) -> PolicySet:
    """The policies of a folder.

    Raises:
        BadConfig: it cannot be read, or a policy is wrong.
    """
    try:
        return load({str(file): file.read_text("utf-8") for file in sorted(folder.glob("*.cedar"))})
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(str(folder), f"cannot be read ({error})", "make its files readable") from None


@app.command()
def check(config: Config) -> None:
    """Check every policy against the schema, as a reload would.

    Example: dockwarden policy check --config D/dockwarden.toml
    """
    settings = load_settings(config)
    policies = load_policies(settings.policy_dir)
    by_file: dict[str, int] = {}
    for rule in policies.rules.values():
        by_file[rule.file] = by_file.get(rule.file, 0) + 1
    for file, count in sorted(by_file.items()):
        typer.echo(f"ok  {file}: {count} policies")
    typer.echo(f"in order: {len(policies.rules)} policies, version {policies.version}")


@app.command()
def schema() -> None:
    """Print the Cedar schema: every action, every attribute, every fact.

    Example: dockwarden policy schema > dockwarden.cedarschema
    """
    typer.echo(schema_text())
