"""All routes in one table, and the one route of a path: exact templates over raw segments, fixed words before names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from dockwarden.engine.call import Route
from dockwarden.engine.routes.containers import CONTAINERS
from dockwarden.engine.routes.images import IMAGES
from dockwarden.engine.routes.swarm import SWARM
from dockwarden.engine.routes.system import SYSTEM

ROUTES: tuple[Route, ...] = (*SYSTEM, *CONTAINERS, *IMAGES, *SWARM)
NEWEST = (1, 55)
OLDEST = (1, 24)

ANYTHING = "{path*}"
"""OPTIONS alone takes any path."""

_PARAMETER = re.compile(r"\{(\w+)(\*?)\}")


def actions() -> tuple[str, ...]:
    """Every action name, sorted and unique."""
    return tuple(sorted({route.action for route in ROUTES}))


def _pattern(template: str) -> re.Pattern[str]:
    def part(match: re.Match[str]) -> str:
        return rf"(?P<{match[1]}>{'[^?]+' if match[2] else '[^/?]+'})"

    pieces = re.split(r"(\{\w+\*?\})", template)
    return re.compile("".join(_PARAMETER.sub(part, piece) if piece.startswith("{") else re.escape(piece) for piece in pieces))


def _group() -> tuple[dict[tuple[str, str], Route], dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]]]:
    """Fixed paths by method and path; the others by method and first word, in the table's order."""
    fixed: dict[tuple[str, str], Route] = {}
    named: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = defaultdict(list)
    for route in ROUTES:
        if "{" in route.template:
            named[route.method, route.template.split("/")[1]].append((_pattern(route.template), route))
        else:
            fixed.setdefault((route.method, route.template), route)
    return fixed, dict(named)


_FIXED, _NAMED = _group()
IMPORT = next(route for route in ROUTES if route.action == "image.import")
"""`/images/create` without `fromImage` is another action than with it; `read.py` tells them apart by the query."""


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route of a path (below the version, still escaped) and its raw path parameters; `None` where there is none."""
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed, {}
    first = path.split("/", 2)[1] if method != "OPTIONS" else ANYTHING
    for pattern, route in _NAMED.get((method, first), ()):
        match = pattern.fullmatch(path)
        if match:
            return route, match.groupdict()
    return None
