"""Every escape of the catalogue has a spelling that triggers it, and one honest near miss that does not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest

import dockwarden.engine
from dockwarden.engine.bodies.body import Body
from dockwarden.engine.escapes import CATALOGUE, advice, describe
from dockwarden.engine.known import ContainerState
from dockwarden.engine.routes.table import ROUTES
from fixtures.calls import CREATE, TOOL, judge

BIND = "/srv/work/alice"
NETWORK = "POST /v1.41/networks/create"
VOLUME = "POST /v1.41/volumes/create"
SERVICE = "POST /v1.45/services/create"
SECRET = "POST /v1.41/secrets/create"
BUILD = "POST /v1.41/build?t=alice/x"


def h(**fields: Any) -> tuple[str, dict[str, Any]]:
    return CREATE, {"Image": "busybox", "HostConfig": fields}


def c(**fields: Any) -> tuple[str, dict[str, Any]]:
    return CREATE, {"Image": "busybox", **fields}


def m(**fields: Any) -> tuple[str, dict[str, Any]]:
    return h(Mounts=[{"Target": "/x", **fields}])


def task(**fields: Any) -> tuple[str, dict[str, Any]]:
    return SERVICE, {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}, **fields}}


def net(settings: dict[str, Any], name: str = "bridge") -> tuple[str, dict[str, Any]]:
    return c(NetworkingConfig={"EndpointsConfig": {name: settings}})


Asked = tuple[str, dict[str, Any] | None]

ROWS: list[tuple[str, Asked, Asked]] = [
    ("privileged", h(Privileged=True), h(Privileged=False)),
    ("cap:SYS_ADMIN", h(CapAdd=["cap_sys_admin"]), h(CapAdd=["NET_BIND_SERVICE", "cap_chown"], CapDrop=["ALL"])),
    ("cap:ALL", h(CapAdd=["all"]), h(CapDrop=["all"])),
    ("cap:SYS_PTRACE", h(Capabilities=["CAP_SYS_PTRACE"]), h(Capabilities=["CHOWN"])),
    ("namespace:host-network", h(NetworkMode="host"), h(NetworkMode="bridge")),
    ("namespace:host-network", net({}, "host"), net({})),
    ("namespace:host-network", h(NetworkMode="0" * 64), h(NetworkMode="alicenet")),
    (
        "namespace:host-network",
        ("POST /networks/host/connect", {"Container": "web"}),
        ("POST /networks/alicenet/connect", {"Container": "web"}),
    ),
    ("namespace:host-pid", h(PidMode="host"), h(PidMode="container:web")),
    ("namespace:host-ipc", h(IpcMode="host"), h(IpcMode="shareable")),
    ("namespace:host-uts", h(UTSMode="host"), h(UTSMode="")),
    ("namespace:host-user", h(UsernsMode="host"), h(UsernsMode="")),
    ("namespace:host-cgroup", h(CgroupnsMode="host"), h(CgroupnsMode="private")),
    ("namespace:join-foreign", h(PidMode="container:bobdb"), h(PidMode="container:web")),
    ("namespace:join-foreign", h(IpcMode="container:nosuch"), h(IpcMode="private")),
    ("namespace:join-foreign", h(Cgroup="container:bobdb"), h(Cgroup="container:web")),
    ("namespace:other:network=ns:/proc/1/ns/net", h(NetworkMode="ns:/proc/1/ns/net"), h(NetworkMode="none")),
    ("namespace:other:pid=HOST", h(PidMode="HOST"), h(PidMode="")),
    ("bind:/etc", h(Binds=["/etc:/x:ro"]), h(Binds=[f"{BIND}:/x:ro"])),
    ("bind:/etc", m(Type="bind", Source="/srv/work/../../etc"), m(Type="bind", Source=f"{BIND}/../alice")),
    ("bind:/srv/worker", h(Binds=["/srv/worker:/x"]), h(Binds=["alicevol:/x"])),
    ("bind-missing:/srv/work/alice/missing", h(Binds=[f"{BIND}/missing:/x"]), h(Binds=[f"{BIND}/there:/x"])),
    ("bind-unreadable:/srv/work/bob", h(Binds=["/srv/work/bob:/x:ro"]), h(Binds=["/srv/work/shared:/x:ro"])),
    ("bind-unwritable:/srv/work/shared", h(Binds=["/srv/work/shared:/x"]), m(Type="bind", Source="/srv/work/shared", ReadOnly=True)),
    ("bind-relabel:/srv/work/alice", h(Binds=[f"{BIND}:/x:Z"]), h(Binds=[f"{BIND}:/x:rw"])),
    ("mount-propagation", h(Binds=[f"{BIND}:/x:rslave"]), h(Binds=[f"{BIND}:/x:rprivate"])),
    (
        "mount-propagation",
        m(Type="bind", Source=BIND, BindOptions={"Propagation": "shared"}),
        m(Type="bind", Source=BIND, BindOptions={"Propagation": "private"}),
    ),
    ("mount-option:npipe", m(Type="npipe", Source="x"), m(Type="tmpfs")),
    (
        "mount-option:Subpath",
        m(Type="volume", Source="alicevol", VolumeOptions={"Subpath": "a/../../b"}),
        m(Type="volume", Source="alicevol", VolumeOptions={"Subpath": "a/b"}),
    ),
    (
        "mount-option:ReadOnlyNonRecursive",
        m(Type="bind", Source=BIND, ReadOnly=True, BindOptions={"ReadOnlyNonRecursive": True}),
        m(Type="bind", Source=BIND, ReadOnly=True, BindOptions={"NonRecursive": True}),
    ),
    ("engine-socket", h(Binds=["/run/docker.sock:/x:ro"]), h(Binds=[f"{BIND}/docker.sock.txt:/x:ro"])),
    ("engine-socket", h(Binds=["/run:/x"]), h(Binds=["/runner:/x"])),
    (
        "volume-bind:/etc",
        m(Type="volume", VolumeOptions={"DriverConfig": {"Options": {"o": "ro,rbind", "device": "/etc"}}}),
        m(Type="volume", VolumeOptions={"DriverConfig": {"Name": "local"}}),
    ),
    ("volume-bind:/etc", (VOLUME, {"DriverOpts": {"type": "none", "o": "bind", "device": "//etc/."}}), (VOLUME, {"DriverOpts": {}})),
    (
        "volume-mount:nfs",
        (VOLUME, {"DriverOpts": {"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"}}),
        (VOLUME, {"DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}),
    ),
    ("volume-option:x", (VOLUME, {"DriverOpts": {"x": "y"}}), (VOLUME, {"DriverOpts": {"size": "1G"}})),
    ("volume-driver:sshfs", h(VolumeDriver="sshfs", Binds=["newvol:/x"]), h(VolumeDriver="local", Binds=["newvol:/x"])),
    (
        "volume-driver:dockwarden",
        m(Type="volume", VolumeOptions={"DriverConfig": {"Name": "dockwarden", "Options": {"dockwarden.root": "/"}}}),
        m(Type="volume", VolumeOptions={"NoCopy": True}),
    ),
    ("volume-cluster", (VOLUME, {"Name": "v1", "ClusterVolumeSpec": {}}), (VOLUME, {"Name": "v1"})),
    ("tmpfs-option:suid", h(Tmpfs={"/t": "size=1m,suid"}), h(Tmpfs={"/t": "size=1m,exec"})),
    (
        "tmpfs-option:dev",
        m(Type="tmpfs", TmpfsOptions={"Options": [["dev"]]}),
        m(Type="tmpfs", TmpfsOptions={"Options": [["noexec"]], "SizeBytes": 1}),
    ),
    ("device:/dev/sda", h(Devices=[{"PathOnHost": "/dev/sda"}]), h(Devices=[])),
    ("device-rule:a *:* rwm", h(DeviceCgroupRules=["a *:* rwm"]), h(DeviceCgroupRules=[])),
    ("device-request:nvidia", h(DeviceRequests=[{"Driver": "nvidia", "Count": -1}]), h(DeviceRequests=[])),
    ("block-device:/dev/sda", h(BlkioDeviceReadBps=[{"Path": "/dev/sda", "Rate": 1}]), h(BlkioWeight=10)),
    ("seccomp:unconfined", h(SecurityOpt=["seccomp:unconfined"]), h(SecurityOpt=["seccomp=builtin"])),
    ("seccomp:profile", h(SecurityOpt=['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']), h(SecurityOpt=["no-new-privileges"])),
    ("apparmor:unconfined", h(SecurityOpt=["apparmor=unconfined"]), h(SecurityOpt=["apparmor=docker-default"])),
    ("label:disable", h(SecurityOpt=["label:disable"]), h(SecurityOpt=[])),
    ("no-new-privileges:false", h(SecurityOpt=["no-new-privileges:false"]), h(SecurityOpt=["no-new-privileges=true"])),
    ("security-opt:writable-cgroups", h(SecurityOpt=["writable-cgroups=true"]), h(SecurityOpt=["no-new-privileges:true"])),
    ("masked-paths", h(MaskedPaths=[]), h()),
    (
        "readonly-paths",
        h(ReadonlyPaths=["/proc/bus"]),
        h(ReadonlyPaths=["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]),
    ),
    ("sysctl:kernel.core_pattern", h(Sysctls={"kernel.core_pattern": "x"}), h(Sysctls={"net.ipv4.ip_forward": "1"})),
    (
        "sysctl:net.ipv4.ip_forward",
        h(Sysctls={"net.ipv4.ip_forward": "1"}, NetworkMode="host"),
        h(Sysctls={"net.core.somaxconn": "1"}, NetworkMode="container:web"),
    ),
    (
        "sysctl:kernel.x",
        net({"DriverOpts": {"com.docker.network.endpoint.sysctls": "net.a=1,kernel.x=1"}}),
        net({"DriverOpts": {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.x=1"}}),
    ),
    ("runtime:nvidia", h(Runtime="nvidia"), h(Runtime="runc")),
    ("cgroup-parent", h(CgroupParent="/"), h(CgroupParent="")),
    ("log-driver:syslog", h(LogConfig={"Type": "syslog"}), h(LogConfig={"Type": "local", "Config": {"max-size": "1m"}})),
    (
        "log-option:syslog-address",
        h(LogConfig={"Type": "", "Config": {"syslog-address": "udp://x"}}),
        h(LogConfig={"Type": "", "Config": {"max-file": "3"}}),
    ),
    ("annotation:x", h(Annotations={"x": "y"}), c(Labels={"x": "y"})),
    ("group:999", h(GroupAdd=["docker"]), h(GroupAdd=["30000"])),
    ("group:44", h(GroupAdd=["video"]), c(User="audio", HostConfig={"GroupAdd": ["audio"]})),
    ("group:0", h(GroupAdd=["0"]), c(User="app", HostConfig={"GroupAdd": ["1000"]})),
    ("user:other-account", c(User="20002:20002", HostConfig={"Binds": [f"{BIND}:/x"]}), c(User="20002:20002")),
    (
        "user:other-account",
        c(User="1000:999", HostConfig={"Binds": [f"{BIND}:/x"]}),
        c(User="1000:1000", HostConfig={"Binds": [f"{BIND}:/x"]}),
    ),
    (
        "user:other-account",
        c(User="20002:20002", HostConfig={"VolumesFrom": ["web"]}),
        c(User="20001:20001", HostConfig={"VolumesFrom": ["web"]}),
    ),
    ("working-dir:/proc/self/fd/8", c(WorkingDir="/x/../proc/self/fd/8"), c(WorkingDir="/process")),
    (
        "working-dir:/proc/1",
        ("POST /containers/web/exec", {"Cmd": ["x"], "WorkingDir": "proc/1"}),
        ("POST /containers/web/exec", {"Cmd": ["x"], "WorkingDir": "/tmp"}),
    ),
    (
        "port:80",
        h(PortBindings={"80/tcp": [{"HostPort": "80"}]}),
        h(PortBindings={"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{"HostPort": ""}]}),
    ),
    ("port:1000", h(PortBindings={"80/tcp": [{"HostPort": "1000-2000"}]}), h(PortBindings={"80/tcp": [{"HostPort": "1024-1030"}]})),
    ("oom-kill-disable", h(OomKillDisable=True), h(OomKillDisable=False)),
    ("oom-score:-1", h(OomScoreAdj=-1), h(OomScoreAdj=500)),
    ("limit:pids", h(PidsLimit=-1), h(PidsLimit=0)),
    ("limit:pids", ("POST /containers/web/update", {"PidsLimit": 0}), ("POST /containers/web/update", {"PidsLimit": 10})),
    ("limit:memory", ("POST /containers/web/update", {"Memory": -1}), ("POST /containers/web/update", {"Memory": 0})),
    ("limit:swap", h(MemorySwap=-1), h(MemorySwap=0, MemorySwappiness=-1)),
    ("realtime:cpu", h(CpuRealtimeRuntime=1), h(CpuShares=512)),
    ("realtime:rtprio", h(Ulimits=[{"Name": "rtprio", "Soft": 99, "Hard": 99}]), h(Ulimits=[{"Name": "nofile", "Soft": 9, "Hard": 9}])),
    ("storage-opt:x", h(StorageOpt={"x": "y"}), h(StorageOpt={"size": "1G"})),
    ("isolation:hyperv", h(Isolation="hyperv"), h(Isolation="default")),
    ("endpoint-address", net({"IPAMConfig": {"IPv4Address": "172.17.0.9"}}), net({"IPAMConfig": {"IPv4Address": "10.0.0.9"}}, "alicenet")),
    ("endpoint-address", c(MacAddress="02:42:00:00:00:01"), c(MacAddress="02:42:00:00:00:01", HostConfig={"NetworkMode": "alicenet"})),
    (
        "endpoint-address",
        ("POST /networks/bridge/connect", {"Container": "web", "EndpointConfig": {"MacAddress": "02:42:00:00:00:01"}}),
        ("POST /networks/alicenet/connect", {"Container": "web", "EndpointConfig": {"MacAddress": "02:42:00:00:00:01"}}),
    ),
    ("endpoint-option:x", net({"DriverOpts": {"x": "y"}}), net({"Aliases": ["a"]})),
    ("endpoint-conflict", net({"NetworkID": "bobnet"}, "alicenet"), net({"NetworkID": "alicenet"}, "alicenet")),
    ("network-driver:macvlan", (NETWORK, {"Name": "n1", "Driver": "macvlan"}), (NETWORK, {"Name": "n1", "Driver": "bridge"})),
    (
        "network-option:parent",
        (NETWORK, {"Name": "n1", "Options": {"parent": "eth0"}}),
        (NETWORK, {"Name": "n1", "Options": {"com.docker.network.driver.mtu": "1400"}}),
    ),
    ("network-ingress", (NETWORK, {"Name": "n1", "Ingress": True}), (NETWORK, {"Name": "n1", "Internal": True})),
    ("network-ipam:x", (NETWORK, {"Name": "n1", "IPAM": {"Driver": "x"}}), (NETWORK, {"Name": "n1", "IPAM": {"Driver": "default"}})),
    (
        "network-subnet:8.8.8.0/24",
        (NETWORK, {"Name": "n1", "IPAM": {"Config": [{"Subnet": "8.8.8.0/24"}]}}),
        (NETWORK, {"Name": "n1", "IPAM": {"Config": [{}]}}),
    ),
    (
        "network-subnet:172.20.0.0/24",
        (NETWORK, {"Name": "n1", "IPAM": {"Config": [{"Subnet": "172.20.0.0/24"}]}}),
        (NETWORK, {"Name": "n1", "IPAM": {"Driver": "default", "Config": []}}),
    ),
    *(
        (
            "network-subnet:10.9.0.7",
            (NETWORK, {"Name": "n1", "IPAM": {"Config": [{name: value}]}}),
            (NETWORK, {"Name": "n1", "IPAM": {"Config": None}}),
        )
        for name, value in (("Gateway", "10.9.0.7"), ("IPRange", "10.9.0.7"), ("AuxiliaryAddresses", {"a": "10.9.0.7"}), ("AuxAddress", {"a": "10.9.0.7"}))
    ),
    ("network-scope:swarm", (NETWORK, {"Name": "n1", "Scope": "swarm"}), (NETWORK, {"Name": "n1", "Scope": "local"})),
    ("checkpoint", ("POST /containers/web/start?checkpoint=c", None), ("POST /containers/web/start", None)),
    (
        "checkpoint-dir",
        ("POST /containers/web/checkpoints", {"CheckpointID": "c", "checkpointdir": "/etc"}),
        ("POST /containers/web/checkpoints", {"CheckpointID": "c", "CheckpointDir": "", "Exit": True}),
    ),
    (
        "checkpoint-dir",
        ("POST /containers/web/start?checkpoint=c&checkpoint-dir=/etc", None),
        ("POST /containers/web/start?checkpoint-dir=", None),
    ),
    ("top-args", ("GET /containers/web/top?ps_args=-o%20ppid=PID,args", None), ("GET /containers/web/top?ps_args=-eo%20pid,args", None)),
    ("build-remote", (f"{BUILD}&remote=http://x/y", None), (f"{BUILD}&remote=", None)),
    ("buildkit", (f"{BUILD}&version=2", None), (f"{BUILD}&version=1", None)),
    ("build-output", (f"{BUILD}&outputs=%5B%7B%22Type%22%3A%22local%22%7D%5D", None), (f"{BUILD}&outputs=%5B%5D", None)),
    ("import-remote", ("POST /images/create?fromSrc=http://x&repo=alice/x", None), ("POST /images/create?fromSrc=-&repo=alice/x", None)),
    (
        "image-change:FROM",
        ("POST /commit?container=web&repo=alice/x&changes=FROM%20x", None),
        ("POST /commit?container=web&repo=alice/x&changes=USER%20app", None),
    ),
    (
        "build-add:http://x",
        ("POST /commit?container=web&repo=alice/x&changes=ONBUILD%20ADD%20http://x%20/y", None),
        ("POST /commit?container=web&repo=alice/x&changes=ONBUILD%20RUN%20x", None),
    ),
    (
        "image-change:--from=bob/app",
        ("POST /commit?container=web&repo=alice/x", {"OnBuild": ["COPY --from=bob/app / /"]}),
        ("POST /commit?container=web&repo=alice/x", {"OnBuild": ["COPY . /"]}),
    ),
    ("service-plugin", task(PluginSpec={"Remote": "x"}), task(Runtime="container")),
    ("service-option:NetworkAttachmentSpec", task(NetworkAttachmentSpec={"ContainerID": "x"}), task()),
    ("secret-driver:x", (SECRET, {"Name": "s", "Driver": {"Name": "x"}}), (SECRET, {"Name": "s", "Data": "eA=="})),
]

WITH_MORE: list[tuple[str, Asked, dict[str, Any], dict[str, Any]]] = [
    (
        "container-privileged",
        ("POST /containers/web/exec", {"Cmd": ["x"]}),
        {"container": ContainerState("w", "1:1", is_privileged=True)},
        {"container": ContainerState("w", "1:1")},
    ),
    ("user:unclear", (SERVICE, {"TaskTemplate": {"ContainerSpec": {"Image": "far/away", "User": "app"}}}), {"image": None}, {}),
    ("bind-account:/srv/work/alice", h(Binds=[f"{BIND}:/x"]), {"principal": TOOL}, {}),
    (
        "archive-bind",
        ("PUT /containers/web/archive?path=/tmp", None),
        {"container": ContainerState("w", binds=1)},
        {"container": ContainerState("w")},
    ),
    ("build-add:http://x", (BUILD, None), {"dockerfile": "FROM busybox\nADD http://x /y"}, {"dockerfile": "FROM busybox\nADD x /y"}),
    (
        "build-run:--mount=type=ssh",
        (BUILD, None),
        {"dockerfile": "FROM busybox\nRUN --mount=type=ssh x"},
        {"dockerfile": "FROM busybox\nRUN x"},
    ),
    ("build-frontend:x", (BUILD, None), {"dockerfile": "# syntax=x\nFROM busybox"}, {"dockerfile": "# a syntax=x\nFROM busybox"}),
    ("build-unclear:FROM $X", (BUILD, None), {"dockerfile": "FROM $X"}, {"dockerfile": "ARG X=busybox\nFROM $X"}),
    ("image-change:--from=bob/app", (BUILD, None), {"on_build": ("COPY --from=bob/app / /",)}, {"on_build": ("COPY . /",)}),
]


@pytest.mark.parametrize(("fact", "guilty", "honest"), ROWS, ids=[f"{row[0]}-{at}" for at, row in enumerate(ROWS)])
def test_a_spelling_triggers_its_fact_and_a_near_miss_does_not(fact: str, guilty: Asked, honest: Asked) -> None:
    assert fact in judge(*guilty).escape
    assert fact not in judge(*honest).escape


@pytest.mark.parametrize(("fact", "asked", "guilty", "honest"), WITH_MORE, ids=[row[0] for row in WITH_MORE])
def test_what_is_known_triggers_a_fact_too(fact: str, asked: Asked, guilty: dict[str, Any], honest: dict[str, Any]) -> None:
    assert fact in judge(*asked, **guilty).escape
    assert fact not in judge(*asked, **honest).escape


def test_honest_halves_have_no_escape_at_all() -> None:
    for fact, _, honest in ROWS:
        assert judge(*honest).escape <= {"bind:/runner"}, fact


def test_every_row_of_the_catalogue_is_triggered_here() -> None:
    triggered = {describe(row[0]) for row in (*ROWS, *WITH_MORE)}

    assert [] == [row.name for row in CATALOGUE if row not in triggered]


def test_every_fact_that_is_triggered_teaches() -> None:
    for fact, *_ in (*ROWS, *WITH_MORE):
        row = describe(fact)
        assert row is not None, fact
        assert row.instead in advice(fact)


def _structs(kind: type[Body]) -> set[type[Body]]:
    return {kind, *(inner for child in kind.__subclasses__() for inner in _structs(child))}


def test_every_field_that_facts_read_is_a_field_of_some_body() -> None:
    assert any(route.body for route in ROUTES)  # every body is imported by the table
    fields = {field.name for struct in _structs(Body) for field in msgspec.structs.fields(struct)}
    root = Path(dockwarden.engine.__path__[0])
    read_names = set()
    for file in [*root.glob("*.py"), *root.glob("facts/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"read", "is_given"}
                and len(node.args) >= 2
            ):
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    read_names.add(name.value)

    assert len(read_names) > 60
    assert set() == read_names - fields
