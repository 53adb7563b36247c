"""The bodies of service calls: the twin of a container's, judged by the same facts (engine/runs.py).

Source: `/services/create`, `/services/{id}/update` of API 1.24 to 1.55; THREATS 2.8.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Bool, Int, Str, Strs, Texts, UnsetType
from dockwarden.engine.bodies.container import INSIDE, LIMIT, MOUNT, WINDOWS, HealthConfig, Mount, Ulimit
from dockwarden.engine.bodies.swarm import DriverSpec
from dockwarden.engine.bodies.system import PluginPrivilege
from dockwarden.engine.marks import harmless, judged

ROLLOUT = harmless("how fast tasks are replaced; what they are is judged")
PLACE = harmless("which node runs it; every node is behind the same policy")
OPTION = judged("the fact service-option:NAME")


class DNSConfig(Body):
    """Name servers inside."""

    Nameservers: Annotated[Strs, INSIDE] = UNSET
    Search: Annotated[Strs, INSIDE] = UNSET
    Options: Annotated[Strs, INSIDE] = UNSET


class CredentialSpec(Body):
    """Windows credentials."""

    Config: Annotated[Str, OPTION] = UNSET
    File: Annotated[Str, OPTION] = UNSET
    Registry: Annotated[Str, OPTION] = UNSET


class SELinuxContext(Body):
    """SELinux labels."""

    Disable: Annotated[Bool, judged("the fact label")] = UNSET
    User: Annotated[Str, judged("the fact label")] = UNSET
    Role: Annotated[Str, judged("the fact label")] = UNSET
    Type: Annotated[Str, judged("the fact label")] = UNSET
    Level: Annotated[Str, judged("the fact label")] = UNSET


class SeccompOpts(Body):
    """Which system calls."""

    Mode: Annotated[Str, judged("the fact seccomp")] = UNSET
    Profile: Annotated[Str, judged("the fact seccomp")] = UNSET


class AppArmorOpts(Body):
    """Whether AppArmor confines."""

    Mode: Annotated[Str, judged("the fact apparmor")] = UNSET


class Privileges(Body):
    """What a task may beyond others."""

    CredentialSpec: Annotated[CredentialSpec | UnsetType, OPTION] = UNSET
    SELinuxContext: Annotated[SELinuxContext | UnsetType, judged("the fact label")] = UNSET
    Seccomp: Annotated[SeccompOpts | UnsetType, judged("the fact seccomp")] = UNSET
    AppArmor: Annotated[AppArmorOpts | UnsetType, judged("the fact apparmor")] = UNSET
    NoNewPrivileges: Annotated[Bool, judged("harden sets it")] = UNSET


class FileTarget(Body):
    """Where a secret or config appears in the container."""

    Name: Annotated[Str, INSIDE] = UNSET
    UID: Annotated[Str, INSIDE] = UNSET
    GID: Annotated[Str, INSIDE] = UNSET
    Mode: Annotated[Int, INSIDE] = UNSET


class SecretReference(Body):
    """A swarm secret that a task gets."""

    File: Annotated[FileTarget | UnsetType, INSIDE] = UNSET
    SecretID: Annotated[Str, judged("a reference")] = UNSET
    SecretName: Annotated[Str, judged("a reference; it must be the name of the id")] = UNSET


class ConfigReference(Body):
    """A swarm config that a task gets."""

    File: Annotated[FileTarget | UnsetType, INSIDE] = UNSET
    Runtime: Annotated[dict | UnsetType, OPTION] = UNSET  # type: ignore[type-arg]  # any object, read as empty
    ConfigID: Annotated[Str, judged("a reference")] = UNSET
    ConfigName: Annotated[Str, judged("a reference; it must be the name of the id")] = UNSET


class ContainerSpec(Body):
    """What a task runs."""

    Image: Annotated[Str, judged("a reference, context.image")] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    Command: Annotated[Strs, INSIDE] = UNSET
    Args: Annotated[Strs, INSIDE] = UNSET
    Hostname: Annotated[Str, INSIDE] = UNSET
    Env: Annotated[Strs, judged("masked values are restored or refused")] = UNSET
    Dir: Annotated[Str, judged("the fact working-dir below /proc")] = UNSET
    User: Annotated[Str, judged("context.user; sent as numbers")] = UNSET
    Groups: Annotated[Strs, judged("the fact group:GID")] = UNSET
    Privileges: Annotated[Privileges | UnsetType, judged("field by field")] = UNSET
    TTY: Annotated[Bool, INSIDE] = UNSET
    OpenStdin: Annotated[Bool, INSIDE] = UNSET
    ReadOnly: Annotated[Bool, INSIDE] = UNSET
    Mounts: Annotated[list[Mount] | UnsetType, MOUNT] = UNSET
    StopSignal: Annotated[Str, INSIDE] = UNSET
    StopGracePeriod: Annotated[Int, INSIDE] = UNSET
    Healthcheck: Annotated[HealthConfig | UnsetType, INSIDE] = UNSET
    Hosts: Annotated[Strs, INSIDE] = UNSET
    DNSConfig: Annotated[DNSConfig | UnsetType, INSIDE] = UNSET
    Secrets: Annotated[list[SecretReference] | UnsetType, judged("a reference each")] = UNSET
    Configs: Annotated[list[ConfigReference] | UnsetType, judged("a reference each")] = UNSET
    Isolation: Annotated[Str, WINDOWS] = UNSET
    Init: Annotated[Bool, INSIDE] = UNSET
    Sysctls: Annotated[Texts, judged("the fact sysctl:NAME")] = UNSET
    CapabilityAdd: Annotated[Strs, judged("the fact cap:NAME")] = UNSET
    CapabilityDrop: Annotated[Strs, harmless("it takes away")] = UNSET
    Ulimits: Annotated[list[Ulimit] | UnsetType, LIMIT] = UNSET
    OomScoreAdj: Annotated[Int, judged("the fact oom-score below 0")] = UNSET


class NamedResource(Body):
    """A resource by name."""

    Kind: Annotated[Str, OPTION] = UNSET
    Value: Annotated[Str, OPTION] = UNSET


class DiscreteResource(Body):
    """A resource by number."""

    Kind: Annotated[Str, OPTION] = UNSET
    Value: Annotated[Int, OPTION] = UNSET


class GenericResource(Body):
    """A resource of the operator's making."""

    NamedResourceSpec: Annotated[NamedResource | UnsetType, OPTION] = UNSET
    DiscreteResourceSpec: Annotated[DiscreteResource | UnsetType, OPTION] = UNSET


class Amounts(Body):
    """Limits or reservations."""

    NanoCPUs: Annotated[Int, LIMIT] = UNSET
    MemoryBytes: Annotated[Int, LIMIT] = UNSET
    Pids: Annotated[Int, LIMIT] = UNSET
    GenericResources: Annotated[list[GenericResource] | UnsetType, OPTION] = UNSET


class TaskResources(Body):
    """What a task may use."""

    Limits: Annotated[Amounts | UnsetType, LIMIT] = UNSET
    Reservations: Annotated[Amounts | UnsetType, LIMIT] = UNSET
    SwapBytes: Annotated[Int, LIMIT] = UNSET
    MemorySwappiness: Annotated[Int, LIMIT] = UNSET


class TaskRestartPolicy(Body):
    """When a task starts again."""

    Condition: Annotated[Str, ROLLOUT] = UNSET
    Delay: Annotated[Int, ROLLOUT] = UNSET
    MaxAttempts: Annotated[Int, ROLLOUT] = UNSET
    Window: Annotated[Int, ROLLOUT] = UNSET


class SpreadOver(Body):
    """Spread by a label."""

    SpreadDescriptor: Annotated[Str, PLACE] = UNSET


class Preference(Body):
    """Where a task would rather be."""

    Spread: Annotated[SpreadOver | UnsetType, PLACE] = UNSET


class Platform(Body):
    """What a node is."""

    Architecture: Annotated[Str, PLACE] = UNSET
    OS: Annotated[Str, PLACE] = UNSET


class Placement(Body):
    """Where a task runs."""

    Constraints: Annotated[Strs, PLACE] = UNSET
    Preferences: Annotated[list[Preference] | UnsetType, PLACE] = UNSET
    MaxReplicas: Annotated[Int, PLACE] = UNSET
    Platforms: Annotated[list[Platform] | UnsetType, PLACE] = UNSET


class NetworkAttachment(Body):
    """A network that tasks join."""

    Target: Annotated[Str, judged("a reference, and the fact namespace:host-network")] = UNSET
    Aliases: Annotated[Strs, harmless("a name on a network that the caller may join")] = UNSET
    DriverOpts: Annotated[Texts, judged("the fact sysctl:NAME, endpoint-option:NAME")] = UNSET


class PluginSpec(Body):
    """A plugin that the swarm installs."""

    Name: Annotated[Str, OPTION] = UNSET
    Remote: Annotated[Str, OPTION] = UNSET
    Disabled: Annotated[Bool, OPTION] = UNSET
    PluginPrivilege: Annotated[list[PluginPrivilege] | UnsetType, OPTION] = UNSET
    Env: Annotated[Strs, OPTION] = UNSET


class NetworkAttachmentSpec(Body):
    """A container outside that a task stands for."""

    ContainerID: Annotated[Str, judged("a reference")] = UNSET


class TaskSpec(Body):
    """What each task of a service is."""

    PluginSpec: Annotated[PluginSpec | UnsetType, OPTION] = UNSET
    ContainerSpec: Annotated[ContainerSpec | UnsetType, judged("as a container create")] = UNSET
    NetworkAttachmentSpec: Annotated[NetworkAttachmentSpec | UnsetType, OPTION] = UNSET
    Resources: Annotated[TaskResources | UnsetType, LIMIT] = UNSET
    RestartPolicy: Annotated[TaskRestartPolicy | UnsetType, ROLLOUT] = UNSET
    Placement: Annotated[Placement | UnsetType, PLACE] = UNSET
    ForceUpdate: Annotated[Int, ROLLOUT] = UNSET
    Runtime: Annotated[Str, OPTION] = UNSET
    Networks: Annotated[list[NetworkAttachment] | UnsetType, judged("a reference each")] = UNSET
    LogDriver: Annotated[DriverSpec | UnsetType, judged("the fact log-driver:NAME")] = UNSET


class Replicated(Body):
    """So many tasks."""

    Replicas: Annotated[Int, ROLLOUT] = UNSET


class ReplicatedJob(Body):
    """So many tasks that end."""

    MaxConcurrent: Annotated[Int, ROLLOUT] = UNSET
    TotalCompletions: Annotated[Int, ROLLOUT] = UNSET


class ServiceMode(Body):
    """How many tasks."""

    Replicated: Annotated[Replicated | UnsetType, ROLLOUT] = UNSET
    Global: Annotated[dict | UnsetType, ROLLOUT] = UNSET  # type: ignore[type-arg]  # any object, read as empty
    ReplicatedJob: Annotated[ReplicatedJob | UnsetType, ROLLOUT] = UNSET
    GlobalJob: Annotated[dict | UnsetType, ROLLOUT] = UNSET  # type: ignore[type-arg]  # any object, read as empty


class Rollout(Body):
    """How tasks are replaced."""

    Parallelism: Annotated[Int, ROLLOUT] = UNSET
    Delay: Annotated[Int, ROLLOUT] = UNSET
    FailureAction: Annotated[Str, ROLLOUT] = UNSET
    Monitor: Annotated[Int, ROLLOUT] = UNSET
    MaxFailureRatio: Annotated[float | UnsetType, ROLLOUT] = UNSET
    Order: Annotated[Str, ROLLOUT] = UNSET


class EndpointPort(Body):
    """A published port."""

    Name: Annotated[Str, harmless("a name")] = UNSET
    Protocol: Annotated[Str, harmless("tcp, udp or sctp")] = UNSET
    TargetPort: Annotated[Int, INSIDE] = UNSET
    PublishedPort: Annotated[Int, judged("context.ports")] = UNSET
    PublishMode: Annotated[Str, judged("belongs to the published port")] = UNSET


class EndpointSpec(Body):
    """How a service is reached."""

    Mode: Annotated[Str, harmless("vip or dnsrr")] = UNSET
    Ports: Annotated[list[EndpointPort] | UnsetType, judged("context.ports")] = UNSET


class ServiceSpec(Body):
    """A service."""

    Name: Annotated[Str, judged("the resource's name")] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    TaskTemplate: Annotated[TaskSpec | UnsetType, judged("field by field")] = UNSET
    Mode: Annotated[ServiceMode | UnsetType, ROLLOUT] = UNSET
    UpdateConfig: Annotated[Rollout | UnsetType, ROLLOUT] = UNSET
    RollbackConfig: Annotated[Rollout | UnsetType, ROLLOUT] = UNSET
    Networks: Annotated[list[NetworkAttachment] | UnsetType, judged("a reference each")] = UNSET
    EndpointSpec: Annotated[EndpointSpec | UnsetType, judged("context.ports")] = UNSET
