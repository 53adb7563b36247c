"""`dockwarden policy`: check the policies, test them with rows, and explain one call; no Engine is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dockwarden.cli.dockerline import parse, read_request
from dockwarden.cli.explained import bind_roots, explained, read_row, rules_for
from dockwarden.policy.load import PolicySet, load
from dockwarden.policy.schema import schema_text
from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

REFUSED = 2

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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def explain(
    context: typer.Context,
    as_: Annotated[str, typer.Option("--as", help="the person of people.toml who would call")],
    config: Annotated[Path, typer.Option("--config", help="the settings file: D/dockwarden.toml")] = Path("dockwarden.toml"),
    request: Annotated[Path | None, typer.Option("--request", help='a file with {"call": "POST /…", "body": {…}}')] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Say what policy would answer to one call, and why; no Engine is asked. Exit 0 if permitted, 2 if refused.

    Example: dockwarden policy explain --as alice -- docker run --privileged busybox
    """
    words = [word for word in context.args if word != "--"] if request is None else []
    line = read_request(request.read_text("utf-8"), str(request)) if request is not None else parse(words)
    found = explained(line, *rules_for(config, as_), bind_roots(config))
    if as_json:
        typer.echo(json.dumps(found.as_json(), sort_keys=True))
    else:
        typer.echo(found.as_text())
    raise typer.Exit(0 if found.is_allowed else REFUSED)


@app.command()
def test(
    config: Config,
    files: Annotated[list[Path], typer.Argument(help='rows as JSON Lines: {"name", "as", "docker": "run …" | "call" + "body", "expect"}')],
) -> None:
    """Try rows against the policies; exit 1 if one comes out otherwise than it says.

    Example: dockwarden policy test rows.jsonl --config D/dockwarden.toml
    """
    wrong = count = 0
    for file in files:
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not text.strip():
                continue
            row, count = read_row(text, f"{file}:{number}"), count + 1
            found = explained(row.line, *rules_for(config, row.who), bind_roots(config))
            came = "permit" if found.is_allowed else "refuse"
            wrong += came != row.expect
            told = "" if came == row.expect else f", not {row.expect}: {found.message}"
            typer.echo(f"{'WRONG' if told else 'ok   '} {row.name}: {came}{told}")
    typer.echo(f"{count - wrong} as they say, {wrong} otherwise")
    raise typer.Exit(1 if wrong else 0)
