"""The bodies of volume calls.

Source: `/volumes/create`, `PUT /volumes/{name}` of API 1.24 to 1.55; THREATS 2.5.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Int, Str, Texts, UnsetType
from dockwarden.engine.marks import judged

CLUSTER = judged("the fact cluster-volume")


class AccessMode(Body):
    """How a cluster volume is used."""

    Scope: Annotated[Str, CLUSTER] = UNSET
    Sharing: Annotated[Str, CLUSTER] = UNSET
    MountVolume: Annotated[dict | UnsetType, CLUSTER] = UNSET  # type: ignore[type-arg]  # any object, read as empty
    BlockVolume: Annotated[dict | UnsetType, CLUSTER] = UNSET  # type: ignore[type-arg]  # any object, read as empty
    Secrets: Annotated[list[VolumeSecret] | UnsetType, CLUSTER] = UNSET
    AccessibilityRequirements: Annotated[TopologyRequirement | UnsetType, CLUSTER] = UNSET
    CapacityRange: Annotated[CapacityRange | UnsetType, CLUSTER] = UNSET
    Availability: Annotated[Str, CLUSTER] = UNSET


class VolumeSecret(Body):
    """A secret that the volume's driver gets."""

    Key: Annotated[Str, CLUSTER] = UNSET
    Secret: Annotated[Str, CLUSTER] = UNSET


class Topology(Body):
    """Where a volume may be."""

    Segments: Annotated[Texts, CLUSTER] = UNSET


class TopologyRequirement(Body):
    """Where a volume must be."""

    Requisite: Annotated[list[Topology] | UnsetType, CLUSTER] = UNSET
    Preferred: Annotated[list[Topology] | UnsetType, CLUSTER] = UNSET


class CapacityRange(Body):
    """How large a volume is."""

    RequiredBytes: Annotated[Int, CLUSTER] = UNSET
    LimitBytes: Annotated[Int, CLUSTER] = UNSET


class ClusterVolumeSpec(Body):
    """A volume of the swarm."""

    Group: Annotated[Str, CLUSTER] = UNSET
    AccessMode: Annotated[AccessMode | UnsetType, CLUSTER] = UNSET
    Secrets: Annotated[list[VolumeSecret] | UnsetType, CLUSTER] = UNSET
    AccessibilityRequirements: Annotated[TopologyRequirement | UnsetType, CLUSTER] = UNSET
    CapacityRange: Annotated[CapacityRange | UnsetType, CLUSTER] = UNSET
    Availability: Annotated[Str, CLUSTER] = UNSET


class VolumeCreate(Body):
    """A volume to make."""

    Name: Annotated[Str, judged("the resource's name; another's is refused")] = UNSET
    Driver: Annotated[Str, judged("the fact volume-driver:NAME")] = UNSET
    DriverOpts: Annotated[Texts, judged("the facts volume-bind, volume-mount, volume-option")] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    ClusterVolumeSpec: Annotated[ClusterVolumeSpec | UnsetType, CLUSTER] = UNSET


class VolumeUpdate(Body):
    """A cluster volume to change."""

    Spec: Annotated[ClusterVolumeSpec | UnsetType, CLUSTER] = UNSET


