"""The head of a policy: for whom, for which action, on what. Decided here only so far as "it cannot be this one"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockwarden.policy.expression import entity_text
from dockwarden.policy.schema import groups_of
from dockwarden.words.ask import Kind
from dockwarden.words.principal import Principal

USER = "User"


def fits_principal(head: Mapping[str, Any], principal: Principal) -> bool:
    """Whether a policy with this principal head is for `principal`; what is not known for sure counts as fitting."""
    match head["op"]:
        case "==":
            return _is_in(head["entity"], principal) and head["entity"]["type"] == USER
        case "in":
            return _is_in(head["entity"], principal)
        case "is":
            return head["entity_type"] == USER and ("in" not in head or _is_in(head["in"]["entity"], principal))
    return True


def _is_in(entity: Mapping[str, str], principal: Principal) -> bool:
    if entity["type"] == USER:
        return entity["id"] == principal.name
    return entity["type"] != "Group" or entity["id"] in principal.groups


def fits_action(head: Mapping[str, Any], action: str) -> bool:
    """Whether a policy with this action head is about `action` or a group that it is in."""
    if head["op"] == "==":
        return bool(head["entity"]["id"] == action)
    if head["op"] == "in":
        named = {entity["id"] for entity in head.get("entities", [head.get("entity")])}
        return bool(named & {action, *groups_of(action)})
    return True


def fits_kind(head: Mapping[str, Any], kind: Kind) -> bool:
    """Whether a policy with this resource head can be about a thing of `kind`; which thing is not looked at."""
    match head["op"]:
        case "is":
            return bool(head["entity_type"] == kind.value)
        case "==" | "in":
            return bool(head["entity"]["type"] == kind.value)
    return True


def head_text(variable: str, head: Mapping[str, Any]) -> str:
    """The head as written in Cedar: `principal in Group::"developers"`; the bare variable where it is for all."""
    match head["op"]:
        case "is":
            return f"{variable} is {head['entity_type']}" + (f" in {entity_text(head['in']['entity'])}" if "in" in head else "")
        case "==" | "in" if "entity" in head:
            return f"{variable} {head['op']} {entity_text(head['entity'])}"
        case "in":
            return f"{variable} in [{', '.join(map(entity_text, head['entities']))}]"
    return variable
