"""Who is taken out of people.toml, or has a key, a certificate's name or the group taken out that let them in, is out at once."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from days.test_sessions import Terminal, container, ended, events, listed
from fixtures.engine import PrivateEngine
from fixtures.ssh import Bastion, openssh_server, ssh_door
from fixtures.warden import ALICE, AUDITOR, OPS, PEOPLE, Warden

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def lone(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warden]:
    folder = Path("/var/tmp") / f"dwgone{os.getpid()}{tmp_path_factory.getbasetemp().name}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    made.start()
    yield made
    made.stop()
    made.remove()


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def bastion(engine: PrivateEngine, request: pytest.FixtureRequest) -> Iterator[Bastion]:
    with openssh_server() as target, ssh_door(engine.address, target, processes=request.param) as made:
        yield made


def write_people(warden: Warden, change: Callable[[str], str]) -> None:
    """Change who there is, and return once that is in force."""
    people, seen = warden.dir / "people.toml", (warden.dir / "serve.log").read_text().count("policy.loaded")
    people.write_text(change(people.read_text()))
    end = time.monotonic() + 5
    while (warden.dir / "serve.log").read_text().count("policy.loaded") == seen:
        assert time.monotonic() < end
        time.sleep(0.02)


def without(name: str) -> Callable[[str], str]:
    """People, but for one."""

    def change(text: str) -> str:
        head, _, rest = text.partition(f"[people.{name}]\n")
        return head + "".join(rest.partition("[people.")[1:])

    return change


def reader(warden: Warden, uid: int, socket: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["curl", "-sN", "--unix-socket", str(warden.dir / socket), *words], stdout=subprocess.PIPE, user=uid, group=uid, extra_groups=[]
    )


def marks(warden: Warden, id: str) -> list[str]:
    return [data for _, code, data in events(warden, id) if code == "m"]


def test_sessions_in_containers_end_with_the_reason_and_so_does_all_else_that_is_open(lone: Warden) -> None:
    with container(lone, "left"):
        terminal, plain = Terminal(lone, "exec", "-it", "left", "sh"), Terminal(lone, "exec", "-i", "left", "sh", "-c", "echo up; sleep 300")
        logs = subprocess.Popen(["docker", "-H", f"unix://{lone.socket}", "events"], user=ALICE, group=ALICE, extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": "/"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        others = Terminal(lone, "exec", "-it", "left", "sh", uid=0)
        for one, text in ((terminal, b"$ "), (plain, b"up"), (others, b"$ ")):
            one.until(text)
        write_people(lone, without("alice"))
        why = "alice is no longer in people.toml, so this ends"
        for one in (terminal, plain):
            one.until(f"dockwarden: {why}".encode())
            one.end()
        assert 0 != logs.wait(5)
        others.type(b"echo on-$((1 + 1))\r")
        others.until(b"on-2")
        others.type(b"exit\r")
        others.end()
        left = lone.docker("top", "left", "-o", "args", uid=0).stdout
        write_people(lone, lambda _text: PEOPLE)
        assert 0 == lone.docker("exec", "left", "true").returncode
    assert "sleep 300" not in left
    for id in [row["id"] for row in listed(lone) if row["person"] == "alice"][:2]:
        assert why in marks(lone, id)
        (closed,) = [one for one in lone.entries() if one["kind"] == "tape" and one["detail"].get("what") == "tape.closed" and id == one["detail"]["tape"]]  # type: ignore[attr-defined,index]
        assert why == closed["detail"]["why"]  # type: ignore[index]


def test_a_group_that_is_taken_away_ends_what_it_let_begin_and_nothing_else(lone: Warden) -> None:
    (lone.dir / "policies" / "more.cedar").write_text('@id("more-bobs") permit (principal == User::"bob", action, resource);')
    assert lone.wait_for_log("policy.loaded")
    with container(lone, "grouped"):
        terminal = Terminal(lone, "exec", "-it", "grouped", "sh")
        free = Terminal(lone, "exec", "-it", "grouped", "sh", uid=20002)
        for one in (terminal, free):
            one.until(b"$ ")
        write_people(lone, lambda text: text.replace('groups = ["developers"]', 'groups = ["others"]'))
        terminal.until(b"dockwarden: alice is no longer in developers, and without that exec.start is not permitted, so this ends")
        terminal.end()
        free.type(b"echo on-$((1 + 1)); exit\r")
        free.until(b"on-2")
        free.end()


def test_who_watches_or_reads_a_tape_sees_no_more_of_it(lone: Warden) -> None:
    with container(lone, "looked-at"):
        terminal = Terminal(lone, "exec", "-it", "looked-at", "sh")
        terminal.until(b"$ ")
        (row,) = [row for row in listed(lone) if row["target"] == "looked-at"]
        say = json.dumps({"id": row["id"]})
        watchers = [reader(lone, uid, "control.sock", "-d", say, "http://d/v1/session/watch") for uid in (AUDITOR, OPS)]
        for one in watchers:
            assert one.stdout is not None
            assert select.select([one.stdout], [], [], 15)[0]
        write_people(lone, lambda text: without("olga")(text).replace('"auditors"', '"auditor"'))
        for one in watchers:
            assert 0 != one.wait(2)
        terminal.type(b"echo on-$((1 + 1)); exit\r")
        terminal.until(b"on-2")
        terminal.end()
    ended(lone, row["id"])
    said = {one["principal"]: one["detail"]["because"] for one in lone.entries() if one["kind"] == "event" and one["detail"].get("what") == "session.unseen"}  # type: ignore[attr-defined,index]
    assert "olga is no longer in people.toml, so this ends" == said["olga"]
    assert "audra is no longer in auditors, and without that session.watch is not permitted, so this ends" == said["audra"]


@pytest.mark.parametrize("where", ["%web", "%container.gone"])
@pytest.mark.parametrize("is_key", [True, False], ids=["key", "person"])
def test_a_session_by_ssh_ends_when_its_person_or_one_of_their_keys_is_taken_out(bastion: Bastion, where: str, is_key: bool) -> None:
    warden, who = bastion.warden, "olga" if where == "%web" else "alice"
    people = (warden.dir / "people.toml").read_text()
    warden.docker("run", "-d", "--name", "gone", "busybox", "sleep", "600")
    master, slave = pty.openpty()
    client = subprocess.Popen(bastion.words(who, where, "-tt"), stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""
    try:
        end = time.monotonic() + 20
        while b"$ " not in shown:
            assert time.monotonic() < end, shown
            if select.select([master], [], [], 0.2)[0]:
                shown += os.read(master, 65536) if client.poll() is None else b""
        write_people(warden, (lambda text: text.replace((bastion.keys / f"{who}.pub").read_text().strip(), "ssh-ed25519 AAAA")) if is_key else without(who))
        assert 0 != client.wait(5)
        while select.select([master], [], [], 0.2)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
    finally:
        os.close(master)
        client.kill()
        client.wait()
        write_people(warden, lambda _text: people)
        warden.docker("rm", "-f", "gone")
    why = f"a key by which {who} came in is no longer theirs in people.toml" if is_key else f"{who} is no longer in people.toml"
    assert f"dockwarden: {why}, so this ends".encode() in shown
    (row,) = [row for row in listed(warden) if row["person"] == who][-1:]
    assert f"{why}, so this ends" in marks(warden, ended(warden, row["id"])["id"])
