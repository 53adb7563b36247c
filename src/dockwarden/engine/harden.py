"""Obligations applied to a call: pure, idempotent, and never anything but tighter.

Two things are done without being asked for: users and groups go upstream as numbers, since the Engine would look a name up at every start, in
a file that the container's owner can replace (DESIGN §8); and a network is made only where there is none of its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import UNSET

from dockwarden.engine import capabilities
from dockwarden.engine.bodies.container import HostConfig, PortBinding
from dockwarden.engine.bodies.service import Amounts, ContainerSpec, Privileges, TaskResources, TaskSpec
from dockwarden.engine.call import EngineCall
from dockwarden.engine.facts.run import MASKED_PATHS, READONLY_PATHS, split_security_opt
from dockwarden.engine.facts.user import group_numbers, user_of_exec, user_of_run
from dockwarden.engine.fields import is_given, read
from dockwarden.engine.known import Known
from dockwarden.engine.obligations import Obligations, parse_obligations
from dockwarden.engine.references import replace_fields
from dockwarden.engine.runs import NO_LIST
from dockwarden.engine.users import EffectiveUser
from dockwarden.words.errors import Forbidden

__all__ = ["Obligations", "harden", "parse_obligations"]

LOOPBACK = "127.0.0.1"
DEFAULT_PERIOD_US = 100_000
BILLION = 10**9
OTHER_MASKED_PATHS = frozenset({"/sys/devices/virtual/powercap", "/proc/interrupts"})
"""What newer Engines hide, too."""

Changes = dict[str, Any]


def harden(call: EngineCall, obligations: Obligations, known: Known) -> EngineCall:
    """Return `call` with `obligations` fulfilled.

    Raises:
        Forbidden: `harden.no_account`, `harden.conflict`, `harden.cannot`: they cannot be fulfilled for this call; and as `facts`.
    """
    body: Any = call.body
    match call.route.action:
        case "container.create":
            return replace(call, body=_create(body, obligations, known))
        case "container.update":
            return replace(call, body=replace_fields(body, _update_limits(body, obligations, known))) if body is not None else call
        case "exec.create":
            return replace(call, body=_exec(body, obligations, known)) if body is not None else call
        case "service.create" | "service.update":
            return replace(call, body=_service(body, obligations, known)) if body is not None else call
        case "network.create":  # two networks of one name would answer for each other
            return replace(call, body=replace_fields(body, {"CheckDuplicate": True})) if body is not None else call
        case "image.build":
            return replace(call, query={**call.query, **_build(call, obligations)})
    return call


# -- users ---------------------------------------------------------------------------------------------------------------------


def _user(user: EffectiveUser, obligations: Obligations, known: Known, place: str) -> str | None:
    """The spec to send, `None` to leave the field as it is: root that nobody named stays root unless an obligation says whom to run as."""
    if user.is_root and not user.is_given and (obligations.run_as_caller or obligations.run_as):
        uid, gid = _run_as(obligations, known, place)
        return f"{uid}:{gid}"
    if not user.is_clear or (user.uid == 0 and not user.is_given):
        return None
    return user.wire


def _run_as(obligations: Obligations, known: Known, place: str) -> tuple[int, int]:
    account = known.principal.account
    wanted = set(obligations.run_as)
    if not wanted and account is not None:
        wanted = {(account.uid, account.gid)}
    if not wanted or any(0 in pair for pair in wanted):
        message = f"{place}: this would run as root, and you have no account of this host to run as instead; name a user (--user uid:gid)"
        raise Forbidden("harden.no_account", message)
    if len(wanted) > 1:
        raise Forbidden("harden.conflict", f"{place}: two policies say whom to run as, and not the same; name a user (--user uid:gid)")
    return wanted.pop()


def _with_user(user: EffectiveUser, spec: str | None, groups: Iterable[int]) -> tuple[Changes, list[str]]:
    """The change of the User field, and the groups that it no longer brings along."""
    if spec is None:
        return {}, [str(gid) for gid in groups]
    brought = user.groups if spec == user.wire else ()
    return {"User": spec}, [str(gid) for gid in dict.fromkeys((*groups, *brought))]


# -- create ----------------------------------------------------------------------------------------------------------------------


def _create(body: Any, obligations: Obligations, known: Known) -> Any:
    host = read(body, "HostConfig", HostConfig())
    user = user_of_run(read(body, "User", ""), read(host, "UsernsMode", ""), known)
    changed, groups = _with_user(user, _user(user, obligations, known, "User"), group_numbers(read(host, "GroupAdd", NO_LIST), known))
    host_changes: Changes = {"GroupAdd": groups} if groups else {}
    host_changes |= _create_limits(host, obligations, known)
    host_changes |= _capabilities(host, obligations, "CapAdd", "CapDrop")
    host_changes |= _security(host, obligations)
    host_changes |= _own_lists(host)
    if obligations.read_only_root:
        host_changes["ReadonlyRootfs"] = True
    if obligations.init and not is_given(host, "Init"):
        host_changes["Init"] = True
    if obligations.private_namespaces and not read(host, "Privileged", False):
        host_changes |= {name: "private" for name in ("IpcMode", "CgroupnsMode") if not read(host, name, "")}
    if obligations.loopback_ports:
        host_changes |= _loopback(body, host, known)
    if host_changes:
        changed["HostConfig"] = replace_fields(host, host_changes)
    return replace_fields(body, changed)


def _capabilities(thing: object, obligations: Obligations, add: str, drop: str) -> Changes:
    if not obligations.drop_caps:
        return {}
    dropped = list(read(thing, drop, NO_LIST))
    have = set(map(capabilities.normalise, dropped))
    changes: Changes = {drop: dropped + sorted(obligations.drop_caps - have)}
    if (named := obligations.drop_caps - {capabilities.ALL}) and is_given(thing, add):
        changes[add] = capabilities.without(read(thing, add, NO_LIST), named)
    return changes


def _security(host: object, obligations: Obligations) -> Changes:
    options = list(read(host, "SecurityOpt", NO_LIST))
    gone = {"no-new-privileges"} if obligations.no_new_privileges else set()
    gone |= {"seccomp"} if obligations.default_seccomp else set()
    kept = [option for option in options if split_security_opt(option)[0] not in gone]
    if obligations.no_new_privileges:
        kept.append("no-new-privileges")
    return {"SecurityOpt": kept} if kept != options else {}


def _own_lists(host: object) -> Changes:
    """Lists that say what the Engine does anyway go, so that a newer Engine's longer list stands."""
    changes: Changes = {}
    for name, least, most in (
        ("MaskedPaths", MASKED_PATHS, MASKED_PATHS | OTHER_MASKED_PATHS), ("ReadonlyPaths", READONLY_PATHS, READONLY_PATHS),
    ):
        if is_given(host, name) and least <= set(read(host, name, NO_LIST)) <= most:
            changes[name] = UNSET
    return changes


def _loopback(body: object, host: object, known: Known) -> Changes:
    bindings: Mapping[str, Any] = read(host, "PortBindings", {})
    narrowed = {
        port: [one if _is_loopback(read(one, "HostIp", "")) else replace_fields(one, {"HostIp": LOOPBACK}) for one in hosts or ()]
        for port, hosts in bindings.items()
    }
    changes: Changes = {"PortBindings": narrowed} if narrowed else {}
    if read(host, "PublishAllPorts", False):
        exposed: Iterable[str] = [*read(body, "ExposedPorts", {}), *(known.image.exposed_ports if known.image else ())]
        random = {port: [PortBinding(HostIp=LOOPBACK, HostPort="")] for port in exposed if port not in narrowed}
        changes |= {"PublishAllPorts": False, "PortBindings": {**narrowed, **random}}
    return changes


def _is_loopback(address: str) -> bool:
    return address == "::1" or (address.startswith("127.") and address.replace(".", "").isdecimal())


# -- limits ---------------------------------------------------------------------------------------------------------------------


def _capped(value: int | None, limit: int) -> int:
    """`value` as far as `limit` lets it; nothing, zero and less mean no limit."""
    return min(value, limit) if value is not None and value > 0 else limit


def _nano_limit(obligations: Obligations, known: Known) -> int:
    """The CPU limit; the Engine refuses more than the host has."""
    return min(obligations.nano_cpus, known.cpus * BILLION) if known.cpus else obligations.nano_cpus


def _create_limits(host: object, obligations: Obligations, known: Known) -> Changes:
    changes: Changes = {}
    if obligations.pids:
        changes["PidsLimit"] = _capped(read(host, "PidsLimit", None), obligations.pids)
    if obligations.memory:
        changes |= _memory(host, _capped(read(host, "Memory", None), obligations.memory))
    if obligations.nano_cpus:
        changes |= _cpu(host, _nano_limit(obligations, known))
    return changes


def _memory(host: object, memory: int) -> Changes:
    """Memory, with what the Engine wants to fit it: swap between one and two times as much, no larger reservation."""
    changes: Changes = {"Memory": memory}
    swap = read(host, "MemorySwap", 0)
    if swap:
        changes["MemorySwap"] = max(memory, min(swap, 2 * memory)) if swap > 0 else 2 * memory
    if read(host, "MemoryReservation", 0) > memory:
        changes["MemoryReservation"] = memory
    return changes


def _cpu(host: object, nano: int) -> Changes:
    """CPU time in the words the caller chose, since the Engine takes only one of them."""
    if is_quota(host):
        return {"CpuQuota": _capped(read(host, "CpuQuota", None), _quota_limit(read(host, "CpuPeriod", 0), nano))}
    return {"NanoCpus": _capped(read(host, "NanoCpus", None), nano)}


def _quota_limit(period: int, nano: int) -> int:
    """The limit `nano` as a quota of `period`, both in microseconds; never 0, which would mean no limit, nor less, whatever the period."""
    return max(1, nano * (period if period > 0 else DEFAULT_PERIOD_US) // BILLION)


def is_quota(host: object) -> bool:
    """Whether CPU time is given as a quota and a period."""
    return bool(read(host, "CpuQuota", 0) or read(host, "CpuPeriod", 0)) and not read(host, "NanoCpus", 0)


def _update_limits(body: object, obligations: Obligations, known: Known) -> Changes:
    """What an update may raise limits to; what it leaves alone stays as it is."""
    changes: Changes = {}
    if obligations.pids and is_given(body, "PidsLimit"):
        changes["PidsLimit"] = _capped(read(body, "PidsLimit", None), obligations.pids)
    if obligations.memory and read(body, "Memory", 0):
        changes |= _memory(body, _capped(read(body, "Memory", None), obligations.memory))
    elif obligations.memory and read(body, "MemorySwap", 0):
        swap = read(body, "MemorySwap", 0)
        changes["MemorySwap"] = min(swap, 2 * obligations.memory) if swap > 0 else 2 * obligations.memory
    if obligations.nano_cpus and (is_quota(body) or read(body, "NanoCpus", 0)):
        changes |= _cpu(body, _nano_limit(obligations, known))
    return changes


AMOUNTS: Mapping[str, str] = {
    "Memory": "--memory", "MemorySwap": "--memory-swap", "MemoryReservation": "--memory-reservation", "NanoCpus": "--cpus",
    "CpuQuota": "--cpu-quota", "PidsLimit": "--pids-limit",
}
"""The amounts that a create or an update asks for, and how the client calls them."""


def lowered(before: EngineCall, after: EngineCall) -> tuple[str, ...]:
    """Return a sentence for each thing that a create or an update asks for and gets less of; what was only filled in is not told."""
    if before.route.action not in {"container.create", "container.update"}:
        return ()
    is_create = before.route.action == "container.create"
    asked, given = (read(call.body, "HostConfig", None) if is_create else call.body for call in (before, after))
    told = []
    for name, option in AMOUNTS.items():
        wanted, got = read(asked, name, 0) or 0, read(given, name, 0) or 0
        if wanted != 0 and wanted != got:
            told.append(f"{name} ({option}): {_amount(name, wanted)} was asked for, {_amount(name, got)} is what policy gives")
    gone = sorted({*map(capabilities.normalise, read(asked, "CapAdd", NO_LIST))} - {*map(capabilities.normalise, read(given, "CapAdd", NO_LIST))})
    if gone:
        told.append(f"CapAdd (--cap-add): {', '.join(gone)} is dropped by policy")
    return tuple(told)


def _amount(name: str, value: int) -> str:
    if value <= 0:
        return "no limit"
    if name == "NanoCpus":
        return f"{value / BILLION:g}"
    if name.startswith("Memory"):
        whole = (f"{value >> shift}{unit}" for shift, unit in ((30, "g"), (20, "m"), (10, "k")) if value % (1 << shift) == 0)
        return next(whole, f"{value}b")
    return str(value)


# -- exec, services, builds --------------------------------------------------------------------------------------------------------


def _exec(body: Any, obligations: Obligations, known: Known) -> Any:
    spec = _user(user_of_exec(read(body, "User", ""), known), obligations, known, "User")
    return body if spec is None else replace_fields(body, {"User": spec})


def _service(body: Any, obligations: Obligations, known: Known) -> Any:
    task = read(body, "TaskTemplate", TaskSpec())
    spec = read(task, "ContainerSpec", ContainerSpec())
    if obligations.loopback_ports and read(read(body, "EndpointSpec", None), "Ports", NO_LIST):
        raise Forbidden("harden.cannot", "EndpointSpec.Ports: a service's ports are open to everyone; leave them out")
    user = user_of_run(read(spec, "User", ""), "", known)
    spec_text = _user(user, obligations, known, "ContainerSpec.User")
    changed, groups = _with_user(user, spec_text, group_numbers(read(spec, "Groups", NO_LIST), known))
    if groups:
        changed["Groups"] = groups
    changed |= _capabilities(spec, obligations, "CapabilityAdd", "CapabilityDrop")
    if obligations.read_only_root:
        changed["ReadOnly"] = True
    if obligations.init and not is_given(spec, "Init"):
        changed["Init"] = True
    changed |= _service_privileges(spec, obligations)
    task_changes: Changes = {"ContainerSpec": replace_fields(spec, changed)} if changed else {}
    task_changes |= _service_limits(task, obligations, known)
    return replace_fields(body, {"TaskTemplate": replace_fields(task, task_changes)}) if task_changes else body


def _service_privileges(spec: object, obligations: Obligations) -> Changes:
    if not (obligations.no_new_privileges or obligations.default_seccomp):
        return {}
    privileges = read(spec, "Privileges", Privileges())
    changes: Changes = {"NoNewPrivileges": True} if obligations.no_new_privileges else {}
    if obligations.default_seccomp:
        changes["Seccomp"] = UNSET
    return {"Privileges": replace_fields(privileges, changes)}


def _service_limits(task: object, obligations: Obligations, known: Known) -> Changes:
    resources = read(task, "Resources", TaskResources())
    limits = read(resources, "Limits", Amounts())
    changes: Changes = {}
    if obligations.pids:
        changes["Pids"] = _capped(read(limits, "Pids", None), obligations.pids)
    if obligations.memory:
        changes["MemoryBytes"] = _capped(read(limits, "MemoryBytes", None), obligations.memory)
    if obligations.nano_cpus:
        changes["NanoCPUs"] = _capped(read(limits, "NanoCPUs", None), _nano_limit(obligations, known))
    return {"Resources": replace_fields(resources, {"Limits": replace_fields(limits, changes)})} if changes else {}


def _build(call: EngineCall, obligations: Obligations) -> dict[str, tuple[str, ...]]:
    """The limits of a build's containers, which its query holds."""
    changes: dict[str, tuple[str, ...]] = {}
    if obligations.memory:
        memory = _capped(_number(call, "memory"), obligations.memory)
        swap = _number(call, "memswap")
        changes["memory"] = (str(memory),)
        if swap:
            changes["memswap"] = (str(max(memory, min(swap, 2 * memory)) if swap > 0 else 2 * memory),)
    if obligations.nano_cpus:
        period = _number(call, "cpuperiod") or DEFAULT_PERIOD_US
        quota = _capped(_number(call, "cpuquota"), _quota_limit(period, obligations.nano_cpus))
        changes |= {"cpuperiod": (str(period),), "cpuquota": (str(quota),)}
    return changes


def _number(call: EngineCall, name: str) -> int:
    """A whole number in the query; what is none counts as not given, as it does for the Engine."""
    text = call.first(name)
    return int(text) if text.isascii() and text.removeprefix("-").isdecimal() else 0
