"""Policies from their texts: parsed, checked against the schema, and held ready to decide."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import cedarpy

from dockwarden.engine.facts import Facts
from dockwarden.engine.obligations import parse_obligations
from dockwarden.policy.cache import Verdicts
from dockwarden.policy.expression import Path, mentions
from dockwarden.policy.schema import GROUPS, SESSION_FACTS, actions, attribute_names, schema_text
from dockwarden.policy.scope import fits_kind
from dockwarden.policy.slices import Slices
from dockwarden.policy.source import Statement, statements
from dockwarden.policy.vocabulary import unknown_words
from dockwarden.words.ask import Kind
from dockwarden.words.errors import BadConfig

ANNOTATIONS = frozenset({"id", "advice", "harden", "description"})
NO_FACTS = Facts().context()
"""What an ask without a context is decided on: a call that has no facts."""
ENTITY_TYPES = ("Action", "Group", "User", *(kind.value for kind in Kind))
NOT_THE_ENGINES = frozenset({Kind.HOST, Kind.PATH, Kind.SESSION})
"""Kinds of things of our own: no call of the Docker API is about one."""
_POSITION = re.compile(r"policy([0-9]+)")
_UNKNOWN = re.compile(r'unrecognized (?P<what>action|entity type) `(?:Action::")?(?P<name>[^`"]*)"?`')
_ATTRIBUTE = re.compile(r"attribute `(?P<name>[^`]*)`")
_ONE_OF_MANY = re.compile(r' for Action::"[^"]*"| on entity type `[^`]*`')
"""Cedar names one of all the kinds of asks that an error is about, now this and now that."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy. `harden` are its obligations in order; it begins at `line` of `file`; `source` is its JSON form."""

    id: str
    effect: str
    file: str
    line: int
    advice: str = ""
    description: str = ""
    harden: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Looks(NamedTuple):
    """What policies look at where they are asked about one kind of thing: two asks that differ in nothing of it are one ask.

    `needs` are attributes of a resource (`name`, `labels`) and facts (`context.via`), `facts` the ways into a context. Of the facts that
    `session.start` alone has, no policy about anything else can look at one, so one that asks for the hour costs other asks nothing.
    """

    needs: frozenset[str]
    facts: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies that loaded whole.

    `version` is a digest of their texts. `looks` says of each kind of thing what policies look at where they are asked about it, and
    `needs` in short what they do for the things of the Engine's. `slices` holds the policies ready to decide, `verdicts` what was
    decided; both die with this set.
    """

    version: str
    rules: Mapping[str, Rule]
    looks: Mapping[Kind, Looks]
    needs: frozenset[str]
    slices: Slices = field(repr=False)
    verdicts: Verdicts = field(default_factory=Verdicts, repr=False)

    def words(self, id: str) -> str:
        """What one policy says, as JSON text: to see whether it speaks of a fact."""
        return json.dumps(self.rules[id].source, default=str)


@cache
def schema() -> cedarpy.Schema:
    """The schema, parsed once."""
    return cedarpy.Schema.from_str(schema_text())


def load(files: Mapping[str, str]) -> PolicySet:
    """Return the policies of `files` (name to text), all or none; no files at all is a set that permits nothing.

    Raises:
        BadConfig: a text that does not parse or does not fit the schema, a policy without an @id or with another's, an annotation,
            an obligation or a word of a fact that is not known. It names the file and the line.
    """
    rules: dict[str, Rule] = {}
    for name, text in sorted(files.items()):
        for rule in _rules(name, text):
            if rule.id in rules:
                other = rules[rule.id]
                taken = f'@id("{rule.id}") is taken by {other.file}:{other.line}'
                raise BadConfig(f"{name}:{rule.line}", taken, "give it a name of its own")
            rules[rule.id] = rule
    digest = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:16]
    looks = {kind: _looks([rule for rule in rules.values() if fits_kind(rule.source["resource"], kind)], kind) for kind in Kind}
    needs = frozenset[str]().union(*(looks[kind].needs for kind in Kind if kind not in NOT_THE_ENGINES))
    return PolicySet(digest, rules, looks, needs, Slices({id: rule.source for id, rule in rules.items()}))


def _rules(name: str, text: str) -> Iterator[Rule]:
    written = statements(text)
    parsed = _parsed(name, text, written)
    in_order = sorted(parsed["staticPolicies"].items(), key=lambda item: _position(item[0]))
    for (_, source), statement in zip(in_order, written, strict=True):
        yield _rule(name, statement, source)
    result = cedarpy.validate_policies(text, schema())
    for error in result.errors:
        statement = written[_position(error.policy_id)]
        said = _ONE_OF_MANY.sub("", re.sub(r"^for policy `[^`]*`, ", "", error.error))
        raise BadConfig(f"{name}:{_place(statement, said)}", said, _mend(said))


def _position(policy_id: str) -> int:
    """Cedar names the policies of a text by their place in it: `policy0`, `policy1`, …"""
    match = _POSITION.fullmatch(policy_id)
    return int(match[1]) if match else 0


def _parsed(name: str, text: str, written: tuple[Statement, ...]) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        where = f"{name}:{_broken_line(written)}"
        raise BadConfig(where, f"the policy that begins here is not Cedar: {error}", "mend it, then run dockwarden policy check") from None
    if parsed["templates"]:
        line = next((statement.line_of(slot) for statement in written for slot in ("?principal", "?resource") if slot in statement.text), 1)
        raise BadConfig(f"{name}:{line}", "is a template (?principal or ?resource)", "write the policy out")
    return parsed


def _broken_line(written: tuple[Statement, ...]) -> int:
    """Where the first policy stands that cannot be parsed by itself."""
    for statement in written:
        try:
            cedarpy.policies_to_json_str(statement.text)
        except ValueError:
            return statement.line
    return 1


def _rule(name: str, statement: Statement, source: Mapping[str, Any]) -> Rule:
    annotations: Mapping[str, str] = {key: value or "" for key, value in source.get("annotations", {}).items()}
    where = f"{name}:{statement.line}"
    for unknown in sorted(set(annotations) - ANNOTATIONS):
        close = difflib.get_close_matches(unknown, sorted(ANNOTATIONS), n=1)
        mend = f"did you mean @{close[0]}?" if close else f"there are {', '.join(f'@{known}' for known in sorted(ANNOTATIONS))}"
        raise BadConfig(f"{name}:{statement.line_of(f'@{unknown}')}", f"@{unknown} is no annotation", mend)
    if not annotations.get("id"):
        raise BadConfig(where, f"a {source['effect']} policy has no @id", 'write @id("what-it-is-for") above it')
    for word, mend in unknown_words(source.get("conditions", [])):
        raise BadConfig(f"{name}:{statement.line_of(json.dumps(word))}", f'no fact is ever "{word}"', mend)
    return Rule(
        annotations["id"], source["effect"], name, statement.line, annotations.get("advice", ""), annotations.get("description", ""),
        _harden(f"{name}:{statement.line_of('@harden')}", source["effect"], annotations.get("harden", "")), source,
    )


def _harden(where: str, effect: str, text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    if words and effect == "forbid":
        raise BadConfig(where, "a forbid lets nothing through to harden", "move @harden to a permit")
    try:
        parse_obligations(words)
    except BadConfig as error:
        raise BadConfig(where, error.what, error.mend) from None
    return words


def _place(statement: Statement, said: str) -> int:
    """The line that a validation error is about: where the first name it quotes stands."""
    quoted = re.findall(r"`([^`]+)`", said)
    return next((line for name in quoted if (line := statement.line_of(name)) != statement.line), statement.line)


def _mend(said: str) -> str:
    """What to do about a validation error: the nearest name that there is."""
    if "did you mean" in said:
        return "mend it as it says"
    unknown = _UNKNOWN.search(said)
    attribute = _ATTRIBUTE.search(said)
    known: tuple[str, ...] = ()
    if unknown:
        known = (*GROUPS, *actions()) if unknown["what"] == "action" else ENTITY_TYPES
    elif attribute and "not found" in said:
        known = attribute_names()
    name = (unknown or attribute or {"name": ""})["name"]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if "applicable action" in said:
        return "such an action is never asked about such a thing, or for such a principal (a User, in a Group)"
    if "safety of" in said:
        return 'ask first whether it is there: resource.hasTag("team") && resource.getTag("team") == "qa"'
    return "see `dockwarden policy schema` for what there is"


def _looks(rules: Iterable[Rule], kind: Kind) -> Looks:
    """What `rules` look at where they are asked about a thing of `kind`."""
    ways = _ways(rules)
    facts = [way[1:] for way in sorted(ways) if way[0] == "context"]
    return Looks(_needs(ways), tuple(way for way in facts if kind is Kind.SESSION or not SESSION_FACTS & set(way[:1])))


def _ways(rules: Iterable[Rule]) -> frozenset[Path]:
    """Every way that any policy goes from a variable; a head that names a thing looks at the resource itself."""
    found: set[Path] = set()
    for rule in rules:
        for condition in rule.source.get("conditions", []):
            found |= mentions(condition["body"])
        head = rule.source["resource"]
        if "entity" in head or "in" in head:
            found.add(("resource",))
    return frozenset(found)


def _needs(looks: Set[Path]) -> frozenset[str]:
    """What is looked at, by first name: `owner` of a resource, `context.via` of the facts.

    To look at the resource itself is to look at its id, and to look at the whole context is to look at every fact.
    """
    needs = {way[1] if len(way) > 1 else "id" for way in looks if way[0] == "resource"}
    for way in looks:
        if way[0] == "context":
            needs.update(f"context.{name}" for name in (way[1:2] or NO_FACTS))
    return frozenset(needs)
