"""`dockwarden policy`: check the policies, test them with rows, and explain one call or deed; no Engine and no host is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from dockwarden.access.host_files import describe_source, our_sockets
from dockwarden.access.peer import host_groups
from dockwarden.access.people import People, parse_people
from dockwarden.cli.deeds import is_deed, judge_deed, read_deed, supposed_of
from dockwarden.cli.dockerline import Call, Surroundings, read_line
from dockwarden.cli.explained import SUPPOSED, as_data, in_lines
from dockwarden.cli.options import CONFIG_VARIABLE, USUAL_PLACE, AsJson, Config
from dockwarden.cli.rows import Row, read_row, read_rows
from dockwarden.cli.supposed import Judged, World, judge_supposed
from dockwarden.doors.docker.resolve import HostAccounts
from dockwarden.hosts.hosts import Host, parse_hosts
from dockwarden.policy.load import PolicySet, load
from dockwarden.policy.schema import schema_text
from dockwarden.settings import Settings, load_settings
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import NOBODY, Account, Principal

app = typer.Typer(no_args_is_help=True)

FAILED, REFUSED, INVALID = 1, 2, 3
SUPPOSED_UID = 1000

MaybeConfig = Annotated[
    Path | None,
    typer.Option("--config", envvar=CONFIG_VARIABLE, help=f"the settings; without it {USUAL_PLACE}, or else the starter policies and a developer"),
]
Who = Annotated[str, typer.Option("--as", help='who asks: a name of people.toml or of a named door; "" is a stranger')]
Groups = Annotated[list[str] | None, typer.Option("--group", help="as a member of this group, whatever people.toml says; repeat it")]
RequestFile = Annotated[Path | None, typer.Option("--request", help='a JSON file: {"call": "POST /containers/create", "body": {…}}')]
Others = Annotated[list[str] | None, typer.Option("--other", help="suppose that this container, network, volume or image is somebody else's")]
Shared = Annotated[list[str] | None, typer.Option("--shared", help="suppose that this one is for all")]
Own = Annotated[list[str] | None, typer.Option("--own", help="suppose that this image name is the caller's own")]
ImageUser = Annotated[str, typer.Option("--image-user", help="suppose that images have this USER")]
Line = Annotated[list[str] | None, typer.Argument(help="after --: docker run …, or ssh.shell HOST (ssh.exec, ssh.sftp.read HOST PATH, …)")]
Reaches = Annotated[bool, typer.Option("--reaches-engine", help="of a host: suppose that the Engine's own socket can be reached from that login")]
Files = Annotated[list[Path], typer.Argument(help="files of rows: .toml with [[row]], or .jsonl")]
ShowAll = Annotated[bool, typer.Option("--all", "-a", help="show the rows that came out as expected, too")]


def load_policies(folder: Path) -> PolicySet:
    """The policies of a folder.

    Raises:
        BadConfig: it cannot be read, or a policy is wrong.
    """
    return load(_texts(folder))


def _texts(folder: Path) -> dict[str, str]:
    try:
        return {str(file): file.read_text("utf-8") for file in sorted(folder.iterdir()) if file.suffix == ".cedar"}
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(str(folder), f"cannot be read ({error})", "make its files readable") from None


@app.command()
def check(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Check every policy against the schema, as a reload would, and say which groups are named in vain.

    Example: dockwarden policy check
    """
    settings = load_settings(config)
    texts = _texts(settings.policy_dir)
    found, errors = _checked(texts)
    notes = [*_strays(settings.policy_dir), *(_notes(found, _people(settings), settings) if found else ())]
    by_file = {name: [rule.id for rule in found.rules.values() if rule.file == name] for name in texts} if found else {}
    if as_json:
        said = {"version": found.version if found else "", "files": by_file, "errors": [_error(error) for error in errors], "notes": notes}
        typer.echo(json.dumps(said, indent=2))
    else:
        for name, ids in sorted(by_file.items()):
            typer.echo(f"ok   {name}: {', '.join(ids) or 'no policy'}")
        for error in errors:
            typer.echo(f"BAD  {error}", err=True)
        for note in notes:
            typer.echo(f"note {note}")
        if found:
            typer.echo(f"in order: {len(found.rules)} policies, version {found.version}")
    if errors:
        raise typer.Exit(INVALID)


def _checked(texts: dict[str, str]) -> tuple[PolicySet | None, list[BadConfig]]:
    """The policies, or the first mistake of each file; what is wrong between files shows once each file is right."""
    errors = []
    for name, text in texts.items():
        try:
            load({name: text})
        except BadConfig as error:
            errors.append(error)
    if errors:
        return None, errors
    try:
        return load(texts), []
    except BadConfig as error:
        return None, [error]


def _error(error: BadConfig) -> dict[str, str]:
    return {"where": error.where, "what": error.what, "mend": error.mend}


def _strays(folder: Path) -> Iterator[str]:
    """Files that are not read, since their names do not end in .cedar: a rule in one is no rule."""
    for file in sorted(folder.iterdir()):
        if file.suffix != ".cedar":
            yield f"{file} is not read: only files whose name ends in .cedar are"


def _notes(policies: PolicySet, people: People, settings: Settings) -> Iterator[str]:
    """Groups that policies name and nobody is in, and the other way round: often a misspelling."""
    named = set()
    for rule in policies.rules.values():
        head = rule.source["principal"]
        entity = head.get("entity") or head.get("in", {}).get("entity")
        if entity and entity["type"] == "Group":
            named.add(entity["id"])
    peopled = {group for person in people.by_name.values() for group in person.groups or ()}
    from_host = any(person.groups is None for person in people.by_name.values())
    if not from_host:
        yield from (f'nobody is in Group::"{group}", which a policy is for' for group in sorted(named - peopled - {"raw"}))
    for door in settings.doors:
        if door.as_ and door.as_ not in people.by_name:
            yield f'{door.listen} is for "{door.as_}", whom people.toml does not have: without a group, hardly anything is permitted there'
    yield from (f'no policy is for Group::"{group}", which people.toml has people in' for group in sorted(peopled - named))


@app.command()
def schema() -> None:
    """Print the Cedar schema: every action, every attribute, every fact.

    Example: dockwarden policy schema > dockwarden.cedarschema
    """
    typer.echo(schema_text(), nl=False)


@app.command()
def explain(
    who: Who, line: Line = None, config: MaybeConfig = None, request: RequestFile = None, group: Groups = None, other: Others = None,
    shared: Shared = None, own: Own = None, image_user: ImageUser = "", reaches_engine: Reaches = False, as_json: AsJson = False,
) -> None:
    """Say how a Docker command line, an Engine call, or a deed on a host would come out, and why.

    Exits 0 if it is permitted, 2 if not, 3 if it cannot be meant.

    Example: dockwarden policy explain --as alice -- docker run --privileged busybox

    Example: dockwarden policy explain --as alice -- ssh.shell web
    """
    court = _court(config)
    if line and request is None and is_deed(line):
        deed = read_deed(line, court.hosts(), door=court.ssh_door, reaches_engine=reaches_engine)
        judged = [judge_deed(deed, court.principal(who, frozenset(group) if group else None), court.policies)]
        _say(court, judged, 1, supposed_of(deed), as_json)
        return
    calls, row = _asked(line, request)
    principal = court.principal(who or (row.who if row else ""), frozenset(group) if group else row.groups if row else None)
    world = replace(
        court.world, others=frozenset(other or ()) | (row.others if row else frozenset()), shared=frozenset(shared or ()),
        own=frozenset(own or ()), image_user=image_user or (row.image_user if row else ""),
    )
    _say(court, list(_judged(calls, principal, world, court.policies)), len(calls), SUPPOSED, as_json)


def _say(court: Court, judged: list[Judged], asked: int, supposed: Iterable[str], as_json: bool) -> None:
    """Print how it came out, and exit by it."""
    if as_json:
        typer.echo(json.dumps(as_data(judged), indent=2))
    else:
        typer.echo("\n".join((*court.notes, *in_lines(judged, asked, supposed))))
    if judged[-1].outcome != "permit":
        raise typer.Exit(REFUSED)


def _judged(calls: tuple[Call, ...], principal: Principal, world: World, policies: PolicySet) -> Iterator[Judged]:
    """Each call up to the first that is not permitted: a client stops there."""
    for call in calls:
        judged = judge_supposed(call, principal, world, policies)
        yield judged
        if judged.outcome != "permit":
            return


def _asked(line: list[str] | None, request: Path | None) -> tuple[tuple[Call, ...], Row | None]:
    if (request is None) == (not line):
        raise BadConfig("policy explain", "is given nothing to explain, or two things", "write -- docker run … or --request FILE")
    if request is None:
        return read_line(line or [], Surroundings(str(Path.cwd()), os.environ)), None
    try:
        raw: Any = json.loads(request.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(str(request), f"cannot be read ({error})", 'write {"call": "POST /containers/create", "body": {…}}') from None
    row = read_row(str(request), raw, needs_expectation=False)
    return row.calls, row


@app.command("test")
def try_rows(files: Files, config: MaybeConfig = None, show_all: ShowAll = False, as_json: AsJson = False) -> None:
    """Judge rows of (who, what, expected) and say which come out otherwise. Exits 1 if any does, 3 if a row cannot be meant.

    Example: dockwarden policy test policies.test.toml
    """
    court = _court(config)
    results = [(row, *_tried(row, court)) for file in files for row in read_rows(file)]
    failed = [row for row, _, mismatch in results if mismatch]
    if as_json:
        typer.echo(json.dumps([
            {"where": row.where, "name": row.name, "as": row.who, "expect": row.expect, "outcome": found.outcome, "mismatch": mismatch}
            for row, found, mismatch in results
        ], indent=2))
    else:
        for row, found, mismatch in results:
            if mismatch or show_all:
                typer.echo(f"{'WRONG' if mismatch else 'ok   '} {row.name}  ({row.who or 'nobody'}: {found.outcome})")
            if mismatch:
                typer.echo(f"      {row.where}: {row.expect} was expected; it {mismatch}")
        typer.echo(f"{len(results) - len(failed)} of {len(results)} rows came out as expected")
    if failed:
        raise typer.Exit(FAILED)


def _tried(row: Row, court: Court) -> tuple[Judged, str]:
    """How a row came out. Accounts are those of people.toml alone, so that it comes out the same on every machine."""
    world = replace(
        court.world, others=row.others, shared=row.shared, own=row.own, image_user=row.image_user, describe=None,
        accounts=frozenset({0, *court.people.uids}), host_groups=frozenset({0, *court.people.uids}),
    )
    try:
        principal = court.principal(row.who, row.groups, is_known_to_host=False)
    except BadConfig as error:
        raise BadConfig(row.where, error.what, error.mend.replace("--group", "groups = [...]")) from None
    found = list(_judged(row.calls, principal, world, court.policies))[-1]
    return found, row.mismatch(found)


@dataclass(frozen=True, slots=True)
class Court:
    """What rows and lines are judged by: the operator's own set, or the starter policies. `is_starter` lets anybody be a developer."""

    policies: PolicySet
    people: People
    world: World
    doors: frozenset[str] = frozenset()
    is_starter: bool = False
    notes: tuple[str, ...] = ()
    settings: Settings | None = None

    @property
    def ssh_door(self) -> str:
        """Where people come in by SSH, "" where nobody does."""
        return next((door.listen for door in self.settings.doors if door.kind == "ssh"), "") if self.settings else ""

    def hosts(self) -> Mapping[str, Host]:
        """The hosts that there are. Raises: BadConfig, OSError: they cannot be read."""
        file = self.settings.hosts_file if self.settings else None
        return parse_hosts(file.read_text("utf-8"), str(file)) if file and file.exists() else {}

    def principal(self, name: str, groups: frozenset[str] | None, *, is_known_to_host: bool = True) -> Principal:
        """Who `name` is; "" is nobody.

        Raises:
            BadConfig: nobody is called so.
        """
        if not name:
            return NOBODY
        person = self.people.by_name.get(name)
        if person is not None and person.uid is not None:
            found = self.people.by_uid(person.uid, host_groups) if is_known_to_host else self.people.by_uid(person.uid)
            principal = found or NOBODY
        elif person is not None or name in self.doors:
            principal = self.people.by_door(name)
        elif self.is_starter or groups is not None:
            principal = Principal(name, frozenset({"developers"}), Account(SUPPOSED_UID, SUPPOSED_UID), "unix")
        else:
            known = ", ".join(sorted(self.people.by_name)) or "nobody"
            raise BadConfig("--as", f"nobody is called {name}", f"people.toml has {known}; or say which groups with --group")
        return principal if groups is None else replace(principal, groups=groups)


def _court(config: Path | None) -> Court:
    """The operator's set, where there is one.

    Raises:
        BadConfig: a file is wrong.
    """
    if config is None and not USUAL_PLACE.exists():
        folder = resources.files("dockwarden.policy") / "starter"
        texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".cedar")}
        note = f"(no settings at {USUAL_PLACE}: judged by the starter policies, the caller being one of developers; --config FILE says otherwise)"
        return Court(load(texts), People(), _host_world(()), is_starter=True, notes=(note, ""))
    settings = load_settings(config or USUAL_PLACE)
    world = replace(_host_world(settings.binds.roots), sockets=our_sockets(settings))
    doors = frozenset(door.as_ for door in settings.doors if door.as_)
    return Court(load_policies(settings.policy_dir), _people(settings), world, doors, settings=settings)


def _host_world(roots: tuple[str, ...]) -> World:
    host = HostAccounts().fresh()
    return World(bind_roots=roots, accounts=host.uids, host_groups=host.gids, describe=describe_source)


def _people(settings: Settings) -> People:
    try:
        return parse_people(settings.people_file.read_text("utf-8"), str(settings.people_file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(str(settings.people_file), f"cannot be read ({error})", "make it readable") from None
