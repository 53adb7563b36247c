"""Flags whose values have a grammar of their own: mounts, ports, networks, devices, GPUs."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator
from typing import Any, NoReturn

from dockwarden.cli.dockerline.draft import Draft
from dockwarden.cli.dockerline.flags import FALSE, TRUE, size_bytes

MOUNT_FIELDS = {
    "type": "Type",
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
    "bind-propagation": "BindOptions.Propagation",
    "volume-subpath": "VolumeOptions.Subpath",
    "volume-driver": "VolumeOptions.DriverConfig.Name",
    "image-subpath": "ImageOptions.Subpath",
}
MOUNT_SWITCHES = {
    "readonly": "ReadOnly",
    "ro": "ReadOnly",
    "volume-nocopy": "VolumeOptions.NoCopy",
    "bind-nonrecursive": "BindOptions.NonRecursive",
    "bind-create-src": "BindOptions.CreateMountpoint",
}
MOUNT_PAIRS = {"volume-opt": "VolumeOptions.DriverConfig.Options", "volume-label": "VolumeOptions.Labels"}
RECURSIVE = {"enabled": "", "disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive", "readonly": "ReadOnlyForceRecursive"}


def fields_of(value: str) -> Iterator[tuple[str, str]]:
    """The `key=value` parts of a list with commas and quotes; a part without a value has "". Raises `ValueError`."""
    try:
        (row,) = csv.reader([value], strict=True)
    except csv.Error:
        raise ValueError(value) from None
    for part in row:
        key, _, text = part.partition("=")
        yield key.strip(), text


def mount(draft: Draft, value: str) -> None:
    """`--mount type=bind,src=/a,dst=/b,ro`."""
    made = Draft(draft.around, {"Type": "volume"})
    for key, text in fields_of(value):
        name = key.lower()
        if name in MOUNT_FIELDS:
            made.put(MOUNT_FIELDS[name], text)
        elif name in MOUNT_SWITCHES:
            made.put(MOUNT_SWITCHES[name], _is_true(text))
        elif name in MOUNT_PAIRS:
            made.pair(MOUNT_PAIRS[name], *text.partition("=")[::2])
        elif name == "bind-recursive":
            option = RECURSIVE[text] if text in RECURSIVE else _unknown(value)
            if option:
                made.put(f"BindOptions.{option}", True)
        elif name == "tmpfs-size":
            made.put("TmpfsOptions.SizeBytes", size_bytes(text))
        elif name == "tmpfs-mode":
            made.put("TmpfsOptions.Mode", int(text, 8))
        else:
            _unknown(value)
    if made.body["Type"] == "bind" and made.body.get("Source", "").startswith("."):
        made.body["Source"] = absolute(draft, made.body["Source"])
    draft.add("HostConfig.Mounts", made.body)


def _is_true(text: str) -> bool:
    if text not in TRUE | FALSE | {""}:
        raise ValueError(text)
    return text not in FALSE


def _unknown(value: str) -> NoReturn:
    raise ValueError(value)


def absolute(draft: Draft, path: str) -> str:
    """A path as the client sends it: from where the line was typed."""
    return posixpath.normpath(posixpath.join(draft.around.folder, path))


def volume(draft: Draft, value: str) -> None:
    """`-v SOURCE:TARGET[:OPTIONS]`, or `-v TARGET` for a volume without a name."""
    source, colon, rest = value.partition(":")
    if not colon:
        draft.pair("Volumes", value, {})
        return
    draft.add("HostConfig.Binds", f"{absolute(draft, source) if source.startswith('.') else source}:{rest}")


def tmpfs(draft: Draft, value: str) -> None:
    """`--tmpfs TARGET[:OPTIONS]`."""
    target, _, options = value.partition(":")
    draft.pair("HostConfig.Tmpfs", target, options)


def device(draft: Draft, value: str) -> None:
    """`--device PATH[:PATH][:rwm]`, or a CDI name."""
    if not value.startswith("/") and "/" in value and "=" in value:
        requests = draft.body.setdefault("HostConfig", {}).setdefault("DeviceRequests", [])
        found = next((request for request in requests if request.get("Driver") == "cdi"), None)
        if found is None:
            requests.append(found := {"Driver": "cdi", "DeviceIDs": []})
        found["DeviceIDs"].append(value)
        return
    host, *more = value.split(":")
    inside, permissions = host, "rwm"
    if more and set(more[-1]) <= set("rwm") and more[-1]:
        permissions = more.pop()
    if more:
        inside = more[0] or host
    draft.add("HostConfig.Devices", {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions})


def gpus(draft: Draft, value: str) -> None:
    """`--gpus all`, `--gpus 2`, `--gpus device=0`, `--gpus driver=nvidia,count=2`."""
    request: dict[str, Any] = {}
    capabilities: list[str] = []
    for key, text in fields_of(value):
        if not text:
            request["Count"] = -1 if key == "all" else int(key)
        elif key == "count":
            request["Count"] = -1 if text == "all" else int(text)
        elif key == "device":
            request["DeviceIDs"] = text.split(",")
        elif key == "driver":
            request["Driver"] = text
        elif key == "capabilities":
            capabilities = text.split(",")
        elif key == "options":
            request["Options"] = dict(fields_of(text))
        else:
            _unknown(value)
    request["Capabilities"] = [[*(one for one in capabilities if one != "gpu"), "gpu"]]
    draft.add("HostConfig.DeviceRequests", request)


def throttle(place: str, amount: str) -> Any:
    """`--device-read-bps PATH:RATE` and its like; `amount` is the field of the number."""

    def put(draft: Draft, value: str) -> None:
        path, _, rate = value.rpartition(":")
        draft.add(place, {"Path": path, amount: size_bytes(rate)})

    return put


def publish(draft: Draft, value: str) -> None:
    """`-p [[IP:]HOST:]CONTAINER[/PROTOCOL]`, each a port or a range, or `-p published=8080,target=80`."""
    if "=" in value:
        named = dict(fields_of(value))
        ip, host, inside, protocol = "", named.get("published", ""), named.get("target", ""), named.get("protocol", "tcp")
    else:
        rest, _, protocol = value.partition("/")
        rest, _, inside = rest.rpartition(":")
        ip, _, host = rest.rpartition(":")
        ip = ip.removeprefix("[").removesuffix("]")
    ports = _range(inside)
    hosts = _range(host) if host else []
    if hosts and len(ports) > 1 and len(hosts) != len(ports):
        raise ValueError(value)
    for at, port in enumerate(ports):
        shown = host if len(ports) == 1 else str(hosts[at]) if hosts else ""
        key = f"{port}/{protocol or 'tcp'}"
        draft.pair("ExposedPorts", key, {})
        draft.add_binding(key, {"HostIp": ip, "HostPort": shown})


def _range(ports: str) -> list[int]:
    first, _, last = ports.partition("-")
    return list(range(int(first), int(last or first) + 1))


def expose(draft: Draft, value: str) -> None:
    """`--expose PORT[-PORT][/PROTOCOL]`."""
    ports, _, protocol = value.partition("/")
    for port in _range(ports):
        draft.pair("ExposedPorts", f"{port}/{protocol or 'tcp'}", {})


def endpoints(draft: Draft) -> None:
    """Put together what `--network`, `--ip`, `--network-alias` and their like say of the networks to join."""
    settings: dict[str, Any] = {}
    for at, value in enumerate(draft.given.get("network", ["default"])):
        name, endpoint = _network(value)
        if at == 0:
            draft.put("HostConfig.NetworkMode", name)
            _plain_flags(draft, endpoint)
        if endpoint or at > 0:
            settings[name] = endpoint
    if settings:
        draft.put("NetworkingConfig.EndpointsConfig", settings)


def _network(value: str) -> tuple[str, dict[str, Any]]:
    """A network and how it is joined: `NAME`, or `name=NAME,alias=A,ip=…`."""
    if "=" not in value:
        return value, {}
    made = Draft()
    name = ""
    for key, text in fields_of(value):
        match key:
            case "name":
                name = text
            case "alias":
                made.add("Aliases", text)
            case "ip":
                made.put("IPAMConfig.IPv4Address", text)
            case "ip6":
                made.put("IPAMConfig.IPv6Address", text)
            case "link-local-ip":
                made.add("IPAMConfig.LinkLocalIPs", text)
            case "mac-address":
                made.put("MacAddress", text)
            case "driver-opt":
                made.pair("DriverOpts", *text.partition("=")[::2])
            case "gw-priority":
                made.put("GwPriority", int(text))
            case _:
                _unknown(value)
    return name or _unknown(value), made.body


def _plain_flags(draft: Draft, endpoint: dict[str, Any]) -> None:
    """What the flags beside `--network` say of the first one."""
    given = draft.given
    addresses = {
        name: values
        for flag, name, values in (
            ("ip", "IPv4Address", draft.last("ip")),
            ("ip6", "IPv6Address", draft.last("ip6")),
            ("link-local-ip", "LinkLocalIPs", given.get("link-local-ip", [])),
        )
        if flag in given
    }
    if addresses:
        endpoint["IPAMConfig"] = {**endpoint.get("IPAMConfig", {}), **addresses}
    if "network-alias" in given:
        endpoint["Aliases"] = [*endpoint.get("Aliases", []), *given["network-alias"]]
    if "mac-address" in given:
        endpoint["MacAddress"] = draft.last("mac-address")
    is_named = draft.body["HostConfig"]["NetworkMode"] not in {"default", "bridge", "host", "none"}
    if is_named and draft.body["HostConfig"].get("Links"):
        endpoint["Links"] = draft.body["HostConfig"]["Links"]
