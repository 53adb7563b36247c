"""The one catalogue of escape facts: what a call can ask for that reaches beyond its own container.

A fact is an exact name (`privileged`) or a prefix and a value (`cap:SYS_ADMIN`). Every fact that `facts/` may name has a row here;
its page in the documentation and every refusal's advice are made from it. `row` is the line of THREATS.md that it answers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Escape:
    """One fact: `name` ends in a colon where a value follows; `place` is the field; `instead` is the way out."""

    name: str
    place: str
    meaning: str
    instead: str
    row: str


CATALOGUE: tuple[Escape, ...] = (
    Escape(
        "privileged", "HostConfig.Privileged", "all capabilities, all devices, no seccomp: root on the host",
        "drop --privileged and ask for the one capability or device that is needed (--cap-add, --device)", "2.1 Privileged",
    ),
    Escape(
        "cap:", "HostConfig.CapAdd", "a capability beyond the default ones",
        "leave it out of --cap-add; the default capabilities, and NET_BIND_SERVICE after --cap-drop ALL, may be added", "2.1 CapAdd",
    ),
    Escape(
        "namespace:host-network", "HostConfig.NetworkMode", "the host's own network, its loopback services included",
        "publish the port instead (-p 8080:80), or use a network of your own (docker network create)", "2.1 NetworkMode",
    ),
    Escape(
        "namespace:host-pid", "HostConfig.PidMode", "sees and can trace every process of the host",
        "leave out --pid=host; to see another container's processes use --pid=container:NAME with one of your own", "2.1 PidMode",
    ),
    Escape(
        "namespace:host-ipc", "HostConfig.IpcMode", "shares memory with every process of the host",
        "leave out --ipc=host; use --ipc=shareable and --ipc=container:NAME among your own, or --shm-size for room", "2.1 IpcMode",
    ),
    Escape(
        "namespace:host-uts", "HostConfig.UTSMode", "can rename the host", "leave out --uts=host; --hostname names the container",
        "2.1 UTSMode",
    ),
    Escape(
        "namespace:host-user", "HostConfig.UsernsMode", "takes the user-namespace mapping away, so that root is the host's root",
        "leave out --userns=host", "2.1 UsernsMode",
    ),
    Escape(
        "namespace:host-cgroup", "HostConfig.CgroupnsMode", "sees the host's control groups", "leave out --cgroupns=host",
        "2.1 CgroupnsMode",
    ),
    Escape(
        "namespace:join-foreign", "HostConfig.NetworkMode, PidMode, IpcMode, Cgroup", "joins a namespace of somebody else's container",
        "join a container of your own", "2.1 PidMode",
    ),
    Escape(
        "namespace:other:", "HostConfig", "a namespace given by path, or in a word that is not known here",
        "write host, private, none or container:NAME as far as you may have them, or leave it out", "2.1 NetworkMode",
    ),
    Escape(
        "bind:", "HostConfig.Binds, Mounts", "a folder of the host that is not below any bind root",
        "use a folder below a bind root (dockwarden whoami lists them), a named volume (-v NAME:/path), or docker cp", "2.1 Binds",
    ),
    Escape(
        "bind-missing:", "HostConfig.Binds, Mounts", "a folder of the host that is not there, which the Engine would make as root",
        "make the folder first, as yourself (mkdir)", "2.1 Binds",
    ),
    Escape(
        "bind-unreadable:", "HostConfig.Binds, Mounts", "a path that your own account cannot read, or that has a link on its way",
        "use a folder that you can read, named without links", "5.13",
    ),
    Escape(
        "bind-unwritable:", "HostConfig.Binds, Mounts", "a path that your own account cannot write, mounted to be written",
        "mount it read-only (add :ro), or use a folder that you can write", "5.13",
    ),
    Escape(
        "bind-relabel:", "HostConfig.Binds", "the option z or Z, which relabels the host's files", "leave z and Z out", "2.1 Binds opts",
    ),
    Escape(
        "bind-account:", "HostConfig.Binds, Mounts", "a folder of the host for a caller that has no account on it",
        "use a named volume (-v NAME:/path)", "5.13",
    ),
    Escape(
        "mount-propagation", "HostConfig.Binds, Mounts[].BindOptions.Propagation",
        "mounts made inside or outside become visible on the other side", "leave the propagation out, or write rprivate", "2.1 Binds opts",
    ),
    Escape(
        "mount-option:", "HostConfig.Mounts", "an option or a type of mount that reaches beyond what is mounted",
        "leave the option out, or use a plain bind, volume or tmpfs", "2.1 Mounts[].BindOptions",
    ),
    Escape(
        "engine-socket", "HostConfig.Binds, Mounts", "a socket that commands the Engine or dockwarden: whoever holds it is root",
        "ask an admin for a named door of this tool's own ([[door]] as = \"…\"), which an admin mounts; :ro does not make a socket safe",
        "4 Unix socket",
    ),
    Escape(
        "volume-bind:", "VolumeOptions.DriverConfig.Options, DriverOpts", "a volume that is a bind of a host folder in disguise",
        "leave type, o and device out; for a folder below a bind root write it as a bind (-v /folder:/path)", "2.1 DriverConfig",
    ),
    Escape(
        "volume-mount:", "VolumeOptions.DriverConfig.Options, DriverOpts",
        "a volume that makes the Engine mount a device or another machine's files",
        "leave type, o and device out, or write type=tmpfs with a size", "2.5 volumes/create",
    ),
    Escape(
        "volume-option:", "VolumeOptions.DriverConfig.Options, DriverOpts", "an option of the volume driver that is not known here",
        "leave it out", "2.5 volumes/create",
    ),
    Escape(
        "volume-driver:", "HostConfig.VolumeDriver, VolumeOptions.DriverConfig.Name, Driver",
        "a volume driver other than local runs as root and mounts what it likes", "leave the driver out, or write local",
        "2.1 VolumeDriver",
    ),
    Escape("volume-cluster", "ClusterVolumeSpec", "a volume of the whole cluster", "make a local volume", "2.5 volumes/create"),
    Escape(
        "tmpfs-option:", "HostConfig.Tmpfs, Mounts[].TmpfsOptions", "a flag that lets set-user-id files or devices work in a tmpfs",
        "use size= and mode= only", "2.1 TmpfsOptions",
    ),
    Escape(
        "device:", "HostConfig.Devices", "a device of the host: a disk, its memory, its log",
        "leave out --device; ask an operator for a policy that names the device", "2.1 Devices",
    ),
    Escape("device-rule:", "HostConfig.DeviceCgroupRules", "devices allowed by number", "leave out --device-cgroup-rule", "2.1 Devices"),
    Escape(
        "device-request:", "HostConfig.DeviceRequests", "devices by driver (GPU, CDI), which can add mounts and hooks",
        "leave out --gpus and CDI devices; ask an operator for a policy that names them", "2.1 Devices",
    ),
    Escape(
        "seccomp:", "HostConfig.SecurityOpt", "another seccomp profile than the Engine's", "leave out --security-opt seccomp=…",
        "2.1 SecurityOpt",
    ),
    Escape(
        "apparmor:", "HostConfig.SecurityOpt", "another AppArmor profile than the Engine's", "leave out --security-opt apparmor=…",
        "2.1 SecurityOpt",
    ),
    Escape("label:", "HostConfig.SecurityOpt", "another SELinux label, or none", "leave out --security-opt label=…", "2.1 SecurityOpt"),
    Escape(
        "no-new-privileges:false", "HostConfig.SecurityOpt", "lets programs gain privileges where the default forbids it",
        "leave it out, or write no-new-privileges:true", "2.1 SecurityOpt",
    ),
    Escape("security-opt:", "HostConfig.SecurityOpt", "a security option that is not known here", "leave it out", "2.1 SecurityOpt"),
    Escape(
        "masked-paths", "HostConfig.MaskedPaths", "uncovers paths of /proc and /sys that the Engine hides", "leave it out, or null",
        "2.1 MaskedPaths",
    ),
    Escape(
        "readonly-paths", "HostConfig.ReadonlyPaths", "makes kernel settings below /proc writable", "leave it out, or null",
        "2.1 MaskedPaths",
    ),
    Escape(
        "sysctl:", "HostConfig.Sysctls", "a kernel setting that is not the container's own",
        "set only net.* ones, and not in the host's network", "2.1 Sysctls",
    ),
    Escape(
        "runtime:", "HostConfig.Runtime", "another program runs the container, as root", "leave out --runtime, or write runc",
        "2.1 Runtime",
    ),
    Escape(
        "cgroup-parent", "HostConfig.CgroupParent", "leaves the control group that limits containers", "leave out --cgroup-parent",
        "2.1 CgroupParent",
    ),
    Escape(
        "log-driver:", "HostConfig.LogConfig.Type", "a log driver that connects somewhere as the host", "use json-file, local or none",
        "2.1 LogConfig",
    ),
    Escape(
        "log-option:", "HostConfig.LogConfig.Config", "a log option that names an address or is not known here",
        "use max-size, max-file and compress", "2.1 LogConfig",
    ),
    Escape(
        "annotation:", "HostConfig.Annotations", "an annotation that the runtime may act on as root", "use a label (--label)",
        "2.1 Annotations",
    ),
    Escape(
        "group:", "HostConfig.GroupAdd", "a group that neither you nor the image's user belong to",
        "leave out --group-add, or name a group of your own", "2.1 GroupAdd",
    ),
    Escape(
        "user:other-account", "User", "the uid or a gid of another account, together with a folder of the host",
        "leave out --user, so that it runs as you, or leave out the bind", "2.2 User",
    ),
    Escape(
        "user:unclear", "User", "a user that cannot be told, because the image is not here", "pull the image first, or write uid:gid",
        "2.2 User",
    ),
    Escape(
        "working-dir:", "WorkingDir", "a working folder below /proc, /sys or /dev, by which a container can hold a folder of the host",
        "name a plain folder (-w /srv)", "2.2 WorkingDir",
    ),
    Escape(
        "port:", "HostConfig.PortBindings", "a port of the host below 1024, which only root may open",
        "publish a port from 1024 up (-p 8080:80)", "2.1 PortBindings",
    ),
    Escape(
        "oom-kill-disable", "HostConfig.OomKillDisable", "the host can run out of memory and not end the container",
        "leave out --oom-kill-disable", "2.1 OomScoreAdj",
    ),
    Escape(
        "oom-score:", "HostConfig.OomScoreAdj", "others are ended before this container when memory runs out", "write 0 or more",
        "2.1 OomScoreAdj",
    ),
    Escape("limit:", "HostConfig", "lifts a limit: -1, or 0 in an update", "write a number, or leave it as it is", "2.1 denial of service"),
    Escape(
        "realtime:", "HostConfig", "real-time scheduling can stop the host", "leave out --cpu-rt-* and --ulimit rtprio, nice",
        "2.1 denial of service",
    ),
    Escape("storage-opt:", "HostConfig.StorageOpt", "a storage option other than size", "use size only", "2.1 denial of service"),
    Escape("isolation:", "HostConfig.Isolation", "an isolation that Linux does not have", "leave it out", "2.1 Isolation"),
    Escape(
        "endpoint-address", "NetworkingConfig.EndpointsConfig", "a fixed address on a network that is not yours",
        "leave out --ip and --mac-address, or use a network of your own", "2.3",
    ),
    Escape(
        "endpoint-option:", "NetworkingConfig.EndpointsConfig[].DriverOpts", "a driver option that is not known here", "leave it out",
        "2.3",
    ),
    Escape(
        "endpoint-conflict", "NetworkingConfig.EndpointsConfig[].NetworkID", "names one network by key and another by NetworkID",
        "leave NetworkID out", "2.3",
    ),
    Escape(
        "network-driver:", "Driver", "a network driver that reaches the host's interfaces, or a plugin",
        "leave the driver out, or write bridge", "2.5 networks/create",
    ),
    Escape(
        "network-option:", "Options", "a network option that names an interface or an address of the host", "leave it out",
        "2.5 networks/create",
    ),
    Escape("network-ingress", "Ingress", "the cluster's own ingress network", "leave it out", "2.5 networks/create"),
    Escape(
        "network-ipam:", "IPAM.Driver, IPAM.Options", "another address manager, or its options",
        "leave the IPAM driver and its options out", "2.5 networks/create",
    ),
    Escape(
        "network-subnet:", "IPAM.Config", "addresses of the caller's choice, which can hide machines that the host or others reach",
        "leave --subnet, --gateway, --ip-range and --aux-address out: the Engine takes a free subnet; an operator may permit one by name",
        "2.5 networks/create",
    ),
    Escape("network-scope:", "Scope", "a network of the whole cluster", "leave the scope out, or write local", "2.5 networks/create"),
    Escape(
        "container-privileged", "the container", "it is a privileged one, and a process in it is root on the host",
        "use a container that is not privileged", "2.4 exec",
    ),
    Escape("checkpoint", "query checkpoint", "starts from a memory image, which no other fact describes", "start it plainly", "2.4 start"),
    Escape(
        "checkpoint-dir", "query checkpoint-dir", "a folder of the host that the Engine reads or writes as root", "leave it out",
        "2.4 start",
    ),
    Escape("top-args", "query ps_args", "arguments for the host's own ps", "leave them out, or write -ef or aux", "1 containers/{n}/top"),
    Escape(
        "archive-bind", "query path", "writes into a folder of the host that the container mounts",
        "copy into the folder on the host itself", "2.4 archive",
    ),
    Escape(
        "build-remote", "query remote", "the Engine fetches an address of the caller's choice", "send the context (docker build .)", "2.7",
    ),
    Escape("buildkit", "query version, session", "BuildKit cannot be judged from here", "build with DOCKER_BUILDKIT=0", "2.7"),
    Escape(
        "build-output", "query outputs", "writes the result somewhere else", "leave --output out and use docker create with docker cp",
        "2.7",
    ),
    Escape("build-frontend:", "# syntax=", "a frontend fetched from a registry runs the build", "take the syntax line out", "2.7"),
    Escape("build-run:", "RUN --…", "a flag of RUN that asks for mounts, networks or power", "write RUN without flags", "2.7"),
    Escape(
        "build-add:", "ADD", "the Engine fetches an address of the caller's choice",
        "use RUN with curl or wget, or COPY a file of the context", "2.7",
    ),
    Escape(
        "build-unclear:", "Dockerfile", "an instruction that cannot be told for sure before the build runs",
        "write it plainly: no variables, quotes, backslashes, heredocs or control characters in its place", "2.7",
    ),
    Escape(
        "import-remote", "query fromSrc", "the Engine fetches an address of the caller's choice",
        "send the archive itself (docker import -)", "2.6",
    ),
    Escape(
        "image-change:", "query changes", "a Dockerfile line that a change cannot be, or that cannot be told",
        "use USER, ENV, CMD, ENTRYPOINT, EXPOSE, LABEL, VOLUME, WORKDIR", "2.6",
    ),
    Escape(
        "service-plugin", "TaskTemplate.PluginSpec, Runtime", "a service that installs a plugin, which is root on the host",
        "run a container", "2.8",
    ),
    Escape("service-option:", "TaskTemplate", "a service option that reaches beyond its containers", "leave it out", "2.8"),
    Escape("secret-driver:", "Driver, Templating", "a plugin provides the value", "give the value as Data", "2.8"),
    Escape(
        "block-device:", "HostConfig.Blkio*Device*", "a limit on a device of the host, named by its path", "limit it with --blkio-weight",
        "2.1 denial of service",
    ),
)
"""Every fact there is, exact names before the prefixes they begin with."""

_EXACT = {escape.name: escape for escape in CATALOGUE}


def describe(fact: str) -> Escape | None:
    """Return the catalogue's row for `fact`, the longest name that fits; `None` for what is no escape fact."""
    name = fact
    while name not in _EXACT:
        name = name[: name.rstrip(":").rfind(":") + 1]
        if not name:
            return None
    row = _EXACT[name]
    return row if name == fact or name.endswith(":") else None


def advice(fact: str) -> str:
    """Return what to tell the caller about `fact`: the field, what is wrong with it, and what to do instead."""
    row = describe(fact)
    if row is None:
        return f"{fact} is not permitted; leave it out"
    value = fact[len(row.name) :]
    shown = f" ({value})" if value else ""
    return f"{row.place}{shown}: {row.meaning}; {row.instead}"
