"""What every kind of volume must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dockwarden.engine.driver import KIND

__all__ = ["BIND", "KIND", "Options", "Source", "VolumeKind"]

Options = Mapping[str, str]

BIND = "bind"


@dataclass(frozen=True, slots=True)
class Source:
    """What shall be mounted: whoever receives it closes `fd`, which may be an `O_PATH` one."""

    fd: int
    is_read_only: bool


class VolumeKind(Protocol):
    """One kind of volume. All methods may block, may be called from any thread, and say no by raising `Refused`."""

    def check(self, options: Options) -> None:
        """Refuse options that can never be mounted; the container is being made, nothing is looked at yet."""

    def open(self, name: str, options: Options) -> Source:
        """Return what to mount now. Called for every start, and more than once for the same one."""

    def forget(self, name: str) -> None:
        """Nobody uses the volume any more: take away what `open` made for it. Called again without harm."""
