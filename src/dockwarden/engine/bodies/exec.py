"""The bodies of exec calls.

Source: `/containers/{id}/exec`, `/exec/{id}/start` of API 1.24 to 1.55; THREATS 2.4.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Bool, Str, Strs, UnsetType
from dockwarden.engine.bodies.container import INSIDE, TERMINAL
from dockwarden.engine.marks import harmless, judged


class ExecCreate(Body):
    """What to run in a container that is there."""

    User: Annotated[Str, judged("context.user; sent as numbers")] = UNSET
    Privileged: Annotated[Bool, judged("the fact privileged")] = UNSET
    Tty: Annotated[Bool, TERMINAL] = UNSET
    ConsoleSize: Annotated[list[int] | UnsetType, TERMINAL] = UNSET
    AttachStdin: Annotated[Bool, TERMINAL] = UNSET
    AttachStdout: Annotated[Bool, TERMINAL] = UNSET
    AttachStderr: Annotated[Bool, TERMINAL] = UNSET
    Detach: Annotated[Bool, harmless("what start says counts, and there it is read")] = UNSET
    DetachKeys: Annotated[Str, TERMINAL] = UNSET
    Env: Annotated[Strs, INSIDE] = UNSET
    WorkingDir: Annotated[Str, judged("the fact working-dir below /proc")] = UNSET
    Cmd: Annotated[Strs, INSIDE] = UNSET
    Container: Annotated[Str, harmless("an old client repeats the path; the Engine ignores it")] = UNSET


class ExecStart(Body):
    """How to start it."""

    Detach: Annotated[Bool, judged("it says whether the connection is taken over")] = UNSET
    Tty: Annotated[Bool, TERMINAL] = UNSET
    ConsoleSize: Annotated[list[int] | UnsetType, TERMINAL] = UNSET
    ExecIDs: Annotated[Strs, harmless("an old client's leftover; the Engine ignores it")] = UNSET
