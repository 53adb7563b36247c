"""Escape facts of a run, whoever runs it: containers, services, updates and execs meet here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dockwarden.engine import capabilities
from dockwarden.engine.dockerfile import KERNEL_FOLDERS
from dockwarden.engine.known import BindSource, Known
from dockwarden.engine.mounts import (
    DRIVERS_OF_THE_ENGINE,
    SAFE_PROPAGATIONS,
    Mount,
    clean,
    is_below,
    local_volume_escape,
    tmpfs_escape,
)
from dockwarden.engine.runs import Endpoint, HostPort, Limits, Run

RUNTIMES_OF_THE_ENGINE = frozenset({"", "runc", "io.containerd.runc.v2"})
LOCAL_LOG_DRIVERS = frozenset({"", "json-file", "local", "none"})
LOCAL_LOG_OPTIONS = frozenset({
    "max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size",
})
HOST = "host"
PLAIN_MODES = {
    "network": frozenset({"", "default", "bridge", "none"}), "pid": frozenset({"", "private"}),
    "ipc": frozenset({"", "private", "shareable", "none"}), "uts": frozenset({"", "private"}), "user": frozenset({"", "private"}),
    "cgroup": frozenset({"", "private"}), "join-cgroup": frozenset({""}),
}
JOINING = frozenset({"network", "pid", "ipc", "join-cgroup"})
REALTIME_LIMITS = frozenset({"rtprio", "nice", "rttime"})
FIRST_OPEN_PORT = 1024
MASKED_PATHS = frozenset({
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
})
READONLY_PATHS = frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
"""What every Engine hides, or write-protects, by itself: updaters send the list back as inspect showed it."""
_NET_SYSCTL = re.compile(r"net\.[A-Za-z0-9_./-]+", re.ASCII)
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
_ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"


def escapes_of(run: Run, known: Known) -> set[str]:
    """Return the names of every escape that `run` asks for, the user's and the references' excepted."""
    found = set(run.service_options)
    if run.is_privileged:
        found.add("privileged")
    found.update(f"cap:{name}" for name in capabilities.added(run.cap_add))
    found.update(_modes(run))
    found.update(_mounts(run, known))
    found.update(f"device:{clean(path)}" for path in run.devices)
    found.update(f"device-rule:{rule}" for rule in run.device_rules)
    found.update(f"device-request:{driver}" for driver in run.device_requests)
    found.update(f"block-device:{clean(path)}" for path in run.block_devices)
    found.update(_security(run))
    found.update(_kernel(run))
    found.update(_logs(run))
    found.update(limit_escapes(run.limits))
    found.update(low_ports(run.ports))
    for endpoint in run.endpoints:
        found.update(endpoint_escapes(endpoint))
    return found


def _modes(run: Run) -> Iterator[str]:
    for name, mode in run.modes.items():
        if mode == HOST:
            yield f"namespace:host-{name}"
        elif mode in PLAIN_MODES[name] or (name in JOINING and mode.startswith("container:")):
            continue
        elif name != "network" or ":" in mode:  # another word names a network of somebody
            yield f"namespace:other:{name}={mode}"


def _mounts(run: Run, known: Known) -> Iterator[str]:
    if run.volume_driver not in DRIVERS_OF_THE_ENGINE:
        yield f"volume-driver:{run.volume_driver}"
    yield from (f"mount-option:{option}" for option in run.mount_options)
    for mount in run.mounts:
        yield from mount_escapes(mount, known)


def mount_escapes(mount: Mount, known: Known) -> Iterator[str]:
    """Yield the escapes of one mount, however it was spelt."""
    if mount.propagation not in SAFE_PROPAGATIONS:
        yield "mount-propagation"
    if ".." in mount.subpath.split("/") or mount.subpath.startswith("/"):
        yield "mount-option:Subpath"
    match mount.kind:
        case "bind":
            yield from _bind(mount, known)
        case "volume":
            yield from volume_escapes(mount.driver, mount.options)
        case "tmpfs":
            if escape := tmpfs_escape(mount):
                yield escape
        case "image":
            pass
        case other:
            yield f"mount-option:{other}"


def volume_escapes(driver: str, options: object) -> Iterator[str]:
    """Yield the escapes of a volume's driver and options, in a mount or in a volume's own create."""
    if driver not in DRIVERS_OF_THE_ENGINE:
        yield f"volume-driver:{driver}"
    elif isinstance(options, dict) and (escape := local_volume_escape(options)):
        yield escape


def _bind(mount: Mount, known: Known) -> Iterator[str]:
    path = mount.source
    if any(is_below(socket, path) or is_below(path, socket) for socket in map(clean, known.sockets)):
        yield "engine-socket"
    if mount.is_relabelled:
        yield f"bind-relabel:{path}"
    source = known.binds.get(path) or BindSource(path)
    if not source.root:
        yield f"bind:{path}"
    elif not source.exists:
        yield f"bind-missing:{path}"
    elif known.principal.account is None:
        yield f"bind-account:{path}"
    elif not source.can_read:
        yield f"bind-unreadable:{path}"
    elif not source.can_write and source.is_socket:
        yield "engine-socket"  # INVARIANT: whose socket it is cannot be told, so who cannot use it outside cannot use it inside
    elif not source.can_write and not mount.is_read_only:
        yield f"bind-unwritable:{path}"


def _security(run: Run) -> Iterator[str]:
    for option in run.security_opt:
        name, value = split_security_opt(option)
        if name == "no-new-privileges":
            if value not in {"", "true"}:
                yield "no-new-privileges:false"
        elif name == "seccomp":
            if value != "builtin":
                yield "seccomp:unconfined" if value == "unconfined" else "seccomp:profile"
        elif name == "apparmor":
            if value != "docker-default":
                yield f"apparmor:{value}"
        elif name == "label":
            yield f"label:{value}"
        else:
            yield f"security-opt:{name}"
    if run.masked_paths is not None and not MASKED_PATHS <= set(run.masked_paths):
        yield "masked-paths"
    if run.readonly_paths is not None and not READONLY_PATHS <= set(run.readonly_paths):
        yield "readonly-paths"


def split_security_opt(option: str) -> tuple[str, str]:
    """Split one option at `=`, or at the `:` of old; an option with neither has no value."""
    name, equals, value = option.partition("=")
    if not equals:
        name, _, value = option.partition(":")
    return name, value


def _kernel(run: Run) -> Iterator[str]:
    has_own_network = run.modes.get("network") != HOST
    for name in run.sysctls:
        if not (has_own_network and _NET_SYSCTL.fullmatch(name)):
            yield f"sysctl:{name}"
    if run.runtime not in RUNTIMES_OF_THE_ENGINE:
        yield f"runtime:{run.runtime}"
    if run.cgroup_parent:
        yield "cgroup-parent"
    yield from (f"annotation:{name}" for name in run.annotations)
    yield from (f"storage-opt:{name}" for name in run.storage_opt if name != "size")
    if run.isolation not in {"", "default"}:
        yield f"isolation:{run.isolation}"
    if run.is_oom_kill_disabled:
        yield "oom-kill-disable"
    if run.oom_score < 0:
        yield f"oom-score:{run.oom_score}"
    if working_dir := working_dir_escape(run.working_dir):
        yield working_dir


def working_dir_escape(path: str) -> str:
    """Return the escape of a working folder in a file system of the kernel, by which a process can hold a host's folder, "" for any other."""
    cleaned = clean("/" + path)
    return f"working-dir:{cleaned}" if path and cleaned.split("/")[1] in KERNEL_FOLDERS else ""


def _logs(run: Run) -> Iterator[str]:
    if run.log_driver not in LOCAL_LOG_DRIVERS:
        yield f"log-driver:{run.log_driver}"
    yield from (f"log-option:{name}" for name in run.log_options if name not in LOCAL_LOG_OPTIONS and not name.startswith("cache-"))


def limit_escapes(limits: Limits) -> Iterator[str]:
    """Yield what lifts a limit, or asks for real-time scheduling."""
    given = {"pids": limits.pids, "memory": limits.memory, "swap": limits.swap, "cpu": limits.cpu_quota, "cpus": limits.nano_cpus}
    for name, value in given.items():
        if value is not None and (value < 0 or (value == 0 and name == "pids" and limits.is_update)):
            yield f"limit:{name}"
    if limits.realtime > 0:
        yield "realtime:cpu"
    yield from (f"realtime:{name}" for name in limits.ulimits if name.casefold().removeprefix("rlimit_") in REALTIME_LIMITS)


def port_numbers(ports: Iterable[HostPort]) -> Iterator[tuple[int, int]]:
    """Yield the host ports asked for as first and last of a range; what cannot be read is all of them."""
    for port in ports:
        if port.port in {"", "0"}:
            continue
        found = _PORTS.fullmatch(port.port)
        first = int(found[1]) if found else 0
        last = int(found[2] or found[1]) if found else 65_535
        yield (first, last) if first <= last <= 65_535 else (0, 65_535)


def low_ports(ports: Iterable[HostPort]) -> Iterator[str]:
    """Yield an escape for each range that begins below the ports which everyone may open."""
    return (f"port:{first}" for first, _ in port_numbers(ports) if first < FIRST_OPEN_PORT)


def endpoint_escapes(endpoint: Endpoint) -> Iterator[str]:
    """Yield the escapes of joining one network, whose it is excepted."""
    if endpoint.network == HOST:
        yield "namespace:host-network"
    for name, value in endpoint.driver_options.items():
        if name != _ENDPOINT_SYSCTLS:
            yield f"endpoint-option:{name}"
        else:
            yield from (f"sysctl:{one.partition('=')[0].strip()}" for one in value.split(",") if not _NET_SYSCTL.match(one.strip()))
