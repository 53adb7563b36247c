"""What the Engine understood is what we judged: generated creates in odd spellings, raw to the Engine and through our reading."""

from __future__ import annotations

import http.client
import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.engine.fields import read
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.write import write_call
from dockwarden.words.errors import Refused
from fixtures.engine import PrivateEngine

TARGET = b"/v1.41/containers/create"
NAMES = st.sampled_from(["A", "b", "app.role", "é", "\u4f60", 'quo"te', "back\\slash", "<&>", "tab\there"])
HOST: dict[str, st.SearchStrategy[Any]] = {
    "Privileged": st.booleans(),
    "PublishAllPorts": st.booleans(),
    "ReadonlyRootfs": st.booleans(),
    "PidMode": st.sampled_from(["", "host"]),
    "UTSMode": st.sampled_from(["", "host"]),
    "IpcMode": st.sampled_from(["host", "private", "shareable", "none"]),
    "UsernsMode": st.sampled_from(["", "host"]),
    "NetworkMode": st.sampled_from(["host", "none", "bridge", "default"]),
    "CapAdd": st.lists(st.sampled_from(["SYS_ADMIN", "NET_RAW", "ALL"]), max_size=2, unique=True),
    "CapDrop": st.lists(st.sampled_from(["MKNOD", "CHOWN"]), max_size=2, unique=True),
    "SecurityOpt": st.lists(st.sampled_from(["no-new-privileges", "seccomp=unconfined", "apparmor=unconfined"]), max_size=2, unique=True),
    "GroupAdd": st.lists(st.sampled_from(["0", "docker", "27"]), max_size=2),
    "Binds": st.lists(st.sampled_from(["/tmp:/a", "/tmp:/b:ro", "/var/tmp/../tmp:/c", "/tmp:/d:rw,rslave"]), max_size=2, unique=True),
    "ExtraHosts": st.lists(st.sampled_from(["a:1.2.3.4", "b:::1"]), max_size=2),
    "Tmpfs": st.dictionaries(st.sampled_from(["/x", "/y"]), st.sampled_from(["", "size=1m"]), max_size=2),
    "Sysctls": st.dictionaries(st.sampled_from(["net.core.somaxconn"]), st.sampled_from(["128"]), max_size=1),
    "Memory": st.sampled_from([0, 1 << 26]),
    "PidsLimit": st.sampled_from([0, -1, 64]),
    "CgroupParent": st.sampled_from(["", "/x"]),
    "OomScoreAdj": st.sampled_from([0, 100]),
}
CONFIG: dict[str, st.SearchStrategy[Any]] = {
    "User": st.sampled_from(["", "0", "1000:1000", "app", "+0"]),
    "Env": st.lists(NAMES.map(lambda name: f"V={name}"), max_size=2),
    "Labels": st.dictionaries(NAMES, NAMES, max_size=2),
    "WorkingDir": st.sampled_from(["", "/w"]),
    "Tty": st.booleans(),
    "OpenStdin": st.booleans(),
    "Volumes": st.dictionaries(st.sampled_from(["/v", "/u"]), st.just({}), max_size=2),
    "StopSignal": st.sampled_from(["", "SIGINT"]),
}
JUDGED_AS_SHOWN = frozenset(HOST) - {"CapAdd", "CapDrop", "SecurityOpt", "PidsLimit", "Memory"}
LETTERS = {"s": "\u017f", "S": "\u017f", "k": "\u212a", "K": "\u212a"}


@st.composite
def key(draw: st.DrawFn, name: str) -> str:
    """A key that Go takes for `name`: any case, and the two other characters that fold to letters of ASCII."""
    if draw(st.integers(0, 3)):
        return name
    return "".join(draw(st.sampled_from([letter, letter.upper(), letter.lower(), LETTERS.get(letter, letter)])) for letter in name)


def written(value: Any, is_escaped: bool) -> str:
    return json.dumps(value, ensure_ascii=is_escaped).replace("/", "\\/" if is_escaped else "/")


@st.composite
def odd_object(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]], more: list[str]) -> str:
    """A JSON object of some of `fields`: odd keys, nulls, escapes, keys given twice."""
    pairs = list(more)
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=6, unique=True)):
        times = 2 if draw(st.integers(0, 40)) == 0 else 1
        for _ in range(times):
            value = None if draw(st.integers(0, 9)) == 0 else draw(fields[name])
            pairs.append(f"{written(draw(key(name)), draw(st.booleans()))}: {written(value, draw(st.booleans()))}")
    return "{" + ", ".join(draw(st.permutations(pairs))) + "}"


@st.composite
def odd_create(draw: st.DrawFn) -> bytes:
    host = f"{written(draw(key('HostConfig')), False)}: {draw(odd_object(HOST, []))}"
    image = f"{written(draw(key('Image')), False)}: {written('appimg', False)}"
    command = f"{written(draw(key('Cmd')), False)}: {written(draw(st.lists(NAMES, min_size=1, max_size=2)), draw(st.booleans()))}"
    return draw(odd_object(CONFIG, [host, image, command])).encode()


class Direct(http.client.HTTPConnection):
    """The Engine's own socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, Any]:
        self.request(method, target, body or None, {"Content-Type": "application/json"} if body else {})
        answer = self.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None

    def understood(self, body: bytes) -> tuple[int, Any]:
        """What the Engine made of a create, or its refusal."""
        status, said = self.ask("POST", TARGET.decode(), body)
        if status != 201:
            return status, said["message"]
        shown = self.ask("GET", f"/v1.41/containers/{said['Id']}/json")[1]
        self.ask("DELETE", f"/v1.41/containers/{said['Id']}?v=1")
        shown["Config"].pop("Hostname")
        return status, {name: shown[name] for name in ("Config", "HostConfig")} | {"Mounts": sorted(map(plain, shown["Mounts"]), key=repr)}


def plain(mount: dict[str, Any]) -> dict[str, Any]:
    """A mount without the random name of an anonymous volume."""
    return {name: value for name, value in mount.items() if mount["Type"] != "volume" or name not in {"Name", "Source"}}


def test_what_the_engine_understood_is_what_was_judged(engine: PrivateEngine) -> None:
    direct, seen = Direct(engine.socket), Counter[str]()

    @settings(deadline=None, max_examples=max(250, settings().max_examples), suppress_health_check=list(HealthCheck))
    @given(odd_create())
    def holds(raw: bytes) -> None:
        head = read_head("POST", TARGET, [(b"content-type", b"application/json")])
        try:
            call = read_call(head, raw)
        except Refused as error:
            seen[error.code] += 1
            return
        status, understood = direct.understood(raw)
        assert (status, understood) == direct.understood(write_call(call).body)
        seen[str(status)] += 1
        if status == 201:
            check(call.body, understood)

    holds()
    assert seen["201"] > 100, seen
    assert seen["json.duplicate_key"] > 0, seen


def check(body: Any, understood: dict[str, Any]) -> None:
    host, config = read(body, "HostConfig", None), understood["Config"]
    for name in JUDGED_AS_SHOWN:
        judged = read(host, name, None)
        if judged and (name, judged) != ("NetworkMode", "default"):  # Engine 28 says `bridge` for it
            assert judged == understood["HostConfig"][name], name
    for name in ("User", "WorkingDir", "Tty", "OpenStdin"):
        judged = read(body, name, None)
        if judged:
            assert judged == config[name], name
    assert set(read(host, "SecurityOpt", None) or ()) <= set(understood["HostConfig"]["SecurityOpt"] or ())  # host namespaces add label=disable
    assert list(read(body, "Cmd", None)) == config["Cmd"]
    assert set(read(body, "Env", None) or ()) <= set(config["Env"] or ())
    assert (read(body, "Labels", None) or {}).items() <= (config["Labels"] or {}).items()
    for name in ("CapAdd", "CapDrop"):
        judged = {text.removeprefix("CAP_") for text in read(host, name, None) or ()}
        assert judged == {text.removeprefix("CAP_") for text in understood["HostConfig"][name] or ()}, name
