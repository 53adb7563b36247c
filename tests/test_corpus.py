"""The corpus: rows of (request, principal, expected verdict, why), judged as a door judges them, without an Engine.

Where a row asks about things, they are those of the small world below: alice's, bob's, and what all share.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dockwarden.access.owners import Held, Owned, Owners
from dockwarden.doors.docker.judge import collection, judge, refusal, rejudge
from dockwarden.doors.docker.look import ON_ITS_ANSWER, needs_no_lookup
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.resolve import HostAccounts, HostView, Resolver
from dockwarden.doors.docker.sight import may_see
from dockwarden.engine.call import Request
from dockwarden.engine.known import BindSource, Known
from dockwarden.engine.labels import CALL
from dockwarden.engine.read import read_call, read_head
from dockwarden.policy.load import PolicySet, load
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.image_files import ImageFiles
from dockwarden.words.errors import Hidden, Malformed, Refused
from dockwarden.words.principal import NOBODY, Account, Principal

ROOT = Path(__file__).resolve().parent.parent
PASSWD = "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\ndocker:x:999:\n"

PEOPLE = {
    "alice": Principal("alice", frozenset({"developers"}), Account(20001, 20001, (20001,)), "unix"),
    "olga": Principal("olga", frozenset({"operators"}), Account(20003, 20003), "unix"),
    "audra": Principal("audra", frozenset({"auditors"}), Account(20004, 20004), "unix"),
    "adam": Principal("adam", frozenset({"admins"}), Account(20005, 20005), "unix"),
    "sven": Principal("sven", frozenset({"swarmers"}), Account(20006, 20006), "unix"),
    "": NOBODY,
}
SWARMERS = """
@id("swarmers-may-run-plain-services")
permit (principal in Group::"swarmers", action, resource)
when { context.escape.isEmpty() && context.foreign.isEmpty() && !context.user.isRoot };
"""


def container(id: str, name: str, user: str, image: str = "busybox") -> dict[str, Any]:
    return {"Id": id * 64, "Name": f"/{name}", "Image": f"sha256:{'1' * 64}", "Config": {"User": user, "Labels": {}, "Image": image},
            "HostConfig": {}, "Mounts": []}


def image(id: str, tags: list[str], user: str = "") -> dict[str, Any]:
    return {"Id": f"sha256:{id * 64}", "RepoTags": tags, "RepoDigests": [], "Config": {"User": user, "Labels": {}}}


THINGS: dict[str, dict[str, Any]] = {
    "/containers/web/json": container("a", "web", "20001:20001"),
    "/containers/aliceroot/json": container("d", "aliceroot", ""),
    "/containers/bobdb/json": container("b", "bobdb", "20002:20002"),
    "/images/busybox/json": image("1", ["busybox:latest"]),
    "/images/appimg/json": image("2", ["appimg:latest"], "app"),
    "/images/rootimg/json": image("3", ["rootimg:latest"], "root"),
    "/images/alice/app/json": image("4", ["alice/app:latest"]),
    "/images/bob/app/json": image("5", ["bob/app:latest"]),
    "/images/pulled/json": image("6", ["pulled:latest"]),
    "/networks/alicenet": {"Id": "c" * 64, "Name": "alicenet", "Labels": {}},
    "/networks/bobnet": {"Id": "e" * 64, "Name": "bobnet", "Labels": {}},
    "/networks/bridge": {"Id": "f" * 64, "Name": "bridge", "Labels": {}},
    "/networks/host": {"Id": "9" * 64, "Name": "host", "Labels": {}},
    "/volumes/alicevol": {"Name": "alicevol", "Driver": "local", "Labels": {CALL: "m1"}},
    "/volumes/bobvol": {"Name": "bobvol", "Driver": "local", "Labels": {CALL: "m2"}},
    "/exec/aliceexec/json": {"ID": "aliceexec", "ContainerID": "a" * 64},
    "/exec/bobexec/json": {"ID": "bobexec", "ContainerID": "b" * 64},
    "/plugins/x/json": {"Id": "7" * 64, "Name": "x"},
}
ALIASES = {f"/containers/{'b' * 64}/json": "/containers/bobdb/json", f"/containers/{'a' * 64}/json": "/containers/web/json",
           f"/networks/{'e' * 64}": "/networks/bobnet", f"/images/sha256:{'1' * 64}/json": "/images/busybox/json",
           "/images/docker.io/library/busybox:latest/json": "/images/busybox/json"}
SOURCES = {
    "/srv/work/alice": BindSource("/srv/work/alice", "/srv/work", "alice", True, True, True, 20001, True),
    "/srv/work/alice/app.conf": BindSource("/srv/work/alice/app.conf", "/srv/work", "alice/app.conf", True, True, True, 20001),
    "/srv/work/alice/link": BindSource("/srv/work/alice/link", "/srv/work", "alice/link", True, False, False, 20001),
    "/srv/work/bob": BindSource("/srv/work/bob", "/srv/work", "bob", True, False, False, 20002, True),
    "/srv/work/shared": BindSource("/srv/work/shared", "/srv/work", "shared", True, True, False, 0, True),
}


def owners() -> Owners:
    made = Owners()
    for kind, id, owner, mark in (("Container", "a" * 64, "alice", ""), ("Container", "d" * 64, "alice", ""), ("Container", "b" * 64, "bob", ""),
                                  ("Network", "c" * 64, "alice", ""), ("Network", "e" * 64, "bob", ""), ("Volume", "alicevol", "alice", "m1"),
                                  ("Volume", "bobvol", "bob", "m2")):
        made.owned[kind, id] = Owned(owner, mark)
    made.held["docker.io/alice/app:latest"] = Held("alice", "build")
    made.held["docker.io/bob/app:latest"] = Held("bob", "build")
    made.held["docker.io/library/pulled:latest"] = Held("bob", "pull")
    return made


class Accounts(HostAccounts):
    """A host with the people of the corpus and nobody else."""

    def fresh(self) -> HostAccounts:
        self.uids, self.gids = frozenset({0, *range(20001, 20007)}), frozenset({0, 999, *range(20001, 20007)})
        return self


class World:
    """An Engine that only knows the things above."""

    def __init__(self) -> None:
        self.owners = owners()
        self.lookups = Lookups(self.ask, self.owners)
        self.resolver = Resolver(
            lookups=self.lookups, owners=self.owners, images=self, host=HostView(bind_roots=("/srv/work",), cpus=4),  # type: ignore[arg-type]  # it answers `of` alone
            describe=lambda path, _roots, _account: SOURCES.get(path) or BindSource(path, exists=True),
        )

        self.resolver._accounts = Accounts()  # the host's own accounts would make the rows depend on the machine

    async def of(self, _image_id: str) -> ImageFiles:
        return ImageFiles(PASSWD, GROUP)

    async def ask(self, request: Request) -> WholeAnswer:
        path = request.target.removesuffix(":latest/json") + "/json" if request.target.endswith(":latest/json") else request.target
        path = path.replace("docker.io/library/", "").replace("docker.io/", "")
        said = THINGS.get(ALIASES.get(path, path))
        if said is None:
            return WholeAnswer(404, (), b'{"message":"No such thing"}')
        return WholeAnswer(200, (), msgspec.json.encode(said))


def rows() -> Iterator[Any]:
    for file in sorted((ROOT / "tests" / "corpus").glob("*.jsonl")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            yield pytest.param(json.loads(line), id=f"{file.stem}:{number}")


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    folder = ROOT / "src" / "dockwarden" / "policy" / "starter"
    return load({**{file.name: file.read_text("utf-8") for file in folder.glob("*.cedar")}, "swarmers": SWARMERS})


async def verdict(row: dict[str, Any], policies: PolicySet) -> tuple[str, str]:
    """What a door would answer: permit, refuse, hide or malformed; and the words."""
    who, world = PEOPLE[row["as"]], World()
    method, _, target = row["call"].partition(" ")
    body = row["raw"].encode("utf-8", "surrogatepass") if "raw" in row else json.dumps(row["body"]).encode() if "body" in row else b""
    try:
        head = read_head(method, target.encode(), [(b"content-type", b"application/json")] if body else [])
        call = read_call(head, body if head.route.takes != "tar" else b"")
        if needs_no_lookup(call):
            about = collection(call, who)
            if call.route.action in ON_ITS_ANSWER:
                about = (await world.lookups.look(call.route.kind, call.names[call.route.ref])).resource
            judged = rejudge(call, Known(principal=who), about, policies)
            is_hidden = call.route.action in ON_ITS_ANSWER and not may_see(who, about, policies)
        else:
            resolved = await world.resolver.resolve(who, "", call)
            judged = judge(call, resolved, policies)
            is_hidden = resolved.subject is not None and not may_see(who, resolved.subject, policies)
    except Malformed as error:
        return "malformed", f"{error.code} {error.message}"
    except Hidden as error:
        return "hide", error.message
    except Refused as error:
        return "refuse", f"{error.code} {error.message}"
    if judged.verdict.is_allowed:
        return "permit", ""
    error = refusal(judged)
    return ("hide" if is_hidden else "refuse"), f"{error.message} {sorted(judged.facts.escape)} {sorted(judged.facts.foreign)} {error.policies}"


@pytest.mark.parametrize("row", list(rows()))
def test_each_row_of_the_corpus_comes_out_as_it_says(row: dict[str, Any], policies: PolicySet) -> None:
    came, words = asyncio.run(verdict(row, policies))

    accepted = {"refuse": {"refuse", "hide"}, "permit": {"permit"}, "hide": {"hide"}, "malformed": {"malformed"}}[row["expect"]]
    if row["expect"] == "refuse" and row.get("why", "").startswith(("user", "mount", "bind", "ownership", "name")):
        accepted = accepted | {"malformed"}
    assert came in accepted, (row["name"], words)
    if came == "refuse" and row.get("why"):
        assert row["why"].partition(":")[0].casefold() in words.casefold(), (row["name"], words)


def test_the_corpus_is_large_enough_and_every_row_has_a_name_of_its_own() -> None:
    found = [row.values[0] for row in rows()]

    assert len(found) >= 400
    assert sum(row["expect"] == "permit" for row in found) >= 120
    assert len({(row["name"], row["as"], row["call"]) for row in found}) == len(found)
