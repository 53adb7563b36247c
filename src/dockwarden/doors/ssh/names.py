"""What the user name of a connection says: who comes, and where to. Pure.

    alice                    the Docker API, by `docker system dial-stdio`
    alice%web                the host `web`, as the login that it has
    alice%deploy%web         the host `web`, as `deploy`
    alice%container.shop     the container `shop` of the Engine here
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SEPARATOR = "%"
CONTAINER = "container."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where somebody wants to go; `host` and `container` are "" for the Docker API."""

    person: str
    login: str = ""
    host: str = ""
    container: str = ""

    @property
    def words(self) -> str:
        """The name that says so."""
        place = f"{CONTAINER}{self.container}" if self.container else self.host
        return SEPARATOR.join(part for part in (self.person, self.login, place) if part)


def parse_wanted(name: str) -> Wanted | None:
    """Return what the user name says, `None` where it says nothing that could be meant."""
    person, *rest = name.split(SEPARATOR)
    if not _NAME.fullmatch(person) or len(rest) > 2:
        return None
    if not rest:
        return Wanted(person)
    place = rest[-1]
    if place.startswith(CONTAINER):
        container = place.removeprefix(CONTAINER)
        return Wanted(person, container=container) if len(rest) == 1 and _CONTAINER.fullmatch(container) else None
    login = rest[0] if len(rest) == 2 else ""
    if not _NAME.fullmatch(place) or (len(rest) == 2 and not _NAME.fullmatch(login)):
        return None
    return Wanted(person, login, place)
