"""How calls came out, in lines for people and as data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dockwarden.cli.supposed import Judged
from dockwarden.doors.docker.reasons import MOST_REASONS, in_order
from dockwarden.engine.escapes import advice
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.model import NO_ID
from dockwarden.policy.explain import Weighed, in_words

SUPPOSED = (
    "supposed, as no Engine was asked: containers, networks and volumes that are named are the caller's own, images are there and for all",
    "  (--other NAME, --shared NAME, --own NAME and --image-user USER say otherwise)",
)
MAY_BE_TAKEN = (
    "cannot be known here: whether the Engine has an image of that name already; one that is another's or for all may be refused at the door "
    "(--other NAME, --shared NAME judge it so)"
)
MARKS = {"permit": "PERMIT", "refuse": "REFUSE", "hide": "NOT THERE", "malformed": "MALFORMED"}


def in_lines(judged: Sequence[Judged], asked: int, supposed: Iterable[str] = SUPPOSED) -> Iterator[str]:
    """The calls of a line one after the other; those that come after a refusal are never made. `supposed` is what was not asked."""
    for number, one in enumerate(judged, 1):
        yield f"{f'{number}. ' if asked > 1 else ''}{one.call}  {one.action}: {MARKS[one.outcome]}"
        yield from (f"   {line}" if line else "" for line in _details(one))
    left = asked - len(judged)
    if left:
        yield f"{left} more call{'s' if left > 1 else ''} would follow; a client stops at the first that is refused"
    yield ""
    yield from supposed


def _details(one: Judged) -> Iterator[str]:
    if one.message:
        if one.outcome == "hide":
            yield "the caller reads the Engine's own words for what is not there; in truth:"
        yield f"dockwarden: {one.message}"
        yield ""
    found = one.judgement.facts if one.judgement is not None else Facts()
    facts = list(facts_in_lines(found, is_told=bool(one.message) and len(found.escape) <= MOST_REASONS))
    if facts:
        yield "facts"
        yield from (f"  {line}" for line in facts)
    if one.outcome == "permit" and one.judgement is not None and "new" in one.judgement.facts.moves:
        yield MAY_BE_TAKEN
    if one.explanation is not None:
        says_more = one.outcome != "permit" or facts or one.hardened
        yield from in_words(one.explanation) if says_more else (f"by {', '.join(one.explanation.verdict.policies)}",)
    if one.hardened:
        yield "what is changed before it is sent"
        yield from (f"  {way} = {json.dumps(value)}" for way, value in sorted(one.hardened.items()))
    if one.outcome != "permit" or facts:
        yield ""


def facts_in_lines(facts: Facts, *, is_told: bool) -> Iterator[str]:
    """The facts that say something. `is_told` says that what they mean was told already."""
    for fact in in_order(facts.escape):
        yield f"escape   {fact}" + ("" if is_told else f": {advice(fact)}")
    if facts.foreign:
        yield f"foreign  {', '.join(sorted(facts.foreign))} of somebody else"
    user = facts.user
    if user.uid != NO_ID or user.is_root:
        told = ((user.is_root, "root"), (user.is_caller, "the caller"), (user.is_other_account, "another account of this host"))
        who = next((words for is_so, words in told if is_so), "nobody's account here")
        yield f"user     {user.uid}:{user.gid}, {who}, {'named by the call' if user.is_given else 'as the image or container says'}"
    if facts.image.repository:
        image = facts.image
        yield f"image    {image.registry}/{image.repository}" + (f"@{image.digest}" if image.digest else f":{image.tag}")
    if facts.moves:
        yield f"names    it gives or fetches a name that is {', '.join(sorted(facts.moves))}"
    if facts.binds:
        yield f"binds    {facts.binds}"
    if facts.login:
        yield f"login    {facts.login}" + (", from which the Engine's own socket is reached" if facts.reaches_engine else "")
    if facts.forward[0]:
        yield f"forward  {facts.forward[0]}:{facts.forward[1]}"
    if facts.file[0]:
        yield f"file     {facts.file[0]} {facts.file[1]}"
    if facts.ports:
        yield f"ports    {', '.join(map(str, sorted(facts.ports)))}"


def as_data(judged: Sequence[Judged]) -> dict[str, Any]:
    """The calls for `--json`: on top what decided, the first call that was refused or else the one with most to say, and all in `calls`."""
    decisive = judged[-1] if judged[-1].outcome != "permit" else max(judged, key=lambda one: len(one.hardened))
    return {**_data(decisive), "calls": [_data(one) for one in judged]}


def _data(one: Judged) -> dict[str, Any]:
    said: dict[str, Any] = {"call": str(one.call), "action": one.action, "verdict": one.outcome, "message": one.message}
    if one.judgement is not None and one.explanation is not None:
        resource, verdict = one.judgement.ask.resource, one.judgement.verdict
        said |= {
            "resource": {"kind": resource.kind.value, "name": resource.name, "owner": resource.owner, "isShared": resource.is_shared},
            "facts": _plain(one.judgement.facts.context()),
            "why": verdict.why.value, "policies": list(verdict.policies), "harden": list(verdict.harden), "advice": list(verdict.advice),
            "deciding": [_weighed(weighed) for weighed in one.explanation.deciding],
            "nearest": [_weighed(weighed) for weighed in one.explanation.nearest],
            "changes": dict(one.hardened),
        }
    return said


def _weighed(weighed: Weighed) -> dict[str, Any]:
    rule = weighed.rule
    conditions = [{"kind": clause.kind, "text": clause.text, "isMet": clause.is_met, "saw": dict(clause.values)} for clause in weighed.clauses]
    return {"id": rule.id, "effect": rule.effect, "file": rule.file, "line": rule.line, "conditions": conditions}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, frozenset | tuple) else value
