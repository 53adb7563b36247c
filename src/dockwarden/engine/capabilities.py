"""Linux capabilities as the Engine names them."""

from __future__ import annotations

from collections.abc import Iterable

ALL = "ALL"

DEFAULT = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
})
"""What every container has unless it is taken away, so that asking for one of them asks for nothing more."""


def normalise(name: str) -> str:
    """Return `name` in upper case without `CAP_`, as the Engine compares it."""
    return name.upper().removeprefix("CAP_")


def added(names: Iterable[str]) -> frozenset[str]:
    """Return what of `names` goes beyond the default, normalised; an unknown name counts, since doubt does."""
    return frozenset(map(normalise, names)) - DEFAULT


def without(names: Iterable[str], dropped: Iterable[str]) -> list[str]:
    """Return `names`, order kept, without those in `dropped`."""
    gone = set(map(normalise, dropped))
    return [name for name in names if normalise(name) not in gone]
