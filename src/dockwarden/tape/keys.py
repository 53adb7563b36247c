"""Who may open a tape: dockwarden itself, whose key is in the vault, and the auditors that the settings name.

A tape is made with the public half alone, which is in a file, so sessions are recorded while the vault is sealed; reading needs the vault.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # it comes without types

from dockwarden.tape.opening import read_recipient
from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import OURS
from dockwarden.words.errors import BadConfig, Hidden, Unavailable
from dockwarden.words.secret import Secret

PATH = f"{OURS}tapes"
BY = "dockwarden"


class TapeKeys:
    """The key pair of this dockwarden's tapes, and its auditors."""

    def __init__(self, file: Path, auditors: tuple[str, ...]) -> None:
        """`file` has the public half, and is made by `prepare`. Raises: BadConfig: an auditor is no age recipient."""
        for text in auditors:
            read_recipient(text)
        self._file, self._auditors = file, auditors
        self._own = ""

    @property
    def is_made(self) -> bool:
        """Whether there is one, so that tapes can be made."""
        return self._file.exists()

    def recipients(self) -> tuple[str, ...]:
        """Who may open a tape that is made now.

        Raises:
            Unavailable: `tape.no_key`.
        """
        if not self._own:
            try:
                self._own = self._file.read_text("ascii").strip()
            except OSError:
                raise Unavailable("tape.no_key", "tapes have no key yet: it is made when the vault is unsealed for the first time") from None
        return (self._own, *self._auditors)

    async def prepare(self, keeper: KeepsSecrets) -> None:
        """See that the vault has the private half and the file the public one; make both where the vault has none.

        Raises:
            Refused: the vault is sealed, or away; what the file says stays. BadConfig: the file cannot be written.
        """
        own = await keeper.run(_public_of)
        if own != (self._file.read_text("ascii").strip() if self._file.exists() else ""):
            _write(self._file, own)
        self._own = own

    @staticmethod
    async def identity(keeper: KeepsSecrets) -> str:
        """The private half. Raises: Refused: the vault is sealed, or away."""
        return (await keeper.run(lambda vault: vault.get(PATH))).value.reveal().decode()


def _public_of(vault: Secrets) -> str:
    try:
        identity = pyrage.x25519.Identity.from_str(vault.get(PATH).value.reveal().decode())
    except Hidden:
        identity = pyrage.x25519.Identity.generate()
        vault.put(PATH, Secret(str(identity).encode()), BY)
    return str(identity.to_public())


def _write(file: Path, text: str) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(f"{text}\n", "ascii")
        fd = os.open(part, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        part.rename(file)
    except OSError as error:
        raise BadConfig(str(file), f"cannot be written ({error.strerror})", "make room, or see who owns its folder") from None
