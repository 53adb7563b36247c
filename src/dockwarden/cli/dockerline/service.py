"""`docker service create`: the twin of create, in other words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import dockwarden.cli.dockerline.attachments as attachments
from dockwarden.cli.dockerline.draft import Call, Draft, Surroundings
from dockwarden.cli.dockerline.flags import Flag, bad, duration, each, number, own, own_switches, pairs, read_flags, size, switch, table, text

SPEC, LIMITS, RESERVED = "TaskTemplate.ContainerSpec.", "TaskTemplate.Resources.Limits.", "TaskTemplate.Resources.Reservations."


def _network(draft: Draft, value: str) -> None:
    named = dict(attachments.fields_of(value)) if "=" in value else {"name": value}
    draft.add("TaskTemplate.Networks", {"Target": named["name"], **({"Aliases": [named["alias"]]} if "alias" in named else {})})


def _mount(draft: Draft, value: str) -> None:
    inner = Draft(draft.around)
    attachments.mount(inner, value)
    draft.add(SPEC + "Mounts", inner.body["HostConfig"]["Mounts"][0])


def _publish(draft: Draft, value: str) -> None:
    if "=" in value:
        named = dict(attachments.fields_of(value))
        target, published, protocol, mode = named["target"], named.get("published", "0"), named.get("protocol", "tcp"), named.get("mode", "ingress")
    else:
        ports, _, protocol = value.partition("/")
        published, _, target = ports.rpartition(":")
        mode = "ingress"
    draft.add(
        "EndpointSpec.Ports",
        {
            "TargetPort": int(target),
            "PublishedPort": int(published or 0),
            "Protocol": protocol or "tcp",
            "PublishMode": mode,
        },
    )


def _cpus(place: str) -> Flag:
    long = "limit-cpu" if place == LIMITS else "reserve-cpu"
    return Flag(long, lambda draft, value: draft.put(place + "NanoCPUs", int(Decimal(value) * 10**9)))


def _ulimit(draft: Draft, value: str) -> None:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    draft.add(SPEC + "Ulimits", {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)})


def _reference(kind: str) -> Flag:
    """A swarm secret or config; the client looks its id up, and the name stands for it here."""

    def put(draft: Draft, value: str) -> None:
        named = dict(attachments.fields_of(value)) if "=" in value else {"source": value}
        name = named.get("source") or named["src"]
        draft.add(f"{SPEC}{kind}s", {f"{kind}ID": name, f"{kind}Name": name, "File": {"Name": named.get("target", name)}})

    return Flag(kind.lower(), put)


def _mode(draft: Draft, value: str) -> None:
    draft.put("Mode", {"Global": {}} if value == "global" else {"Replicated": {}})


CREATE = table(
    each("cap-add", SPEC + "CapabilityAdd"),
    each("cap-drop", SPEC + "CapabilityDrop"),
    _reference("Config"),
    _reference("Secret"),
    each("constraint", "TaskTemplate.Placement.Constraints"),
    pairs("container-label", SPEC + "Labels"),
    each("dns", SPEC + "DNSConfig.Nameservers"),
    each("dns-option", SPEC + "DNSConfig.Options"),
    each("dns-search", SPEC + "DNSConfig.Search"),
    text("endpoint-mode", "EndpointSpec.Mode"),
    each("env", SPEC + "Env", "e"),
    each("group", SPEC + "Groups"),
    each("host", SPEC + "Hosts"),
    text("hostname", SPEC + "Hostname"),
    switch("init", SPEC + "Init"),
    text("isolation", SPEC + "Isolation"),
    pairs("label", "Labels", "l"),
    _cpus(LIMITS),
    _cpus(RESERVED),
    size("limit-memory", LIMITS + "MemoryBytes"),
    number("limit-pids", LIMITS + "Pids"),
    size("reserve-memory", RESERVED + "MemoryBytes"),
    text("log-driver", "TaskTemplate.LogDriver.Name"),
    pairs("log-opt", "TaskTemplate.LogDriver.Options"),
    Flag("mode", _mode),
    Flag("mount", _mount),
    text("name", "Name"),
    Flag("network", _network),
    Flag("publish", _publish, "p"),
    switch("read-only", SPEC + "ReadOnly"),
    number("replicas", "Mode.Replicated.Replicas"),
    text("stop-signal", SPEC + "StopSignal"),
    duration("stop-grace-period", SPEC + "StopGracePeriod"),
    pairs("sysctl", SPEC + "Sysctls"),
    switch("tty", SPEC + "TTY", "t"),
    Flag("ulimit", _ulimit),
    text("user", SPEC + "User", "u"),
    text("workdir", SPEC + "Dir", "w"),
    number("oom-score-adj", SPEC + "OomScoreAdj"),
    *own_switches("detach:d", "no-resolve-image", "quiet:q", "with-registry-auth", "no-healthcheck", "help"),
    *own(
        "restart-condition",
        "restart-delay",
        "restart-max-attempts",
        "restart-window",
        "update-delay",
        "update-parallelism",
        "update-order",
        "update-failure-action",
        "update-monitor",
        "update-max-failure-ratio",
        "rollback-delay",
        "rollback-parallelism",
        "rollback-order",
        "rollback-failure-action",
        "rollback-monitor",
        "rollback-max-failure-ratio",
        "placement-pref",
        "replicas-max-per-node",
        "max-concurrent",
        "health-cmd",
        "health-interval",
        "health-retries",
        "health-start-period",
        "health-start-interval",
        "health-timeout",
    ),
)


def service_created(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker service create`.

    Raises:
        BadConfig: a flag that is not known, a value that cannot be meant, no image.
    """
    draft = Draft(around)
    plain = read_flags("service create", words, CREATE, draft, ends_at_name=True)
    if not plain:
        raise bad("service create", "names no image", "write docker service create [OPTIONS] IMAGE [COMMAND]")
    draft.put(SPEC + "Image", plain[0])
    if plain[1:]:
        draft.put(SPEC + "Args", plain[1:])
    return [draft.call("POST", "services", "create", has_body=True)]
