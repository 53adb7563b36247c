"""What can be wrong with a vault."""

from __future__ import annotations

from dockwarden.words.errors import Fault, Refused, Unavailable


class Tampered(Refused):
    """Stored bytes are not what we stored: `place` names them, `what` says how it shows. Nothing of them is served."""

    status = 500
    fault = Fault.OPERATOR

    def __init__(self, place: str, what: str) -> None:
        super().__init__("vault.tampered", f"the vault's {place} is not what was stored: {what}; run dockwarden vault verify")
        self.place, self.what = place, what


class Sealed(Unavailable):
    """The vault is sealed: it has no key until somebody unseals it."""

    fault = Fault.OPERATOR

    def __init__(self) -> None:
        super().__init__("vault.sealed", "the vault is sealed; ask an operator to run dockwarden vault unseal")


class WrongKey(Refused):
    """What was offered does not unseal this vault."""

    def __init__(self) -> None:
        more = "after a rekey it takes the new key alone, and earlier backups the earlier one"
        super().__init__("vault.wrong_key", f"that is not what this vault was sealed with; {more}")


class WentBack(Refused):
    """The vault's database is older (or another) than the ledger says: yesterday's copy in today's place."""

    status = 500
    fault = Fault.OPERATOR

    def __init__(self, has: str, says: str) -> None:
        super().__init__("vault.went_back", f"the vault's database stands at {has}, but the ledger's last word is {says}; put the right one back, "
                         "or restore a backup with dockwarden vault restore, which is written down")
