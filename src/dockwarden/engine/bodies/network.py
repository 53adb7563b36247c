"""The bodies of network calls.

Source: `/networks/create`, `/connect`, `/disconnect` of API 1.24 to 1.55; THREATS 2.5.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Bool, Str, Texts, UnsetType
from dockwarden.engine.bodies.container import EndpointSettings
from dockwarden.engine.marks import harmless, judged

ADDRESSES = judged("the fact network-address: a subnet of the caller's choice can take over routes")


class IPAMConfig(Body):
    """One address range."""

    Subnet: Annotated[Str, ADDRESSES] = UNSET
    IPRange: Annotated[Str, ADDRESSES] = UNSET
    Gateway: Annotated[Str, ADDRESSES] = UNSET
    AuxiliaryAddresses: Annotated[Texts, ADDRESSES] = UNSET
    AuxAddress: Annotated[Texts, ADDRESSES] = UNSET


class IPAM(Body):
    """Address management."""

    Driver: Annotated[Str, judged("the fact ipam-driver:NAME")] = UNSET
    Config: Annotated[list[IPAMConfig] | UnsetType, ADDRESSES] = UNSET
    Options: Annotated[Texts, judged("the fact ipam-option:NAME")] = UNSET


class ConfigReference(Body):
    """Another network whose configuration is taken."""

    Network: Annotated[Str, judged("a reference")] = UNSET


class NetworkCreate(Body):
    """A network to make."""

    Name: Annotated[Str, judged("the resource's name")] = UNSET
    CheckDuplicate: Annotated[Bool, harmless("the Engine checks anyway")] = UNSET
    Driver: Annotated[Str, judged("the fact network-driver:NAME")] = UNSET
    Scope: Annotated[Str, judged("the fact network-scope:NAME")] = UNSET
    EnableIPv4: Annotated[Bool, harmless("addresses of the network's own")] = UNSET
    EnableIPv6: Annotated[Bool, harmless("addresses of the network's own")] = UNSET
    IPAM: Annotated[IPAM | UnsetType, judged("field by field")] = UNSET
    Internal: Annotated[Bool, harmless("it takes away")] = UNSET
    Attachable: Annotated[Bool, judged("the fact network-attachable")] = UNSET
    Ingress: Annotated[Bool, judged("the fact network-ingress")] = UNSET
    ConfigOnly: Annotated[Bool, judged("the fact network-config-only")] = UNSET
    ConfigFrom: Annotated[ConfigReference | UnsetType, judged("a reference")] = UNSET
    Options: Annotated[Texts, judged("the fact network-option:NAME")] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET


class NetworkConnect(Body):
    """A container that joins."""

    Container: Annotated[Str, judged("a reference")] = UNSET
    EndpointConfig: Annotated[EndpointSettings | UnsetType, judged("as in create")] = UNSET


class NetworkDisconnect(Body):
    """A container that leaves."""

    Container: Annotated[Str, judged("a reference")] = UNSET
    Force: Annotated[Bool, harmless("it works on the same two things")] = UNSET
