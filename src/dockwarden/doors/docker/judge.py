"""One call judged: facts and verdict; for a refusal `reasons.py` has the words that teach."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dockwarden.doors.docker.absent import NotThere
from dockwarden.doors.docker.reasons import refusal
from dockwarden.doors.docker.resolve import Resolved
from dockwarden.doors.docker.sight import may_see
from dockwarden.engine.call import EngineCall
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.facts import facts
from dockwarden.engine.known import Known
from dockwarden.engine.references import Reference, references
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.words.ask import SYSTEM, Ask, Kind, Resource, Verdict, Why
from dockwarden.words.principal import Principal

__all__ = ["Judgement", "collection", "judge", "refusal", "rejudge", "subject"]

ON_THE_HOST = frozenset({Kind.SYSTEM, Kind.PLUGIN, Kind.NODE})
"""Kinds that no caller makes for themselves; a call that makes or lists one is about the host."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was asked about which thing, on which facts, and what policy answered.

    `call` and `known` are for the words of a refusal; `forbids_secrets` says that a deciding forbid asked for secrets in clear.
    """

    ask: Ask
    facts: Facts
    verdict: Verdict
    call: EngineCall | None = None
    known: Known | None = None
    forbids_secrets: bool = False


def judge(call: EngineCall, resolved: Resolved, policies: PolicySet) -> Judgement:
    """Decide `call`.

    Raises:
        NotThere: the call names, elsewhere than in its path, a thing that is not there or that the caller may not even see.
        Forbidden, Malformed: a fact cannot be worked out; it says why (`user.unknown`, …).
    """
    known = resolved.known
    for reference in references(call):
        if reference.place != "path" and _is_unknown(reference, resolved, policies):
            # INVARIANT: what comes first in the call is answered first, hidden or absent, so that neither is told from the other by its turn
            path = next((other for other in known.found if other.place == "path"), reference)
            is_seen = resolved.subject is None or may_see(known.principal, resolved.subject, policies)
            raise NotThere(reference if is_seen else path)
    return rejudge(call, known, subject(call, resolved), policies)


def _is_unknown(reference: Reference, resolved: Resolved, policies: PolicySet) -> bool:
    """Whether what a call names is not there, or not the caller's to know of. Volumes are not hidden here: to name one is to make it."""
    if reference in resolved.missing:
        return True
    resource = resolved.known.found.get(reference)
    return resource is not None and reference.kind is not Kind.VOLUME and not may_see(resolved.known.principal, resource, policies)


def rejudge(call: EngineCall, known: Known, about: Resource, policies: PolicySet) -> Judgement:
    """Decide `call` about a thing, on what is known now; an upload is judged again once it was read."""
    found = facts(call, known)
    ask = Ask(known.principal, call.route.action, about, found.context())
    verdict = decide(ask, policies)
    about_secrets = bool(found.env_secrets) and verdict.why is Why.FORBIDDEN and any("env_secrets" in policies.words(id) for id in verdict.policies)
    return Judgement(ask, found, verdict, call, known, about_secrets)


def subject(call: EngineCall, resolved: Resolved) -> Resource:
    """What the call is about: the thing its path names, or one of the caller's own that it would make or list."""
    if resolved.subject is not None:
        return replace(resolved.subject, kind=call.route.kind)
    return collection(call, resolved.known.principal)


def collection(call: EngineCall, principal: Principal) -> Resource:
    """What a call is about that names no thing in its path."""
    kind = call.route.kind
    if kind in ON_THE_HOST:
        return SYSTEM if kind is Kind.SYSTEM else Resource(kind)
    return Resource(kind, name=call.first("name"), owner=principal.name)
