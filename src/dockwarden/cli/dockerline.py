"""From a docker command line to the Engine call that the client would make, for `policy explain`: a table of flags, nothing guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dockwarden.words.errors import BadConfig

WHERE = "the docker command"
VERSION = "/v1.41"
IGNORED_GLOBALS = {"-H": 1, "--host": 1, "--context": 1, "-c": 1, "--config": 1, "-D": 0, "--debug": 0, "-l": 1, "--log-level": 1, "--tls": 0}


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One call: method, target, and its body or None."""

    method: str
    target: str
    body: dict[str, Any] | None = None


@dataclass
class Body:
    """A create's body while it is put together."""

    top: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


Put = Callable[[Body, str], None]


def _top(name: str) -> Put:
    return lambda body, value: body.top.__setitem__(name, value)


def _host(name: str) -> Put:
    return lambda body, value: body.host.__setitem__(name, value)


def _more(name: str) -> Put:
    return lambda body, value: body.host.setdefault(name, []).append(value)


def _on(name: str) -> Put:
    return lambda body, value: body.host.__setitem__(name, value != "false")


def _number(name: str, factor: float = 1) -> Put:
    def put(body: Body, value: str) -> None:
        units = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
        scale = units.get(value[-1:].lower(), 1)
        try:
            body.host[name] = int(float(value[:-1] if value[-1:].lower() in units else value) * scale * factor)
        except ValueError:
            raise BadConfig(WHERE, f"{value!r} is no number", "write a number, with k, m or g behind it for bytes") from None

    return put


def _nothing(_body: Body, _value: str) -> None:
    """A flag that is the client's own."""


def _pair(where: Callable[[Body], dict[str, Any]], name: str) -> Put:
    def put(body: Body, value: str) -> None:
        key, _, text = value.partition("=")
        where(body).setdefault(name, {})[key] = text

    return put


def _publish(body: Body, value: str) -> None:
    parts = value.rsplit(":", 2)
    container = parts[-1] if "/" in parts[-1] else parts[-1] + "/tcp"
    binding = {"HostIp": parts[0] if len(parts) == 3 else "", "HostPort": parts[-2] if len(parts) > 1 else ""}
    body.host.setdefault("PortBindings", {}).setdefault(container, []).append(binding)


def _device(body: Body, value: str) -> None:
    parts = value.split(":")
    entry = {"PathOnHost": parts[0], "PathInContainer": parts[1] if len(parts) > 1 else parts[0], "CgroupPermissions": parts[2] if len(parts) > 2 else "rwm"}
    body.host.setdefault("Devices", []).append(entry)


def _security(body: Body, value: str) -> None:
    if value == "systempaths=unconfined":
        body.host.update({"MaskedPaths": [], "ReadonlyPaths": []})
        return
    body.host.setdefault("SecurityOpt", []).append(value)


def _tmpfs(body: Body, value: str) -> None:
    path, _, options = value.partition(":")
    body.host.setdefault("Tmpfs", {})[path] = options


def _volume(body: Body, value: str) -> None:
    if ":" in value:
        body.host.setdefault("Binds", []).append(value)
    else:
        body.top.setdefault("Volumes", {})[value] = {}


def _mount(body: Body, value: str) -> None:
    entry: dict[str, Any] = {"Type": "volume"}
    options: dict[str, str] = {}
    for part in value.split(","):
        key, _, text = part.partition("=")
        match key:
            case "type":
                entry["Type"] = text
            case "src" | "source":
                entry["Source"] = text
            case "dst" | "target" | "destination":
                entry["Target"] = text
            case "ro" | "readonly":
                entry["ReadOnly"] = text in {"", "true", "1"}
            case "bind-propagation":
                entry["BindOptions"] = {"Propagation": text}
            case "volume-opt":
                name, _, setting = text.partition("=")
                options[name] = setting
            case "volume-driver":
                entry.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})["Name"] = text
            case "volume-nocopy":
                entry.setdefault("VolumeOptions", {})["NoCopy"] = True
            case _:
                raise BadConfig(WHERE, f"--mount {key} is not known here", "leave it out")
    if options:
        entry.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})["Options"] = options
    body.host.setdefault("Mounts", []).append(entry)


def _restart(body: Body, value: str) -> None:
    name, _, count = value.partition(":")
    body.host["RestartPolicy"] = {"Name": name, "MaximumRetryCount": int(count or 0)}


def _gpus(body: Body, _value: str) -> None:
    body.host["DeviceRequests"] = [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]


def _list(name: str) -> Put:
    return lambda body, value: body.top.setdefault(name, []).append(value)


def _entrypoint(body: Body, value: str) -> None:
    body.top["Entrypoint"] = [value] if value else [""]


VALUED: dict[str, Put] = {
    "--name": lambda body, value: body.query.__setitem__("name", value), "--platform": lambda body, value: body.query.__setitem__("platform", value),
    "-u": _top("User"), "--user": _top("User"), "-w": _top("WorkingDir"), "--workdir": _top("WorkingDir"), "-h": _top("Hostname"),
    "--hostname": _top("Hostname"), "--domainname": _top("Domainname"), "-e": _list("Env"), "--env": _list("Env"), "--entrypoint": _entrypoint,
    "-l": _pair(lambda body: body.top, "Labels"), "--label": _pair(lambda body: body.top, "Labels"), "--stop-signal": _top("StopSignal"),
    "--mac-address": _top("MacAddress"), "--expose": lambda body, value: body.top.setdefault("ExposedPorts", {}).__setitem__(f"{value}/tcp", {}),
    "-v": _volume, "--volume": _volume, "--mount": _mount, "--tmpfs": _tmpfs, "--volumes-from": _more("VolumesFrom"),
    "--volume-driver": _host("VolumeDriver"), "-p": _publish, "--publish": _publish, "--network": _host("NetworkMode"), "--net": _host("NetworkMode"),
    "--link": _more("Links"), "--dns": _more("Dns"), "--dns-search": _more("DnsSearch"), "--dns-option": _more("DnsOptions"),
    "--add-host": _more("ExtraHosts"), "--pid": _host("PidMode"), "--ipc": _host("IpcMode"), "--uts": _host("UTSMode"), "--userns": _host("UsernsMode"),
    "--cgroupns": _host("CgroupnsMode"), "--cgroup-parent": _host("CgroupParent"), "--cap-add": _more("CapAdd"), "--cap-drop": _more("CapDrop"),
    "--device": _device, "--device-cgroup-rule": _more("DeviceCgroupRules"), "--security-opt": _security, "--group-add": _more("GroupAdd"),
    "--sysctl": _pair(lambda body: body.host, "Sysctls"), "--runtime": _host("Runtime"), "--isolation": _host("Isolation"),
    "--log-driver": lambda body, value: body.host.setdefault("LogConfig", {}).__setitem__("Type", value),
    "--log-opt": _pair(lambda body: body.host.setdefault("LogConfig", {}), "Config"), "--storage-opt": _pair(lambda body: body.host, "StorageOpt"),
    "--annotation": _pair(lambda body: body.host, "Annotations"), "-m": _number("Memory"), "--memory": _number("Memory"),
    "--memory-swap": _number("MemorySwap"), "--memory-reservation": _number("MemoryReservation"), "--cpus": _number("NanoCpus", 1e9),
    "-c": _number("CpuShares"), "--cpu-shares": _number("CpuShares"), "--cpu-period": _number("CpuPeriod"), "--cpu-quota": _number("CpuQuota"),
    "--cpuset-cpus": _host("CpusetCpus"), "--cpuset-mems": _host("CpusetMems"), "--pids-limit": _number("PidsLimit"), "--shm-size": _number("ShmSize"),
    "--oom-score-adj": _number("OomScoreAdj"), "--restart": _restart, "--gpus": _gpus,
    "--ulimit": _nothing, "-a": _nothing, "--attach": _nothing, "--detach-keys": _nothing, "--cidfile": _nothing, "--env-file": _nothing,
    "--label-file": _nothing, "--pull": _nothing, "--stop-timeout": _nothing, "--network-alias": _nothing, "--health-cmd": _nothing,
    "--health-interval": _nothing, "--health-retries": _nothing, "--health-timeout": _nothing, "--health-start-period": _nothing,
}
SWITCHES: dict[str, Put] = {
    "--privileged": _on("Privileged"), "-P": _on("PublishAllPorts"), "--publish-all": _on("PublishAllPorts"), "--read-only": _on("ReadonlyRootfs"),
    "--rm": _on("AutoRemove"), "--init": _on("Init"), "--oom-kill-disable": _on("OomKillDisable"), "-i": _nothing, "--interactive": _nothing,
    "-t": _nothing, "--tty": _nothing, "-d": _nothing, "--detach": _nothing, "-q": _nothing, "--quiet": _nothing, "--sig-proxy": _nothing,
    "--no-healthcheck": _nothing, "--disable-content-trust": _nothing,
}


def parse(words: list[str]) -> EngineLine:
    """Return the call that decides about a docker command line.

    Raises:
        BadConfig: a command or a flag that is not known here.
    """
    words = _without_globals(words[1:] if words[:1] == ["docker"] else words)
    if words[:1] in (["container"], ["image"]) and len(words) > 1:
        words = words[1:]
    match words:
        case ["run" | "create", *rest]:
            return _create(rest)
        case ["exec", *rest]:
            return _exec(rest)
        case ["build", *rest]:
            return _build(rest)
        case ["pull", *rest]:
            name, _, tag = _only(rest).partition(":") if "@" not in _only(rest) else (_only(rest), "", "")
            return EngineLine("POST", f"{VERSION}/images/create?fromImage={quote(name, safe='')}&tag={quote(tag or 'latest', safe='')}")
        case ["tag", image, name]:
            repo, _, tag = name.partition(":")
            return EngineLine("POST", f"{VERSION}/images/{image}/tag?repo={quote(repo, safe='')}&tag={tag or 'latest'}")
        case ["ps", *_]:
            return EngineLine("GET", f"{VERSION}/containers/json")
        case ["images", *_]:
            return EngineLine("GET", f"{VERSION}/images/json")
        case ["events", *_]:
            return EngineLine("GET", f"{VERSION}/events")
        case ["info" | "version" as what, *_]:
            return EngineLine("GET", f"{VERSION}/{what}")
        case ["rm", *rest]:
            return EngineLine("DELETE", f"{VERSION}/containers/{_only(rest)}")
        case ["rmi", *rest]:
            return EngineLine("DELETE", f"{VERSION}/images/{_only(rest)}")
        case ["push", *rest]:
            return EngineLine("POST", f"{VERSION}/images/{_only(rest)}/push")
        case ["inspect", *rest]:
            return EngineLine("GET", f"{VERSION}/containers/{_only(rest)}/json")
        case ["logs", *rest]:
            return EngineLine("GET", f"{VERSION}/containers/{_only(rest)}/logs?stdout=1&stderr=1")
        case ["start" | "stop" | "restart" | "kill" | "pause" | "unpause" as verb, *rest]:
            return EngineLine("POST", f"{VERSION}/containers/{_only(rest)}/{verb}")
        case ["cp", source, target]:
            name, path = (target if ":" in target else source).split(":", 1)
            return EngineLine("PUT" if ":" in target else "GET", f"{VERSION}/containers/{name}/archive?path={quote(path, safe='')}")
        case ["rename", name, new]:
            return EngineLine("POST", f"{VERSION}/containers/{name}/rename?name={new}")
        case ["commit", *rest]:
            names = [word for word in rest if not word.startswith("-")]
            repo, _, tag = (names[1] if len(names) > 1 else "").partition(":")
            return EngineLine("POST", f"{VERSION}/commit?container={names[0]}&repo={quote(repo, safe='')}&tag={tag}")
        case ["network" | "volume" as noun, "ls", *_]:
            return EngineLine("GET", f"{VERSION}/{noun}s")
        case ["network" | "volume" as noun, "rm", *rest]:
            return EngineLine("DELETE", f"{VERSION}/{noun}s/{_only(rest)}")
        case ["network" | "volume" as noun, "create", *rest]:
            return _noun(noun, rest)
        case ["swarm", "init", *_]:
            return EngineLine("POST", f"{VERSION}/swarm/init", {"ListenAddr": "0.0.0.0:2377"})
        case ["plugin", "install", *rest]:
            return EngineLine("POST", f"{VERSION}/plugins/pull?remote={quote(_only(rest), safe='')}")
    raise BadConfig(WHERE, f"docker {' '.join(words[:2])} is not known here", 'write the call itself into a file for --request: {"call": "POST /…", "body": {…}}')


def _without_globals(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        name, equals, _ = words[0].partition("=")
        if name not in IGNORED_GLOBALS:
            break
        words = words[1 + (IGNORED_GLOBALS[name] if not equals else 0) :]
    return words


def _only(words: list[str]) -> str:
    names = [word for word in words if not word.startswith("-")]
    if not names:
        raise BadConfig(WHERE, "names nothing", "say which")
    return names[-1]


def _flags(words: list[str], body: Body) -> list[str]:
    """Read flags up to the first word that is none; return the rest."""
    while words and words[0].startswith("-") and words[0] != "-":
        word, words = words[0], words[1:]
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if not word.startswith("--") and len(name) > 2:  # -it, -p80:80
            if all(f"-{letter}" in SWITCHES for letter in word[1:]):
                continue
            name, equals, value = word[:2], "=", word[2:].removeprefix("=")
        if name in SWITCHES:
            SWITCHES[name](body, value or "true")
        elif name in VALUED:
            if not equals:
                if not words:
                    raise BadConfig(WHERE, f"{name} needs a value", f"write {name} VALUE")
                value, words = words[0], words[1:]
            VALUED[name](body, value)
        else:
            raise BadConfig(WHERE, f"{name} is not known here", "leave it out, or use --request FILE with the call itself")
    return words


def _create(words: list[str]) -> EngineLine:
    body = Body()
    rest = _flags(words, body)
    if not rest:
        raise BadConfig(WHERE, "names no image", "write docker run [OPTIONS] IMAGE [COMMAND]")
    whole = {**body.top, "Image": rest[0], **({"Cmd": rest[1:]} if rest[1:] else {}), "HostConfig": body.host}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in body.query.items())
    return EngineLine("POST", f"{VERSION}/containers/create{'?' + query if query else ''}", whole)


def _exec(words: list[str]) -> EngineLine:
    body = Body()
    rest = _flags(words, body)
    if len(rest) < 2:
        raise BadConfig(WHERE, "names no container or command", "write docker exec [OPTIONS] CONTAINER COMMAND")
    whole: dict[str, Any] = {name: body.top[name] for name in ("User", "WorkingDir", "Env") if name in body.top}
    whole |= {"Cmd": rest[1:], "Privileged": bool(body.host.get("Privileged"))}
    return EngineLine("POST", f"{VERSION}/containers/{rest[0]}/exec", whole)


def _build(words: list[str]) -> EngineLine:
    pairs = [(words[at + 1] if "=" not in word else word.partition("=")[2]) for at, word in enumerate(words) if word.partition("=")[0] in {"-t", "--tag"}]
    network = [words[at + 1] if "=" not in word else word.partition("=")[2] for at, word in enumerate(words) if word.partition("=")[0] == "--network"]
    query = [f"t={quote(name, safe='')}" for name in pairs] + [f"networkmode={name}" for name in network]
    return EngineLine("POST", f"{VERSION}/build{'?' + '&'.join(query) if query else ''}")


def _noun(noun: str, words: list[str]) -> EngineLine:
    whole: dict[str, Any] = {}
    names = []
    options = "DriverOpts" if noun == "volume" else "Options"
    while words:
        word, words = words[0], words[1:]
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
            continue
        if name in {"--internal", "--ipv6", "--attachable", "--ingress"}:
            whole[{"--ipv6": "EnableIPv6"}.get(name, name[2:].capitalize())] = True
            continue
        if not equals:
            value, words = words[0] if words else "", words[1:]
        if name in {"-d", "--driver"}:
            whole["Driver"] = value
        elif name in {"-o", "--opt", "--label"}:
            key, _, text = value.partition("=")
            whole.setdefault("Labels" if name == "--label" else options, {})[key] = text
        elif name != "--name":
            raise BadConfig(WHERE, f"{name} is not known here", "leave it out, or use --request FILE")
        else:
            names.append(value)
    return EngineLine("POST", f"{VERSION}/{noun}s/create", {**whole, **({"Name": names[0]} if names else {})})


def read_request(text: str, where: str) -> EngineLine:
    """A call from the text of a `--request` file: {"call": "POST /…", "body": {…}}.

    Raises:
        BadConfig: it is not of that form.
    """
    try:
        said = json.loads(text)
        method, _, target = said["call"].partition(" ")
        return EngineLine(method, target, said.get("body"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadConfig(where, "is no request", 'write {"call": "POST /v1.41/containers/create", "body": {…}}') from None
