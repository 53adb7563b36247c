"""What a call asks to be run, in one form: containers, services and updates say the same thing in different words.

Facts are worked out from a `Run` alone, so that no twin can be forgotten. Source: the Engine's API descriptions, THREATS 2.1, 2.2, 2.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dockwarden.engine.fields import is_given, read
from dockwarden.engine.mounts import Mount, VolumesFrom, make_mount, parse_bind, parse_tmpfs, parse_volumes_from


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a network is joined. `network` is a name or id as written."""

    network: str
    place: str
    network_id: str = ""
    has_fixed_address: bool = False
    driver_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the host, as written: "" is any free one, `8000-8010` a range."""

    port: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings as written; `None` where not. `is_update` tells that 0 takes a limit away instead of meaning the default."""

    pids: int | None = None
    memory: int | None = None
    swap: int | None = None
    cpu_quota: int | None = None
    nano_cpus: int | None = None
    realtime: int = 0
    ulimits: tuple[str, ...] = ()
    is_update: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Everything about a run that is judged. `masked_paths` and `readonly_paths` are `None` where the Engine's own stand."""

    image: str = ""
    user: str = ""
    group_add: tuple[str, ...] = ()
    working_dir: str = ""
    is_privileged: bool = False
    cap_add: tuple[str, ...] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    mounts: tuple[Mount, ...] = ()
    mount_options: tuple[str, ...] = ()
    volumes_from: tuple[VolumesFrom, ...] = ()
    volume_driver: str = ""
    devices: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()
    device_requests: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""
    cgroup_parent: str = ""
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    is_oom_kill_disabled: bool = False
    oom_score: int = 0
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    isolation: str = ""
    ports: tuple[HostPort, ...] = ()
    limits: Limits = Limits()
    service_options: tuple[str, ...] = ()
    block_devices: tuple[str, ...] = ()


NO_TEXTS: Mapping[str, str] = {}
NO_LIST: tuple[str, ...] = ()
NO_OBJECTS: tuple[object, ...] = ()
NO_WORDS: tuple[tuple[str, ...], ...] = ()


def run_of_create(body: object) -> Run:
    """Return what a container create runs.

    Raises:
        Malformed: a mount that cannot be read.
    """
    host = read(body, "HostConfig", None)
    log = read(host, "LogConfig", None)
    driver = read(host, "VolumeDriver", "")
    return Run(
        image=read(body, "Image", ""),
        user=read(body, "User", ""),
        group_add=tuple(read(host, "GroupAdd", NO_LIST)),
        working_dir=read(body, "WorkingDir", ""),
        is_privileged=read(host, "Privileged", False),
        cap_add=(*read(host, "CapAdd", NO_LIST), *read(host, "Capabilities", NO_LIST)),
        modes=modes_of(host),
        endpoints=tuple(_endpoints(body, host)),
        mounts=tuple(_container_mounts(body, host, driver)),
        mount_options=tuple(_mount_options(read(host, "Mounts", NO_OBJECTS))),
        volumes_from=tuple(
            parse_volumes_from(text, f"HostConfig.VolumesFrom[{at}]") for at, text in enumerate(read(host, "VolumesFrom", NO_LIST))
        ),
        volume_driver=driver,
        security_opt=tuple(read(host, "SecurityOpt", NO_LIST)),
        masked_paths=_paths(host, "MaskedPaths"),
        readonly_paths=_paths(host, "ReadonlyPaths"),
        sysctls=read(host, "Sysctls", NO_TEXTS),
        runtime=read(host, "Runtime", ""),
        log_driver=read(log, "Type", ""),
        log_options=read(log, "Config", NO_TEXTS),
        annotations=read(host, "Annotations", NO_TEXTS),
        oom_score=read(host, "OomScoreAdj", 0),
        storage_opt=read(host, "StorageOpt", NO_TEXTS),
        isolation=read(host, "Isolation", ""),
        ports=tuple(_host_ports(read(host, "PortBindings", {}))),
        **_resources(host, is_update=False),  # type: ignore[arg-type]  # one dict of differently typed fields
    )


def run_of_update(body: object) -> Run:
    """Return what a container update changes."""
    return Run(**_resources(body, is_update=True))  # type: ignore[arg-type]  # one dict of differently typed fields


def run_of_service(body: object) -> Run:
    """Return what each task of a service runs.

    Raises:
        Malformed: a mount that cannot be read.
    """
    task = read(body, "TaskTemplate", None)
    spec, log = read(task, "ContainerSpec", None), read(task, "LogDriver", None)
    networks = [*read(task, "Networks", NO_OBJECTS), *read(body, "Networks", NO_OBJECTS)]
    return Run(
        image=read(spec, "Image", ""),
        user=read(spec, "User", ""),
        group_add=tuple(read(spec, "Groups", NO_LIST)),
        working_dir=read(spec, "Dir", ""),
        cap_add=tuple(read(spec, "CapabilityAdd", NO_LIST)),
        modes={},
        endpoints=tuple(
            Endpoint(read(one, "Target", ""), f"Networks[{at}].Target", driver_options=read(one, "DriverOpts", NO_TEXTS))
            for at, one in enumerate(networks)
        ),
        mounts=tuple(_mount_entries(read(spec, "Mounts", NO_OBJECTS), "TaskTemplate.ContainerSpec.Mounts")),
        mount_options=tuple(_mount_options(read(spec, "Mounts", NO_OBJECTS))),
        security_opt=tuple(_privileges(read(spec, "Privileges", None))),
        sysctls=read(spec, "Sysctls", NO_TEXTS),
        log_driver=read(log, "Name", ""),
        log_options=read(log, "Options", NO_TEXTS),
        oom_score=read(spec, "OomScoreAdj", 0),
        isolation=read(spec, "Isolation", ""),
        ports=tuple(_service_ports(body)),
        limits=_service_limits(task, spec),
        service_options=tuple(_service_options(task)),
    )


def modes_of(host: object) -> dict[str, str]:
    """Return the namespace modes by the name their facts have."""
    return {
        "network": read(host, "NetworkMode", ""), "pid": read(host, "PidMode", ""), "ipc": read(host, "IpcMode", ""),
        "uts": read(host, "UTSMode", ""), "user": read(host, "UsernsMode", ""), "cgroup": read(host, "CgroupnsMode", ""),
        "join-cgroup": read(host, "Cgroup", ""),
    }


def _resources(host: object, *, is_update: bool) -> dict[str, object]:
    """The fields that create and update share."""
    return {
        "devices": tuple(read(device, "PathOnHost", "") or "?" for device in read(host, "Devices", NO_OBJECTS)),
        "device_rules": tuple(read(host, "DeviceCgroupRules", NO_LIST)),
        "device_requests": tuple(read(request, "Driver", "") or "any" for request in read(host, "DeviceRequests", NO_OBJECTS)),
        "block_devices": tuple(_block_devices(host)),
        "cgroup_parent": read(host, "CgroupParent", ""),
        "is_oom_kill_disabled": read(host, "OomKillDisable", False),
        "limits": Limits(
            pids=read(host, "PidsLimit", None), memory=read(host, "Memory", None), swap=read(host, "MemorySwap", None),
            cpu_quota=read(host, "CpuQuota", None), nano_cpus=read(host, "NanoCpus", None),
            realtime=max(read(host, "CpuRealtimePeriod", 0), read(host, "CpuRealtimeRuntime", 0)),
            ulimits=tuple(read(limit, "Name", "") for limit in read(host, "Ulimits", NO_OBJECTS)), is_update=is_update,
        ),
    }


def _block_devices(host: object) -> Iterator[str]:
    for name in ("WeightDevice", "DeviceReadBps", "DeviceWriteBps", "DeviceReadIOps", "DeviceWriteIOps"):
        yield from (read(device, "Path", "") or "?" for device in read(host, f"Blkio{name}", NO_OBJECTS))


def _service_limits(task: object, spec: object) -> Limits:
    resources = read(task, "Resources", None)
    limits = read(resources, "Limits", None)
    return Limits(
        pids=read(limits, "Pids", None), memory=read(limits, "MemoryBytes", None), swap=read(resources, "SwapBytes", None),
        nano_cpus=read(limits, "NanoCPUs", None), ulimits=tuple(read(limit, "Name", "") for limit in read(spec, "Ulimits", NO_OBJECTS)),
    )


def _paths(host: object, name: str) -> tuple[str, ...] | None:
    return tuple(read(host, name, NO_LIST)) if is_given(host, name) else None


def _container_mounts(body: object, host: object, driver: str) -> Iterator[Mount]:
    for at, text in enumerate(read(host, "Binds", NO_LIST)):
        yield parse_bind(text, f"HostConfig.Binds[{at}]", driver)
    yield from _mount_entries(read(host, "Mounts", NO_OBJECTS), "HostConfig.Mounts")
    for target, options in read(host, "Tmpfs", NO_TEXTS).items():
        yield parse_tmpfs(target, options, f"HostConfig.Tmpfs[{target}]")
    for target in read(body, "Volumes", NO_TEXTS):
        yield parse_bind(target, f"Volumes[{target}]", driver)


def _mount_entries(entries: Iterable[object], place: str) -> Iterator[Mount]:
    for at, entry in enumerate(entries):
        volume, tmpfs = read(entry, "VolumeOptions", None), read(entry, "TmpfsOptions", None)
        config = read(volume, "DriverConfig", None)
        yield make_mount(
            read(entry, "Type", ""), read(entry, "Source", ""), read(entry, "Target", ""), f"{place}[{at}]",
            is_read_only=read(entry, "ReadOnly", False),
            propagation=read(read(entry, "BindOptions", None), "Propagation", ""),
            driver=read(config, "Name", ""), options=read(config, "Options", NO_TEXTS),
            flags=tuple("=".join(words) for words in read(tmpfs, "Options", NO_WORDS)), mode=read(tmpfs, "Mode", None),
            subpath=read(volume, "Subpath", "") or read(read(entry, "ImageOptions", None), "Subpath", ""),
        )


def _mount_options(entries: Iterable[object]) -> Iterator[str]:
    """The options of Mounts that undo what its other fields promise."""
    for entry in entries:
        if read(entry, "ReadOnly", False) and read(read(entry, "BindOptions", None), "ReadOnlyNonRecursive", False):
            yield "ReadOnlyNonRecursive"


def _endpoints(body: object, host: object) -> Iterator[Endpoint]:
    if read(body, "MacAddress", ""):
        yield Endpoint(read(host, "NetworkMode", ""), "HostConfig.NetworkMode", has_fixed_address=True)
    settings: Mapping[str, object] = read(read(body, "NetworkingConfig", None), "EndpointsConfig", {})
    for name, one in settings.items():
        yield endpoint_of(name, one, f"NetworkingConfig.EndpointsConfig[{name}]")


def endpoint_of(network: str, settings: object, place: str) -> Endpoint:
    """Return how `network` is joined with `settings`; an address of any kind that is asked for is a fixed one."""
    addresses = read(settings, "IPAMConfig", None)
    is_fixed = bool(
        read(settings, "MacAddress", "") or read(addresses, "IPv4Address", "") or read(addresses, "IPv6Address", "")
        or read(addresses, "LinkLocalIPs", NO_LIST)
    )
    return Endpoint(network, place, read(settings, "NetworkID", ""), is_fixed, read(settings, "DriverOpts", NO_TEXTS))


def _host_ports(bindings: Mapping[str, Iterable[object] | None]) -> Iterator[HostPort]:
    for hosts in bindings.values():
        for binding in hosts or ():
            yield HostPort(read(binding, "HostPort", ""), read(binding, "HostIp", ""))


def _service_ports(body: object) -> Iterator[HostPort]:
    for port in read(read(body, "EndpointSpec", None), "Ports", NO_OBJECTS):
        published: int = read(port, "PublishedPort", 0)
        yield HostPort(str(published) if published else "")


def _privileges(privileges: object) -> Iterator[str]:
    """A service's Privileges in the words of SecurityOpt."""
    seccomp, apparmor = read(privileges, "Seccomp", None), read(privileges, "AppArmor", None)
    selinux = read(privileges, "SELinuxContext", None)
    if (mode := read(seccomp, "Mode", "")) not in {"", "default"} or read(seccomp, "Profile", ""):
        yield f"seccomp={mode or 'custom'}"
    if (mode := read(apparmor, "Mode", "")) not in {"", "default"}:
        yield "apparmor=unconfined" if mode == "disabled" else f"apparmor={mode}"
    if read(selinux, "Disable", False):
        yield "label=disable"
    for name in ("User", "Role", "Type", "Level"):
        if read(selinux, name, ""):
            yield f"label={name.lower()}:{read(selinux, name, '')}"
    if is_given(privileges, "CredentialSpec"):
        yield "credentialspec"


def _service_options(task: object) -> Iterator[str]:
    if is_given(task, "PluginSpec") or read(task, "Runtime", "") not in {"", "container"}:
        yield "service-plugin"
    if is_given(task, "NetworkAttachmentSpec"):
        yield "service-option:NetworkAttachmentSpec"
    resources = read(task, "Resources", None)
    if any(read(read(resources, part, None), "GenericResources", NO_OBJECTS) for part in ("Limits", "Reservations")):
        yield "service-option:GenericResources"
    if any(is_given(config, "Runtime") for config in read(read(task, "ContainerSpec", None), "Configs", NO_OBJECTS)):
        yield "service-option:Configs[].Runtime"
