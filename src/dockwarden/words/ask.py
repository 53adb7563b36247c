"""One question to policy, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dockwarden.words.principal import Principal

Plain = bool | int | str | frozenset[str] | tuple["Plain", ...] | Mapping[str, "Plain"]


class Kind(StrEnum):
    """What a resource is; the values are the Cedar entity types."""

    CONTAINER = "Container"
    EXEC = "Exec"
    IMAGE = "Image"
    NETWORK = "Network"
    VOLUME = "Volume"
    SERVICE = "Service"
    TASK = "Task"
    NODE = "Node"
    SECRET = "Secret"  # noqa: S105  the Engine's own word for a kind of thing, not a value
    PATH = "SecretPath"
    CONFIG = "Config"
    PLUGIN = "Plugin"
    SESSION = "Session"
    HOST = "Host"
    SYSTEM = "System"


@dataclass(frozen=True, slots=True)
class Resource:
    """The thing asked about.

    `id` is the full id (a volume's name, an image name where no image id exists yet), empty for what does not exist yet or
    for the host as a whole. `owner` is a person's name, empty where nobody's. `is_shared` says that all may use it: things
    of the Engine's own (network `bridge`) and images whose name nobody made through us.
    """

    kind: Kind
    id: str = ""
    name: str = ""
    owner: str = ""
    is_shared: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


SYSTEM = Resource(Kind.SYSTEM, id="engine")


@dataclass(frozen=True, slots=True)
class Ask:
    """May `principal` do `action` to `resource`, the facts being `context`?

    `action` is a route's stable name (`container.create`). `context` holds plain values only, as Cedar will see them.
    """

    principal: Principal
    action: str
    resource: Resource
    context: Mapping[str, Plain] = field(default_factory=dict)


class Why(StrEnum):
    """Why a verdict came out as it did."""

    PERMITTED = "policy.permitted"
    FORBIDDEN = "policy.forbidden"
    NO_POLICY = "policy.none_permits"
    POLICY_BROKEN = "policy.broken"
    UNKNOWN_CALLER = "identity.unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policy answered: total, and never `None` for allowed.

    `policies` are the ids of the deciding policies, sorted. `harden` are the obligations of the deciding permits, sorted and
    unique, as written in their `@harden` annotation (`pids=512`). `advice` are the `@advice` texts of the deciding forbids.
    """

    is_allowed: bool
    why: Why
    policies: tuple[str, ...] = ()
    harden: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @staticmethod
    def permit(policies: tuple[str, ...], harden: tuple[str, ...] = ()) -> Verdict:
        """A verdict that lets the call pass."""
        return Verdict(True, Why.PERMITTED, policies, harden)

    @staticmethod
    def refuse(why: Why, policies: tuple[str, ...] = (), advice: tuple[str, ...] = ()) -> Verdict:
        """A verdict that stops the call."""
        return Verdict(False, why, policies, (), advice)
