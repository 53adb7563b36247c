"""The bodies of swarm, node, secret and config calls.

Source: `/swarm/…`, `/nodes/…`, `/secrets/…`, `/configs/…` of API 1.24 to 1.55; THREATS 2.8.
"""

from __future__ import annotations

from typing import Annotated

from dockwarden.engine.bodies.body import UNSET, Body, Bool, Int, Str, Strs, Texts, UnsetType
from dockwarden.engine.marks import harmless, judged

SWARM = judged("swarm calls are host-equivalent: the action is what policy decides on")
TUNING = harmless("timing of the swarm, which only who may change the swarm can change")


class DriverSpec(Body):
    """A driver and its options."""

    Name: Annotated[Str, SWARM] = UNSET
    Options: Annotated[Texts, SWARM] = UNSET


class Orchestration(Body):
    """History of tasks."""

    TaskHistoryRetentionLimit: Annotated[Int, TUNING] = UNSET


class Raft(Body):
    """Consensus timing."""

    SnapshotInterval: Annotated[Int, TUNING] = UNSET
    KeepOldSnapshots: Annotated[Int, TUNING] = UNSET
    LogEntriesForSlowFollowers: Annotated[Int, TUNING] = UNSET
    ElectionTick: Annotated[Int, TUNING] = UNSET
    HeartbeatTick: Annotated[Int, TUNING] = UNSET


class Dispatcher(Body):
    """Heartbeats."""

    HeartbeatPeriod: Annotated[Int, TUNING] = UNSET


class ExternalCA(Body):
    """A certificate authority outside."""

    Protocol: Annotated[Str, SWARM] = UNSET
    URL: Annotated[Str, SWARM] = UNSET
    Options: Annotated[Texts, SWARM] = UNSET
    CACert: Annotated[Str, SWARM] = UNSET


class CAConfig(Body):
    """The swarm's certificate authority."""

    NodeCertExpiry: Annotated[Int, SWARM] = UNSET
    ExternalCAs: Annotated[list[ExternalCA] | UnsetType, SWARM] = UNSET
    SigningCACert: Annotated[Str, SWARM] = UNSET
    SigningCAKey: Annotated[Str, SWARM] = UNSET
    ForceRotate: Annotated[Int, SWARM] = UNSET


class EncryptionConfig(Body):
    """Whether managers lock."""

    AutoLockManagers: Annotated[Bool, SWARM] = UNSET


class TaskDefaults(Body):
    """What every task gets."""

    LogDriver: Annotated[DriverSpec | UnsetType, SWARM] = UNSET


class SwarmSpec(Body):
    """A swarm."""

    Name: Annotated[Str, SWARM] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused")] = UNSET
    Orchestration: Annotated[Orchestration | UnsetType, TUNING] = UNSET
    Raft: Annotated[Raft | UnsetType, TUNING] = UNSET
    Dispatcher: Annotated[Dispatcher | UnsetType, TUNING] = UNSET
    CAConfig: Annotated[CAConfig | UnsetType, SWARM] = UNSET
    EncryptionConfig: Annotated[EncryptionConfig | UnsetType, SWARM] = UNSET
    TaskDefaults: Annotated[TaskDefaults | UnsetType, SWARM] = UNSET


class SwarmInit(Body):
    """A swarm to begin."""

    ListenAddr: Annotated[Str, SWARM] = UNSET
    AdvertiseAddr: Annotated[Str, SWARM] = UNSET
    DataPathAddr: Annotated[Str, SWARM] = UNSET
    DataPathPort: Annotated[Int, SWARM] = UNSET
    DefaultAddrPool: Annotated[Strs, SWARM] = UNSET
    ForceNewCluster: Annotated[Bool, SWARM] = UNSET
    SubnetSize: Annotated[Int, SWARM] = UNSET
    Spec: Annotated[SwarmSpec | UnsetType, SWARM] = UNSET
    AutoLockManagers: Annotated[Bool, SWARM] = UNSET
    Availability: Annotated[Str, SWARM] = UNSET


class SwarmJoin(Body):
    """A swarm to join."""

    ListenAddr: Annotated[Str, SWARM] = UNSET
    AdvertiseAddr: Annotated[Str, SWARM] = UNSET
    DataPathAddr: Annotated[Str, SWARM] = UNSET
    RemoteAddrs: Annotated[Strs, SWARM] = UNSET
    JoinToken: Annotated[Str, SWARM] = UNSET
    Availability: Annotated[Str, SWARM] = UNSET


class SwarmUnlock(Body):
    """The key of a locked swarm."""

    UnlockKey: Annotated[Str, SWARM] = UNSET


class NodeSpec(Body):
    """A node."""

    Name: Annotated[Str, SWARM] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused")] = UNSET
    Role: Annotated[Str, SWARM] = UNSET
    Availability: Annotated[Str, SWARM] = UNSET


class SecretSpec(Body):
    """A swarm secret. Its data never reach a log or an error."""

    Name: Annotated[Str, SWARM] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    Data: Annotated[Str, SWARM] = UNSET
    Driver: Annotated[DriverSpec | UnsetType, SWARM] = UNSET
    Templating: Annotated[DriverSpec | UnsetType, SWARM] = UNSET

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "SecretSpec(…)"


class ConfigSpec(Body):
    """A swarm config."""

    Name: Annotated[Str, SWARM] = UNSET
    Labels: Annotated[Texts, judged("labels of ours are refused, then stamped")] = UNSET
    Data: Annotated[Str, SWARM] = UNSET
    Templating: Annotated[DriverSpec | UnsetType, SWARM] = UNSET
