"""Obligations tighten, never loosen; doing it twice changes nothing; users go upstream as numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.engine.call import EngineCall
from dockwarden.engine.facts import facts
from dockwarden.engine.fields import read
from dockwarden.engine.harden import harden, lowered
from dockwarden.engine.known import ContainerState, Known
from dockwarden.engine.obligations import FLAGS, NOTHING, Obligations, parse_obligations
from dockwarden.engine.routes.table import ROUTES
from dockwarden.engine.runs import run_of_create, run_of_service
from dockwarden.words.errors import BadConfig, Forbidden, Refused
from dockwarden.words.principal import Account, Principal
from fixtures.bodies import any_body
from fixtures.calls import ALICE, BUSYBOX, CREATE, TOOL, call, known_for

ALL = parse_obligations(
    [
        "no-new-privileges, drop-all-caps, pids=512, memory=2g, cpus=2",
        "read-only-root, run-as-caller, default-seccomp, loopback-ports, init, private-namespaces, warn-secrets, as-variable",
    ]
)


def hardened(text: str, body: dict[str, Any], request: str = CREATE, **more: Any) -> Any:
    asked = call(request, body if not request.startswith(CREATE) else {"Image": "busybox", **body})
    return harden(asked, parse_obligations([text] if text else []), known_for(asked, **more)).body


def test_words_are_parsed_and_the_lower_limit_of_two_policies_counts() -> None:
    found = parse_obligations(["pids=512, memory=2g", "pids=100,drop-caps=NET_RAW+cap_mknod, cpus=1.5", "run-as=5:6"])

    expected = Obligations(
        pids=100, memory=2 << 30, nano_cpus=1_500_000_000, drop_caps=frozenset({"NET_RAW", "MKNOD"}), run_as=frozenset({(5, 6)})
    )
    assert expected == found
    assert NOTHING == parse_obligations([]) == parse_obligations(["", " , "])


@pytest.mark.parametrize(
    "word",
    [
        "nosuch",
        "pids",
        "pids=0",
        "pids=-1",
        "pids=1_0",
        "memory=1",
        "most=1023k",
        "daily=2gib",
        "memory=x",
        "memory=",
        "cpus=0",
        "cpus=0.001",
        "cpus=a",
        "run-as=0:0",
        "run-as=1",
        "run-as=1:0",
        "run-as=9999999999:1",
        "drop-caps=",
        "drop-caps=a b",
        "init=1",
        "no-new-privileges=true",
        "pids=\u0665",
    ],
)
def test_a_word_that_is_none_is_a_mistake_of_the_operator(word: str) -> None:
    with pytest.raises(BadConfig) as bad:
        parse_obligations([word])

    assert "@harden" == bad.value.where


@pytest.mark.parametrize(
    ("body", "user", "groups"),
    [
        ({}, "20001:20001", None),
        ({"User": "app"}, "1000:1000", None),
        ({"User": "0"}, "0:0", None),
        ({"User": "root"}, "0:0", None),
        ({"User": "4242"}, "4242:0", None),
        ({"User": "audio"}, "1002:1002", ["29", "44"]),
        ({"User": "audio", "HostConfig": {"GroupAdd": ["video"]}}, "1002:1002", ["44", "29"]),
        ({"User": "audio:video"}, "1002:44", None),
        ({"Image": "appimg"}, "1000:1000", None),
        ({"Image": "rootimg"}, "20001:20001", None),
        ({"HostConfig": {"GroupAdd": ["video"]}}, "20001:20001", ["44"]),
    ],
)
def test_users_and_groups_go_upstream_as_numbers(body: dict[str, Any], user: str, groups: list[str] | None) -> None:
    done = hardened("run-as-caller", body)

    assert user == done.User
    assert groups == read(read(done, "HostConfig", None), "GroupAdd", None)


def test_numbers_are_sent_without_any_obligation_and_root_that_nobody_named_is_left_alone() -> None:
    assert "1000:1000" == hardened("", {"User": "app"}).User
    assert "1000:1000" == hardened("", {"Image": "appimg"}).User
    for body in ({}, {"Image": "rootimg"}):
        asked = call(CREATE, {"Image": "busybox", **body})
        assert asked == harden(asked, NOTHING, known_for(asked))


def test_an_exec_sends_numbers_too() -> None:
    request = "POST /v1.41/containers/web/exec"

    assert "1000:1000" == hardened("", {"Cmd": ["x"], "User": "app"}, request).User
    assert "20001:20001" == hardened("", {"Cmd": ["x"]}, request).User
    assert "1000:1000" == hardened("", {"Cmd": ["x"]}, request, container=ContainerState("c", "app")).User
    root = call(request, {"Cmd": ["x"]})
    assert root == harden(root, NOTHING, known_for(root, container=ContainerState("c")))


def test_a_caller_without_an_account_cannot_be_run_as() -> None:
    for principal in (TOOL, Principal("root", account=Account(0, 0))):
        with pytest.raises(Forbidden) as refused:
            hardened("run-as-caller", {}, principal=principal)
        assert "harden.no_account" == refused.value.code
    assert "5:6" == hardened("run-as=5:6", {}, principal=TOOL).User
    with pytest.raises(Forbidden):
        hardened("run-as=5:6, run-as=7:8", {})


@pytest.mark.parametrize(
    ("text", "host", "expected"),
    [
        ("no-new-privileges", {"SecurityOpt": ["no-new-privileges:false", "label=x"]}, {"SecurityOpt": ["label=x", "no-new-privileges"]}),
        ("no-new-privileges", {}, {"SecurityOpt": ["no-new-privileges"]}),
        ("default-seccomp", {"SecurityOpt": ["seccomp:unconfined", "apparmor=x"]}, {"SecurityOpt": ["apparmor=x"]}),
        ("drop-all-caps", {"CapAdd": ["NET_BIND_SERVICE"]}, {"CapAdd": ["NET_BIND_SERVICE"], "CapDrop": ["ALL"]}),
        ("drop-all-caps", {"CapDrop": ["all"]}, {"CapDrop": ["all"]}),
        (
            "drop-caps=NET_RAW+MKNOD",
            {"CapAdd": ["cap_net_raw", "CHOWN"], "CapDrop": ["mknod"]},
            {"CapAdd": ["CHOWN"], "CapDrop": ["mknod", "NET_RAW"]},
        ),
        ("pids=512", {}, {"PidsLimit": 512}),
        ("pids=512", {"PidsLimit": -1}, {"PidsLimit": 512}),
        ("pids=512", {"PidsLimit": 0}, {"PidsLimit": 512}),
        ("pids=512", {"PidsLimit": 100}, {"PidsLimit": 100}),
        ("pids=512", {"PidsLimit": 600}, {"PidsLimit": 512}),
        ("memory=1g", {}, {"Memory": 1 << 30}),
        ("memory=1g", {"Memory": 1 << 28, "MemorySwap": 1 << 29}, {"Memory": 1 << 28, "MemorySwap": 1 << 29}),
        (
            "memory=1g",
            {"Memory": 1 << 31, "MemorySwap": -1, "MemoryReservation": 1 << 31},
            {"Memory": 1 << 30, "MemorySwap": 1 << 31, "MemoryReservation": 1 << 30},
        ),
        ("cpus=2", {}, {"NanoCpus": 2 * 10**9}),
        ("cpus=2", {"NanoCpus": 10**9}, {"NanoCpus": 10**9}),
        ("cpus=8", {}, {"NanoCpus": 4 * 10**9}),
        ("cpus=2", {"CpuQuota": 50_000}, {"CpuQuota": 50_000}),
        ("cpus=2", {"CpuPeriod": -1}, {"CpuPeriod": -1, "CpuQuota": 200_000}),
        ("cpus=2", {"CpuPeriod": 1, "CpuQuota": -1}, {"CpuPeriod": 1, "CpuQuota": 2}),
        ("cpus=2", {"CpuPeriod": 50_000, "CpuQuota": -1}, {"CpuPeriod": 50_000, "CpuQuota": 100_000}),
        ("cpus=1", {"CpuPeriod": 100_000, "CpuQuota": 400_000}, {"CpuPeriod": 100_000, "CpuQuota": 100_000}),
        ("read-only-root", {}, {"ReadonlyRootfs": True}),
        ("init", {"Init": False}, {"Init": False}),
        ("init", {}, {"Init": True}),
        ("private-namespaces", {"IpcMode": "shareable"}, {"IpcMode": "shareable", "CgroupnsMode": "private"}),
        (
            "loopback-ports",
            {"PortBindings": {"80/tcp": [{"HostPort": "1"}, {"HostIp": "127.0.0.2"}]}},
            {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}, {"HostIp": "127.0.0.2"}]}},
        ),
        (
            "loopback-ports",
            {"PublishAllPorts": True},
            {"PublishAllPorts": False, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
        ),
    ],
)
def test_an_obligation_is_fulfilled_in_the_body(text: str, host: dict[str, Any], expected: dict[str, Any]) -> None:
    done = hardened(text, {"HostConfig": host}).HostConfig

    assert call(CREATE, {"HostConfig": expected}).body.HostConfig == done  # type: ignore[union-attr]  # a create's body


def test_an_update_raises_no_limit_above_the_ceiling_and_touches_no_other() -> None:
    request = "POST /v1.41/containers/web/update"
    text = "pids=512, memory=1g, cpus=1"

    assert 512 == hardened(text, {"PidsLimit": -1}, request).PidsLimit
    done = hardened(text, {"Memory": 1 << 33, "MemorySwap": -1, "NanoCpus": 10**10}, request)
    assert (1 << 30, 1 << 31, 10**9) == (done.Memory, done.MemorySwap, done.NanoCpus)
    calm = call(request, {"RestartPolicy": {"Name": "no"}})
    assert calm == harden(calm, parse_obligations([text]), known_for(calm))


def test_a_service_is_hardened_like_the_container_that_it_runs() -> None:
    asked = call(
        "POST /v1.45/services/create",
        {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Privileges": {"Seccomp": {"Mode": "unconfined"}}}}},
    )
    task = harden(asked, ALL, known_for(asked)).body.TaskTemplate  # type: ignore[union-attr]  # a service's body
    spec = task.ContainerSpec

    assert ("20001:20001", True, True, ["ALL"]) == (spec.User, spec.ReadOnly, spec.Init, spec.CapabilityDrop)
    assert spec.Privileges.NoNewPrivileges
    assert (512, 2 << 30, 2 * 10**9) == (task.Resources.Limits.Pids, task.Resources.Limits.MemoryBytes, task.Resources.Limits.NanoCPUs)
    assert frozenset() == facts(harden(asked, ALL, known_for(asked)), known_for(asked)).escape


def test_a_build_has_ceilings_too() -> None:
    asked = call("POST /v1.41/build?t=a&memory=0&memswap=-1&cpuperiod=0")
    query = harden(asked, parse_obligations(["memory=1g, cpus=2"]), known_for(asked)).query

    assert (("1073741824",), ("2147483648",), ("100000",), ("200000",)) == tuple(
        query[name] for name in ("memory", "memswap", "cpuperiod", "cpuquota")
    )


def test_lists_that_say_what_the_engine_does_anyway_are_left_to_it() -> None:
    own = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/firmware",
    ]
    done = hardened("pids=5", {"HostConfig": {"MaskedPaths": own, "ReadonlyPaths": []}}).HostConfig

    assert call(CREATE, {"HostConfig": {"ReadonlyPaths": [], "PidsLimit": 5}}).body.HostConfig == done  # type: ignore[union-attr]  # a create's body


ACTIONS = [
    route
    for route in ROUTES
    if route.action in {"container.create", "container.update", "exec.create", "service.create", "service.update", "image.build"}
]
WISHES = st.lists(st.sampled_from([*FLAGS, "pids=512", "memory=1g", "cpus=1.5", "drop-caps=NET_RAW", "run-as=7:8"]), max_size=6)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ACTIONS), st.data(), WISHES)
def test_hardening_only_ever_tightens_and_twice_is_once(route: Any, data: st.DataObject, words: list[str]) -> None:
    asked = data.draw(any_body(route))
    known = Known(principal=ALICE, image=BUSYBOX, container=ContainerState("c", "1000:1000"), cpus=4)
    obligations = parse_obligations(words)
    try:
        before, once = facts(asked, known), harden(asked, obligations, known)
    except Refused:
        return
    after = facts(once, known)

    assert after.escape <= before.escape
    assert after.foreign <= before.foreign
    assert after.ports <= before.ports
    assert after.binds == before.binds
    assert before.user.is_root or not after.user.is_root
    assert not after.user.is_other_account or before.user.is_other_account
    assert once == harden(once, obligations, known)
    for name, low, high in _limits(once, asked):
        assert low is None or high is None or high <= 0 or 0 < low <= high, name


def _limits(after: EngineCall, before: EngineCall) -> list[tuple[str, int | None, int | None]]:
    """Each limit after and before; one that was not given was none."""
    readers = {"container.create": run_of_create, "service.create": run_of_service, "service.update": run_of_service}
    reader = readers.get(before.route.action)
    if reader is None or before.body is None:
        return []
    new, old = reader(after.body).limits, reader(before.body).limits
    return [(name, getattr(new, name), getattr(old, name)) for name in ("pids", "memory", "nano_cpus")]


def test_a_hardened_create_of_everything_has_no_root_in_it() -> None:
    asked = call(CREATE, {"Image": "rootimg"})
    known = known_for(asked)
    done = facts(harden(asked, ALL, known), known)

    assert (False, True, 20001) == (done.user.is_root, done.user.is_caller, done.user.uid)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, []),
        ({"Memory": 1 << 30, "NanoCpus": 10**9, "PidsLimit": 100}, []),
        ({"Memory": 0, "NanoCpus": 0, "PidsLimit": None}, []),
        ({"Memory": 8 << 30}, ["Memory (--memory): 8g was asked for, 2g is what policy gives"]),
        ({"Memory": (2 << 30) + 1}, ["Memory (--memory): 2147483649b was asked for, 2g is what policy gives"]),
        ({"NanoCpus": 3_500_000_000}, ["NanoCpus (--cpus): 3.5 was asked for, 2 is what policy gives"]),
        ({"CpuQuota": 400_000}, ["CpuQuota (--cpu-quota): 400000 was asked for, 200000 is what policy gives"]),
        ({"PidsLimit": 5000}, ["PidsLimit (--pids-limit): 5000 was asked for, 512 is what policy gives"]),
        ({"PidsLimit": -1}, ["PidsLimit (--pids-limit): no limit was asked for, 512 is what policy gives"]),
        ({"Memory": 1 << 30, "MemorySwap": -1}, ["MemorySwap (--memory-swap): no limit was asked for, 2g is what policy gives"]),
        ({"CapAdd": ["NET_RAW", "cap_chown"]}, ["CapAdd (--cap-add): NET_RAW is dropped by policy"]),
    ],
)
def test_what_is_given_less_of_is_told_and_what_is_filled_in_is_not(asked: dict[str, Any], told: list[str]) -> None:
    obligations = parse_obligations(["pids=512, memory=2g, cpus=2, drop-caps=NET_RAW"])
    create = call(CREATE, {"Image": "busybox", "HostConfig": asked})

    assert told == list(lowered(create, harden(create, obligations, known_for(create))))
    if "CapAdd" not in asked:
        update = call("POST /v1.41/containers/web/update", asked)
        assert told == list(lowered(update, harden(update, obligations, known_for(update))))
