"""Facts of networks, volumes, secrets and configs. Source: THREATS 2.5, 2.8."""

from __future__ import annotations

from collections.abc import Iterator

from dockwarden.engine.call import EngineCall
from dockwarden.engine.facts.model import Facts
from dockwarden.engine.facts.run import volume_escapes
from dockwarden.engine.fields import is_given, read
from dockwarden.engine.known import Known
from dockwarden.engine.runs import NO_OBJECTS, NO_TEXTS

BRIDGE_OPTIONS = frozenset({
    "com.docker.network.bridge.enable_icc", "com.docker.network.bridge.enable_ip_masquerade", "com.docker.network.driver.mtu",
    "com.docker.network.container_iface_prefix", "com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6",
})
"""Options of the bridge driver that stay within the network they are of."""


def network_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of a network create."""
    body = call.body
    escape = set(_ipam(read(body, "IPAM", None)))
    if (driver := read(body, "Driver", "")) not in {"", "bridge"}:
        escape.add(f"network-driver:{driver}")
    if (scope := read(body, "Scope", "")) not in {"", "local"}:
        escape.add(f"network-scope:{scope}")
    if read(body, "Ingress", False):
        escape.add("network-ingress")
    escape.update(f"network-option:{name}" for name in read(body, "Options", NO_TEXTS) if name not in BRIDGE_OPTIONS)
    return Facts(escape=frozenset(escape))


def _ipam(ipam: object) -> Iterator[str]:
    if (driver := read(ipam, "Driver", "")) not in {"", "default"}:
        yield f"network-ipam:{driver}"
    yield from (f"network-ipam:{name}" for name in read(ipam, "Options", NO_TEXTS))
    for config in read(ipam, "Config", NO_OBJECTS):
        chosen = [read(config, name, "") for name in ("Subnet", "IPRange", "Gateway")]
        chosen += [address for name in ("AuxiliaryAddresses", "AuxAddress") for address in read(config, name, NO_TEXTS).values()]
        yield from (f"network-subnet:{address}" for address in chosen if address)


def volume_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of a volume create: the same as those of a mount that makes one."""
    body = call.body
    escape = set(volume_escapes(read(body, "Driver", ""), read(body, "DriverOpts", {})))
    if is_given(body, "ClusterVolumeSpec"):
        escape.add("volume-cluster")
    return Facts(escape=frozenset(escape))


def value_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of a secret or a config."""
    names = (read(read(call.body, field, None), "Name", "") for field in ("Driver", "Templating"))
    return Facts(escape=frozenset(f"secret-driver:{name}" for name in names if name))
