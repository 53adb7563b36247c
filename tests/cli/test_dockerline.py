"""A Docker line read by us is what the real client sends."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dockwarden.cli.dockerline import Call, Surroundings, read_line
from dockwarden.engine.capabilities import normalise
from dockwarden.engine.read import read_call, read_head
from dockwarden.words.errors import BadConfig
from fixtures.recording_engine import NEW_ID, RecordingEngine, recording

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLOUR": "blue", "DOCKER_BUILDKIT": "0"}

CREATES = """
--add-host a:1.2.3.4 --add-host b:::1 -a stdin -a stdout
--annotation x=y
--blkio-weight 10 --blkio-weight-device /dev/sda:10 --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:5 --device-write-bps /dev/x:3k
--cap-add net_admin --cap-add=ALL --cap-drop CAP_CHOWN --cap-drop mknod --cgroup-parent /x --cgroupns host
--cpu-period 1 --cpu-quota 2 --cpu-rt-period 3 --cpu-rt-runtime 4 -c 5 --cpuset-cpus 0 --cpuset-mems 0
--cpus 1.5 --memory-reservation 5m --memory-swap -1 --memory-swappiness 3 -m 10m
--memory 1.5g --memory-swap 2GB --shm-size 64M
--device /dev/kmsg --device /dev/a:/dev/b --device /dev/a:rw --device /dev/a:/dev/c:r --device-cgroup-rule 'c 1:3 rwm'
--device vendor.com/class=x --device vendor.com/class=y
--dns 1.1.1.1 --dns-option x --dns-search y --domainname d -h host
--entrypoint sh -e A=1 -e COLOUR -e NOT_SET
--expose 80 --expose 81-82/udp
--entrypoint ""
--gpus all
--gpus 2
--gpus device=0
--gpus '"capabilities=compute,utility",driver=nvidia,count=2'
--group-add 0 --group-add x
--health-cmd "true x" --health-interval 5s --health-retries 3 --health-start-period 1m30s --health-timeout 500ms
--no-healthcheck
--init --ipc host --pid host --uts host --userns host --isolation default
--ip 1.2.3.4 --ip6 ::2 --link a:b --link c --link-local-ip 169.254.1.1 --network x --network-alias al
--mac-address 92:d0:c6:0a:29:33 --network x
--network x --network name=y,alias=z,driver-opt=a=b,ip=1.2.3.5,mac-address=92:d0:c6:0a:29:34,gw-priority=3
--network x --network y
--net host --hostname=q --tty=false -i=false
--network container:web --publish-all=true
--network none
-l a=b -l c --label d= --log-driver syslog --log-opt syslog-address=x --log-opt b=c
--mount type=bind,src=/a,dst=/b,ro --mount type=volume,source=v,target=/c,volume-opt=type=none,volume-opt=device=/etc,volume-driver=local,volume-nocopy,volume-label=a=b
--mount type=tmpfs,dst=/d,tmpfs-size=1m,tmpfs-mode=1777 --mount src=n,dst=/e
--mount type=image,src=busybox,dst=/i,image-subpath=q --mount type=volume,src=v,dst=/w,volume-subpath=s
--mount type=bind,src=/a,dst=/b,bind-propagation=rshared,consistency=cached
--mount type=bind,src=/a,dst=/b,readonly=false,bind-recursive=disabled
--mount type=bind,src=/a,dst=/b,readonly,bind-recursive=readonly,bind-propagation=rprivate
--mount type=bind,src=/a,dst=/b,readonly,bind-recursive=writable --mount type=bind,src=/x,dst=/y,bind-recursive=enabled
--mount type=bind,src=./rel,dst=/b -v rel/x:/y
-v ./rel:/y -v vol:/z:ro -v /anon -v /a:/b:Z,ro -v ../up:/u
--oom-kill-disable --oom-score-adj -5 --pids-limit -1 --privileged -P --read-only --runtime x
--restart on-failure:3
--restart always --rm=false
--rm --privileged=false --init=true
--publish 80 -p 8080:80/udp -p 127.0.0.1:9000-9002:90-92 -p [::1]:5:6 -p 7000-7005:70
-p 0.0.0.0::81 -p 82-83:82-83
-p published=8080,target=80,protocol=tcp
--security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt label:disable --security-opt no-new-privileges
--security-opt seccomp=profile.json --security-opt apparmor=unconfined --security-opt no-new-privileges:true
--stop-signal 9 --stop-timeout 5 --storage-opt size=1g --sysctl net.x=1
--tmpfs /t --tmpfs /u:size=1m,exec --ulimit nofile=1024:2048 --ulimit nproc=5
-u 1000:1000 -w /x -it --platform linux/amd64
-itu root --volume-driver nfs --volumes-from a:ro --volumes-from b --name web
--net x --net-alias q
-tiw/srv -uapp
--env-file envs --label-file labels
--cidfile cid
"""
"""Each is `docker create LINE busybox ls -la`; several clients do not know the newest flags, and skip those."""

LINES = """
exec web id
exec -d -e A=b -w /x --privileged -u 0 web sh -c 'echo hi'
inspect web
inspect --type image busybox
inspect --type volume v
ps
ps -a -n 3 -s --filter name=x --filter label=a=b
images -a
logs -f --tail 5 -t --since 5 web
start web
stop -t 3 web other
restart web
kill -s HUP web
pause web
unpause web
wait web
rm -f -v web
rename web other
top web
top web -ef
diff web
export web
cp web:/etc/passwd -
commit -a me -m said -c "USER 5" web name:tag
update -m 64m --restart no --cpus 2 web
pull busybox
pull busybox:1.36
pull reg.test:5000/a/b
pull reg.test/a@sha256:DIGEST
pull -a busybox
tag busybox alice/app:1
tag busybox alice/app
rmi -f busybox
save busybox alice/app
history busybox
search --limit 3 nginx
network ls
network create -d bridge --internal --subnet 10.9.0.0/24 --gateway 10.9.0.1 --label a=b -o x=y net
network rm net
network inspect net
network connect --alias a --ip 10.9.0.7 net web
network disconnect -f net web
volume ls
volume create v
volume create -d local -o type=none -o device=/etc --label a=b v
volume rm -f v
volume inspect v
container ls
container rm web
image ls
image rm busybox
image inspect busybox
events --since 0 --until 1
info
version
""".replace("DIGEST", "a" * 64)


def rows(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if line]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="dwline", dir="/var/tmp"))
    (made / "envs").write_text("A=1\n# no\n\nCOLOUR\nNOT_SET\nB=2 # kept\n")
    (made / "labels").write_text("a=1\n# no\n\nb\n")
    (made / "profile.json").write_text('{"defaultAction":"SCMP_ACT_ALLOW"}')
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[RecordingEngine]:
    with recording(folder / "s") as made:
        yield made


def of_client(client: str, engine: RecordingEngine, folder: Path, words: list[str]) -> list[tuple[str, str, bytes]] | str:
    """What the real client asked, or what it said instead."""
    engine.asked.clear()
    (folder / "cid").unlink(missing_ok=True)
    done = subprocess.run(
        [client, "-H", f"unix://{folder / 's'}", *words], cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )
    return list(engine.asked) or done.stderr


def ours(words: list[str], folder: Path) -> tuple[Call, ...]:
    return read_line(words, Surroundings(str(folder), ENVIRONMENT))


MAPS = frozenset({"ExposedPorts", "Volumes", "Tmpfs", "Labels", "DriverOpts", "PortBindings"})


def bare(value: Any, *, is_map: bool = False) -> Any:
    """Without what says nothing: the client writes every field there is."""
    if isinstance(value, dict):
        found = {key: bare(item, is_map=key in MAPS) for key, item in value.items()}
        return {key: item for key, item in found.items() if is_map or item not in (None, "", 0, False, [], {})}
    return [bare(item) for item in value] if isinstance(value, list) else value


def of_body(body: str | bytes) -> Any:
    """A body as far as it says something; the client's own defaults are left out."""
    if not body:
        return {}
    found = bare(json.loads(body))
    host = found.get("HostConfig", {})
    for name, default in (("ConsoleSize", [0, 0]), ("MemorySwappiness", -1), ("RestartPolicy", {"Name": "no"})):
        if host.get(name) == default:
            del host[name]
    for place, name in ((host, "CapAdd"), (host, "CapDrop"), (host, "Binds"), (found, "Env")):  # sets, which clients sort or shuffle
        if name in place:
            place[name] = sorted(normalise(item) if name.startswith("Cap") else item for item in place[name])
    found.pop("CheckDuplicate", None)  # the older client's
    endpoints = found.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    found["endpoints"] = {key: value for key, value in endpoints.items() if value}
    found.pop("NetworkingConfig", None)
    return found


def of_target(target: str) -> tuple[str, str]:
    parts = urlsplit(target)
    path = parts.path.split("/", 2)[2] if parts.path.startswith("/v1.") else parts.path.lstrip("/")
    asked = {
        name: [json.loads(value) if value.startswith("{") else value.removeprefix("docker.io/").removeprefix("library/") for value in values]
        for name, values in sorted(parse_qs(parts.query).items())
    }
    return path.replace(NEW_ID, "web"), json.dumps(asked, sort_keys=True)


def is_too_old(said: str) -> bool:
    """Whether a client said that it does not know something, as the older one does of the newest flags."""
    return any(word in said for word in ("unknown flag", "unexpected key", "invalid argument", "bad format for path", "not an absolute path", "requires API version"))


@pytest.mark.parametrize("line", rows(CREATES))
def test_a_create_line_has_the_body_that_the_real_client_sends(line: str, docker_cli: str, engine: RecordingEngine, folder: Path) -> None:
    words = ["create", *shlex.split(line), "busybox", "ls", "-la"]
    asked = of_client(docker_cli, engine, folder, words)
    if isinstance(asked, str):
        assert is_too_old(asked), asked
        assert ours(words, folder), "what only newer clients know is read whatever client is here"
        return
    method, target, body = asked[-1]

    call = ours(words, folder)[-1]

    assert (method, of_target(target)) == (call.method, of_target(call.target))
    relative = body.decode().replace('"./', f'"{folder}/').replace('"../', f'"{folder.parent}/')  # the newer client makes paths absolute
    expected, found = of_body(relative), of_body(call.body)
    if "MacAddress" in expected:  # the older client says it beside the endpoints
        expected["endpoints"] = {expected["HostConfig"]["NetworkMode"]: {"MacAddress": expected.pop("MacAddress")}}
    assert expected == found


@pytest.mark.parametrize("line", rows(LINES))
def test_a_line_makes_the_calls_that_the_real_client_makes(line: str, docker_cli: str, engine: RecordingEngine, folder: Path) -> None:
    words = shlex.split(line)
    asked = of_client(docker_cli, engine, folder, words)
    assert not isinstance(asked, str), asked

    calls = ours(words, folder)

    theirs = {(method, *of_target(target)) for method, target, _ in asked}
    mine = {(call.method, *of_target(call.target)) for call in calls}
    missing = {call for call in mine if call not in theirs and "/start" not in call[1]}
    assert not missing, (missing, theirs)
    bodies = {target.partition("?")[0].rpartition("/")[2]: of_body(body) for method, target, body in asked if body.startswith(b"{")}
    for call in calls:
        verb = call.target.partition("?")[0].rpartition("/")[2]
        if call.body and verb in bodies and verb != "start":
            assert bodies[verb] == of_body(call.body)


@pytest.mark.parametrize("line", [*(f"create {line} busybox ls" for line in rows(CREATES)), *rows(LINES), "run -it busybox", "run -d busybox", "swarm init",
                                  "plugin install x/y", "service create --name s --mount type=bind,src=/etc,dst=/e -p 80:80 nginx", "system prune --volumes",
                                  "build -t a/b --build-arg X=1 --label a=b --ulimit nproc=3 -f sub/Dockerfile .", "build https://x.test/y.git",
                                  "cp file web:/tmp", "import - a:b", "import http://x.test/y a", "load", "push a/b:c", "login", "swarm leave -f"])
def test_every_call_of_a_line_is_one_that_a_door_can_read(line: str, folder: Path) -> None:
    for call in ours(shlex.split(line), folder):
        head = read_head(call.method, call.target.encode(), [(b"content-type", b"application/json")] if call.body else [])
        assert read_call(head, call.body.encode()).route.action


def test_run_is_create_attach_wait_and_start() -> None:
    calls = read_line("docker run --rm -i --name web busybox cat")

    assert [
        "POST /containers/create?name=web", "POST /containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1",
        "POST /containers/web/wait?condition=removed", "POST /containers/web/start",
    ] == [str(call) for call in calls]


def test_a_detached_run_attaches_to_nothing_and_a_pull_comes_first_where_it_is_asked() -> None:
    calls = read_line("docker -H tcp://x --debug run -d --pull=always reg.test/app:1")

    assert ["POST /images/create?fromImage=reg.test%2Fapp&tag=1", "POST /containers/create", "POST /containers/the-new-container/start"] == [
        str(call) for call in calls
    ]


def test_what_follows_the_image_is_the_container_s_own() -> None:
    (call,) = read_line(["create", "--", "busybox", "--privileged", "-v", "/:/x"])

    assert {"Image": "busybox", "Cmd": ["--privileged", "-v", "/:/x"]} == {key: value for key, value in json.loads(call.body).items() if key in {"Image", "Cmd"}}
    assert "Privileged" not in json.loads(call.body)["HostConfig"]


@pytest.mark.parametrize(
    ("line", "what", "mend"),
    [
        ("run --privilegd busybox", "--privilegd", "did you mean --privileged?"),
        ("run -X busybox", "-X", "docker run --help"),
        ("run --memory lots busybox", "--memory 'lots'", "docker run --help"),
        ("run --cpus x busybox", "--cpus", "docker run --help"),
        ("run --mount type=bind,sauce=/a,dst=/b busybox", "--mount", "docker run --help"),
        ("run -p a:b busybox", "--publish", "docker run --help"),
        ("run --init=maybe busybox", "neither true nor false", "--init=false"),
        ("run --health-interval 5 busybox", "--health-interval", "help"),
        ("run", "names no image", "IMAGE"),
        ("run -v", "-v has no value", "-v VALUE"),
        ("exec web", "no command", "CONTAINER COMMAND"),
        ("pul busybox", "docker pul", "did you mean docker pull?"),
        ("network creat x", "network creat", "did you mean docker network create?"),
        ("bake", "docker bake", "--request FILE"),
        ("", "no command", "docker run"),
        ("run 'busybox", "taken apart", "close every quote"),
        ("cp a b", "between a container and here", "CONTAINER:PATH"),
        ("rename a", "takes 2 names", "CONTAINER NAME"),
        ("run --env-file /nonexistent/x busybox", "cannot be read", "text file"),
        ("build -o out .", "BuildKit", "docker cp"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_and_what_to_write(line: str, what: str, mend: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read_line(line)

    assert what in str(caught.value)
    assert mend in caught.value.mend


def test_no_flag_of_the_newest_client_is_missing(docker_cli: str) -> None:
    from dockwarden.cli.dockerline.run import CREATE, EXEC

    for command, known in (("create", CREATE), ("run", CREATE), ("exec", EXEC)):
        said = subprocess.run([docker_cli, command, "--help"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "400"}).stdout
        flags = {name for found in re.findall(r"^ {2,6}(?:(-\w), )?(--[\w-]+) ", said, re.MULTILINE) for name in found if name}
        assert len(flags) > 10, said
        assert set() == flags - known.keys(), command
