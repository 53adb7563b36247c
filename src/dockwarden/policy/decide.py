"""One ask, one verdict. Total: never raises, and every doubt is a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cedarpy

from dockwarden.engine.facts import Facts
from dockwarden.policy.load import PolicySet
from dockwarden.policy.schema import groups_of
from dockwarden.words.ask import Ask, Plain, Resource, Verdict, Why

KEPT_VERDICTS = 20_000
NO_FACTS = Facts().context()
"""What an ask without a context is decided on: a call that has no facts."""
_PARENTS: dict[str, list[dict[str, str]]] = {}


def decide(ask: Ask, policies: PolicySet) -> Verdict:
    """Decide one ask. Two asks that differ in nothing any policy looks at are decided once a policy set."""
    key = _key(ask, policies.needs)
    verdict = policies.cache.get(key)
    if verdict is None:
        verdict = _evaluate(ask, policies)
        if len(policies.cache) >= KEPT_VERDICTS:
            policies.cache.clear()
        policies.cache[key] = verdict
    return verdict


def _key(ask: Ask, needs: frozenset[str]) -> tuple[Any, ...]:
    resource = ask.resource
    return (
        ask.principal.name,
        ask.principal.groups,
        ask.action,
        resource.kind,
        resource.owner,
        resource.is_shared,
        resource.id if "id" in needs else "",
        resource.name if "name" in needs else "",
        tuple(sorted(resource.labels.items())) if "labels" in needs else (),
        _hashable(ask.context) if ask.context else (),
    )


def _hashable(value: Plain) -> Any:
    if isinstance(value, Mapping):
        return tuple((name, _hashable(value[name])) for name in sorted(value))
    return value


def _evaluate(ask: Ask, policies: PolicySet) -> Verdict:
    request = {
        "principal": {"type": "User", "id": ask.principal.name},
        "action": {"type": "Action", "id": ask.action},
        "resource": {"type": ask.resource.kind.value, "id": ask.resource.id},
        "context": _cedar(ask.context or NO_FACTS),
    }
    try:
        answer = cedarpy.is_authorized(request, policies.handle, [_principal(ask), _action(ask.action), _resource(ask.resource)])
    except (ValueError, TypeError, RuntimeError):
        return Verdict.refuse(Why.POLICY_BROKEN)
    reasons = tuple(sorted(answer.diagnostics.reasons))
    if answer.diagnostics.errors:  # INVARIANT: a policy that cannot be evaluated refuses; Cedar alone would skip it
        return Verdict.refuse(Why.POLICY_BROKEN, reasons)
    if answer.decision is not cedarpy.Decision.Allow:
        advice = tuple(policies.rules[id].advice for id in reasons if policies.rules[id].advice)
        why = Why.FORBIDDEN if reasons else (Why.NO_POLICY if ask.principal.is_known else Why.UNKNOWN_CALLER)
        return Verdict.refuse(why, reasons, advice)
    harden = sorted({obligation for id in reasons for obligation in policies.rules[id].harden})
    return Verdict.permit(reasons, tuple(harden))


def _principal(ask: Ask) -> dict[str, Any]:
    who = ask.principal
    parents = [{"type": "Group", "id": group} for group in sorted(who.groups)]
    return {"uid": {"type": "User", "id": who.name}, "attrs": {"name": who.name}, "parents": parents}


def _action(action: str) -> dict[str, Any]:
    parents = _PARENTS.get(action)
    if parents is None:
        parents = _PARENTS[action] = [{"type": "Action", "id": group} for group in groups_of(action)]
    return {"uid": {"type": "Action", "id": action}, "attrs": {}, "parents": parents}


def _resource(resource: Resource) -> dict[str, Any]:
    attributes = {"id": resource.id, "name": resource.name, "owner": resource.owner, "isShared": resource.is_shared}
    return {"uid": {"type": resource.kind.value, "id": resource.id}, "attrs": attributes, "tags": dict(resource.labels), "parents": []}


def _cedar(value: Plain) -> Any:
    """A plain value as cedarpy takes it: sets are lists."""
    if isinstance(value, Mapping):
        return {name: _cedar(item) for name, item in value.items()}
    if isinstance(value, frozenset | tuple):
        return [_cedar(item) for item in sorted(value, key=str)]
    return value
