"""One ask, one verdict. Total: never raises, and every doubt is a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cedarpy

from dockwarden.policy.expression import LABELS, Path
from dockwarden.policy.load import NO_FACTS, PolicySet
from dockwarden.policy.schema import groups_of
from dockwarden.words.ask import Ask, Plain, Resource, Verdict, Why

_PARENTS: dict[str, list[dict[str, str]]] = {}


def decide(ask: Ask, policies: PolicySet) -> Verdict:
    """Decide one ask. Two asks that differ in nothing any policy looks at are decided once a policy set.

    An ask without a context is one of a call that has no facts; how its caller was known is a fact all the same.
    """
    try:
        key = _key(ask, policies)
    except (KeyError, TypeError, AttributeError):  # a context of another shape is not remembered; Cedar says what is wrong with it
        return evaluate(ask, policies)
    verdict = policies.verdicts.get(key)
    if verdict is None:
        verdict = evaluate(ask, policies)
        policies.verdicts.put(key, verdict)
    return verdict


def _key(ask: Ask, policies: PolicySet) -> tuple[Any, ...]:
    """All that a verdict can depend on, and nothing else, so that a list of 5,000 containers costs a decision an owner.

    INVARIANT: whatever `_principal`, `_action`, `_resource` and the context hand to Cedar is in here, as far as a policy looks at it.
    """
    principal, resource = ask.principal, ask.resource
    needs, facts = policies.looks[resource.kind]
    return (
        principal.name,
        principal.groups,
        ask.action,
        resource.kind,
        resource.owner,
        resource.is_shared,
        resource.id if "id" in needs else "",
        resource.name if "name" in needs else "",
        tuple(sorted(resource.labels.items())) if LABELS in needs else (),
        _seen(ask.context, facts) if ask.context else principal.via if "context.via" in needs else (),
    )


def _seen(context: Mapping[str, Plain], ways: tuple[Path, ...]) -> tuple[Any, ...]:
    """What of a context is looked at, in the order of `ways`."""
    seen: list[Any] = []
    for way in ways:
        value: Any = context
        for name in way:
            value = value[name]
        seen.append(_hashable(value) if isinstance(value, Mapping) else value)
    return tuple(seen)


def _hashable(value: Plain) -> Any:
    if isinstance(value, Mapping):
        return tuple((name, _hashable(value[name])) for name in sorted(value))
    return value


def evaluate(ask: Ask, policies: PolicySet) -> Verdict:
    """Decide one ask afresh, remembering nothing. Total, as `decide` is."""
    try:
        answer = authorize(ask, policies.slices.of(ask))
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError):
        return Verdict.refuse(Why.POLICY_BROKEN)
    reasons = tuple(sorted(answer.diagnostics.reasons))
    if answer.diagnostics.errors:  # INVARIANT: a policy that cannot be evaluated refuses; Cedar alone would skip it
        return Verdict.refuse(Why.POLICY_BROKEN, reasons)
    if answer.decision is not cedarpy.Decision.Allow:
        advice = tuple(dict.fromkeys(policies.rules[id].advice for id in reasons if policies.rules[id].advice))
        why = Why.FORBIDDEN if reasons else (Why.NO_POLICY if ask.principal.is_known else Why.UNKNOWN_CALLER)
        return Verdict.refuse(why, reasons, advice)
    harden = sorted({obligation for id in reasons for obligation in policies.rules[id].harden})
    return Verdict.permit(reasons, tuple(harden))


def authorize(ask: Ask, handle: cedarpy.PolicySet) -> cedarpy.AuthzResult:
    """Put one ask to Cedar."""
    request = {
        "principal": {"type": "User", "id": ask.principal.name},
        "action": {"type": "Action", "id": ask.action},
        "resource": {"type": ask.resource.kind.value, "id": ask.resource.id},
        "context": _cedar(ask.context or {**NO_FACTS, "via": ask.principal.via}),
    }
    return cedarpy.is_authorized(request, handle, [_principal(ask), _action(ask.action), _resource(ask.resource)])


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
