"""`dockwarden secret import` as a person runs it: what is stored, what the file is then, and what is refused before anything is stored."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import socketserver
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click.testing
import pytest
import yaml
from typer.testing import CliRunner

from dockwarden.cli.secret import app
from dockwarden.words.errors import BadConfig

USER = 20001
CANARY = "Tr0ub4dor-and-3"


@dataclass
class Keeper:
    """What serves beside the command: a control socket on loopback that keeps what it is given, and lets a test act at each put."""

    folder: Path
    kept: dict[str, str] = field(default_factory=dict)
    at_put: Callable[[], object] = lambda: None
    status: int = 200

    @property
    def config(self) -> Path:
        return self.folder / "dockwarden.toml"

    def put(self, path: str, value: str) -> None:
        self.kept[path] = base64.b64decode(value).decode()
        self.at_put()


@pytest.fixture
def keeper(desk: Path) -> Iterator[Keeper]:
    """A keeper that ordinary accounts can reach."""
    folder = desk / "D"
    folder.mkdir(mode=0o755)
    keeper = Keeper(folder)
    keeper.config.write_text('[engine]\naddress = "unix:///nonexistent/docker.sock"\n')

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            keeper.put(body["path"], body["value"])
            said = json.dumps({"version": 1, "renewed": 0, "failed": [], "code": "policy.forbidden", "message": "no"}).encode()
            self.send_response(keeper.status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "unix"

    with socketserver.ThreadingUnixStreamServer(str(folder / "control.sock"), Handler) as server:
        (folder / "control.sock").chmod(0o777)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield keeper
        server.shutdown()


@pytest.fixture
def home(desk: Path) -> Path:
    """A folder that the user owns."""
    folder = desk / "home"
    folder.mkdir()
    os.chown(folder, USER, USER)
    return folder


def run(keeper: Keeper, file: Path, *words: str, input: str = "") -> click.testing.Result:
    """The command; it says no value, whatever becomes of it."""
    done = CliRunner().invoke(app, ["import", str(file), "--under", "u", "--config", str(keeper.config), *(words or ("--yes",))], input=input)
    assert not isinstance(done.exception, (OSError, AssertionError)), done.exception
    assert "Tr0ub4dor" not in done.output + repr(done.exception)
    return done


def refused(keeper: Keeper, file: Path, *words: str) -> BadConfig:
    """The refusal; nothing is stored, and neither the file nor its folder is touched."""
    before = (file.read_bytes() if file.exists() else b"", _names(file.parent))
    done = run(keeper, file, "--yes", *words)
    assert isinstance(done.exception, BadConfig), (done.output, done.exception)
    assert {} == keeper.kept
    assert before == (file.read_bytes() if file.exists() else b"", _names(file.parent))
    return done.exception


def imported(keeper: Keeper, file: Path, text: str, *words: str) -> str:
    """What `text` reads when it is imported."""
    file.write_bytes(text.encode())
    done = run(keeper, file, "--yes", *words)
    assert 0 == done.exit_code, (done.output, done.exception)
    return file.read_bytes().decode()


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextlib.contextmanager
def as_user() -> Iterator[None]:
    """The block runs as an ordinary account."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(USER)
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_a_planted_link_of_the_part_is_not_followed(keeper: Keeper, desk: Path, home: Path) -> None:
    """Attack A: root imports in a user's folder, where the old name of the part is a link to a file of root's."""
    victim = desk / "passwd"
    victim.write_text("root:x:0:0\n")
    victim.chmod(0o600)
    (home / ".app.env.dockwarden").symlink_to(victim)
    fresh = imported(keeper, home / "app.env", f"DB_PASSWORD={CANARY}\n")

    assert "DB_PASSWORD=dockwarden://u/DB_PASSWORD\n" == fresh
    assert ("root:x:0:0\n", 0o600) == (victim.read_text(), stat.S_IMODE(victim.stat().st_mode))
    assert (home / ".app.env.dockwarden").is_symlink()


def test_the_part_has_a_name_of_chance_and_the_owner_and_mode_of_the_file(keeper: Keeper, home: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def look() -> None:
        for part in home.iterdir():
            if part.name != ".env":
                seen.append((part.name, stat.S_IMODE(part.lstat().st_mode), part.lstat().st_uid))

    keeper.at_put = look
    (home / ".env").touch()
    os.chown(home / ".env", USER, USER)
    (home / ".env").chmod(0o640)
    for _ in range(2):
        imported(keeper, home / ".env", f"DB_PASSWORD={CANARY}\n")

    status = (home / ".env").stat()
    assert (USER, USER, 0o640) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    assert [(0o640, USER)] * 2 == [row[1:] for row in seen]
    assert seen[0][0] != seen[1][0]
    assert [".env"] == _names(home)


@pytest.mark.parametrize("how", ["replaced", "rewritten", "linked", "gone"])
def test_a_file_that_is_another_by_then_is_not_replaced(keeper: Keeper, home: Path, how: str) -> None:
    """Attack A: between the reading and the renaming, somebody else puts another file there."""
    file, other = home / ".env", home / "other"
    file.write_text(f"DB_PASSWORD={CANARY}\n")
    other.write_text("mine")

    def swap() -> None:
        if how == "rewritten":
            file.write_text("DB_PASSWORD=another-and-4\n")
            return
        file.unlink()
        if how == "linked":
            file.symlink_to(other)
        elif how == "replaced":
            other.rename(file)

    keeper.at_put = swap
    done = run(keeper, file)

    assert isinstance(done.exception, BadConfig)
    assert ("gone" if how == "gone" else "was changed, or replaced") in str(done.exception)
    assert "in the vault already" in str(done.exception)
    assert not [name for name in _names(home) if name not in {".env", "other"}]
    assert not file.exists() or "dockwarden://" not in file.read_text()


def test_a_link_is_refused_and_the_real_file_named(keeper: Keeper, home: Path) -> None:
    """Attack B: the link became a plain file, and the real file kept its password."""
    (home / "real.env").write_text(f"DB_PASSWORD={CANARY}\n")
    (home / ".env").symlink_to("real.env")

    said = refused(keeper, home / ".env")
    assert "symbolic link" in said.what
    assert str(home / "real.env") in said.mend
    assert (home / ".env").is_symlink()


def test_a_file_with_a_second_name_is_refused(keeper: Keeper, home: Path) -> None:
    (home / "real.env").write_text(f"DB_PASSWORD={CANARY}\n")
    (home / ".env").hardlink_to(home / "real.env")

    assert "hard link" in refused(keeper, home / ".env").what


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent", "binary"])
def test_what_is_no_file_to_import_is_refused(keeper: Keeper, home: Path, kind: str) -> None:
    file = home / ".env"
    {"folder": file.mkdir, "pipe": lambda: os.mkfifo(file), "absent": lambda: None, "binary": lambda: file.write_bytes(b"A=\xff")}[kind]()
    done = run(keeper, file)

    assert isinstance(done.exception, BadConfig)
    assert str(file) == done.exception.where


@pytest.mark.parametrize("how", ["not-writable", "not-owned", "in-a-folder-of-root", "sticky"])
def test_a_file_that_cannot_be_replaced_is_refused_before_anything_is_stored(keeper: Keeper, home: Path, how: str) -> None:
    """Attack C: the values were stored, then came a traceback, and a part was left."""
    file = home / "app.env"
    file.write_text(f"DB_PASSWORD={CANARY}\n")
    file.chmod(0o644 if how == "not-writable" else 0o666)
    if how == "in-a-folder-of-root":
        os.chown(home, 0, 0)
        os.chown(file, USER, USER)
    if how == "sticky":
        os.chown(home, 0, 0)
        home.chmod(0o1777)
    with as_user():
        said = refused(keeper, file)
    assert str(file) == said.where
    assert "by you" in said.what
    assert "nothing was stored" in said.mend


def test_a_user_imports_a_file_of_his_own(keeper: Keeper, home: Path) -> None:
    with as_user():
        fresh = imported(keeper, home / ".env", f"DB_PASSWORD={CANARY}\n")
    assert "DB_PASSWORD=dockwarden://u/DB_PASSWORD\n" == fresh
    assert {"u/DB_PASSWORD": CANARY} == keeper.kept


def test_a_vault_that_refuses_and_a_person_who_says_no_leave_everything_as_it_was(keeper: Keeper, home: Path) -> None:
    (home / ".env").write_text(f"DB_PASSWORD={CANARY}\n")
    keeper.status = 403
    assert run(keeper, home / ".env").exception
    assert f"DB_PASSWORD={CANARY}\n" == (home / ".env").read_text()
    keeper.kept.clear()
    run(keeper, home / ".env", "--only", "DB_PASSWORD", input="n\n")
    assert {} == keeper.kept
    assert [".env"] == _names(home)


BLOCKS = """\
services:
  web:
    environment:
      TLS_PRIVATE_KEY: |
        Tr0ub4dor-and-3
        second line

      DB_PASSWORD: >-
        Tr0ub4dor-and-3
        folded
      PORT: 8080
    command: [run]
  db:
    environment:
      - |-
        API_TOKEN=Tr0ub4dor-and-3-x
      - PORT=1
"""


def test_block_scalars_become_references_and_the_next_key_stays_a_key(keeper: Keeper, home: Path) -> None:
    """Attack D: the next key joined the line of the reference."""
    fresh = imported(keeper, home / "compose.yaml", BLOCKS, "--only", "TLS_PRIVATE_KEY", "--only", "DB_PASSWORD", "--only", "API_TOKEN")

    expected = yaml.safe_load(BLOCKS)
    expected["services"]["web"]["environment"] |= {name: f"dockwarden://u/{name}" for name in ("TLS_PRIVATE_KEY", "DB_PASSWORD")}
    expected["services"]["db"]["environment"][0] = "API_TOKEN=dockwarden://u/API_TOKEN"
    assert expected == yaml.safe_load(fresh)
    assert {
        "u/TLS_PRIVATE_KEY": "Tr0ub4dor-and-3\nsecond line\n", "u/DB_PASSWORD": "Tr0ub4dor-and-3 folded", "u/API_TOKEN": "Tr0ub4dor-and-3-x",
    } == keeper.kept  # fmt: skip


SHARED = {
    "a mapping": "services:\n  a:\n    environment: &env\n      DB_PASSWORD: Tr0ub4dor-and-3\n  b:\n    environment: *env\n",
    "a value": "services:\n  a:\n    environment:\n      DB_PASSWORD: &pw Tr0ub4dor-and-3\n      PGPASSWORD: *pw\n",
    "an entry": "services:\n  a: {environment: [&pw DB_PASSWORD=Tr0ub4dor-and-3]}\n  b: {environment: [*pw]}\n",
    "a merge": "x-env: &env\n  DB_PASSWORD: Tr0ub4dor-and-3\nservices:\n  a:\n    environment:\n      <<: *env\n      PORT: 1\n",
    "merges": "x-a: &a {DB_PASSWORD: Tr0ub4dor-and-3}\nx-b: &b {PORT: 1}\nservices:\n  a:\n    environment:\n      <<: [*b, *a]\n",
    "a service": "services:\n  a: &a\n    environment: {DB_PASSWORD: Tr0ub4dor-and-3}\n  b:\n    <<: *a\n",
}


@pytest.mark.parametrize("name", SHARED)
def test_a_value_that_an_alias_shares_is_refused_by_name(keeper: Keeper, home: Path, name: str) -> None:
    """Attack D: the reference was written once for each alias, over itself."""
    (home / "compose.yml").write_text(SHARED[name])

    said = refused(keeper, home / "compose.yml")
    assert "DB_PASSWORD" in said.what
    assert "alias" in said.what
    assert said.where.removeprefix(f"{home}/compose.yml:").isdecimal()


def test_an_import_that_would_change_anything_else_is_refused_with_name_and_line(keeper: Keeper, home: Path) -> None:
    """Attack D, in general: this path would end the entry of a flow mapping, and begin another."""
    (home / "compose.yml").write_text(f"services:\n  a:\n    environment: {{DB_PASSWORD: {CANARY}}}\n")

    said = refused(keeper, home / "compose.yml", "--under", "u, x")
    assert f"{home}/compose.yml:3" == said.where
    assert "DB_PASSWORD" in said.what
    assert "by hand" in said.mend
    (home / ".env").write_text(f"A=1\nDB_PASSWORD={CANARY}\n")
    assert f"{home}/.env:2" == refused(keeper, home / ".env", "--under", "u #x").where


def test_dollars_are_stored_as_compose_gives_them_and_interpolation_is_left(keeper: Keeper, home: Path) -> None:
    """Attack E: `$$` was stored as two."""
    text = """\
services:
  a:
    environment:
      DB_PASSWORD: it's$$Tr0ub4dor
      API_TOKEN: ${API_TOKEN}
      SMTP_PASSWORD: pre${X:-Tr0ub4dor}
    """
    (home / "c.yml").write_text(text)
    done = run(keeper, home / "c.yml")

    assert {"u/DB_PASSWORD": "it's$Tr0ub4dor"} == keeper.kept
    assert text.replace("it's$$Tr0ub4dor", "dockwarden://u/DB_PASSWORD") == (home / "c.yml").read_text()
    for name in ("c.yml:5: API_TOKEN", "c.yml:6: SMTP_PASSWORD"):
        assert f"{name} is left as it is: it has a $" in done.output
    keeper.kept.clear()
    assert "API_TOKEN cannot be imported" in refused(keeper, home / "c.yml", "--only", "API_TOKEN").what


def test_an_env_file_keeps_its_comments_line_ends_and_neighbours(keeper: Keeper, home: Path) -> None:
    """Attack F: quotes and comments were stored as part of the value."""
    text = f'\ufeff# c\r\nexport DB_PASSWORD="{CANARY}" # ours\r\nPORT=80 # x\r\nAPI_TOKEN=\'two\n{CANARY}\'\nNOTHING\n'
    fresh = imported(keeper, home / ".env", text, "--only", "DB_PASSWORD", "--only", "API_TOKEN")

    assert "\ufeff# c\r\nexport DB_PASSWORD=dockwarden://u/DB_PASSWORD # ours\r\nPORT=80 # x\r\nAPI_TOKEN=dockwarden://u/API_TOKEN\nNOTHING\n" == fresh
    assert {"u/DB_PASSWORD": CANARY, "u/API_TOKEN": f"two\n{CANARY}"} == keeper.kept


@pytest.mark.parametrize("line", ['DB_PASSWORD="Tr0ub4dor', "DB_PASSWORD='Tr0ub4dor", 'DB_PASSWORD="Tr0ub4dor"x', "two words=Tr0ub4dor", "=x", "A-B$=Tr0ub4dor"])
def test_a_line_that_cannot_be_read_surely_is_refused_by_its_number(keeper: Keeper, home: Path, line: str) -> None:
    (home / ".env").write_text(f"# one\nPORT=1\n{line}\nAPI_TOKEN={CANARY}\n")

    assert f"{home}/.env:3" == refused(keeper, home / ".env").where


STAYING = """\
services:
  web:
    image: web
    labels:
      API_TOKEN: Tr0ub4dor-and-3
      role: web
    build:
      context: .
      args:
        - NPM_TOKEN=Tr0ub4dor-and-3
        - VERSION=${VERSION}
        - GIT_TOKEN=${GIT_TOKEN}
      labels: [BUILD_PASSWORD=Tr0ub4dor-and-3]
    deploy: {labels: {DEPLOY_PASSWORD: Tr0ub4dor-and-3}}
"""


@pytest.mark.parametrize("more", ["", "    environment:\n      DB_PASSWORD: Tr0ub4dor-and-3\n"])
def test_secrets_that_stay_in_labels_and_build_arguments_are_told_by_name(keeper: Keeper, home: Path, more: str) -> None:
    """Attack G: they stayed silently."""
    (home / "compose.yml").write_text(STAYING + more)
    said = run(keeper, home / "compose.yml").output

    for place in ("5: services.web.labels API_TOKEN", "10: services.web.build.args NPM_TOKEN", "13: services.web.build.labels BUILD_PASSWORD", "14: services.web.deploy.labels DEPLOY_PASSWORD"):
        assert f"compose.yml:{place} looks like a secret" in said
    assert "cannot carry references: move these to environment" in said
    assert "role" not in said
    assert "GIT_TOKEN" not in said
    assert len(keeper.kept) == bool(more)


def test_values_beside_those_that_change_are_not_shown(keeper: Keeper, home: Path) -> None:
    text = f"ADMIN_PASSWORD={CANARY}\nDB_PASSWORD={CANARY}\nSMTP_PASSWORD={CANARY}\n"
    imported(keeper, home / ".env", text, "--only", "DB_PASSWORD")
    imported(keeper, home / "c.yml", f"services: {{a: {{command: x --password {CANARY}, environment: {{DB_PASSWORD: {CANARY}, SMTP_PASSWORD: {CANARY}}}}}}}", "--only", "DB_PASSWORD")
