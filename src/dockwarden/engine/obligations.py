"""What the deciding policies oblige us to do to a call: the words of `@harden`, parsed and joined.

The words: `no-new-privileges`, `drop-all-caps`, `drop-caps=NET_RAW+MKNOD`, `pids=512`, `memory=2g`, `cpus=1.5`, `read-only-root`,
`run-as-caller`, `run-as=1000:1000`, `default-seccomp`, `loopback-ports`, `init`, `private-namespaces`, `warn-secrets`,
`record=strict|alarm|off`; of a session `longest=8h`, `idle=15m`, `most=2g`, `daily=20g`, `watched`; of files that are copied by SSH `keep-files=64m`;
on a permit of `secret.use`: `as-variable`; and of `ssh.login`: `second-factor`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dockwarden.engine import capabilities
from dockwarden.engine.users import ID_LIMIT
from dockwarden.words.duration import seconds_of
from dockwarden.words.errors import BadConfig
from dockwarden.words.size import bytes_of

SMALLEST_MEMORY, SMALLEST_TAPE = 6 << 20, 1 << 20
LARGEST_KEPT = 1 << 40
BILLION = 10**9
_CPUS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,9})?", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_USER = re.compile(r"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})", re.ASCII)
_CAPABILITY = re.compile(r"[A-Z_]+", re.ASCII)


class Recording(StrEnum):
    """What becomes of a session that cannot be recorded, the strictest first."""

    STRICT = "strict"
    """It does not begin, and ends where recording ends. So it is where no policy says otherwise."""
    ALARM = "alarm"
    """It goes on, and operators are told."""
    OFF = "off"
    """It is not recorded."""


@dataclass(frozen=True, slots=True)
class Obligations:
    """Everything to do; a number of 0 and an empty set ask for nothing. `memory` is bytes, `nano_cpus` billionths of a CPU.

    Of a session, `longest_s` and `idle_s` are seconds, `most` is bytes of its tape, `daily` those that its person may record in a day,
    and `watched` asks for somebody who looks on. `keep_files` is bytes: contents of files that are copied are kept, and no larger file is.
    """

    no_new_privileges: bool = False
    drop_caps: frozenset[str] = frozenset()
    pids: int = 0
    memory: int = 0
    nano_cpus: int = 0
    read_only_root: bool = False
    run_as_caller: bool = False
    run_as: frozenset[tuple[int, int]] = frozenset()
    default_seccomp: bool = False
    loopback_ports: bool = False
    init: bool = False
    private_namespaces: bool = False
    warn_secrets: bool = False
    as_variable: bool = False
    second_factor: bool = False
    recording: Recording | None = None
    longest_s: int = 0
    idle_s: int = 0
    most: int = 0
    daily: int = 0
    watched: bool = False
    keep_files: int = 0

    def joined(self, other: Obligations) -> Obligations:
        """Return what fulfils both: the lower limit, either promise."""
        return Obligations(
            no_new_privileges=self.no_new_privileges or other.no_new_privileges,
            drop_caps=self.drop_caps | other.drop_caps,
            pids=_lower(self.pids, other.pids),
            memory=_lower(self.memory, other.memory),
            nano_cpus=_lower(self.nano_cpus, other.nano_cpus),
            read_only_root=self.read_only_root or other.read_only_root,
            run_as_caller=self.run_as_caller or other.run_as_caller,
            run_as=self.run_as | other.run_as,
            default_seccomp=self.default_seccomp or other.default_seccomp,
            loopback_ports=self.loopback_ports or other.loopback_ports,
            init=self.init or other.init,
            private_namespaces=self.private_namespaces or other.private_namespaces,
            warn_secrets=self.warn_secrets or other.warn_secrets,
            as_variable=self.as_variable or other.as_variable,
            second_factor=self.second_factor or other.second_factor,
            recording=_stricter(self.recording, other.recording),
            longest_s=_lower(self.longest_s, other.longest_s),
            idle_s=_lower(self.idle_s, other.idle_s),
            most=_lower(self.most, other.most),
            daily=_lower(self.daily, other.daily),
            watched=self.watched or other.watched,
            keep_files=_lower(self.keep_files, other.keep_files),
        )


NOTHING = Obligations()


def _lower(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _stricter(one: Recording | None, other: Recording | None) -> Recording | None:
    return next((kind for kind in Recording if kind in (one, other)), None)


def parse_obligations(texts: Iterable[str]) -> Obligations:
    """Return what all of `texts` ask for together; each may hold several words between commas.

    Raises:
        BadConfig: a word is not one of them; `where` is `@harden`.
    """
    found = NOTHING
    for text in texts:
        for word in filter(None, (part.strip() for part in text.split(","))):
            found = found.joined(_parse(word))
    return found


def _parse(word: str) -> Obligations:
    name, equals, value = word.partition("=")
    if not equals and name in FLAGS:
        return FLAGS[name]
    if equals and name in VALUES:
        return VALUES[name](value)
    raise _bad(word, f"write one of {', '.join(sorted([*FLAGS, *(f'{key}=…' for key in VALUES)]))}")


def _bad(word: str, mend: str) -> BadConfig:
    return BadConfig("@harden", f"{word!r} is no obligation", mend)


def _caps(value: str) -> Obligations:
    names = frozenset(map(capabilities.normalise, value.split("+")))
    if not all(_CAPABILITY.fullmatch(name) for name in names):
        raise _bad(f"drop-caps={value}", "write capabilities between '+': drop-caps=NET_RAW+MKNOD")
    return replace(NOTHING, drop_caps=names)


def _pids(value: str) -> Obligations:
    if not _COUNT.fullmatch(value):
        raise _bad(f"pids={value}", "write a number: pids=512")
    return replace(NOTHING, pids=int(value))


def _memory(value: str) -> Obligations:
    return replace(NOTHING, memory=_size("memory", value, SMALLEST_MEMORY, "2g"))


def _cpus(value: str) -> Obligations:
    whole, _, fraction = value.partition(".")
    nano = int(whole) * BILLION + int(fraction.ljust(9, "0") or "0") if _CPUS.fullmatch(value) else 0
    if nano < BILLION // 100:
        raise _bad(f"cpus={value}", "write a number of at least 0.01: cpus=1.5")
    return replace(NOTHING, nano_cpus=nano)


def _run_as(value: str) -> Obligations:
    found = _USER.fullmatch(value)
    user = (int(found[1]), int(found[2])) if found else (0, 0)
    if not found or max(user) > ID_LIMIT:
        raise _bad(f"run-as={value}", "write two numbers, neither of them 0: run-as=1000:1000")
    return replace(NOTHING, run_as=frozenset({user}))


def _record(value: str) -> Obligations:
    if value not in set(Recording):
        raise _bad(f"record={value}", f"write one of {', '.join(f'record={kind}' for kind in Recording)}")
    return replace(NOTHING, recording=Recording(value))


def _longest(value: str) -> Obligations:
    return replace(NOTHING, longest_s=_seconds("longest", value, "8h"))


def _idle(value: str) -> Obligations:
    return replace(NOTHING, idle_s=_seconds("idle", value, "15m"))


def _most(value: str) -> Obligations:
    return replace(NOTHING, most=_size("most", value, SMALLEST_TAPE, "2g"))


def _daily(value: str) -> Obligations:
    return replace(NOTHING, daily=_size("daily", value, SMALLEST_TAPE, "20g"))


def _keep_files(value: str) -> Obligations:
    size = bytes_of(value)
    if not 0 < size <= LARGEST_KEPT:
        raise _bad(f"keep-files={value}", "write the size of the largest file that may be copied, at most 1t: keep-files=64m")
    return replace(NOTHING, keep_files=size)


def _size(name: str, value: str, least: int, example: str) -> int:
    size = bytes_of(value)
    if size < least:
        raise _bad(f"{name}={value}", f"write a size of at least {least >> 20}m: {name}={example}")
    return size


def _seconds(name: str, value: str, example: str) -> int:
    seconds = seconds_of(value)
    if not seconds:
        raise _bad(f"{name}={value}", f"write a number above 0 and one of s, m, h, d, at most ten years: {name}={example}")
    return seconds


FLAGS: Mapping[str, Obligations] = {
    "no-new-privileges": replace(NOTHING, no_new_privileges=True),
    "drop-all-caps": replace(NOTHING, drop_caps=frozenset({capabilities.ALL})),
    "read-only-root": replace(NOTHING, read_only_root=True),
    "run-as-caller": replace(NOTHING, run_as_caller=True),
    "default-seccomp": replace(NOTHING, default_seccomp=True),
    "loopback-ports": replace(NOTHING, loopback_ports=True),
    "init": replace(NOTHING, init=True),
    "private-namespaces": replace(NOTHING, private_namespaces=True),
    "warn-secrets": replace(NOTHING, warn_secrets=True),
    "as-variable": replace(NOTHING, as_variable=True),
    "second-factor": replace(NOTHING, second_factor=True),
    "watched": replace(NOTHING, watched=True),
}
VALUES: Mapping[str, Callable[[str], Obligations]] = {
    "drop-caps": _caps, "pids": _pids, "memory": _memory, "cpus": _cpus, "run-as": _run_as, "record": _record, "longest": _longest,
    "idle": _idle, "most": _most, "daily": _daily, "keep-files": _keep_files,
}
