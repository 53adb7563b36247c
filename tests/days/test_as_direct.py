"""An admin through the door and an admin straight at the Engine see the same: docker-py and aiodocker, stream by stream, error by error."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiodocker
import docker
import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import Warden

pytestmark = pytest.mark.timeout(240)

VOLATILE = re.compile(r"[0-9a-f]{64}|[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z?")
IGNORED_KEYS = {
    "Id", "ID", "Created", "CreatedAt", "StartedAt", "FinishedAt", "Name", "Names", "Hostname", "HostnamePath", "HostsPath", "LogPath", "ResolvConfPath", "Pid",
    "SandboxID", "SandboxKey", "EndpointID", "NetworkID", "MacAddress", "IPAddress", "GraphDriver", "Mountpoint", "ExecIDs", "SystemTime", "NGoroutines",
    "NFd", "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "NEventsListener", "Status", "Subnet", "Gateway",
}


def plain(said: Any) -> Any:
    """An answer without what differs from one moment to the next, and without our own labels."""
    if isinstance(said, dict):
        return {key: plain(value) for key, value in said.items() if key not in IGNORED_KEYS and not key.startswith("dockwarden.")}
    if isinstance(said, (list, tuple)):
        return [plain(item) for item in said]
    if isinstance(said, bytes):
        return VOLATILE.sub("*", said.decode("utf-8", "replace"))
    return VOLATILE.sub("*", said) if isinstance(said, str) else said


Scenario = Callable[[docker.APIClient, str], Any]


def attempt(call: Callable[[], Any]) -> Any:
    """What a call answered, or its error as a client sees it."""
    try:
        return call()
    except docker.errors.APIError as error:
        return ("error", error.status_code, error.explanation)


def tar_of(name: str, text: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return data.getvalue()


def made(client: docker.APIClient, name: str, command: Any = ("sleep", "60"), **more: Any) -> str:
    return str(client.create_container("busybox", list(command), name=name, **more)["Id"])


def lifecycle(client: docker.APIClient, tag: str) -> Any:
    id = made(client, f"life{tag}", ["sh", "-c", "echo out; echo err >&2; exit 3"], environment={"A": "b"}, labels={"x": "y"})
    client.start(id)
    code = client.wait(id)
    logs = [client.logs(id, stdout=True, stderr=False), client.logs(id, stdout=False, stderr=True)]
    shown = client.inspect_container(id)
    client.remove_container(id)
    return [code, logs, shown, attempt(lambda: client.inspect_container(f"life{tag}"))]


def execs(client: docker.APIClient, tag: str) -> Any:
    id = made(client, f"exec{tag}")
    client.start(id)
    made_exec = client.exec_create(id, ["sh", "-c", "echo a; echo b >&2; exit 5"])
    output = client.exec_start(made_exec["Id"], demux=True)
    code = client.exec_inspect(made_exec["Id"])["ExitCode"]
    privileged = client.exec_create(id, ["id", "-u"], user="root", privileged=False)
    who = client.exec_start(privileged["Id"])
    detached = client.exec_create(id, ["true"])
    client.exec_start(detached["Id"], detach=True)
    tty = client.exec_create(id, ["sh", "-c", "echo tty"], tty=True)
    through_tty = client.exec_start(tty["Id"], tty=True)
    top = client.top(id)["Titles"]
    client.remove_container(id, force=True)
    return [output, code, who, through_tty, top]


def archives(client: docker.APIClient, tag: str) -> Any:
    id = made(client, f"arch{tag}")
    put = client.put_archive(id, "/tmp", tar_of("file", b"content"))
    pieces, stat = client.get_archive(id, "/tmp/file")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        back = archive.extractfile("file").read()  # type: ignore[union-attr]  # it was put there
    changes = sorted(change["Path"] for change in client.diff(id) or ())
    missing = attempt(lambda: client.get_archive(id, "/nowhere"))
    exported = len(b"".join(client.export(id))) > 1_000_000
    client.remove_container(id)
    return [put, {"name": stat["name"], "size": stat["size"]}, back, changes, missing, exported]


def networks_and_volumes(client: docker.APIClient, tag: str) -> Any:
    network = client.create_network(f"net{tag}", driver="bridge", labels={"a": "b"}, check_duplicate=True)["Id"]
    volume = client.create_volume(f"vol{tag}", labels={"a": "b"})
    id = made(client, f"nv{tag}", host_config=client.create_host_config(binds=[f"vol{tag}:/data"], network_mode=f"net{tag}"))
    shown = client.inspect_network(network)["Labels"]
    client.connect_container_to_network(id, "bridge")
    client.disconnect_container_from_network(id, "bridge")
    mounts = client.inspect_container(id)["Mounts"][0]["Destination"]
    in_use = attempt(lambda: client.remove_volume(f"vol{tag}"))
    client.remove_container(id)
    client.remove_volume(f"vol{tag}")
    client.remove_network(network)
    return [plain(shown), {key: volume[key] for key in ("Driver", "Scope")}, mounts, in_use and in_use[1]]


def images(client: docker.APIClient, tag: str) -> Any:
    listed = sorted(name for image in client.images() for name in image["RepoTags"] or () if name.startswith(("busybox", "appimg")))
    client.tag("busybox", f"mine{tag}", "v1")
    shown = client.inspect_image(f"mine{tag}:v1")
    saved = len(b"".join(client.get_image(f"mine{tag}:v1"))) > 1_000_000
    history = [row["Size"] for row in client.history("busybox")]
    removed = client.remove_image(f"mine{tag}:v1")
    missing = attempt(lambda: client.inspect_image("nosuch:v1"))
    shown.pop("RepoTags")
    return [listed, shown, saved, history, len(removed), missing, attempt(lambda: client.remove_image("nosuch:v1"))]


def streams(client: docker.APIClient, tag: str) -> Any:
    id = made(client, f"str{tag}", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"])
    client.start(id)
    followed = b"".join(client.logs(id, stream=True, follow=True))
    stats = set(client.stats(id, stream=False)) >= {"cpu_stats", "memory_stats"}
    echo = made(client, f"echo{tag}", ["cat"], stdin_open=True)
    sock = client.attach_socket(echo, params={"stdin": 1, "stdout": 1, "stream": 1})
    client.start(echo)
    sock._sock.sendall(b"hello\n")
    time.sleep(0.5)
    heard = sock._sock.recv(100)
    sock.close()
    for one in (id, echo):
        client.remove_container(one, force=True)
    return [followed, stats, heard]


def errors(client: docker.APIClient, tag: str) -> Any:
    id = made(client, f"err{tag}")
    found = [
        attempt(lambda: client.create_container("nosuch:1", "x")),
        attempt(lambda: client.create_container("busybox", "x", name=f"err{tag}")),
        attempt(lambda: client.start("nosuch")),
        attempt(lambda: client.kill(id)),
        attempt(lambda: client.rename(id, "bad name")),
        attempt(lambda: client.inspect_volume("nosuch")),
        attempt(lambda: client.inspect_network("nosuch")),
        attempt(lambda: client.exec_create(id, ["true"])),
        attempt(lambda: client.exec_inspect("nosuch")),
        attempt(lambda: client.remove_network("nosuch")),
        attempt(lambda: client.services()),
        attempt(lambda: client.logs("nosuch")),
    ]
    client.remove_container(id)
    return found


def system(client: docker.APIClient, _tag: str) -> Any:
    info = client.info()
    return [client.ping(), client.version()["ApiVersion"], info["OperatingSystem"], info["SecurityOptions"], sorted(client.df())]


@pytest.fixture(scope="module")
def clients(engine: PrivateEngine, warden: Warden) -> Iterator[tuple[docker.APIClient, docker.APIClient]]:
    direct = docker.APIClient(base_url=engine.address, version="1.41", timeout=60)
    door = docker.APIClient(base_url=f"unix://{warden.socket}", version="1.41", timeout=60)
    yield direct, door
    direct.close()
    door.close()


@pytest.mark.parametrize("scenario", [lifecycle, execs, archives, networks_and_volumes, images, streams, errors, system], ids=lambda one: one.__name__)
def test_an_admin_sees_through_the_door_what_is_seen_directly(clients: tuple[docker.APIClient, docker.APIClient], scenario: Scenario) -> None:
    direct, door = clients

    straight = plain(scenario(direct, "d"))
    through = plain(scenario(door, "x"))

    same = re.compile(r"(life|err|mine)[dx]")
    assert same.sub(r"\1", repr(straight)).split(", ") == same.sub(r"\1", repr(through)).split(", ")


async def test_aiodocker_works_through_the_door(warden: Warden) -> None:
    client = aiodocker.Docker(url=f"unix://{warden.socket}")
    try:
        container = await client.containers.create_or_replace("aio", {"Image": "busybox", "Cmd": ["sh", "-c", "echo aio"]})
        await container.start()
        await container.wait()
        assert ["aio\n"] == await container.log(stdout=True)
        shown = await container.show()
        assert "busybox" == shown["Config"]["Image"]
        await container.delete(force=True)
        with pytest.raises(aiodocker.DockerError):
            await container.show()
    finally:
        await client.close()
