"""The bodies of container calls: create, update, commit.

Source: `/containers/create`, `/containers/{id}/update`, `/commit` of API 1.24 to 1.55; THREATS 2.1 to 2.3.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Bool, Int, Str, Strs, Texts, UnsetType
from dockwarden.engine.marks import harmless, judged

INSIDE = harmless("it is about the inside of the container alone")
WINDOWS = harmless("only Windows reads it")
TERMINAL = harmless("it is about the caller's own terminal")
LIMIT = judged("a limit: facts name a lifted one, harden lowers it")
BLKIO = judged("blkio: the way to a device is named")
ENDPOINT = judged("the endpoint's network is a reference; fixed addresses are the fact endpoint-address")
MOUNT = judged("read into one form with Binds and judged there (engine/mounts.py)")


class HealthConfig(Body):
    """A health check: a command inside the container."""

    Test: Annotated[Strs, INSIDE] = UNSET
    Interval: Annotated[Int, INSIDE] = UNSET
    Timeout: Annotated[Int, INSIDE] = UNSET
    Retries: Annotated[Int, INSIDE] = UNSET
    StartPeriod: Annotated[Int, INSIDE] = UNSET
    StartInterval: Annotated[Int, INSIDE] = UNSET


class ThrottleDevice(Body):
    """A rate for one device."""

    Path: Annotated[Str, BLKIO] = UNSET
    Rate: Annotated[Int, BLKIO] = UNSET


class WeightDevice(Body):
    """A weight for one device."""

    Path: Annotated[Str, BLKIO] = UNSET
    Weight: Annotated[Int, BLKIO] = UNSET


class DeviceMapping(Body):
    """A host device in the container."""

    PathOnHost: Annotated[Str, judged("the fact device:PATH")] = UNSET
    PathInContainer: Annotated[Str, INSIDE] = UNSET
    CgroupPermissions: Annotated[Str, judged("belongs to the fact device:PATH")] = UNSET


class DeviceRequest(Body):
    """A device by driver."""

    Driver: Annotated[Str, judged("the fact device-request:DRIVER")] = UNSET
    Count: Annotated[Int, judged("belongs to the fact device-request")] = UNSET
    DeviceIDs: Annotated[Strs, judged("belongs to the fact device-request")] = UNSET
    Capabilities: Annotated[list[list[str]] | UnsetType, judged("belongs to the fact device-request")] = UNSET
    Options: Annotated[Texts, judged("belongs to the fact device-request")] = UNSET


class Ulimit(Body):
    """One resource limit of processes."""

    Name: Annotated[Str, LIMIT] = UNSET
    Soft: Annotated[Int, LIMIT] = UNSET
    Hard: Annotated[Int, LIMIT] = UNSET


class LogConfig(Body):
    """Where output goes."""

    Type: Annotated[Str, judged("the fact log-driver:TYPE")] = UNSET
    Config: Annotated[Texts, judged("belongs to the fact log-driver; options that reach the host are facts")] = UNSET


class PortBinding(Body):
    """One published port."""

    HostIp: Annotated[Str, judged("the obligation loopback-ports narrows it")] = UNSET
    HostPort: Annotated[Str, judged("context.ports, and the fact port:N below 1024")] = UNSET


class RestartPolicy(Body):
    """When the Engine starts it again."""

    Name: Annotated[Str, harmless("what starts again was judged at create, and binds are judged at every start")] = UNSET
    MaximumRetryCount: Annotated[Int, harmless("a count")] = UNSET


class BindOptions(Body):
    """How a bind is made."""

    Propagation: Annotated[Str, judged("the fact mount-propagation:MODE")] = UNSET
    NonRecursive: Annotated[Bool, harmless("it mounts less")] = UNSET
    CreateMountpoint: Annotated[Bool, judged("a source that is not there is a fact")] = UNSET
    ReadOnlyNonRecursive: Annotated[Bool, judged("read-only that is not for all of it counts as writable")] = UNSET
    ReadOnlyForceRecursive: Annotated[Bool, harmless("it is stricter")] = UNSET


class DriverConfig(Body):
    """A volume's driver."""

    Name: Annotated[Str, judged("the fact volume-driver:NAME")] = UNSET
    Options: Annotated[Texts, judged("the facts volume-bind, volume-mount, volume-option")] = UNSET


class VolumeOptions(Body):
    """How a volume is mounted."""

    NoCopy: Annotated[Bool, INSIDE] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused")] = UNSET
    DriverConfig: Annotated[DriverConfig | UnsetType, MOUNT] = UNSET
    Subpath: Annotated[Str, judged("a way out of the volume is a fact")] = UNSET


class ImageOptions(Body):
    """How an image is mounted."""

    Subpath: Annotated[Str, judged("a way out of the image is a fact")] = UNSET


class TmpfsOptions(Body):
    """How a tmpfs is mounted."""

    SizeBytes: Annotated[Int, LIMIT] = UNSET
    Mode: Annotated[Int, judged("set-id bits are a fact")] = UNSET
    Options: Annotated[list[list[str]] | UnsetType, judged("the fact tmpfs-option:NAME")] = UNSET


class ClusterOptions(Body):
    """A cluster volume has no options yet."""


class Mount(Body):
    """One entry of Mounts."""

    Target: Annotated[Str, MOUNT] = UNSET
    Source: Annotated[Str, MOUNT] = UNSET
    Type: Annotated[Str, MOUNT] = UNSET
    ReadOnly: Annotated[Bool, MOUNT] = UNSET
    Consistency: Annotated[Str, harmless("only a desktop Engine reads it")] = UNSET
    BindOptions: Annotated[BindOptions | UnsetType, MOUNT] = UNSET
    VolumeOptions: Annotated[VolumeOptions | UnsetType, MOUNT] = UNSET
    TmpfsOptions: Annotated[TmpfsOptions | UnsetType, MOUNT] = UNSET
    ImageOptions: Annotated[ImageOptions | UnsetType, MOUNT] = UNSET
    ClusterOptions: Annotated[ClusterOptions | UnsetType, harmless("it has no field")] = UNSET


class Resources(Body):
    """What create and update have in common."""

    CpuShares: Annotated[Int, LIMIT] = UNSET
    Memory: Annotated[Int, LIMIT] = UNSET
    CgroupParent: Annotated[Str, judged("the fact cgroup-parent")] = UNSET
    BlkioWeight: Annotated[Int, LIMIT] = UNSET
    BlkioWeightDevice: Annotated[list[WeightDevice] | UnsetType, BLKIO] = UNSET
    BlkioDeviceReadBps: Annotated[list[ThrottleDevice] | UnsetType, BLKIO] = UNSET
    BlkioDeviceWriteBps: Annotated[list[ThrottleDevice] | UnsetType, BLKIO] = UNSET
    BlkioDeviceReadIOps: Annotated[list[ThrottleDevice] | UnsetType, BLKIO] = UNSET
    BlkioDeviceWriteIOps: Annotated[list[ThrottleDevice] | UnsetType, BLKIO] = UNSET
    CpuPeriod: Annotated[Int, LIMIT] = UNSET
    CpuQuota: Annotated[Int, LIMIT] = UNSET
    CpuRealtimePeriod: Annotated[Int, judged("the fact realtime")] = UNSET
    CpuRealtimeRuntime: Annotated[Int, judged("the fact realtime")] = UNSET
    CpusetCpus: Annotated[Str, LIMIT] = UNSET
    CpusetMems: Annotated[Str, LIMIT] = UNSET
    Devices: Annotated[list[DeviceMapping] | UnsetType, judged("the fact device:PATH")] = UNSET
    DeviceCgroupRules: Annotated[Strs, judged("the fact device-rule")] = UNSET
    DeviceRequests: Annotated[list[DeviceRequest] | UnsetType, judged("the fact device-request:DRIVER")] = UNSET
    DiskQuota: Annotated[Int, WINDOWS] = UNSET
    KernelMemory: Annotated[Int, LIMIT] = UNSET
    KernelMemoryTCP: Annotated[Int, LIMIT] = UNSET
    MemoryReservation: Annotated[Int, LIMIT] = UNSET
    MemorySwap: Annotated[Int, LIMIT] = UNSET
    MemorySwappiness: Annotated[Int, LIMIT] = UNSET
    NanoCpus: Annotated[Int, LIMIT] = UNSET
    OomKillDisable: Annotated[Bool, judged("the fact oom-kill-disabled")] = UNSET
    PidsLimit: Annotated[Int, LIMIT] = UNSET
    Ulimits: Annotated[list[Ulimit] | UnsetType, LIMIT] = UNSET
    CpuCount: Annotated[Int, WINDOWS] = UNSET
    CpuPercent: Annotated[Int, WINDOWS] = UNSET
    IOMaximumIOps: Annotated[Int, WINDOWS] = UNSET
    IOMaximumBandwidth: Annotated[Int, WINDOWS] = UNSET
    Init: Annotated[Bool, harmless("the Engine's own small init, inside the container")] = UNSET


class HostConfig(Resources):
    """What of the host a container gets."""

    Binds: Annotated[Strs, judged("read into one form with Mounts and judged there (engine/mounts.py)")] = UNSET
    ContainerIDFile: Annotated[Str, harmless("the client's own file; the Engine only stores the text")] = UNSET
    LogConfig: Annotated[LogConfig | UnsetType, judged("the fact log-driver:TYPE")] = UNSET
    NetworkMode: Annotated[Str, judged("a reference, and the facts namespace:host-network, namespace:join-foreign")] = UNSET
    PortBindings: Annotated[dict[str, list[PortBinding] | None] | UnsetType, judged("context.ports, and the fact port:N below 1024")] = UNSET
    RestartPolicy: Annotated[RestartPolicy | UnsetType, harmless("what starts again was judged at create")] = UNSET
    AutoRemove: Annotated[Bool, harmless("it removes the caller's own container")] = UNSET
    VolumeDriver: Annotated[Str, judged("the fact volume-driver:NAME")] = UNSET
    VolumesFrom: Annotated[Strs, judged("a reference each")] = UNSET
    Mounts: Annotated[list[Mount] | UnsetType, MOUNT] = UNSET
    CapAdd: Annotated[Strs, judged("the fact cap:NAME; harden drops")] = UNSET
    CapDrop: Annotated[Strs, harmless("it takes away")] = UNSET
    CgroupnsMode: Annotated[Str, judged("the fact namespace:host-cgroup")] = UNSET
    Dns: Annotated[Strs, INSIDE] = UNSET
    DnsOptions: Annotated[Strs, INSIDE] = UNSET
    DnsSearch: Annotated[Strs, INSIDE] = UNSET
    ExtraHosts: Annotated[Strs, INSIDE] = UNSET
    GroupAdd: Annotated[Strs, judged("the fact group:GID; names are looked up in the image")] = UNSET
    IpcMode: Annotated[Str, judged("the facts namespace:host-ipc, namespace:join-foreign")] = UNSET
    Cgroup: Annotated[Str, judged("a reference, and the fact namespace:join-foreign")] = UNSET
    Links: Annotated[Strs, judged("a reference each")] = UNSET
    OomScoreAdj: Annotated[Int, judged("the fact oom-score below 0")] = UNSET
    PidMode: Annotated[Str, judged("the facts namespace:host-pid, namespace:join-foreign")] = UNSET
    Privileged: Annotated[Bool, judged("the fact privileged")] = UNSET
    PublishAllPorts: Annotated[Bool, harmless("random high ports; context.ports has none of them")] = UNSET
    ReadonlyRootfs: Annotated[Bool, harmless("it is stricter; harden may set it")] = UNSET
    SecurityOpt: Annotated[Strs, judged("the facts seccomp, apparmor, label, no-new-privileges, security-opt")] = UNSET
    StorageOpt: Annotated[Texts, judged("the fact storage-option:NAME")] = UNSET
    Tmpfs: Annotated[Texts, judged("read into one form with Mounts (engine/mounts.py)")] = UNSET
    UTSMode: Annotated[Str, judged("the fact namespace:host-uts")] = UNSET
    UsernsMode: Annotated[Str, judged("the fact namespace:host-user")] = UNSET
    ShmSize: Annotated[Int, LIMIT] = UNSET
    Sysctls: Annotated[Texts, judged("the fact sysctl:NAME")] = UNSET
    Runtime: Annotated[Str, judged("the fact runtime:NAME")] = UNSET
    ConsoleSize: Annotated[list[int] | UnsetType, TERMINAL] = UNSET
    Isolation: Annotated[Str, WINDOWS] = UNSET
    MaskedPaths: Annotated[Strs, judged("the fact masked-paths; empty is not absent")] = UNSET
    ReadonlyPaths: Annotated[Strs, judged("the fact readonly-paths; empty is not absent")] = UNSET
    Annotations: Annotated[Texts, judged("the fact annotation:NAME")] = UNSET
    Capabilities: Annotated[Strs, judged("API 1.40 only, and then as CapAdd: the fact cap:NAME")] = UNSET


class EndpointIPAMConfig(Body):
    """Addresses asked for."""

    IPv4Address: Annotated[Str, ENDPOINT] = UNSET
    IPv6Address: Annotated[Str, ENDPOINT] = UNSET
    LinkLocalIPs: Annotated[Strs, ENDPOINT] = UNSET


class EndpointSettings(Body):
    """How a container joins a network; what the Engine itself fills in comes back from updaters and is read by nobody."""

    IPAMConfig: Annotated[EndpointIPAMConfig | UnsetType, ENDPOINT] = UNSET
    Links: Annotated[Strs, judged("a reference each")] = UNSET
    Aliases: Annotated[Strs, harmless("a name on a network that the caller may join")] = UNSET
    MacAddress: Annotated[Str, ENDPOINT] = UNSET
    DriverOpts: Annotated[Texts, judged("the fact sysctl:NAME, endpoint-option:NAME")] = UNSET
    GwPriority: Annotated[Int, INSIDE] = UNSET
    NetworkID: Annotated[Str, judged("a reference; it must be the network of its key")] = UNSET
    EndpointID: Annotated[Str, harmless("the Engine fills it in")] = UNSET
    Gateway: Annotated[Str, harmless("the Engine fills it in")] = UNSET
    IPAddress: Annotated[Str, harmless("the Engine fills it in")] = UNSET
    IPPrefixLen: Annotated[Int, harmless("the Engine fills it in")] = UNSET
    IPv6Gateway: Annotated[Str, harmless("the Engine fills it in")] = UNSET
    GlobalIPv6Address: Annotated[Str, harmless("the Engine fills it in")] = UNSET
    GlobalIPv6PrefixLen: Annotated[Int, harmless("the Engine fills it in")] = UNSET
    DNSNames: Annotated[Strs, harmless("the Engine fills it in")] = UNSET


class NetworkingConfig(Body):
    """Networks to join at create, by name or id."""

    EndpointsConfig: Annotated[dict[str, EndpointSettings | None] | UnsetType, judged("each key is a reference")] = UNSET


class ContainerConfig(Body):
    """What runs, and how it sees itself; also the body of commit."""

    Hostname: Annotated[Str, harmless("the container's own name; the host's needs UTSMode, which is judged")] = UNSET
    Domainname: Annotated[Str, harmless("the container's own; the host's needs UTSMode, which is judged")] = UNSET
    User: Annotated[Str, judged("context.user; sent as numbers")] = UNSET
    AttachStdin: Annotated[Bool, TERMINAL] = UNSET
    AttachStdout: Annotated[Bool, TERMINAL] = UNSET
    AttachStderr: Annotated[Bool, TERMINAL] = UNSET
    ExposedPorts: Annotated[dict[str, dict | None] | UnsetType, INSIDE] = UNSET  # type: ignore[type-arg]  # Go's struct{}: any object, read as empty
    Tty: Annotated[Bool, TERMINAL] = UNSET
    OpenStdin: Annotated[Bool, TERMINAL] = UNSET
    StdinOnce: Annotated[Bool, TERMINAL] = UNSET
    Env: Annotated[Strs, judged("masked values are restored or refused")] = UNSET
    Cmd: Annotated[list[str] | str | UnsetType, INSIDE] = UNSET
    Healthcheck: Annotated[HealthConfig | UnsetType, INSIDE] = UNSET
    ArgsEscaped: Annotated[Bool, WINDOWS] = UNSET
    Image: Annotated[Str, judged("a reference, context.image; sent as an id")] = UNSET
    Volumes: Annotated[dict[str, dict | None] | UnsetType, MOUNT] = UNSET  # type: ignore[type-arg]  # Go's struct{}: any object, read as empty
    WorkingDir: Annotated[Str, judged("the fact working-dir below /proc")] = UNSET
    Entrypoint: Annotated[list[str] | str | UnsetType, INSIDE] = UNSET
    NetworkDisabled: Annotated[Bool, harmless("it takes away")] = UNSET
    MacAddress: Annotated[Str, ENDPOINT] = UNSET
    OnBuild: Annotated[Strs, judged("commit: triggers run in builds of whoever builds on the image")] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    StopSignal: Annotated[Str, INSIDE] = UNSET
    StopTimeout: Annotated[Int, INSIDE] = UNSET
    Shell: Annotated[Strs, INSIDE] = UNSET


class ContainerCreate(ContainerConfig):
    """The body of create: the configuration's fields at the top, the host's and the networks' below."""

    HostConfig: Annotated[HostConfig | UnsetType, judged("field by field")] = UNSET
    NetworkingConfig: Annotated[NetworkingConfig | UnsetType, judged("each network is a reference")] = UNSET


class ContainerUpdate(Resources):
    """The body of update."""

    RestartPolicy: Annotated[RestartPolicy | UnsetType, harmless("what starts again was judged at create")] = UNSET


class CheckpointCreate(Body):
    """The body of a checkpoint."""

    CheckpointID: Annotated[Str, harmless("what the caller calls it")] = UNSET
    CheckpointDir: Annotated[Str, judged("the fact checkpoint-dir")] = UNSET
    Exit: Annotated[Bool, harmless("it stops the caller's own container")] = UNSET
