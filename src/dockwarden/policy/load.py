"""Policies from their texts: parsed, checked against the schema, and held ready to decide."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cedarpy

from dockwarden.engine.obligations import parse_obligations
from dockwarden.policy.schema import schema_text
from dockwarden.words.ask import Verdict
from dockwarden.words.errors import BadConfig

ANNOTATIONS = frozenset({"id", "advice", "harden", "description"})
ID_LINE = re.compile(r'@id\s*\(\s*"((?:[^"\\]|\\.)*)"\s*\)')
LINE_IN_ERROR = re.compile(r"(?:line|row)\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy. `harden` are its obligations in order, `line` is where its @id stands in `file`."""

    id: str
    effect: str
    file: str
    line: int
    advice: str = ""
    harden: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies that loaded whole.

    `version` is a digest of their texts. `needs` are the attributes of a resource (`owner`) and of the context (`context.door`) that any
    policy looks at, so that two asks which differ in nothing a policy looks at are one ask. `cache` remembers verdicts; it belongs to
    this set and dies with it.
    """

    version: str
    rules: Mapping[str, Rule]
    handle: cedarpy.PolicySet
    needs: frozenset[str]
    cache: dict[Any, Verdict] = field(default_factory=dict, repr=False)


@cache
def schema() -> cedarpy.Schema:
    """The schema, parsed once."""
    return cedarpy.Schema.from_str(schema_text())


def load(files: Mapping[str, str]) -> PolicySet:
    """Return the policies of `files` (name to text), all or none; no files at all is a set that permits nothing.

    Raises:
        BadConfig: a text that does not parse or does not fit the schema, a policy without an @id or with another's, an annotation
            or an obligation that is not known. It names the file and the line.
    """
    rules: dict[str, Rule] = {}
    for name, text in sorted(files.items()):
        for rule in _rules(name, text):
            if rule.id in rules:
                other = rules[rule.id]
                taken = f'@id("{rule.id}") is taken by {other.file}:{other.line}'
                raise BadConfig(f"{name}:{rule.line}", taken, "give it a name of its own")
            rules[rule.id] = rule
    whole = {"templates": {}, "templateLinks": [], "staticPolicies": {id: rule.source for id, rule in rules.items()}}
    digest = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:16]
    return PolicySet(digest, rules, cedarpy.PolicySet.from_json_str(json.dumps(whole)), _needs(whole))


def _rules(name: str, text: str) -> Iterator[Rule]:
    parsed = _parsed(name, text)
    named: dict[str, str] = {}
    for position, source in parsed["staticPolicies"].items():
        annotations = source.get("annotations", {})
        id = annotations.get("id") or ""
        if not id:
            raise BadConfig(name, f"a {source['effect']} policy has no @id", 'write @id("what-it-is-for") above it')
        named[position] = id
        yield _rule(name, text, id, source, annotations)
    result = cedarpy.validate_policies(text, schema())
    if not result.validation_passed:
        error = result.errors[0]
        id = named.get(error.policy_id, "")
        said = re.sub(r"^for policy `[^`]*`, ", "", error.error)
        raise BadConfig(f"{name}:{_line_of(text, id)}", f'@id("{id}"): {said}', _nearest(said))


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        line = LINE_IN_ERROR.search(str(error))
        where = f"{name}:{line[1]}" if line else name
        raise BadConfig(where, f"is not Cedar: {error}", "mend it, then run dockwarden policy check") from None
    if parsed["templates"]:
        raise BadConfig(name, "has a template (?principal or ?resource)", "write the policy out")
    return parsed


def _rule(name: str, text: str, id: str, source: Mapping[str, Any], annotations: Mapping[str, str]) -> Rule:
    where = f"{name}:{_line_of(text, id)}"
    for unknown in sorted(set(annotations) - ANNOTATIONS):
        close = difflib.get_close_matches(unknown, sorted(ANNOTATIONS), n=1)
        raise BadConfig(where, f"@{unknown} is no annotation", f"did you mean @{close[0]}?" if close else "remove it")
    harden = tuple(part.strip() for part in (annotations.get("harden") or "").split(",") if part.strip())
    if harden and source["effect"] == "forbid":
        raise BadConfig(where, "a forbid lets nothing through to harden", "move @harden to a permit")
    try:
        parse_obligations(harden)
    except BadConfig as error:
        raise BadConfig(where, error.what, error.mend) from None
    return Rule(id, source["effect"], name, _line_of(text, id), annotations.get("advice") or "", harden, source)


def _line_of(text: str, id: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        match = ID_LINE.search(line)
        if match and match[1] == id:
            return number
    return 1


def _nearest(said: str) -> str:
    """What to do about a validation error: Cedar often says it itself."""
    return "mend it as it says" if "did you mean" in said else "see `dockwarden policy schema` for what there is"


def _needs(whole: Any) -> frozenset[str]:
    """Which attributes of a resource, and of the context, any policy can see."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item)
        if not isinstance(node, dict):
            return
        attribute = node.get(".") or node.get("has")
        if isinstance(attribute, dict) and attribute.get("left") == {"Var": "resource"}:
            found.add(str(attribute.get("attr")))
        if isinstance(attribute, dict) and attribute.get("left") == {"Var": "context"}:
            found.add(f"context.{attribute.get('attr')}")
        if "hasTag" in node or "getTag" in node:
            found.add("labels")
        if isinstance(node.get("resource"), dict) and "entity" in node["resource"]:
            found.add("id")
        for item in node.values():
            walk(item)

    def uses(node: Any) -> bool:
        """Whether the resource itself, not an attribute of it, is compared or handed on."""
        if isinstance(node, list):
            return any(uses(item) for item in node)
        if not isinstance(node, dict):
            return False
        if node.get("left") == {"Var": "resource"} and ("attr" in node or "entity_type" in node):
            return uses(node.get("right") or node.get("in"))
        return node == {"Var": "resource"} or any(uses(item) for key, item in node.items() if key not in {"hasTag", "getTag"})

    walk(whole)
    if any(uses(rule.get("conditions", [])) for rule in whole["staticPolicies"].values()):
        found.add("id")
    return frozenset(found)
