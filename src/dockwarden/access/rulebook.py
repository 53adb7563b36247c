"""The policies and the people as they stand: read from files, swapped whole, and kept when a new version is bad.

A call takes `rulebook.rules` once and is judged by that set to its end, so no call ever sees half of a reload.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dockwarden.access.people import People, parse_people
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import Ask
from dockwarden.words.errors import BadConfig

POLL_S = 1.0

Told = Callable[[str, Mapping[str, str]], None]
"""Called with what happened (`policy.loaded`, `policy.kept`) and its details."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One consistent set: who people are and what they may do."""

    people: People
    policies: PolicySet


def no_longer(ask: Ask, rules: Rules) -> str:
    """Why something that was permitted would not be under `rules`, because of who asked; "" if it would.

    The person is no longer there, or has lost a group and with it the permission. Policies that changed end nothing that has begun.
    """
    was = ask.principal
    now = rules.people.fresh(was)
    if not was.is_known:
        return ""
    if not now.is_known:
        return f"{now.why_not}, so this ends"
    left = ", ".join(sorted(was.groups - now.groups))
    if left and not decide(replace(ask, principal=now), rules.policies).is_allowed:
        return f"{was.name} is no longer in {left}, and without that {ask.action} is not permitted, so this ends"
    return ""


class Rulebook:
    """Holds the rules in force; `rules` never goes back to a set that did not load whole."""

    def __init__(self, people_file: Path, policy_dir: Path, told: Told) -> None:
        """Read both.

        Raises:
            BadConfig: at start there is no old set to keep, so a bad file refuses to start.
        """
        self._people_file, self._policy_dir, self._told = people_file, policy_dir, told
        self._stamp = self._look()
        self.rules = self._read()

    def reload(self) -> bool:
        """Read both again; return whether the new set is in force. A bad file keeps the old set and says so."""
        self._stamp = self._look()
        try:
            self.rules = self._read()
        except BadConfig as error:
            self._told("policy.kept", {"because": str(error), "version": self.rules.policies.version})
            return False
        self._told("policy.loaded", {"version": self.rules.policies.version})
        return True

    async def changes(self) -> AsyncIterator[Rules]:
        """Reload whenever a file changes, and yield each new set; runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            if self._look() != self._stamp and self.reload():
                yield self.rules

    def _read(self) -> Rules:
        return Rules(self._read_people(), load(self._read_policies()))

    def _read_people(self) -> People:
        try:
            return parse_people(self._people_file.read_text("utf-8"), str(self._people_file))
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(str(self._people_file), f"cannot be read ({error})", "make it readable, or run dockwarden init again") from None

    def _read_policies(self) -> dict[str, str]:
        try:
            return {str(file): file.read_text("utf-8") for file in self._policy_files()}
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(str(self._policy_dir), f"cannot be read ({error})", "make its files readable") from None

    def _policy_files(self) -> list[Path]:
        return sorted(file for file in self._policy_dir.iterdir() if file.suffix == ".cedar")

    def _look(self) -> str:
        """A digest of what the files are now, from their names, times and sizes; cheap enough for every second."""
        seen = hashlib.sha256()
        with contextlib.suppress(OSError):
            for file in (self._people_file, *self._policy_files()):
                with contextlib.suppress(OSError):
                    stat = file.stat()
                    seen.update(f"{file}\0{stat.st_mtime_ns}\0{stat.st_size}\0{stat.st_ino}\n".encode())
        return seen.hexdigest()
