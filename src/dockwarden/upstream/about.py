"""What an Engine says of itself, as far as judging its calls needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.errors import Withheld


class _Version(msgspec.Struct):
    version: str = msgspec.field(name="Version")
    api: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}\.[0-9]{1,4}$")] = msgspec.field(name="ApiVersion")


class _Info(msgspec.Struct):
    options: list[str] | None = msgspec.field(name="SecurityOptions", default=None)
    cpus: int = msgspec.field(name="NCPU", default=0)


class EngineAbout(msgspec.Struct, frozen=True):
    """One Engine: its version, the newest API it speaks (major, minor), whether it maps users, and the CPUs of its host."""

    version: str
    api: tuple[int, int]
    remaps_users: bool
    cpus: int


async def ask_about(ask: Callable[[Request], Awaitable[WholeAnswer]]) -> EngineAbout:
    """Ask an Engine what it is.

    Raises:
        Unavailable: it does not answer. Withheld: `engine.unknown`; what answers does not say what an Engine says.
    """
    version, info = await ask(Request("GET", "/version", (), b"")), await ask(Request("GET", "/info", (), b""))
    try:
        said, more = msgspec.json.decode(version.body, type=_Version), msgspec.json.decode(info.body, type=_Info)
    except msgspec.DecodeError as error:
        raise Withheld("engine.unknown", f"what answers at the Engine's address does not say what an Engine says ({error})") from None
    major, _, minor = said.api.partition(".")
    return EngineAbout(said.version, (int(major), int(minor)), any("userns" in option for option in more.options or ()), more.cpus)
