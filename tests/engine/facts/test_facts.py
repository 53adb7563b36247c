"""Twins have the same facts, doubt is a fact, and no call makes facts fail."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.engine.dockerfile import LONGEST_DOCKERFILE
from dockwarden.engine.facts import Facts, facts
from dockwarden.engine.facts.build import build_references, pulled_names
from dockwarden.engine.facts.image import loaded_names
from dockwarden.engine.known import ContainerState, ImageConfig, Known
from dockwarden.engine.routes.table import ROUTES
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Malformed, Refused, TooLarge
from dockwarden.words.principal import Account, Principal
from fixtures.bodies import any_body
from fixtures.calls import ALICE, BUSYBOX, CREATE, call, host, judge, known_for, refusal

SERVICE = "POST /v1.45/services/create"
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["RepoTags", "Config", "manifests", "annotations", "repotags", "busybox"]), inner, max_size=3),
    max_leaves=8,
)


def service(spec: dict[str, Any], **task: Any) -> Facts:
    return judge(SERVICE, {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "busybox", **spec}, **task}})


MOUNTS: list[tuple[list[str], dict[str, Any]]] = [
    (["/etc:/x"], {"Type": "bind", "Source": "/etc", "Target": "/x"}),
    (["/etc:/x:ro"], {"Type": "bind", "Source": "//etc/.", "Target": "/x", "ReadOnly": True}),
    (
        ["/srv/work/alice:/x:rshared"],
        {"Type": "bind", "Source": "/srv/work/alice", "Target": "/x", "BindOptions": {"Propagation": "rshared"}},
    ),
    (["/srv/work/shared:/x"], {"Type": "bind", "Source": "/srv/work/shared", "Target": "/x"}),
    (["/var/run:/x:ro"], {"Type": "bind", "Source": "/var/run", "Target": "/x", "ReadOnly": True}),
    (["bobvol:/x"], {"Type": "volume", "Source": "bobvol", "Target": "/x"}),
    (["newvol:/x"], {"Type": "volume", "Source": "newvol", "Target": "/x"}),
    (["/x"], {"Type": "volume", "Target": "/x"}),
]


@pytest.mark.parametrize(("binds", "mount"), MOUNTS)
def test_binds_mounts_and_a_service_s_mounts_have_the_same_facts(binds: list[str], mount: dict[str, Any]) -> None:
    one, two, three = host(Binds=binds), host(Mounts=[mount]), service({"Mounts": [mount]})

    assert one == two
    assert (one.escape, one.foreign, one.binds) == (three.escape, three.foreign, three.binds)


TWINS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"CapAdd": ["SYS_ADMIN"]}, {}, {"CapabilityAdd": ["CAP_SYS_ADMIN"]}, {}),
    ({"Sysctls": {"kernel.x": "1"}}, {}, {"Sysctls": {"kernel.x": "1"}}, {}),
    ({"SecurityOpt": ["seccomp=unconfined"]}, {}, {"Privileges": {"Seccomp": {"Mode": "unconfined"}}}, {}),
    ({"SecurityOpt": ["apparmor=unconfined"]}, {}, {"Privileges": {"AppArmor": {"Mode": "disabled"}}}, {}),
    ({"SecurityOpt": ["label=disable"]}, {}, {"Privileges": {"SELinuxContext": {"Disable": True}}}, {}),
    ({"OomScoreAdj": -5}, {}, {"OomScoreAdj": -5}, {}),
    ({"LogConfig": {"Type": "gelf"}}, {}, {}, {"LogDriver": {"Name": "gelf"}}),
    ({"NetworkMode": "host"}, {}, {}, {"Networks": [{"Target": "host"}]}),
    ({"NetworkMode": "bobnet"}, {}, {}, {"Networks": [{"Target": "bobnet"}]}),
    ({"Ulimits": [{"Name": "rtprio"}]}, {}, {"Ulimits": [{"Name": "rtprio"}]}, {}),
    ({"GroupAdd": ["docker"]}, {}, {"Groups": ["docker"]}, {}),
    ({"Isolation": "hyperv"}, {}, {"Isolation": "hyperv"}, {}),
    ({}, {"User": "0"}, {"User": "0"}, {}),
    ({}, {"User": "app"}, {"User": "app"}, {}),
    ({}, {"WorkingDir": "/proc/1"}, {"Dir": "/proc/1"}, {}),
    ({}, {"Image": "bob/app"}, {"Image": "bob/app"}, {}),
    ({"PidsLimit": -1}, {}, {}, {"Resources": {"Limits": {"Pids": -1}}}),
]


@pytest.mark.parametrize(("of_host", "top", "spec", "task"), TWINS)
def test_a_service_has_the_facts_of_the_container_that_it_runs(
    of_host: dict[str, Any], top: dict[str, Any], spec: dict[str, Any], task: dict[str, Any]
) -> None:
    container = judge(CREATE, {"Image": "busybox", **top, "HostConfig": of_host})
    twin = service(spec, **task)

    assert (container.escape, container.foreign, container.user, container.image) == (twin.escape, twin.foreign, twin.user, twin.image)


UPDATED = [
    {"Devices": [{"PathOnHost": "/dev/sda"}]},
    {"DeviceCgroupRules": ["a"]},
    {"DeviceRequests": [{"Driver": "x"}]},
    {"CgroupParent": "/"},
    {"OomKillDisable": True},
    {"PidsLimit": -1},
    {"Memory": -1},
    {"MemorySwap": -1},
    {"CpuQuota": -1},
    {"NanoCpus": -1},
    {"CpuRealtimePeriod": 5},
    {"Ulimits": [{"Name": "nice"}]},
    {"BlkioWeightDevice": [{"Path": "/dev/sda"}]},
    {"Memory": 1 << 28, "NanoCpus": 5},
]


@pytest.mark.parametrize("fields", UPDATED)
def test_an_update_has_the_facts_that_a_create_would_have(fields: dict[str, Any]) -> None:
    assert host(**fields).escape == judge("POST /v1.41/containers/web/update", fields).escape


def test_a_volume_has_the_facts_of_a_mount_that_makes_it() -> None:
    for options in ({"type": "none", "o": "bind", "device": "/etc"}, {"type": "nfs"}, {}, {"weird": "x"}):
        config = {"Name": "local", "Options": options}
        mounted = host(Mounts=[{"Type": "volume", "Target": "/x", "VolumeOptions": {"DriverConfig": config}}])
        made = judge("POST /v1.41/volumes/create", {"Driver": "local", "DriverOpts": options})
        assert mounted.escape == made.escape


def test_top_level_fields_of_old_count_nowhere() -> None:
    assert "engine.unknown_field" == refusal(CREATE, {"Image": "busybox", "Privileged": True})


@pytest.mark.parametrize(
    ("user", "root", "given", "caller", "other"),
    [
        ("", True, False, False, False),
        ("0", True, True, False, False),
        ("20001:20001", False, True, True, False),
        ("20001:30000", False, True, True, False),
        ("20001:999", False, True, False, True),
        ("20002:20002", False, True, False, True),
        ("1000:1000", False, True, False, False),
        ("app", False, True, False, False),
        ("4242", True, True, False, False),
        ("ops", True, True, False, False),
    ],
)
def test_a_user_is_compared_with_who_asks(user: str, root: bool, given: bool, caller: bool, other: bool) -> None:
    found = judge(CREATE, {"Image": "busybox", "User": user}).user

    assert (root, given, caller, other) == (found.is_root, found.is_given, found.is_caller, found.is_other_account)


def test_a_user_namespace_makes_root_nobody_unless_it_is_taken_away() -> None:
    assert not judge(CREATE, {"Image": "busybox", "User": "0"}, userns_remap=True).user.is_root
    assert judge(CREATE, {"Image": "busybox", "User": "0", "HostConfig": {"UsernsMode": "host"}}, userns_remap=True).user.is_root


def test_an_exec_runs_as_the_container_s_user_unless_it_says_so() -> None:
    request = "POST /v1.41/containers/web/exec"
    plain = judge(request, {"Cmd": ["id"]})

    assert (20001, 20001, False, False) == (plain.user.uid, plain.user.gid, plain.user.is_root, plain.user.is_given)
    assert judge(request, {"Cmd": ["id"], "User": "root"}).user.is_root
    assert judge(request, {"Cmd": ["id"]}, container=ContainerState("x")).user.is_root
    assert judge(request, {"Cmd": ["id"]}, container=None).user.is_root
    assert judge(request, {"Cmd": ["id"]}, container=ContainerState("x", "1:1", group_add=("0",))).user.is_root
    assert (
        "user:other-account" in judge(request, {"Cmd": ["id"], "User": "20002:20002"}, container=ContainerState("x", "1:1", binds=1)).escape
    )


def test_a_name_of_the_image_is_not_looked_up_in_a_container_that_changed() -> None:
    assert (1000, 1000) == tuple(map(int, judge(CREATE, {"Image": "appimg"}).effective.wire.split(":")))  # type: ignore[union-attr]  # it runs


def test_the_working_folder_of_the_image_counts_where_none_is_asked_for() -> None:
    image = replace(BUSYBOX, working_dir="/proc/self/fd/9")

    assert "working-dir:/proc/self/fd/9" in judge(CREATE, {"Image": "busybox"}, image=image).escape
    assert frozenset() == judge(CREATE, {"Image": "busybox", "WorkingDir": "/srv"}, image=image).escape


def test_what_is_not_found_is_nobody_s_unless_it_may_be_made() -> None:
    assert frozenset({"container"}) == host(PidMode="container:nosuch").foreign
    assert frozenset({"network"}) == host(NetworkMode="nosuch").foreign
    assert frozenset() == host(Binds=["nosuch:/x"]).foreign
    assert frozenset({"volume"}) == host(Binds=["bobvol:/x"]).foreign
    assert frozenset() == judge("GET /v1.41/containers/bobdb/json").foreign  # what a call is about is the ask's own resource


def test_nobody_s_things_are_foreign_to_a_caller_without_a_name() -> None:
    asked = call(CREATE, {"Image": "busybox", "HostConfig": {"VolumesFrom": ["web"]}})
    known = known_for(asked)
    found = {reference: Resource(reference.kind, "x", "x") for reference in known.found}

    assert {"container", "image"} == facts(asked, replace(known, principal=Principal(""), found=found)).foreign


PULLED = replace(BUSYBOX, digests=("busybox@sha256:" + "a" * 64,))


@pytest.mark.parametrize(
    ("image", "known", "expected"),
    [
        ("busybox", BUSYBOX, ("docker.io", "library/busybox", "latest", "", True, "local")),
        ("busybox", PULLED, ("docker.io", "library/busybox", "latest", "", True, "pulled")),
        ("busybox", None, ("docker.io", "library/busybox", "latest", "", False, "")),
        ("sha256:" + "1" * 64, PULLED, ("docker.io", "library/busybox", "latest", "", True, "pulled")),
        ("1" * 12, PULLED, ("docker.io", "library/busybox", "latest", "", True, "pulled")),
        ("1" * 64, ImageConfig("x"), ("", "", "", "", True, "local")),
        ("r.test/x:1", ImageConfig("x", names=("r.test/x:1",)), ("r.test", "x", "1", "", True, "local")),
        ("x@sha256:" + "a" * 64, None, ("docker.io", "library/x", "", "sha256:" + "a" * 64, False, "")),
    ],
)
def test_the_image_is_shown_by_name(image: str, known: ImageConfig | None, expected: tuple[str, str, str, str, bool, str]) -> None:
    found = judge(CREATE, {"Image": image}, image=known).image

    assert expected == (found.registry, found.repository, found.tag, found.digest, found.is_known, found.state)


def test_names_that_move_are_told_by_how_they_are_held() -> None:
    assert frozenset({"shared"}) == judge("POST /v1.41/images/create?fromImage=busybox&tag=latest").moves
    assert frozenset({"new"}) == judge("POST /v1.41/build?t=alice/brandnew").moves
    assert frozenset({"other"}) == judge("POST /v1.41/build?t=alice/brandnew", names={}).moves
    assert frozenset({"other"}) == judge("POST /v1.41/images/load", loaded=("docker.io/bob/app:latest",), names={}).moves
    assert frozenset() == judge("POST /v1.41/images/create?fromImage=busybox&tag=sha256:" + "a" * 64).moves
    assert "name.like_an_id" == refusal("POST /v1.41/images/busybox/tag?repo=deadbeef")


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        (f"{CREATE}?name=deadbeefcafe", {"Image": "busybox"}),
        (f"{CREATE}?name=/{'a' * 64}", {"Image": "busybox"}),
        ("POST /v1.41/containers/web/rename?name=abcdef", None),
        ("POST /v1.41/networks/create", {"Name": "0123456789ab"}),
        (SERVICE, {"Name": "abcdef"}),
    ],
)
def test_a_name_that_could_be_an_id_is_refused(request_line: str, body: object) -> None:
    assert "name.like_an_id" == refusal(request_line, body)


def test_a_build_names_the_images_it_builds_on_and_those_it_would_pull() -> None:
    asked = call("POST /v1.41/build?t=alice/x&buildargs=%7B%22V%22%3A%222%22%7D")
    text = "ARG V=1\nFROM node:$V\nFROM busybox\nCOPY --from=bob/app / /"
    found = dict.fromkeys(build_references(asked, text), Resource(Kind.IMAGE, "i", "i", is_shared=True))
    foreign = {reference: Resource(Kind.IMAGE, "i", "i", owner="bob") for reference in found if "bob" in reference.text}
    names = dict.fromkeys(("docker.io/alice/x:latest", "docker.io/library/node:2"), "new")

    assert ["node:2", "busybox", "bob/app"] == [reference.text for reference in found]
    assert ("docker.io/library/node:2", "docker.io/library/busybox:latest", "docker.io/bob/app:latest") == pulled_names(asked, text)
    known = known_for(asked, dockerfile=text, found={**found, **foreign}, names=names)
    assert frozenset({"image"}) == facts(asked, known).foreign
    assert frozenset({"new"}) == facts(asked, known).moves
    missing = {reference: thing for reference, thing in found.items() if reference.text != "busybox"}
    assert "other" in facts(asked, replace(known, found=missing)).moves
    pulling = call("POST /v1.41/build?t=alice/x&pull=1")
    assert "other" in facts(pulling, replace(known, found=found)).moves


def test_a_label_line_of_ours_is_refused_in_builds_and_changes() -> None:
    line = "LABEL dockwarden.owner=bob"
    assert "ownership.reserved_label" == refusal("POST /v1.41/build", dockerfile=f"FROM busybox\n{line}")
    assert "ownership.reserved_label" == refusal("POST /v1.41/build", dockerfile=f"FROM busybox\nONBUILD {line}")
    assert "ownership.reserved_label" == refusal(f"POST /v1.41/commit?container=web&changes={line.replace(' ', '%20')}")


def test_what_a_dockerfile_hides_is_a_fact_of_its_build_of_a_base_s_triggers_and_of_changes() -> None:
    build, escape = "POST /v1.41/build", "%23%20escape=%60"
    assert {"working-dir:/proc/self"} == judge(build, dockerfile="FROM scratch\nWORKDIR /proc\nWORKDIR self").escape - {"working-dir:/proc"}
    assert {"working-dir:/dev/fd/8"} == judge(build, on_build=("WORKDIR /dev/fd/8",)).escape
    assert {"build-unclear:ADD h\\ttp://x"} == judge(build, on_build=("ADD h\\ttp://x /y",)).escape
    commit = judge(f"POST /v1.41/commit?container=web&changes={escape}&changes=LABEL%20a=%5C%20dockwarden.owner=bob")
    assert {"build-unclear:LABEL with escapes"} == commit.escape
    assert "build.too_large" == refusal(build, dockerfile="FROM scratch\n" + "#" * LONGEST_DOCKERFILE)


@pytest.mark.parametrize(
    ("member", "content", "names"),
    [
        ("manifest.json", b'[{"RepoTags":["busybox:1","r.test/x:2"]},{"RepoTags":null}]', ("docker.io/library/busybox:1", "r.test/x:2")),
        ("manifest.json", b"[]", ()),
        ("repositories", b'{"busybox":{"latest":"abc"}}', ("docker.io/library/busybox:latest",)),
        (
            "index.json",
            b'{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/library/x:1"}},{}]}',
            ("docker.io/library/x:1",),
        ),
        ("index.json", b'{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}', ()),
    ],
)
def test_names_in_a_loaded_archive_are_read(member: str, content: bytes, names: tuple[str, ...]) -> None:
    assert names == loaded_names(member, content)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"{}x", b'[{"RepoTags":["BAD REF"]}]', b"[1]", b'[{"RepoTags":5}]', b'[{"RepoTags":[5]}]', b"[" * 5000]
)
def test_a_manifest_that_cannot_be_read_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        loaded_names("manifest.json", content)


@pytest.mark.parametrize(
    ("hole", "member", "text"),
    [
        ("lower-case keys", "manifest.json", '[{"config":"c","repotags":["bob/app:1"],"layers":[]}]'),
        ("keys that begin in lower case", "manifest.json", '[{"Config":"c","repoTags":["bob/app:1"],"RepoTags":null}]'),
        ("two spellings of one key", "manifest.json", '[{"RepoTags":["alice/ok:1"],"repoTags":["bob/app:1"]}]'),
        ("a long s", "manifest.json", '[{"RepoTag\u017f":["bob/app:1"]}]'),
        ("an escaped long s", "manifest.json", '[{"RepoTag\\u017f":["bob/app:1"]}]'),
        ("a key twice", "manifest.json", '[{"RepoTags":["bob/app:1"],"RepoTags":[]}]'),
        ("a key twice, once escaped", "manifest.json", '[{"RepoTags":["bob/app:1"],"Repo\\u0054ags":[]}]'),
        ("another spelling of Config", "manifest.json", '[{"Config":"c","config":"d"}]'),
        ("a second document", "manifest.json", "[] [1]"),
        ("a byte order mark", "manifest.json", "\ufeff[]"),
        ("null for the whole", "manifest.json", "null"),
        ("null for an image", "manifest.json", "[null]"),
        ("an object for the list", "manifest.json", '{"RepoTags":["bob/app:1"]}'),
        ("an object for the tags", "manifest.json", '[{"RepoTags":{"bob/app:1":0}}]'),
        ("an empty name", "manifest.json", '[{"RepoTags":[""]}]'),
        ("a digest for a name", "manifest.json", '[{"RepoTags":["x@sha256:' + "0" * 64 + '"]}]'),
        ("a number for Config", "manifest.json", '[{"Config":5}]'),
        ("a number for a layer", "manifest.json", '[{"Layers":[5]}]'),
        ("a list of repositories", "repositories", '["bob/app"]'),
        ("a list of tags", "repositories", '{"bob/app":["1"]}'),
        ("null for the tags", "repositories", '{"bob/app":null}'),
        ("a repository twice", "repositories", '{"bob/app":{"1":"x"},"bob/app":{"2":"x"}}'),
        ("an empty tag", "repositories", '{"bob/app":{"":"x"}}'),
        ("a tag that is a path", "repositories", '{"a":{"5/c:d":"x"}}'),
        ("manifests in another case", "index.json", '{"Manifests":[]}'),
        ("annotations in another case", "index.json", '{"manifests":[{"Annotation\u017f":{}}]}'),
        ("a containerd name in another case", "index.json", '{"manifests":[{"annotations":{"io.containerd.image.Name":"bob/app"}}]}'),
        ("a ref name in another case", "index.json", '{"manifests":[{"annotations":{"org.opencontainers.image.ref.NAME":"bob/app"}}]}'),
        ("annotations twice", "index.json", '{"manifests":[{"annotations":{"a":"b"},"annotations":{}}]}'),
        ("a number for a name", "index.json", '{"manifests":[{"annotations":{"io.containerd.image.name":5}}]}'),
        ("a list for an index", "index.json", "[]"),
    ],
)
def test_a_loaded_manifest_that_go_could_read_otherwise_is_malformed(hole: str, member: str, text: str) -> None:
    with pytest.raises(Malformed) as refused:
        loaded_names(member, text.encode())

    assert refused.value.code in {"image.bad_archive", "image.bad_reference", "json.duplicate_key", "json.unreadable"}, hole


@pytest.mark.parametrize(
    ("member", "text", "names"),
    [
        ("manifest.json", '[{"Config":"c","RepoTags":null,"Layers":null,"LayerSources":{"x":{}},"Unknown":1}]', ()),
        ("manifest.json", '[{"Repo\\u0054ags":["a:1","a:1"]},{"RepoTags":["b:1"]}]', ("docker.io/library/a:1", "docker.io/library/b:1")),
        ("repositories", '{"busybox:1":{"2":"x"},"r.test:5000/y":{"3":"x"}}', ("docker.io/library/busybox:2", "r.test:5000/y:3")),
        ("index.json", '{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"x:1"}}]}', ("docker.io/library/x:1",)),
        ("index.json", '{"manifests":[{"annotations":null,"Unknown":1}],"annotations":{"a":"b"}}', ()),
    ],
)
def test_what_the_engine_reads_in_one_way_alone_is_read(member: str, text: str, names: tuple[str, ...]) -> None:
    assert names == loaded_names(member, text.encode())


def test_a_manifest_of_more_names_than_anybody_looks_up_is_too_large() -> None:
    tags = ",".join(f'"x:{number}"' for number in range(501))
    with pytest.raises(TooLarge):
        loaded_names("manifest.json", f'[{{"RepoTags":[{tags}]}}]'.encode())


@given(st.sampled_from(["manifest.json", "repositories", "index.json"]), st.binary(max_size=60) | JSON.map(msgspec.json.encode))
def test_any_member_gives_names_or_one_typed_refusal(member: str, content: bytes) -> None:
    try:
        names = loaded_names(member, content)
    except Refused:
        return
    assert all("/" in name for name in names)


def test_the_context_always_has_every_attribute() -> None:
    for found in (Facts(), host(Privileged=True)):
        context = found.context()
        assert {"escape", "foreign", "user", "image", "names", "binds", "ports", "via", "door", "envRestored", "env_secrets", "login", "reaches_engine", "forward", "file"} == set(context)
        assert {"isRoot", "isGiven", "isCaller", "isOtherAccount", "uid", "gid"} == set(context["user"])  # type: ignore[arg-type]  # a record
        assert {"registry", "repository", "tag", "digest", "isKnown", "state", "env_secrets"} == set(context["image"])  # type: ignore[arg-type]  # a record


def test_published_ports_are_told() -> None:
    bindings = {"80/tcp": [{"HostPort": "8080"}, {"HostPort": "9000-9002"}], "81/tcp": [{"HostPort": ""}], "82/tcp": None}

    assert frozenset({8080, 9000, 9001, 9002}) == host(PortBindings={key: value for key, value in bindings.items() if value}).ports
    assert "port:0" in host(PortBindings={"80/tcp": [{"HostPort": "x"}]}).escape


KNOWN = st.builds(
    Known,
    principal=st.sampled_from([ALICE, Principal(""), Principal("root", account=Account(0, 0))]),
    image=st.sampled_from(
        [None, BUSYBOX, ImageConfig("x", user="nosuch:x"), ImageConfig("x", user="a:b:c", passwd="::::\n", group=":::,")]
    ),
    container=st.sampled_from([None, ContainerState("c", "nosuch", ("x", "9" * 30), True, "host", 3)]),
    userns_remap=st.booleans(),
    dockerfile=st.sampled_from([None, "", "FROM $X", "FROM a\nCOPY --from=B@ / /"]),
    on_build=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    loaded=st.lists(st.text(max_size=10), max_size=2).map(tuple),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from([route for route in ROUTES if route.body or route.query or route.ref]), st.data(), KNOWN)
def test_any_call_has_facts_or_one_typed_refusal(route: Any, data: st.DataObject, known: Known) -> None:
    asked = data.draw(any_body(route))
    try:
        found = facts(asked, known)
    except Refused:
        return
    assert isinstance(found.context()["escape"], frozenset)


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (CREATE, {"Image": "busybox", "Env": ["DB_PASSWORD=Tr0ub4dor-and-3", "LANG=C"]}),
        (CREATE, {"Image": "busybox", "Labels": {"DB_PASSWORD": "Tr0ub4dor-and-3", "com.example": "web"}}),
        ("POST /v1.41/containers/" + "a" * 64 + "/exec", {"Cmd": ["true"], "Env": ["DB_PASSWORD=Tr0ub4dor-and-3"]}),
        ("POST /v1.41/services/create", {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Env": ["DB_PASSWORD=Tr0ub4dor-and-3"]}}}),
        ("POST /v1.41/build?buildargs=" + quote(json.dumps({"DB_PASSWORD": "Tr0ub4dor-and-3", "V": "1"})), None),
        ("POST /v1.41/commit?container=x&changes=" + quote("ENV DB_PASSWORD=Tr0ub4dor-and-3"), {}),
        ("POST /v1.41/commit?container=x", {"Env": ["DB_PASSWORD=Tr0ub4dor-and-3"]}),
    ],
)
def test_secrets_in_clear_are_named_and_never_shown(request_: str, body: Any) -> None:
    asked = call(request_, body)
    found = facts(asked, known_for(asked))

    assert (("DB_PASSWORD", "password"),) == found.env_secrets
    assert "Tr0ub4dor" not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "ENV DB_PASSWORD=Tr0ub4dor-and-3", "env DB_PASSWORD Tr0ub4dor-and-3", 'ENV A=1 DB_PASSWORD="Tr0ub4dor-and-3" B=2', "ARG DB_PASSWORD=Tr0ub4dor-and-3",
        "ONBUILD ENV DB_PASSWORD=Tr0ub4dor-and-3", "ENV DB_PASSWORD=Tr0ub4dor\\-and-3",
    ],
)  # fmt: skip
def test_secrets_in_a_dockerfile_are_named(line: str) -> None:
    asked = call("POST /v1.41/build")
    found = facts(asked, known_for(asked, dockerfile=f"FROM busybox\n{line}\nENV HOME=/app DB_PASSWORD_FILE=/run/secrets/db\nARG TOKEN"))

    assert (("DB_PASSWORD", "password"),) == found.env_secrets
    assert "Tr0ub4dor" not in repr(found)


@pytest.mark.parametrize("entry", ["DB_PASSWORD=dockwarden://prod/db", "DB_PASSWORD_FILE=/run/secrets/x", f"DB_PASSWORD=dockwarden:masked:{'a' * 64}", "PWD=/x"])
def test_references_files_and_masks_are_no_secrets_in_clear(entry: str) -> None:
    asked = call(CREATE, {"Image": "busybox", "Env": [entry]})

    assert () == facts(asked, known_for(asked)).env_secrets


@pytest.mark.parametrize("folder", ["/proc", "/proc/self/fd/8", "/dev/fd/8", "/sys/x", "//dev/../proc/1"])
def test_a_working_folder_of_the_kernel_s_is_an_escape(folder: str) -> None:
    asked, honest = (call(CREATE, {"Image": "busybox", "WorkingDir": where}) for where in (folder, "/process"))

    assert any(fact.startswith("working-dir:") for fact in facts(asked, known_for(asked)).escape)
    assert not facts(honest, known_for(honest)).escape


def test_secrets_of_the_image_itself_are_named() -> None:
    image = replace(BUSYBOX, env=("PATH=/bin", "DB_PASSWORD=Tr0ub4dor-and-3", "LANG=C"))
    asked = call(CREATE, {"Image": "busybox"})
    found = facts(asked, replace(known_for(asked), image=image))

    assert frozenset({"DB_PASSWORD"}) == found.image.env_secrets
    assert () == found.env_secrets
    assert "Tr0ub4dor" not in repr(image) + repr(found)
