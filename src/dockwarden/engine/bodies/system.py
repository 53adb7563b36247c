"""The bodies of plugin, login and build calls.

Source: `/auth`, `/plugins/…`, `outputs` of `/build` of API 1.24 to 1.55; THREATS 2.8.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Str, Strs, Texts
from dockwarden.engine.marks import harmless, judged

LOGIN = judged("registry.login: the Engine connects to serveraddress")


class AuthConfig(Body):
    """A registry login. Its values never reach a log or an error."""

    username: Annotated[Str, LOGIN] = UNSET
    password: Annotated[Str, LOGIN] = UNSET
    auth: Annotated[Str, LOGIN] = UNSET
    email: Annotated[Str, harmless("no Engine since 1.11 reads it")] = UNSET
    serveraddress: Annotated[Str, LOGIN] = UNSET
    identitytoken: Annotated[Str, LOGIN] = UNSET
    registrytoken: Annotated[Str, LOGIN] = UNSET

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "AuthConfig(…)"


class PluginPrivilege(Body):
    """A power that a plugin asks for."""

    Name: Annotated[Str, judged("plugins are root on the host: the action is what policy decides on")] = UNSET
    Description: Annotated[Str, harmless("text for people")] = UNSET
    Value: Annotated[Strs, judged("belongs to its name")] = UNSET


class BuildOutput(Body):
    """Where BuildKit puts what it built."""

    Type: Annotated[Str, judged("the fact buildkit")] = UNSET
    Attrs: Annotated[Texts, judged("the fact buildkit")] = UNSET
