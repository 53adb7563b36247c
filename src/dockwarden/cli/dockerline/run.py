"""`docker run`, `create`, `exec` and `update`: every flag, and the field of the body that it is.

Source: docker/cli 28 `cli/command/container/opts.go`; held against the real client by tests/cli/test_dockerline.py.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import dockwarden.cli.dockerline.attachments as attachments
from dockwarden.cli.dockerline.attachments import throttle
from dockwarden.cli.dockerline.draft import NEW, Call, Draft, Surroundings
from dockwarden.cli.dockerline.flags import (
    Flag,
    Put,
    bad,
    duration,
    each,
    kept,
    number,
    own,
    own_switches,
    pairs,
    read_flags,
    size,
    switch,
    table,
    text,
)
from dockwarden.words.errors import BadConfig

HOST = "HostConfig."


def _capability(name: str) -> Put:
    def put(draft: Draft, value: str) -> None:
        word = value.upper()
        draft.add(HOST + name, word if word == "ALL" or word.startswith("CAP_") else f"CAP_{word}")

    return put


def _add_host(draft: Draft, value: str) -> None:
    name, sign, address = value.partition("=" if "=" in value else ":")
    if not sign:
        raise ValueError(value)
    draft.add(HOST + "ExtraHosts", f"{name}:{address.removeprefix('[').removesuffix(']')}")


def _cpus(draft: Draft, value: str) -> None:
    draft.put(HOST + "NanoCpus", int(Decimal(value) * 10**9))


def _restart(draft: Draft, value: str) -> None:
    name, _, most = value.partition(":")
    draft.put(HOST + "RestartPolicy", {"Name": name, **({"MaximumRetryCount": int(most)} if most else {})})


def _ulimit(draft: Draft, value: str) -> None:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    draft.add(HOST + "Ulimits", {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)})


def _security(draft: Draft, value: str) -> None:
    """`systempaths=unconfined` is a word of the client's; a seccomp profile is a file of the client's."""
    name, _, setting = value.replace(":", "=", 1).partition("=") if "=" not in value else value.partition("=")
    if name == "systempaths" and setting == "unconfined":
        draft.put(HOST + "MaskedPaths", [])
        draft.put(HOST + "ReadonlyPaths", [])
    elif name == "seccomp" and setting not in {"unconfined", "builtin"}:
        draft.add(HOST + "SecurityOpt", f"seccomp={draft.around.read(attachments.absolute(draft, setting))}")
    else:
        draft.add(HOST + "SecurityOpt", value)


def _environment(draft: Draft, value: str) -> None:
    """`-e NAME` passes the caller's own value on, where there is one."""
    own_value = draft.around.environment.get(value)
    draft.add("Env", f"{value}={own_value}" if "=" not in value and own_value is not None else value)


def _lines(draft: Draft, file: str) -> Iterator[str]:
    for line in draft.around.read(attachments.absolute(draft, file)).splitlines():
        stripped = line.lstrip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def _env_file(draft: Draft, value: str) -> None:
    for line in _lines(draft, value):
        if "=" in line or line in draft.around.environment:
            _environment(draft, line)


def _label_file(draft: Draft, value: str) -> None:
    for line in _lines(draft, value):
        if "=" in line:
            draft.pair("Labels", line.partition("=")[0], line.partition("=")[2])


def _api_socket(draft: Draft, value: str) -> None:
    if value == "true":
        draft.add(HOST + "Mounts", {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"})


def _entrypoint(draft: Draft, value: str) -> None:
    draft.put("Entrypoint", [value])


def _health_command(draft: Draft, value: str) -> None:
    draft.put("Healthcheck.Test", ["CMD-SHELL", value])


def _no_health(draft: Draft, value: str) -> None:
    if value == "true":
        draft.put("Healthcheck", {"Test": ["NONE"]})


def _parameter(name: str) -> Put:
    return lambda draft, value: draft.query.__setitem__(name, [value])


RESOURCES = (
    number("blkio-weight", HOST + "BlkioWeight"),
    number("cpu-period", HOST + "CpuPeriod"),
    number("cpu-quota", HOST + "CpuQuota"),
    number("cpu-rt-period", HOST + "CpuRealtimePeriod"),
    number("cpu-rt-runtime", HOST + "CpuRealtimeRuntime"),
    number("cpu-shares", HOST + "CpuShares", "c"),
    Flag("cpus", _cpus),
    text("cpuset-cpus", HOST + "CpusetCpus"),
    text("cpuset-mems", HOST + "CpusetMems"),
    size("memory", HOST + "Memory", "m"),
    size("memory-reservation", HOST + "MemoryReservation"),
    size("memory-swap", HOST + "MemorySwap"),
    number("pids-limit", HOST + "PidsLimit"),
    Flag("restart", _restart),
    Flag("kernel-memory"),  # the client takes it and sends nothing
)
"""What update has, too."""

CREATE = table(
    *RESOURCES,
    Flag("add-host", _add_host),
    pairs("annotation", HOST + "Annotations"),
    kept("attach", "a"),
    Flag("blkio-weight-device", throttle(HOST + "BlkioWeightDevice", "Weight")),
    Flag("cap-add", _capability("CapAdd")),
    Flag("cap-drop", _capability("CapDrop")),
    text("cgroup-parent", HOST + "CgroupParent"),
    text("cgroupns", HOST + "CgroupnsMode"),
    text("cidfile", HOST + "ContainerIDFile"),
    number("cpu-count", HOST + "CpuCount"),
    number("cpu-percent", HOST + "CpuPercent"),
    kept("detach", "d", is_switch=True),
    Flag("device", attachments.device),
    each("device-cgroup-rule", HOST + "DeviceCgroupRules"),
    Flag("device-read-bps", throttle(HOST + "BlkioDeviceReadBps", "Rate")),
    Flag("device-read-iops", throttle(HOST + "BlkioDeviceReadIOps", "Rate")),
    Flag("device-write-bps", throttle(HOST + "BlkioDeviceWriteBps", "Rate")),
    Flag("device-write-iops", throttle(HOST + "BlkioDeviceWriteIOps", "Rate")),
    each("dns", HOST + "Dns"),
    each("dns-option", HOST + "DnsOptions"),
    each("dns-opt", HOST + "DnsOptions"),
    each("dns-search", HOST + "DnsSearch"),
    text("domainname", "Domainname"),
    Flag("entrypoint", _entrypoint),
    Flag("env", _environment, "e"),
    Flag("env-file", _env_file),
    Flag("expose", attachments.expose),
    Flag("gpus", attachments.gpus),
    each("group-add", HOST + "GroupAdd"),
    Flag("health-cmd", _health_command),
    duration("health-interval", "Healthcheck.Interval"),
    number("health-retries", "Healthcheck.Retries"),
    duration("health-start-interval", "Healthcheck.StartInterval"),
    duration("health-start-period", "Healthcheck.StartPeriod"),
    duration("health-timeout", "Healthcheck.Timeout"),
    text("hostname", "Hostname", "h"),
    switch("init", HOST + "Init"),
    kept("interactive", "i", is_switch=True),
    size("io-maxbandwidth", HOST + "IOMaximumBandwidth"),
    number("io-maxiops", HOST + "IOMaximumIOps"),
    kept("ip"),
    kept("ip6"),
    text("ipc", HOST + "IpcMode"),
    text("isolation", HOST + "Isolation"),
    pairs("label", "Labels", "l"),
    Flag("label-file", _label_file),
    each("link", HOST + "Links"),
    kept("link-local-ip"),
    text("log-driver", HOST + "LogConfig.Type"),
    pairs("log-opt", HOST + "LogConfig.Config"),
    kept("mac-address"),
    number("memory-swappiness", HOST + "MemorySwappiness"),
    Flag("mount", attachments.mount),
    Flag("name", _parameter("name")),
    kept("network"),
    Flag("net", kept("network").put),
    kept("network-alias"),
    Flag("net-alias", kept("network-alias").put),
    Flag("no-healthcheck", _no_health, is_switch=True),
    switch("oom-kill-disable", HOST + "OomKillDisable"),
    number("oom-score-adj", HOST + "OomScoreAdj"),
    text("pid", HOST + "PidMode"),
    Flag("platform", _parameter("platform")),
    switch("privileged", HOST + "Privileged"),
    Flag("publish", attachments.publish, "p"),
    switch("publish-all", HOST + "PublishAllPorts", "P"),
    kept("pull"),
    switch("read-only", HOST + "ReadonlyRootfs"),
    switch("rm", HOST + "AutoRemove"),
    text("runtime", HOST + "Runtime"),
    Flag("security-opt", _security),
    size("shm-size", HOST + "ShmSize"),
    text("stop-signal", "StopSignal"),
    number("stop-timeout", "StopTimeout"),
    pairs("storage-opt", HOST + "StorageOpt"),
    pairs("sysctl", HOST + "Sysctls"),
    Flag("tmpfs", attachments.tmpfs),
    kept("tty", "t", is_switch=True),
    Flag("ulimit", _ulimit),
    Flag("use-api-socket", _api_socket, is_switch=True),
    text("user", "User", "u"),
    text("userns", HOST + "UsernsMode"),
    text("uts", HOST + "UTSMode"),
    Flag("volume", attachments.volume, "v"),
    text("volume-driver", HOST + "VolumeDriver"),
    each("volumes-from", HOST + "VolumesFrom"),
    text("workdir", "WorkingDir", "w"),
    *own_switches("disable-content-trust", "quiet:q", "sig-proxy", "help"),
    *own("detach-keys"),
)
EXEC = table(
    kept("detach", "d", is_switch=True),
    Flag("env", _environment, "e"),
    Flag("env-file", _env_file),
    kept("interactive", "i", is_switch=True),
    switch("privileged", "Privileged"),
    kept("tty", "t", is_switch=True),
    text("user", "User", "u"),
    text("workdir", "WorkingDir", "w"),
    *own("detach-keys"),
    *own_switches("help"),
)


def create(command: str, words: Sequence[str], around: Surroundings) -> tuple[Draft, Call]:
    """The create call of a `run` or `create` line, with what its flags said.

    Raises:
        BadConfig: a flag that is not known, a value that cannot be meant, no image.
    """
    draft = Draft(around)
    plain = read_flags(command, words, CREATE, draft, ends_at_name=True)
    if not plain:
        raise bad(command, "names no image", f"write docker {command} [OPTIONS] IMAGE [COMMAND]")
    draft.put("Image", plain[0])
    if plain[1:]:
        draft.put("Cmd", plain[1:])
    _streams(draft)
    attachments.endpoints(draft)
    return draft, draft.call("POST", "containers", "create", has_body=True)


def _streams(draft: Draft) -> None:
    """What of the terminal is attached, as the client works it out."""
    is_interactive, wanted = draft.is_on("interactive"), [name.lower() for name in draft.given.get("attach", [])]
    if not draft.is_on("detach"):
        for name in wanted or ["stdout", "stderr", *(["stdin"] if is_interactive else [])]:
            draft.put(f"Attach{name.capitalize()}", True)
    if draft.is_on("tty"):
        draft.put("Tty", True)
    if is_interactive:
        draft.put("OpenStdin", True)
        draft.put("StdinOnce", bool(draft.body.get("AttachStdin")))


def created(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker create`."""
    draft, call = create("create", words, around)
    return [*_pulled(draft), call]


def ran(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker run`: create, attach, wait, start. An image that is not there is pulled first; without an Engine that cannot be known."""
    draft, call = create("run", words, around)
    name = (draft.query.get("name") or [NEW])[0]
    calls = [*_pulled(draft), call]
    if not draft.is_on("detach"):
        streams = {part: "1" for part in ("stdin", "stdout", "stderr") if draft.body.get(f"Attach{part.capitalize()}")}
        calls.append(Draft().call("POST", "containers", name, "attach", asks={"stream": "1", **streams}))
        removes = draft.body.get("HostConfig", {}).get("AutoRemove")
        calls.append(Draft().call("POST", "containers", name, "wait", asks={"condition": "removed" if removes else "next-exit"}))
    return [*calls, Draft().call("POST", "containers", name, "start")]


def _pulled(draft: Draft) -> list[Call]:
    return [pull_of(draft.body["Image"])] if draft.last("pull") == "always" else []


def pull_of(image: str, **more: str) -> Call:
    """The pull of an image name, its tag or digest apart as the client sends them."""
    name, at, digest = image.partition("@")
    if at:
        return Draft().call("POST", "images", "create", asks={"fromImage": name, "tag": digest, **more})
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    return Draft().call("POST", "images", "create", asks={"fromImage": path, "tag": tag, **more})


def entered(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker exec`. The exec's id is the Engine's; its container stands for it here."""
    draft = Draft(around)
    plain = read_flags("exec", words, EXEC, draft, ends_at_name=True)
    if len(plain) < 2:
        raise bad("exec", "names no container or no command", "write docker exec [OPTIONS] CONTAINER COMMAND")
    draft.put("Cmd", plain[1:])
    is_detached = draft.is_on("detach")
    for name, is_on in (("AttachStdin", draft.is_on("interactive")), ("AttachStdout", True), ("AttachStderr", True)):
        if is_on and not is_detached:
            draft.put(name, True)
    if draft.is_on("tty"):
        draft.put("Tty", True)
    if is_detached:
        draft.put("Detach", True)
    start = Draft(body={"Detach": is_detached, "Tty": draft.is_on("tty")})
    return [
        Draft().call("GET", "containers", plain[0], "json"),
        draft.call("POST", "containers", plain[0], "exec", has_body=True),
        start.call("POST", "exec", plain[0], "start", has_body=True),
    ]


def updated(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker update`."""
    draft = Draft(around)
    names = read_flags("update", words, table(*RESOURCES, *own_switches("help")), draft)
    body: dict[str, Any] = draft.body.get("HostConfig", {})
    return [Draft(body=body).call("POST", "containers", name, "update", has_body=True) for name in some("update", names, "CONTAINER")]


def some(command: str, names: Sequence[str], what: str) -> Sequence[str]:
    """`names`, if there are any.

    Raises:
        BadConfig: there are none.
    """
    if not names:
        raise bad(command, f"names no {what.lower()}", f"write docker {command} {what}")
    return names


def words_of(line: str) -> list[str]:
    """A line as a shell takes it apart, without variables.

    Raises:
        BadConfig: a quote is open.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadConfig("the docker line", f"cannot be taken apart ({error})", "close every quote") from None


Reader = Callable[[Sequence[str], Surroundings], list[Call]]
"""Reads the words after a command."""
