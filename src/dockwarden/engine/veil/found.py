"""Secrets that people wrote where everybody reads: found in commands, labels, histories and variables of an answer, and masked there."""

from __future__ import annotations

from typing import Any

from dockwarden.engine.finding import LOOKED_AT, find, find_in_arguments, masked
from dockwarden.engine.finding.finding import Span
from dockwarden.engine.veil.mask import ENV_KEYS, MARK

ARGUMENTS = frozenset({"cmd", "args", "arguments", "entrypoint", "command", "test", "shell", "onbuild"})
PROGRAMS = {"args": "Path", "arguments": "entrypoint"}
"""Where the program is named that these are the arguments of."""
TEXTS = frozenset({"command", "createdby", "comment", "entrypoint", "path", "execcommand", "status", "action"})
LABELS = frozenset({"labels", "containerlabels", "attributes"})


def mask_found(said: Any) -> None:
    """Mask every secret that is found in `said`, plain JSON, at any depth; in place. Masking twice is masking once."""
    if isinstance(said, list):
        for item in said:
            mask_found(item)
    elif isinstance(said, dict):
        for key, item in said.items():
            name = key.casefold() if isinstance(key, str) else ""
            if isinstance(item, str):
                said[key] = masked(item, MARK) if name in TEXTS else item
            elif isinstance(item, list) and name in ENV_KEYS:
                said[key] = [_variable(entry) if isinstance(entry, str) else entry for entry in item]
            elif isinstance(item, list) and name in ARGUMENTS and all(isinstance(entry, str) for entry in item):
                program = said.get(PROGRAMS.get(name, ""))
                spans = find_in_arguments([program, *item])[1:] if isinstance(program, str) else find_in_arguments(item)
                said[key] = [_without(text, found) for text, found in zip(item, spans, strict=True)] if _is_looked_at(item) else [MARK for _ in item]
            elif isinstance(item, dict) and name in LABELS:
                said[key] = {label: _label(label, value) for label, value in item.items()}
            else:
                mask_found(item)


def _variable(entry: str) -> str:
    name, equals, value = entry.partition("=")
    return f"{name}={MARK}" if equals and MARK not in value and _must_hide(name, value) else entry


def _label(name: str, value: Any) -> Any:
    return MARK if isinstance(value, str) and _must_hide(name, value) else value


def _must_hide(name: str, value: str) -> bool:
    """Whether `value` is a secret, or too long to be looked through."""
    return len(value) > LOOKED_AT or find(name, value) is not None


def _is_looked_at(arguments: list[str]) -> bool:
    """Whether all of a command is looked at; of a longer one nothing is shown."""
    return sum(map(len, arguments)) + len(arguments) <= LOOKED_AT


def _without(text: str, spans: tuple[Span, ...]) -> str:
    for span in reversed(spans):
        text = text[: span.start] + MARK + text[span.end :]
    return text
