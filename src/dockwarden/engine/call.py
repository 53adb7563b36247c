"""One Engine call, read: which route, which names, which parameters, which body. Values only; nothing here parses or sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dockwarden.engine.bodies.body import Body
from dockwarden.engine.marks import Mark, harmless
from dockwarden.words.ask import Kind

Headers = tuple[tuple[str, str], ...]


class Class(StrEnum):
    """What a route does to its connection and to the host. `READ` says that nothing changes, not that nothing leaks."""

    READ = "read"
    CHANGE = "change"
    HIJACK = "hijack"
    UPLOAD = "upload"
    DOWNLOAD = "download"


class Takes(StrEnum):
    """What a request carries: nothing, a JSON document, a tar stream, or bytes of another kind."""

    NOTHING = "nothing"
    JSON = "json"
    TAR = "tar"


class Answer(StrEnum):
    """What comes back: a bounded document, a stream, a connection that is no longer HTTP."""

    WHOLE = "whole"
    STREAM = "stream"
    HIJACK = "hijack"


@dataclass(frozen=True, slots=True)
class Param:
    """One query parameter.

    `read` takes one raw value and returns its canonical text, or raises `Malformed`. `is_many` says that the Engine uses every
    value given; for the others a second value is malformed.
    """

    read: Callable[[str], str]
    mark: Mark
    is_many: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the Engine.

    `template` is the path below the version; `{name}` stands for one decoded segment, `{name*}` for one or more (image and plugin
    names have slashes). `kind` is what the call is about and `ref` the path parameter that names it, "" where none does.
    `body` is the closed type of a JSON body. `is_body_optional` says that the Engine takes a missing body for an empty one.
    `headers` are the request headers, beside `content-type`, that may go upstream.
    """

    method: str
    template: str
    action: str
    cls: Class
    answer: Answer = Answer.WHOLE
    takes: Takes = Takes.NOTHING
    kind: Kind = Kind.SYSTEM
    ref: str = ""
    query: Mapping[str, Param] = field(default_factory=dict)
    body: type[Body] | None = None
    is_body_optional: bool = False
    is_body_list: bool = False
    headers: frozenset[str] = frozenset()
    since: tuple[int, int] = (1, 24)
    mark: Mark = harmless("the action is what policy decides on")

    @property
    def is_changing(self) -> bool:
        """Whether an intent must be durable before it moves."""
        return self.cls is Class.CHANGE or self.cls is Class.HIJACK or self.cls is Class.UPLOAD


@dataclass(frozen=True, slots=True)
class CallHead:
    """What a request line and its headers mean. `version` is `1.41`, "" where none was written; values are canonical."""

    route: Route
    version: str
    names: Mapping[str, str]
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EngineCall:
    """A whole call in canonical form. `body` is `None` where the route takes none, where none was sent, or where it streams."""

    route: Route
    version: str
    names: Mapping[str, str]
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str] = field(repr=False)
    body: Body | list[Any] | None = field(default=None, repr=False)

    def first(self, parameter: str) -> str:
        """The value of a query parameter, "" where it was not given."""
        return next(iter(self.query.get(parameter, ())), "")


@dataclass(frozen=True, slots=True)
class Request:
    """What is written to the Engine. `target` is origin-form; `headers` have neither Host nor framing; `body` is whole."""

    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
