"""Asks the Engine what a name means: one inspect a reference, answered with a full id, an owner and what policy needs.

Nothing here decides. What is not there is `Hidden`, with the Engine's own words.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from dockwarden.access.owners import Owners, full_name
from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Hidden, Withheld

Asked = Callable[[Request], Awaitable[WholeAnswer]]
"""Sends one call of our own to the Engine and returns its whole answer."""

PLAUSIBLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,511}")
"""What a name or id can look like; anything else is not there, and is not put into a path of ours."""
FULL_ID = re.compile(r"[0-9a-f]{64}")

INSPECT = {
    Kind.CONTAINER: "/containers/{}/json",
    Kind.EXEC: "/exec/{}/json",
    Kind.IMAGE: "/images/{}/json",
    Kind.NETWORK: "/networks/{}",
    Kind.VOLUME: "/volumes/{}",
    Kind.SERVICE: "/services/{}",
    Kind.TASK: "/tasks/{}",
    Kind.NODE: "/nodes/{}",
    Kind.SECRET: "/secrets/{}",
    Kind.CONFIG: "/configs/{}",
    Kind.PLUGIN: "/plugins/{}/json",
}
ABSENT = {
    Kind.CONTAINER: "No such container: {}",
    Kind.EXEC: "No such exec instance: {}",
    Kind.IMAGE: "No such image: {}",
    Kind.NETWORK: "network {} not found",
    Kind.VOLUME: "get {}: no such volume",
}
"""How the Engine says that a thing is not there, for things named in a body; for paths it is asked (`absent.py`)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the Engine said of one thing: the resource for policy, and the whole answer for those who need more of it."""

    resource: Resource
    answer: dict[str, Any]


def absent(kind: Kind, text: str) -> Hidden:
    """The Engine's words for a thing that is not there."""
    return Hidden("engine.absent", ABSENT.get(kind, kind.value.lower() + " {} not found").format(text))


class Lookups:
    """Looks things up by name, prefix or id."""

    def __init__(self, ask: Asked, owners: Owners) -> None:
        self.ask, self._owners = ask, owners

    async def look(self, kind: Kind, text: str, asker: str = "", *, whole: bool = False) -> Seen:
        """Return what `text` names now; `asker` is preferred among the owners of an image with several names.

        An image that is called by a name is judged by that name alone; `whole` judges it by all it has.

        Raises:
            Hidden: it is not there; the message is the Engine's own.
            Withheld: the Engine's answer cannot be read.
        """
        if not PLAUSIBLE.fullmatch(text) or ".." in text or "//" in text:
            raise absent(kind, text)
        safe = "/:@" if kind in {Kind.IMAGE, Kind.PLUGIN} else ""
        answer = await self.ask(Request("GET", INSPECT[kind].format(quote(text, safe=safe)), (), b""))
        if answer.status == 404:
            raise said_absent(answer, kind, text)
        if answer.status != 200:
            raise Withheld("engine.cannot_tell", f"the Engine could not say what {kind.value.lower()} {text} is (status {answer.status})")
        try:
            said: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
            if kind is Kind.EXEC:
                return await self._exec(said)
            return Seen(self.resource_of(kind, said, asker, text, whole=whole), said)
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Withheld("engine.unreadable_answer", f"the Engine's description of {kind.value.lower()} {text} cannot be read") from None

    def known(self, kind: Kind, text: str) -> Resource | None:
        """The resource behind a full id that our own index knows, without asking the Engine; `None` where it must be asked."""
        if kind is Kind.CONTAINER and FULL_ID.fullmatch(text):
            owner = self._owners.owner_of_id(kind, text)
            return Resource(kind, text, owner=owner) if owner else None
        return None

    def resource_of(self, kind: Kind, said: dict[str, Any], asker: str = "", text: str = "", *, whole: bool = False) -> Resource:
        """The resource that an inspect answer describes, its owner taken from our own index; `text` is what it was called by."""
        tags = _names_of(said, text) if kind is Kind.IMAGE else ()
        whole = whole and len(tags) == len(said.get("RepoTags") or ())
        return self._owners.resource(kind, id_of(kind, said), name_of(kind, said), labels_of(kind, said), tags, asker, whole=whole)

    async def _exec(self, said: dict[str, Any]) -> Seen:
        """An exec is its container's: whoever owns that owns it."""
        container = str(said["ContainerID"])
        resource = self.known(Kind.CONTAINER, container) or (await self.look(Kind.CONTAINER, container)).resource
        return Seen(Resource(Kind.EXEC, str(said["ID"]), "", resource.owner, resource.is_shared, resource.labels), said)


def _names_of(said: dict[str, Any], text: str) -> tuple[str, ...]:
    """The names of an image that count: the one it was called by, or all of them where that is an id or a digest."""
    tags = tuple(str(tag) for tag in said.get("RepoTags") or ())
    called = full_name(text) if text else ""
    return tuple(tag for tag in tags if full_name(tag) == called) or tags


def said_absent(answer: WholeAnswer, kind: Kind, text: str) -> Hidden:
    """The Engine's own 404 as an error."""
    try:
        return Hidden("engine.absent", str(msgspec.json.decode(answer.body)["message"]))
    except (msgspec.DecodeError, KeyError, TypeError):
        return absent(kind, text)


def id_of(kind: Kind, said: dict[str, Any]) -> str:
    """The full id in an inspect answer or a list row of `kind`."""
    if kind is Kind.VOLUME:
        return str(said["Name"])
    if kind in {Kind.SERVICE, Kind.TASK, Kind.NODE, Kind.SECRET, Kind.CONFIG, Kind.EXEC}:
        return str(said["ID"])
    return str(said["Id"])


def name_of(kind: Kind, said: dict[str, Any]) -> str:
    """The name in an inspect answer of `kind`, without the slash of old."""
    if kind is Kind.IMAGE:
        return next(iter(said.get("RepoTags") or ()), "")
    if kind in {Kind.SERVICE, Kind.SECRET, Kind.CONFIG, Kind.NODE}:
        return str((said.get("Spec") or {}).get("Name") or "")
    return str(said.get("Name") or "").removeprefix("/")


def labels_of(kind: Kind, said: dict[str, Any]) -> dict[str, str]:
    """The labels in an inspect answer of `kind`."""
    if kind in {Kind.CONTAINER, Kind.IMAGE}:
        place = said.get("Config") or {}
    elif kind in {Kind.SERVICE, Kind.SECRET, Kind.CONFIG, Kind.NODE}:
        place = said.get("Spec") or {}
    else:
        place = said
    return {str(name): str(value) for name, value in (place.get("Labels") or {}).items()}
