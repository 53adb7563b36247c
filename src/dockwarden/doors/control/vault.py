"""What operators do with the vault itself: `vault/status`, `seal`, `unseal`, `rekey`, `rotate`, `backup`."""

from __future__ import annotations

import asyncio
import datetime
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Verb
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.vault import seals
from dockwarden.vault.backup import copy
from dockwarden.vault.envelope import KEY_BYTES
from dockwarden.vault.faults import Sealed
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.vault import Vault
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Forbidden, Malformed
from dockwarden.words.secret import Secret

VAULT = Resource(Kind.SYSTEM, id="vault")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that needs no words."""


class Unseal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody brings: a passphrase, or one share. Both empty: the key file or credential is looked for again."""

    passphrase: bytes = b""
    share: str = ""

    def __repr__(self) -> str:
        return "Unseal(...)"


class Rekey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the unseal key comes from after this. `shares` is (needed, made)."""

    by: Literal["file", "credential", "passphrase", "shares"]
    passphrase: bytes = b""
    shares: tuple[int, int] = (0, 0)

    def __repr__(self) -> str:
        return "Rekey(...)"


class Confirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New shares that were received: enough of them to unseal the vault."""

    shares: tuple[str, ...]

    def __repr__(self) -> str:
        return "Confirm(...)"


class VaultVerbs:
    """The verbs of noun `vault`."""

    def __init__(self, keeper: Keeper, rulebook: Rulebook, key_file: Path, backups: Path, unsealed: Callable[[], None]) -> None:
        """`unsealed` hears of it when the vault is open again."""
        self._keeper, self._rulebook, self._key_file, self._backups, self._unsealed = keeper, rulebook, key_file, backups, unsealed
        self._shares: list[str] = []
        self._proposed: seals.SharesSeal | None = None

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {
            "vault/status": self.status, "vault/seal": self.seal, "vault/unseal": self.unseal, "vault/rekey": self.rekey,
            "vault/rekey-confirm": self.confirm, "vault/rotate": self.rotate, "vault/backup": self.backup,
        }

    async def status(self, call: Call) -> Mapping[str, Any]:
        """Whether it is sealed, how it is unsealed, and where it stands."""
        judge_vault(call, "vault.status", self._rulebook.rules.policies)
        call.trail.outcome(200, changing=False)
        return await self._status()

    async def seal(self, call: Call) -> Mapping[str, Any]:
        """Forget the keys until somebody unseals it."""
        await self._intend(call, "vault.seal")
        self._shares.clear()
        await self._keeper.run(Vault.seal)
        return await self._done(call)

    async def unseal(self, call: Call) -> Mapping[str, Any]:
        """Open it with what was brought; of shares, `have` and `needed` say how far that is."""
        asked = call.read(Unseal)
        await self._intend(call, "vault.unseal")
        if not self._keeper.is_sealed:
            return await self._done(call)
        how = seals.read_how(await self._keeper.run(Vault.how))
        match how:
            case seals.PassphraseSeal():
                if not asked.passphrase:
                    raise Malformed("vault.passphrase", "this vault is unsealed by a passphrase; give it on standard input")
                await self._keeper.run(lambda vault: vault.unseal(seals.passphrase_key(how, Secret(asked.passphrase))))
            case seals.SharesSeal():
                await self._share(asked.share, how)
            case _:
                await self._keeper.unseal_by_itself()
        if not self._keeper.is_sealed:
            self._unsealed()
        return await self._done(call)

    async def rekey(self, call: Call) -> Mapping[str, Any]:
        """Another root key under another unseal key.

        New shares change nothing yet: `shares` of the answer are to be given to people, and the vault takes the key they make once enough
        of them come back in `rekey-confirm`. So a crash never leaves a vault whose shares nobody has seen.
        """
        asked = call.read(Rekey)
        await self._intend(call, "vault.rekey", {"by": asked.by})
        how: seals.How
        if asked.by == "credential":
            key = await asyncio.to_thread(seals.read_credential, os.environ)
            await self._keeper.run(lambda vault: vault.rekey(key, seals.written(seals.CredentialSeal())))
        elif asked.by == "file":
            how, key = seals.FileSeal(), secrets.token_bytes(KEY_BYTES)
            await self._keeper.run(lambda vault: _rekey_to_file(vault, key, self._key_file))
        elif asked.by == "passphrase":
            how = seals.new_passphrase_seal()
            key = seals.passphrase_key(how, seals.checked_passphrase(Secret(asked.passphrase)))
            await self._keeper.run(lambda vault: vault.rekey(key, seals.written(how)))
        else:
            if self._keeper.is_sealed:
                raise Sealed
            how = seals.SharesSeal(needed=asked.shares[0], made=asked.shares[1])
            shares = seals.split(secrets.token_bytes(KEY_BYTES), how)
            self._proposed = how
            return {**await self._done(call), "shares": shares, "needed_shares": how.needed}
        return await self._done(call)

    async def confirm(self, call: Call) -> Mapping[str, Any]:
        """Take the key that enough of the new shares make."""
        asked = call.read(Confirm)
        await self._intend(call, "vault.rekey", {"by": "shares"})
        how = self._proposed
        if how is None or len(asked.shares) < how.needed:
            raise Malformed("vault.confirm", "bring as many of the new shares as unseal the vault, right after dockwarden vault rekey made them")
        key = seals.combine(asked.shares)
        await self._keeper.run(lambda vault: vault.rekey(key, seals.written(how)))
        self._proposed = None
        return await self._done(call)

    async def rotate(self, call: Call) -> Mapping[str, Any]:
        """A new term, all data keys brought under it, and the old terms gone. It is taken up where it was left, if it was."""
        await self._intend(call, "vault.rotate")
        await self._keeper.run(Vault.rotate)
        after, steps = await self._keeper.run(lambda vault: vault.rewrap("")), 1
        while after:
            after, steps = await self._keeper.run(lambda vault, after=after: vault.rewrap(after)), steps + 1  # type: ignore[misc]  # a default
        await self._keeper.run(Vault.retire_terms)
        return await self._done(call)

    async def backup(self, call: Call) -> Mapping[str, Any]:
        """A sealed copy of the vault as it is now, in a new file of D/state/backups."""
        await self._intend(call, "vault.backup")
        self._backups.mkdir(mode=0o700, exist_ok=True)
        file = self._backups / f"vault-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%fZ}.db"
        snapshot = await self._keeper.run(lambda vault: vault.store.snapshot())
        try:
            head = await asyncio.to_thread(copy, snapshot, file)
        finally:
            await asyncio.to_thread(snapshot.close)
        call.trail.outcome(200, detail={"change": head.seq}, changing=True)
        return {"file": str(file), "vault": head.vault, "change": head.seq}

    async def _share(self, share: str, how: seals.SharesSeal) -> None:
        share = " ".join(share.lower().split())
        if not seals.is_share(share):
            raise Malformed("vault.share", "that is no share of a key: a word is wrong or missing; give it again")
        if share not in self._shares:
            self._shares.append(share)
        if len(self._shares) < how.needed:
            return
        shares, self._shares = self._shares, []
        await self._keeper.run(lambda vault: vault.unseal(seals.combine(shares)))

    async def _status(self) -> dict[str, Any]:
        how = await self._keeper.run(Vault.how)
        said: dict[str, Any] = {"sealed": self._keeper.is_sealed, "by": msgspec.json.decode(how)["by"], "trouble": self._keeper.trouble}
        if isinstance(kind := seals.read_how(how), seals.SharesSeal):
            said |= {"needed": kind.needed, "made": kind.made, "have": len(self._shares)}
        if not self._keeper.is_sealed:
            head = await self._keeper.run(lambda vault: vault.head)
            said |= {"vault": head.vault, "change": head.seq}
        return said

    async def _intend(self, call: Call, action: str, detail: Mapping[str, Any] | None = None) -> None:
        judge_vault(call, action, self._rulebook.rules.policies)
        await call.trail.intent(detail or {})

    async def _done(self, call: Call) -> dict[str, Any]:
        said = await self._status()
        call.trail.outcome(200, detail={"sealed": said["sealed"]}, changing=True)
        return said


def judge_vault(call: Call, action: str, policies: PolicySet) -> None:
    """Return if the caller may do `action` to the vault; either way its record knows what was decided. Raises: Forbidden."""
    call.trail.action = action
    verdict = decide(Ask(call.principal, action, VAULT), policies)
    call.trail.judged(VAULT, verdict, None)
    if not verdict.is_allowed:
        who = call.principal.name or "a caller nobody knows"
        raise Forbidden(verdict.why.value, f"{action} is refused for {who}: {'; '.join(verdict.advice) or 'no policy permits it'}",
                        policies=verdict.policies)


def _rekey_to_file(vault: Vault, key: bytes, file: Path) -> None:
    """The new key beside the old one before the vault takes it, and in its place after: at each moment one of the two files opens it."""
    fresh = seals.new_key_file(file)
    fresh.unlink(missing_ok=True)
    seals.write_key_file(fresh, key)
    vault.rekey(key, seals.written(seals.FileSeal()))
    fresh.rename(file)
