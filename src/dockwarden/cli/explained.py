"""One call judged without an Engine: what would be looked up there is taken as said, and said so."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from dockwarden.access.host_files import describe_source
from dockwarden.access.peer import host_groups
from dockwarden.access.people import People, parse_people
from dockwarden.cli.dockerline import EngineLine, parse, read_request
from dockwarden.doors.docker.judge import collection, refusal, rejudge
from dockwarden.doors.docker.resolve import HostAccounts
from dockwarden.engine.call import Takes
from dockwarden.engine.known import ContainerState, ImageConfig, Known
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.references import Reference, moved_names, references
from dockwarden.engine.runs import run_of_create
from dockwarden.policy.explain import explain, in_words
from dockwarden.policy.load import PolicySet, load
from dockwarden.settings import load_settings
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.principal import Account, Principal

STAND_IN_UID = 20001
ACCOUNTS = "root:x:0:0::/:/bin/sh\n"
GROUP = "root:x:0:\n"


@dataclass(frozen=True, slots=True)
class Explained:
    """What policy would answer. `taken` says what was assumed in the Engine's place."""

    is_allowed: bool
    why: str
    message: str
    policies: tuple[str, ...]
    harden: tuple[str, ...]
    facts: dict[str, Any]
    taken: str
    call: str
    because: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "verdict": "permit" if self.is_allowed else "refuse", "why": self.why, "message": self.message, "policies": list(self.policies),
            "harden": list(self.harden), "facts": self.facts, "taken": self.taken, "call": self.call,
            "because": list(self.because),
        }

    def as_text(self) -> str:
        """As lines for a person."""
        lines = [f"call      {self.call}", f"taken     {self.taken}", "facts"]
        lines += [f"  {name:<12} {json.dumps(value, sort_keys=True)}" for name, value in sorted(self.facts.items())]
        lines += [f"verdict   {'PERMIT' if self.is_allowed else 'REFUSE'} ({self.why})"]
        lines += [f"by        {', '.join(self.policies) or 'no policy'}"]
        if self.harden:
            lines.append(f"hardened  {', '.join(self.harden)}")
        lines += [f"          {line}" for line in self.because]
        if self.message:
            lines.append(f"told      dockwarden: {self.message}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a test file."""

    name: str
    who: str
    line: EngineLine
    expect: str


def read_row(text: str, where: str) -> Row:
    """Read a row.

    Raises:
        BadConfig: it is not of the form.
    """
    try:
        said = json.loads(text)
        line = parse(shlex.split(said["docker"])) if "docker" in said else read_request(json.dumps(said), where)
        if said["expect"] not in {"permit", "refuse"}:
            raise ValueError
        return Row(str(said.get("name", where)), str(said["as"]), line, said["expect"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadConfig(where, "is no row", 'write {"name": …, "as": …, "docker": "run …", "expect": "permit" or "refuse"}') from None


def rules_for(config: Path, name: str) -> tuple[Principal, PolicySet]:
    """The person and the policies; without a settings file, a developer of that name and the starters.

    Raises:
        BadConfig: a file is wrong, or nobody has the name.
    """
    if not config.exists() and config == Path("dockwarden.toml"):
        folder = resources.files("dockwarden.policy") / "starter"
        texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".cedar")}
        return Principal(name, frozenset({"developers"}), Account(STAND_IN_UID, STAND_IN_UID), "unix"), load(texts)
    settings = load_settings(config)
    people = parse_people(settings.people_file.read_text("utf-8"), str(settings.people_file))
    policies = load({str(file): file.read_text("utf-8") for file in sorted(settings.policy_dir.glob("*.cedar"))})
    return _person(people, name, str(settings.people_file)), policies


def _person(people: People, name: str, where: str) -> Principal:
    person = people.by_name.get(name)
    if person is None:
        raise BadConfig(where, f"nobody is called {name}", f"add [people.{name}], or name one of: {', '.join(sorted(people.by_name))}")
    return (people.by_uid(person.uid, host_groups) if person.uid is not None else None) or people.by_door(name)


def bind_roots(config: Path) -> tuple[str, ...]:
    """The bind roots of the settings, none without a file."""
    return load_settings(config).binds.roots if config.exists() else ()


def explained(line: EngineLine, who: Principal, policies: PolicySet, roots: tuple[str, ...]) -> Explained:
    """Judge one call as a door would."""
    shown = f"{line.method} {line.target}" + (f" {json.dumps(line.body)}" if line.body is not None else "")
    try:
        body = json.dumps(line.body).encode() if line.body is not None else b""
        head = read_head(line.method, line.target.encode(), [(b"content-type", b"application/json")] if body else [])
        call = read_call(head, body if head.route.takes is Takes.JSON else b"")
        known = _known(call, who, roots)
        about = next((thing for reference, thing in known.found.items() if reference.place == "path"), None)
        judgement = rejudge(call, known, replace(about, kind=call.route.kind) if about else collection(call, who), policies)
    except Refused as error:
        return Explained(False, error.code, error.message, (), (), {}, "nothing: the call itself is refused", shown)
    context = json.loads(json.dumps(dict(judgement.facts.context()), default=lambda value: sorted(value)))
    message = "" if judgement.verdict.is_allowed else refusal(judgement).message
    verdict = judgement.verdict
    because = tuple(in_words(explain(judgement.ask, policies)))
    return Explained(verdict.is_allowed, verdict.why.value, message, verdict.policies, verdict.harden, context, _taken(known), shown, because)


def _known(call: Any, who: Principal, roots: tuple[str, ...]) -> Known:
    """What an Engine would have said: images are there, shared and without a user; the rest is the caller's own."""
    found = {reference: _thing(reference, who) for reference in references(call)}
    image = next((reference.text for reference in found if reference.kind is Kind.IMAGE), "")
    action = call.route.action
    binds = {}
    if action == "container.create":
        paths = sorted({mount.source for mount in run_of_create(call.body).mounts if mount.kind == "bind"})
        binds = {path: describe_source(path, roots, who.account) for path in paths}
    user = f"{who.account.uid}:{who.account.gid}" if who.account else "1000:1000"
    host = HostAccounts().fresh()
    config = ImageConfig("sha256:" + "0" * 64, passwd=ACCOUNTS, group=GROUP, names=(image,))
    return Known(
        principal=who, found=found, image=config if image or action == "exec.create" else None,
        container=ContainerState("0" * 64, user=user), binds=binds, names=dict.fromkeys(moved_names(call), "new"), accounts=host.uids,
        host_groups=host.gids,
    )


def _thing(reference: Reference, who: Principal) -> Resource:
    if reference.kind is Kind.IMAGE:
        return Resource(Kind.IMAGE, "sha256:" + "0" * 64, reference.text, is_shared=True)
    is_built_in = reference.kind is Kind.NETWORK and reference.text in {"bridge", "host", "none", "default"}
    return Resource(reference.kind, reference.text, reference.text, "" if is_built_in else who.name, is_built_in)


def _taken(known: Known) -> str:
    images = _names(reference for reference in known.found if reference.kind is Kind.IMAGE)
    others = _names(reference for reference in known.found if reference.kind is not Kind.IMAGE)
    parts = ([f"image {images} as shared and without a user"] if images else []) + ([f"{others} as {known.principal.name}'s own"] if others else [])
    return "; ".join(parts) or "nothing"


def _names(found: Iterable[Reference]) -> str:
    return ", ".join(dict.fromkeys(reference.text for reference in found))
