"""A call as it is put together from flags, and the calls that come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from dockwarden.words.errors import BadConfig

NEW = "the-new-container"
"""Stands for the id that the Engine would have given."""


@dataclass(frozen=True, slots=True)
class Call:
    """One Engine call. `body` is its JSON, "" where it has none; `streams` says that bytes of another kind follow."""

    method: str
    target: str
    body: str = ""
    streams: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(path, f"cannot be read ({error})", "name a text file that is there") from None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the command line takes from where it is typed: the folder, the environment, files."""

    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str], str] = _read


@dataclass(slots=True)
class Draft:
    """A body and a query in the making. `given` keeps what several flags say together; values stand in the order of the line."""

    around: Surroundings = field(default_factory=Surroundings)
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, list[str]] = field(default_factory=dict)
    given: dict[str, list[str]] = field(default_factory=dict)

    def put(self, place: str, value: Any) -> None:
        """Set a field by its way: `HostConfig.Privileged`."""
        *way, last = place.split(".")
        self._inner(way)[last] = value

    def add(self, place: str, value: Any) -> None:
        """Append to the list at `place`."""
        *way, last = place.split(".")
        self._inner(way).setdefault(last, []).append(value)

    def pair(self, place: str, key: str, value: Any) -> None:
        """Set one key of the map at `place`."""
        self._inner(place.split("."))[key] = value

    def add_binding(self, port: str, binding: Any) -> None:
        """Publish one port of the container."""
        self._inner(["HostConfig", "PortBindings"]).setdefault(port, []).append(binding)

    def _inner(self, way: list[str]) -> dict[str, Any]:
        inner = self.body
        for name in way:
            inner = inner.setdefault(name, {})
        return inner

    def last(self, flag: str) -> str:
        """The value of a flag that was kept, "" where it was not given; the last one counts."""
        return self.given.get(flag, [""])[-1]

    def is_on(self, flag: str) -> bool:
        """Whether a switch that was kept is on."""
        return self.last(flag) == "true"

    def call(self, method: str, *path: str, asks: Mapping[str, str] | None = None, has_body: bool = False, streams: bool = False) -> Call:
        """The call that this draft is, at the path of these parts, with its query and what else it asks; what is "" is not asked."""
        more = {name: [value] for name, value in (asks or {}).items() if value}
        return Call(method, target_of(*path, query={**self.query, **more}), json.dumps(self.body) if has_body else "", streams)


def target_of(*path: str, query: Mapping[str, list[str]] | None = None) -> str:
    """A target: the parts below each other, names escaped as they must be (an image's slashes stay)."""
    shown = "/".join(quote(part, safe="/:@+") for part in path)
    return f"/{shown}" + (f"?{urlencode(query, doseq=True)}" if query else "")
