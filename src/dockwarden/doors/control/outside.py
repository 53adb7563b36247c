"""The verbs of noun `vault` where the vault is an outside one: `status` says how it stands, the others that they are asked for elsewhere.

They are decided and recorded as those of our own vault are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dockwarden.doors.control.door import Call, Verb
from dockwarden.doors.control.vault import judge_vault
from dockwarden.policy.load import PolicySet
from dockwarden.vault.outside_keeper import OutsideKeeper
from dockwarden.words.errors import Malformed

ELSEWHERE = ("seal", "unseal", "rekey", "rotate", "backup")


class OutsideVerbs:
    """The verbs of noun `vault`."""

    def __init__(self, keeper: OutsideKeeper, policies: Callable[[], PolicySet]) -> None:
        """`policies` gives those that are in force."""
        self._keeper, self._policies = keeper, policies

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"vault/status": self.status, **{f"vault/{name}": self._elsewhere(f"vault.{name}") for name in ELSEWHERE}}

    async def status(self, call: Call) -> Mapping[str, Any]:
        """Where it is, whether it answers and is sealed, and how long our token lasts."""
        judge_vault(call, "vault.status", self._policies())
        said = await self._keeper.status()
        call.trail.outcome(200, changing=False)
        return {"by": self._by(said), "change": 0, **said}

    def _elsewhere(self, action: str) -> Verb:
        async def refuse(call: Call) -> Mapping[str, Any]:
            """Say that this is done with the outside vault's own tools."""
            judge_vault(call, action, self._policies())
            where = f"secrets are kept in {self._keeper.where()}"
            raise Malformed("vault.outside", f"{where}; this is done there, with its own tools, by those who run it")

        return refuse

    def _by(self, said: Mapping[str, Any]) -> str:
        token = said["token"]
        ends = f"ends {token['ends']}" if token["ends"] != "never" else "never ends"
        renewed = ", and is renewed before" if token["renewable"] else ""
        lasts = f"our token {ends}{renewed}" if token["accepted"] else "we have no token that it accepts"
        return f"those who run {self._keeper.where()}; it {'answers' if said['answers'] else 'does not answer'}; {lasts}"
