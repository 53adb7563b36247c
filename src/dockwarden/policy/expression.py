"""Cedar expressions in their JSON form: which attributes they look at, their clauses, and how they are written.

Source: Cedar's JSON policy format (docs.cedarpolicy.com/policies/json-format.html).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
"""A way from a variable: `("context", "user", "isRoot")`; `("resource",)` is the resource itself."""

LABELS = "labels"
"""Stands for the tags of a resource in a path."""

_INFIX = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3, "+": 4, "-": 4, "*": 5,
}
_CONSTRUCTORS = frozenset({"ip", "decimal", "datetime", "duration"})
_LOOSEST, _RELATION, _UNARY, _MEMBER = 0, 3, 6, 7


def mentions(expression: Any) -> frozenset[Path]:
    """Return every way that an expression goes from a variable. What is literal is no way, whatever its text says."""
    return frozenset(_mentions(expression))


def _mentions(node: Any) -> Iterator[Path]:
    if isinstance(node, list):
        for item in node:
            yield from _mentions(item)
    elif isinstance(node, dict) and len(node) == 1:
        ((operator, operands),) = node.items()
        way = path_of(node)
        if way is not None:
            yield way
        elif operator == "Record":  # its keys are the author's own words
            yield from _mentions(list(operands.values()))
        elif operator in {"hasTag", "getTag"} and path_of(operands["left"]) == ("resource",):
            yield ("resource", LABELS)
            yield from _mentions(operands["right"])
        elif operator == "is" and "in" not in operands and path_of(operands["left"]) is not None and "Var" in operands["left"]:
            return  # a type is part of every ask
        elif operator != "Value":
            yield from _mentions(list(operands.values()) if isinstance(operands, dict) else operands)


def path_of(node: Any) -> Path | None:
    """Return the way that `node` is, `None` where it is another expression; `x has a` is the way to `a`."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    ((operator, operands),) = node.items()
    if operator == "Var":
        return (operands,) if isinstance(operands, str) else None
    if operator in {".", "has"} and isinstance(operands, dict) and isinstance(operands.get("attr"), str):
        inner = path_of(operands["left"])
        return None if inner is None else (*inner, operands["attr"])
    return None


def clauses(expression: Any) -> Iterator[Any]:
    """Yield the parts of an expression that must all be true, left to right."""
    if isinstance(expression, dict) and "&&" in expression:
        yield from clauses(expression["&&"]["left"])
        yield from clauses(expression["&&"]["right"])
    else:
        yield expression


def alternatives(expression: Any) -> Iterator[Any]:
    """Yield the parts of an expression of which one must be true, left to right."""
    if isinstance(expression, dict) and "||" in expression:
        yield from alternatives(expression["||"]["left"])
        yield from alternatives(expression["||"]["right"])
    else:
        yield expression


def text(expression: Any) -> str:
    """Return an expression as a person would write it in Cedar, with no parenthesis that says nothing."""
    return _text(expression)[0]


def _at(expression: Any, least: int) -> str:
    """The text of an operand: in parentheses where it binds looser than `least`."""
    shown, binding = _text(expression)
    return shown if binding >= least else f"({shown})"


def _text(node: Any) -> tuple[str, int]:
    ((operator, operands),) = node.items()
    if operator in _INFIX:
        binding = _INFIX[operator]
        right = binding + (binding >= _RELATION)
        left = binding + (binding == _RELATION)  # relations do not chain
        return f"{_at(operands['left'], left)} {operator} {_at(operands['right'], right)}", binding
    written = _WRITERS.get(operator)
    if written is not None:
        return written(operands)
    if isinstance(operands, dict):  # methods: contains, containsAll, isEmpty, hasTag, …
        receiver = operands["left"] if "left" in operands else operands["arg"]
        argument = text(operands["right"]) if "right" in operands else ""
        return f"{_at(receiver, _MEMBER)}.{operator}({argument})", _MEMBER
    if operator in _CONSTRUCTORS:
        return f"{operator}({', '.join(map(text, operands))})", _MEMBER
    return f"{_at(operands[0], _MEMBER)}.{operator}({', '.join(map(text, operands[1:]))})", _MEMBER  # isLoopback, toDate, …


def _value(value: Any) -> tuple[str, int]:
    if isinstance(value, dict) and "__entity" in value:
        return entity_text(value["__entity"]), _MEMBER
    if isinstance(value, list):
        return f"[{', '.join(_value(item)[0] for item in value)}]", _MEMBER
    return json.dumps(value, ensure_ascii=False), _MEMBER


def entity_text(entity: Any) -> str:
    """Return an entity's uid in Cedar: `Group::"developers"`."""
    return f"{entity['type']}::{json.dumps(entity['id'], ensure_ascii=False)}"


def _attribute(operands: Any) -> tuple[str, int]:
    name = operands["attr"]
    shown = f".{name}" if name.isidentifier() else f"[{json.dumps(name)}]"
    return _at(operands["left"], _MEMBER) + shown, _MEMBER


def _is(operands: Any) -> tuple[str, int]:
    where = f" in {_at(operands['in'], _RELATION + 1)}" if "in" in operands else ""
    return f"{_at(operands['left'], _RELATION + 1)} is {operands['entity_type']}{where}", _RELATION


def _like(operands: Any) -> tuple[str, int]:
    pattern = "".join("*" if part == "Wildcard" else part["Literal"].replace("*", r"\*") for part in operands["pattern"])
    return f'{_at(operands["left"], _RELATION + 1)} like "{pattern}"', _RELATION


def _has(operands: Any) -> tuple[str, int]:
    return f"{_at(operands['left'], _RELATION + 1)} has {operands['attr']}", _RELATION


def _if(operands: Any) -> tuple[str, int]:
    return f"if {text(operands['if'])} then {text(operands['then'])} else {text(operands['else'])}", _LOOSEST


def _record(fields: Any) -> tuple[str, int]:
    return "{" + ", ".join(f"{json.dumps(name)}: {text(value)}" for name, value in fields.items()) + "}", _MEMBER


_WRITERS: Mapping[str, Callable[[Any], tuple[str, int]]] = {
    "Value": _value,
    "Var": lambda name: (name, _MEMBER),
    "Set": lambda items: (f"[{', '.join(map(text, items))}]", _MEMBER),
    "Record": _record,
    ".": _attribute,
    "has": _has,
    "is": _is,
    "like": _like,
    "if-then-else": _if,
    "!": lambda operands: (f"!{_at(operands['arg'], _UNARY)}", _UNARY),
    "neg": lambda operands: (f"-{_at(operands['arg'], _UNARY)}", _UNARY),
}
