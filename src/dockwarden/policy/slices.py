"""Policies held ready to decide: for each kind of ask, those whose head can match it.

Cedar evaluates every policy of a set; with a thousand of them a decision takes a millisecond, and a caller's own dozen a sixth of that.
A policy whose head cannot match would neither decide nor err, so leaving it out changes no verdict (tests/policy/test_slices.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cedarpy

from dockwarden.policy.scope import fits_action, fits_kind, fits_principal
from dockwarden.words.ask import Ask, Kind

WORTH_SLICING = 48
"""Below so many policies the whole set is about as fast."""
MOST_SLICES = 256

Source = Mapping[str, Any]
"""A policy in Cedar's JSON form."""


def handle(sources: Mapping[str, Source]) -> cedarpy.PolicySet:
    """The policies as Cedar evaluates them, their ids being the keys."""
    return cedarpy.PolicySet.from_json_str(json.dumps({"templates": {}, "templateLinks": [], "staticPolicies": sources}))


class Slices:
    """The policies of one set, whole and in slices; a slice is made when it is first asked for."""

    __slots__ = ("_groups", "_names", "_slices", "_sources", "whole")

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self.whole = handle(sources)
        self._slices: dict[tuple[str, frozenset[str], str, Kind], cedarpy.PolicySet] = {}
        named = [entity for source in sources.values() if (entity := _entity(source["principal"]))]
        self._names = frozenset(entity["id"] for entity in named if entity["type"] == "User")
        self._groups = frozenset(entity["id"] for entity in named if entity["type"] == "Group")

    def of(self, ask: Ask) -> cedarpy.PolicySet:
        """Every policy that can have a say in `ask`, and perhaps more."""
        if len(self._sources) < WORTH_SLICING:
            return self.whole
        who, kind = ask.principal, ask.resource.kind
        key = (who.name if who.name in self._names else "", who.groups & self._groups, ask.action, kind)
        found = self._slices.get(key)
        if found is None:
            if len(self._slices) >= MOST_SLICES:
                self._slices.clear()
            found = self._slices[key] = handle({
                id: source for id, source in self._sources.items()
                if fits_principal(source["principal"], who) and fits_action(source["action"], ask.action) and fits_kind(source["resource"], kind)
            })
        return found


def _entity(head: Source) -> Any:
    return head.get("entity") or head.get("in", {}).get("entity")
