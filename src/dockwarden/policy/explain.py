"""Why an ask came out as it did, so that the next one comes out better: the deciding policies, and those that came nearest.

Every condition of a policy is put to Cedar by itself, with the same ask: what is shown as met was met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from dockwarden.policy.decide import authorize, evaluate
from dockwarden.policy.expression import LABELS, Path, alternatives, clauses, mentions, text
from dockwarden.policy.load import NO_FACTS, PolicySet, Rule
from dockwarden.policy.scope import fits_action, fits_kind, fits_principal, head_text
from dockwarden.policy.slices import handle
from dockwarden.words.ask import Ask, Kind, Plain, Verdict, Why

MOST_NEAR = 3


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition. `is_met` says whether it held the way the policy needs it; `None` where it could not be evaluated.

    `text` is Cedar, `kind` is `when`, `unless` or `scope`. `values` are what it looked at, by name, as text.
    """

    kind: str
    text: str
    is_met: bool | None
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Weighed:
    """One policy against one ask. `clauses` begin with the head's."""

    rule: Rule
    clauses: tuple[Clause, ...]

    @property
    def missing(self) -> tuple[Clause, ...]:
        """What did not hold."""
        return tuple(clause for clause in self.clauses if not clause.is_met)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`deciding` are the policies behind the verdict. `nearest` are permits, where the ask was refused: those that forbids overruled,
    or else those that came nearest, fewest misses first; empty where no permit is about the action at all.
    """

    ask: Ask
    verdict: Verdict
    deciding: tuple[Weighed, ...] = ()
    nearest: tuple[Weighed, ...] = ()


def explain(ask: Ask, policies: PolicySet) -> Explanation:
    """Return why `decide` answers `ask` as it does."""
    verdict = evaluate(ask, policies)
    deciding = tuple(weigh(policies.rules[id], ask) for id in verdict.policies if id in policies.rules)
    if verdict.is_allowed:
        return Explanation(ask, verdict, deciding)
    near = sorted(_near(ask, policies), key=lambda weighed: (_distance(weighed), weighed.rule.id))
    if verdict.why is Why.FORBIDDEN:
        overruled = tuple(weighed for weighed in near if not weighed.missing)
        return Explanation(ask, verdict, deciding, overruled or tuple(near[:1]))
    return Explanation(ask, verdict, deciding, tuple(near[:MOST_NEAR]))


def _near(ask: Ask, policies: PolicySet) -> Iterator[Weighed]:
    """The permits about this action on such a thing."""
    for rule in policies.rules.values():
        head = rule.source
        if rule.effect == "permit" and fits_action(head["action"], ask.action) and fits_kind(head["resource"], ask.resource.kind):
            yield weigh(rule, ask)


def _distance(weighed: Weighed) -> tuple[bool, int]:
    """How far a permit was from permitting: being for somebody else is farther than any condition."""
    return any(clause.kind == "scope" for clause in weighed.missing), len(weighed.missing)


def weigh(rule: Rule, ask: Ask) -> Weighed:
    """Return `rule` with each of its conditions tried on `ask`."""
    found = [_head("principal", rule, fits_principal(rule.source["principal"], ask.principal), _who(ask))]
    found.append(_head("action", rule, fits_action(rule.source["action"], ask.action), {"action": ask.action}))
    is_about = _holds(ask, {**_ANYTHING, "resource": rule.source["resource"]})
    found.append(_head("resource", rule, is_about, {"resource": _thing(ask)}))
    for condition in rule.source.get("conditions", []):
        found += _conditions(condition["kind"], condition["body"], ask)
    return Weighed(rule, tuple(clause for clause in found if clause))


def _head(variable: str, rule: Rule, is_met: bool | None, values: Mapping[str, str]) -> Clause | None:
    shown = head_text(variable, rule.source[variable])
    return None if shown == variable else Clause("scope", shown, is_met, values)


def _conditions(kind: str, body: Any, ask: Ask) -> Iterator[Clause]:
    """A `when` needs each of its parts, and an `unless` none of its alternatives."""
    for part in clauses(body) if kind == "when" else alternatives(body):
        holds = _holds(ask, {**_ANYTHING, "conditions": [{"kind": kind, "body": part}]})
        yield Clause(kind, text(part), holds, _values(part, ask))


_ANYTHING: Mapping[str, Any] = {
    "effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": [],
}


def _holds(ask: Ask, source: Mapping[str, Any]) -> bool | None:
    """Whether a policy of this one condition would permit; `None` where Cedar cannot tell."""
    try:
        answer = authorize(ask, handle({"part": source}))
    except (ValueError, TypeError, RuntimeError):
        return None
    return None if answer.diagnostics.errors else answer.decision is cedarpy.Decision.Allow


def _values(expression: Any, ask: Ask) -> dict[str, str]:
    """What an expression looked at, by the way it goes there."""
    return {".".join(way): shown for way in sorted(mentions(expression)) if (shown := _value(way, ask))}


def _value(way: Path, ask: Ask) -> str:
    if way[0] == "context":
        return plain_text(_fact(way[1:], {**NO_FACTS, "via": ask.principal.via, **ask.context})) if way[1:] else ""
    if way == ("principal",):
        return _who(ask)["principal"]
    if way == ("resource",):
        return _thing(ask)
    resource = ask.resource
    known: Mapping[Path, Plain] = {
        ("principal", "name"): ask.principal.name, ("resource", "id"): resource.id, ("resource", "name"): resource.name,
        ("resource", "owner"): resource.owner, ("resource", "isShared"): resource.is_shared,
        ("resource", LABELS): frozenset(f"{name}={value}" for name, value in resource.labels.items()),
    }
    return plain_text(known[way]) if way in known else ""


def _fact(way: Path, facts: Plain) -> Plain:
    for name in way:
        facts = facts[name] if isinstance(facts, Mapping) and name in facts else "(not there)"
    return facts


def plain_text(value: Plain) -> str:
    """A fact as people read it: `yes`, `"alice"`, `nothing`, `privileged, cap:SYS_ADMIN`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping) and isinstance(extension := value.get("__extn"), Mapping):
        return str(extension["arg"])
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain_text(item)}" for name, item in sorted(value.items()))
    return ", ".join(sorted(map(str, value))) or "nothing"


def _who(ask: Ask) -> dict[str, str]:
    who = ask.principal
    groups = f" in {', '.join(sorted(who.groups))}" if who.groups else ", in no group"
    return {"principal": f"{who.name}{groups}" if who.is_known else "a caller nobody knows"}


def _thing(ask: Ask) -> str:
    resource = ask.resource
    shown = resource.name or resource.id[:12]
    whose = f"of {resource.owner}" if resource.owner else "for all" if resource.is_shared else "nobody's"
    if resource.kind is Kind.SYSTEM:
        return "the Engine itself"
    return " ".join(filter(None, (resource.kind.value, shown and f'"{shown}"', f"({whose})")))


def in_words(explanation: Explanation) -> Sequence[str]:
    """The explanation as lines to read, the verdict first."""
    ask, verdict = explanation.ask, explanation.verdict
    lines = [f"{'permitted' if verdict.is_allowed else 'refused'}  {ask.action} on {_thing(ask)} for {_who(ask)['principal']}"]
    for weighed in explanation.deciding:
        lines += _decided(weighed)
    lines += [f"  hardened by  {', '.join(verdict.harden)}"] if verdict.harden else []
    if verdict.is_allowed:
        return lines
    if verdict.why is Why.POLICY_BROKEN:
        return [*lines, "  a policy could not be evaluated, and doubt refuses"]
    if not explanation.deciding and not explanation.nearest:
        return [*lines, f"  no permit is about {ask.action} on a {ask.resource.kind.value}; an admin's policy would have to name it"]
    if not explanation.deciding:
        lines.append("  no permit covers it, and what no permit covers is refused; these came nearest:")
    for weighed in explanation.nearest:
        lines += _came_near(weighed)
    return lines


def _decided(weighed: Weighed) -> Iterator[str]:
    rule = weighed.rule
    verb = "permits" if rule.effect == "permit" else "forbids"
    yield f"  {rule.id} {verb} it  ({rule.file}:{rule.line})" + (f": {rule.description}" if rule.description else "")
    for clause in weighed.clauses:
        if clause.kind != "scope":
            yield f"      {_clause(clause)}"
    if rule.advice and rule.effect == "forbid":
        yield f"      advice: {rule.advice}"


def _came_near(weighed: Weighed) -> Iterator[str]:
    rule = weighed.rule
    if not weighed.missing:
        yield f"  {rule.id} would permit it, but a forbid beats every permit  ({rule.file}:{rule.line})"
        return
    yield f"  {rule.id}  ({rule.file}:{rule.line})"
    for clause in weighed.clauses:
        yield f"      {_clause(clause)}"


def _clause(clause: Clause) -> str:
    """`NO   when  context.binds == 0   (context.binds is 2)`: whether it is so, in capitals where that is what stood in the way."""
    is_so = None if clause.is_met is None else clause.is_met is not (clause.kind == "unless")
    mark = {True: "yes", False: "no", None: "broken"}[is_so]
    kind = "for" if clause.kind == "scope" else clause.kind
    seen = "; ".join(f"{name} is {value}" for name, value in clause.values.items())
    return f"{mark if clause.is_met else mark.upper():<6} {kind:<6} {clause.text}" + (f"    ({seen})" if seen else "")
