"""Tapes over HTTP with a real browser: casts play in the reference player, a session is followed live, and strangers get nothing.

The pictures of what was shown are left in the folder that DOCKWARDEN_PICTURES names, if it names one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error

from days.test_secrets import put
from days.test_sessions import Terminal, container, exported
from fixtures.certificates import Authority
from fixtures.engine import PrivateEngine
from fixtures.player import Shown, chromium, fetch_player, open_page
from fixtures.ports import free_port
from fixtures.warden import ALICE, AUDITOR, BOB, Warden

pytestmark = pytest.mark.timeout(240)
PICTURES = os.environ.get("DOCKWARDEN_PICTURES", "")
SECTION = (Path(__file__).resolve().parents[2] / "docs" / "sessions.md").read_text("utf-8").partition("## Over HTTP")[2]
DOORS, LINES = (re.findall(rf"```{kind}\n(.*?)```", SECTION, re.DOTALL)[0] for kind in ("toml", "sh"))


@dataclass
class House:
    """A dockwarden with doors for tapes, and a browser."""

    warden: Warden
    origin: str
    browser: Browser

    def context(self, *, certificate: str = "audra") -> BrowserContext:
        """A browser of somebody who has this certificate; "" has none."""
        tls = self.warden.dir / "tls"
        chosen: Any = [{"origin": self.origin, "certPath": tls / f"{certificate}.pem", "keyPath": tls / f"{certificate}-key.pem"}] if certificate else None
        return self.browser.new_context(client_certificates=chosen, ignore_https_errors=True)

    def curl(self, uid: int, target: str, *words: str) -> tuple[int, bytes]:
        """What an account gets at the unix socket."""
        done = subprocess.run(
            ["curl", "-s", "-w", "%{stderr}%{http_code}", "--unix-socket", str(self.warden.dir / "tapes.sock"), *words, f"http://tapes{target}"],
            capture_output=True, timeout=60, check=False, user=uid, group=uid, extra_groups=[],
        )  # fmt: skip
        return int(done.stderr), done.stdout

    @property
    def ids(self) -> dict[str, int]:
        """When each session ended, 0 for those under way."""
        return {row["id"]: row["ended"] for row in json.loads(self.curl(AUDITOR, "/sessions")[1])}

    @contextmanager
    def one_more(self) -> Iterator[list[str]]:
        """The id of the session that begins within the block is in the list after it."""
        before, found = self.ids, list[str]()
        yield found
        found += self.ids.keys() - before.keys()
        assert 1 == len(found)

    def recorded(self, act: Callable[[Warden], list[str]]) -> tuple[str, list[str]]:
        """The id of the session that `act` makes, once that is over, and what it is to show."""
        with self.one_more() as ids:
            expected = act(self.warden)
        (id,) = ids
        end = time.monotonic() + 10
        while not self.ids[id]:
            assert time.monotonic() < end, id
            time.sleep(0.05)
        return id, expected


@pytest.fixture(scope="module")
def house(engine: PrivateEngine) -> Iterator[House]:
    fetch_player()
    port = free_port()
    folder = Path("/var/tmp") / f"dwtapes{os.getpid()}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address, volumes=True)
    made.init()
    (folder / "tls").mkdir(mode=0o700)
    authority = Authority(folder / "tls")
    for name in ("localhost", "audra", "stranger"):  # the door's certificate is for the name by which a browser calls it
        authority.sign(name)
        (folder / "tls" / f"{name}-key.pem").chmod(0o600)
    doors = DOORS.replace("8443", str(port)).replace("/etc/dockwarden", str(folder)).replace("tls/tapes", "tls/localhost")
    made.config.write_text(f"{made.config.read_text()}\n{doors}")
    people = folder / "people.toml"
    people.write_text(people.read_text().replace("[people.audra]\n", '[people.audra]\ncertificate = ["audra"]\n'))
    made.start()
    with chromium() as browser:
        yield House(made, f"https://localhost:{port}", browser)
    made.stop()
    made.remove()


def keep(shown: Shown, name: str) -> None:
    if PICTURES:
        shown.page.screenshot(path=Path(PICTURES) / f"{name}.png")


# --- casts in the reference player ---


def plain(warden: Warden) -> list[str]:
    warden.docker("exec", "seen", "sh", "-c", "echo one; sleep 0.3; echo two >&2; sleep 0.3; echo three")
    return ["one", "two", "three"]


def terminal(warden: Warden) -> list[str]:
    shell = Terminal(warden, "exec", "-it", "seen", "sh")
    shell.until(b"$ ")
    fcntl.ioctl(shell.master, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 61, 0, 0))
    os.kill(shell.process.pid, signal.SIGWINCH)
    shell.type(b"until stty size | grep -q '12 61'; do usleep 50000; done; clear; stty size\r")
    shell.until(b"J12 61\r\n")
    shell.type(b"printf '\\033[1;32mgreen\\033[0m %s\\n' done; exit 3\r")
    assert 3 == shell.end()
    return ["12 61", "/ $ printf '\\033[1;32mgreen\\033[0m %s\\n' done; exit 3", "green done"]


def broken(warden: Warden) -> list[str]:
    warden.docker("exec", "seen", "printf", r"\377\376 is no text, \342\202", errors="replace")
    return ["\ufffd\ufffd is no text, \ufffd"]


def wide(warden: Warden) -> list[str]:
    warden.docker("exec", "seen", "printf", "日本語 and €\n|--|--|--|\n")
    return ["日本語 and €", "|--|--|--|"]


def empty(warden: Warden) -> list[str]:
    warden.docker("exec", "seen", "true")
    return []


def masked(warden: Warden) -> list[str]:
    warden.docker("exec", "seen", "sh", "-c", "echo the value is $(cat /run/secrets/T)")
    return ["the value is [masked]"]


@pytest.fixture(scope="module")
def seen(house: House) -> Iterator[House]:
    put(house.warden, ALICE, "people/alice/shown", b"delivered-s3cret-value")
    with container(house.warden, "seen", "-e", "T=dockwarden://people/alice/shown"):
        yield house


@pytest.mark.parametrize("record", [plain, terminal, broken, wide, empty, masked])
def test_what_is_exported_plays_in_the_reference_player(seen: House, record: Callable[[Warden], list[str]]) -> None:
    id, expected = seen.recorded(record)
    casts = {f"/{form}.cast": seen.curl(AUDITOR, f"/sessions/{id}/cast?format={form}")[1] for form in ("v3", "v2")}
    context = seen.browser.new_context()
    for path in casts:
        shown = open_page(context, "https://player.test", casts.get)
        shown.play(path, speed=20, idleTimeLimit=0.2)
        shown.until_ended()
        keep(shown, f"{record.__name__}-{path[1:3]}")

        assert expected == shown.text
        assert [] == shown.complaints
        markers = shown.page.evaluate("seen.markers")
        assert "recording" in markers
        assert any(marker.startswith("exec: ") for marker in markers)
        assert ("exit 0" in markers or "exit 3" in markers) == (path == "/v2.cast")
        assert "s3cret" not in shown.page.content()
    context.close()


# --- over the door ---


FETCH = """async ([path, range]) => {
  const answer = await fetch(path, range ? {headers: {Range: range}} : {});
  const body = new Uint8Array(await answer.arrayBuffer());
  return {status: answer.status, body: new TextDecoder('latin1').decode(body), headers: Object.fromEntries(answer.headers)};
}"""


def test_a_page_of_the_door_s_own_lists_plays_and_reads_a_part(seen: House) -> None:
    id, expected = seen.recorded(plain)
    whole = exported(seen.warden, id).encode("latin-1")
    context = seen.context()
    shown = open_page(context, seen.origin)
    listed = shown.page.evaluate(FETCH, ["/sessions", ""])
    assert id in [row["id"] for row in json.loads(listed["body"])]

    cast = f"/sessions/{id}/cast"
    got = shown.page.evaluate(FETCH, [cast, ""])
    part = shown.page.evaluate(FETCH, [cast, "bytes=-40"])
    shown.play(cast, speed=20)
    shown.until_ended()

    assert expected == shown.text
    assert (200, whole) == (got["status"], got["body"].encode("latin-1"))
    assert (206, whole[-40:]) == (part["status"], part["body"].encode("latin-1"))
    assert f"bytes {len(whole) - 40}-{len(whole) - 1}/{len(whole)}" == part["headers"]["content-range"]
    assert [] == shown.complaints
    about = [entry for entry in seen.warden.entries() if f"Session:{id}" == entry.get("resource") and "session.play" == entry["action"]]
    assert {"intent", "outcome"} == {entry["kind"] for entry in about}
    assert {"audra"} == {entry["principal"] for entry in about}
    context.close()


def test_a_session_is_followed_live_while_it_is_typed(seen: House) -> None:
    with seen.one_more() as ids:
        shell = Terminal(seen.warden, "exec", "-it", "seen", "sh")
        shell.until(b"$ ")
    (id,) = ids
    shell.type(b"echo before-$((1 + 1))\r")
    shell.until(b"before-2")
    context = seen.context()
    shown = open_page(context, seen.origin)
    shown.play(f"{seen.origin.replace('https', 'wss')}/sessions/{id}/live")
    shown.until("before-2")
    shell.type(b"echo after-$((2 + 2))\r")
    shown.until("after-4")
    keep(shown, "live")
    shell.type(b"exit\r")
    shell.end()
    shown.until_ended()

    text = shown.text
    assert [] == shown.complaints
    assert ["before-2", "after-4"] == [line for line in text if line.startswith(("before", "after"))]
    assert "watched by audra" in exported(seen.warden, id)
    context.close()


def test_without_a_certificate_there_is_no_door(seen: House) -> None:
    context = seen.context(certificate="")
    page = context.new_page()
    with pytest.raises(Error, match="ERR_"):
        page.goto(f"{seen.origin}/sessions")
    context.close()


def test_a_certificate_that_is_nobody_s_sees_nothing(seen: House) -> None:
    id, _ = seen.recorded(empty)
    context = seen.context(certificate="stranger")
    shown = open_page(context, seen.origin)
    found = [shown.page.evaluate(FETCH, [path, ""]) for path in ("/sessions", f"/sessions/{id}/cast")]

    assert [(200, "[]"), (404, '{"code":"session.abs')] == [(got["status"], got["body"][:20]) for got in found]
    assert {"application/json"} == {got["headers"]["content-type"] for got in found}
    context.close()


OPENS = """url => new Promise(done => { const socket = new WebSocket(url, ['v3.asciicast']);
  socket.onopen = () => done('open'); socket.onerror = () => done('refused'); })"""


def test_a_page_of_another_origin_gets_nothing_in_the_name_of_who_looks_at_it(seen: House) -> None:
    with seen.one_more() as ids:
        shell = Terminal(seen.warden, "exec", "-it", "seen", "sh")
        shell.until(b"$ ")
    (id,) = ids
    context = seen.context()
    own, other = open_page(context, seen.origin), open_page(context, "https://other.test")
    live = f"{seen.origin.replace('https', 'wss')}/sessions/{id}/live"

    assert "open" == own.page.evaluate(OPENS, live)
    assert "refused" == other.page.evaluate(OPENS, live)
    with pytest.raises(Error, match="Failed to fetch"):
        other.page.evaluate(FETCH, [f"{seen.origin}/sessions", ""])
    shell.type(b"exit\r")
    shell.end()
    context.close()
    refused = [entry for entry in seen.warden.entries() if "refused" == entry["kind"] and "tapes.cross_site" == entry["detail"]["code"]]
    assert {"/sessions", f"/sessions/{id}/live"} <= {entry["detail"]["target"] for entry in refused}


def test_at_the_unix_socket_accounts_are_told_apart(seen: House) -> None:
    id, _ = seen.recorded(plain)

    assert [403, 404, 200] == [seen.curl(uid, f"/sessions/{id}/cast")[0] for uid in (ALICE, BOB, AUDITOR)]
    assert (200, b"two\n") == seen.curl(AUDITOR, f"/sessions/{id}/raw?stream=err")
    assert (206, b"three\n") == seen.curl(AUDITOR, f"/sessions/{id}/raw", "-r", "-6")
    assert id in [row["id"] for row in json.loads(seen.curl(ALICE, "/sessions")[1])]
    assert b"[]" == seen.curl(BOB, "/sessions")[1]


def test_the_lines_of_the_page_do_what_it_says(seen: House, desk: Path) -> None:
    id, _ = seen.recorded(plain)
    done = subprocess.run(
        ["sh", "-euc", LINES.replace("/etc/dockwarden", str(seen.warden.dir))], capture_output=True, text=True, timeout=60, check=False, cwd=desk,
        user=AUDITOR, group=AUDITOR, extra_groups=[], env={**os.environ, "ID": id},
    )  # fmt: skip

    assert (0, "one\ntwo\nthree\n") == (done.returncode, done.stdout), done.stderr
    assert exported(seen.warden, id) == (desk / "session.cast").read_text("latin-1")
