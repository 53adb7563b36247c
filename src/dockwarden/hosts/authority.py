"""Our SSH certificate authorities: `ssh-user` lets us into hosts for minutes at a time, `ssh-host` proves our door to clients.

Their private halves are in the vault, the public ones in files that everybody may read.
"""

from __future__ import annotations

import time
from pathlib import Path

import asyncssh

from dockwarden.hosts.public import HOST, NAMES, USER
from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import OURS
from dockwarden.words.errors import Hidden
from dockwarden.words.secret import Secret

BY = "dockwarden"
MINUTES = 5
BACK_S = 60
"""How far a certificate reaches back, for clocks that are a little slow."""
HOST_DAYS = 30


class Authority:
    """Signs. `prepare` it once the vault is open."""

    def __init__(self, folder: Path, keeper: KeepsSecrets) -> None:
        self._folder, self._keeper = folder, keeper

    async def prepare(self) -> None:
        """Make what is not there yet. Raises: Refused: the vault is sealed, or away. OSError."""
        self._folder.mkdir(mode=0o755, exist_ok=True)
        self._folder.chmod(0o755)
        for name in NAMES:
            public = await self._keeper.run(lambda vault, name=name: _key(vault, name).export_public_key().decode())  # type: ignore[misc]  # a default
            file = self._folder / f"{name}.pub"
            if not file.exists() or file.read_text("ascii") != public:
                file.write_text(public, "ascii")
                file.chmod(0o644)

    async def let_in(self, login: str, words: str) -> tuple[Secret, str]:
        """A private key made for this once, and a certificate with which it is `login` for some minutes; `words` say to the host for whom.

        Raises:
            Refused: the vault is sealed, or away.
        """
        key = asyncssh.generate_private_key("ssh-ed25519")
        now = int(time.time())

        def sign(vault: Secrets) -> str:
            made = _key(vault, USER).generate_user_certificate(
                key, words, principals=[login], valid_after=now - BACK_S, valid_before=now + MINUTES * 60, permit_x11_forwarding=False,
                permit_agent_forwarding=False, permit_port_forwarding=False, permit_user_rc=False, permit_pty=True,
            )  # fmt: skip
            return str(made.export_certificate().decode())

        return Secret(key.export_private_key()), await self._keeper.run(sign)

    async def prove_host(self, key: asyncssh.SSHKey, names: list[str]) -> asyncssh.SSHCertificate:
        """A host certificate for our own door. Raises: Refused: the vault is sealed, or away."""
        now = int(time.time())

        def sign(vault: Secrets) -> bytes:
            made = _key(vault, HOST).generate_host_certificate(
                key, "dockwarden", principals=names, valid_after=now - BACK_S, valid_before=now + HOST_DAYS * 86_400
            )
            return bytes(made.export_certificate())

        return asyncssh.import_certificate(await self._keeper.run(sign))


def _key(vault: Secrets, name: str) -> asyncssh.SSHKey:
    path = f"{OURS}ca/{name}"
    try:
        return asyncssh.import_private_key(vault.get(path).value.reveal())
    except Hidden:
        made = asyncssh.generate_private_key("ssh-ed25519", comment=f"dockwarden {name}")
        vault.put(path, Secret(made.export_private_key()), BY)
        return made
