"""What a call refers to by name, and full ids in place of the names."""

from __future__ import annotations

from dataclasses import dataclass

from dockwarden.words.ask import Kind


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing named in a call: what kind, as written there, and where.

    `place` is `path`, `query:NAME` or the way to the field (`HostConfig.VolumesFrom[0]`). Two places naming one thing are two
    references.
    """

    kind: Kind
    text: str
    place: str
