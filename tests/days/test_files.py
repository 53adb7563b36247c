"""A day of copying files: real `sftp` and `scp` against a real server, direct and through the relays, see and leave the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent

SERVER = "/usr/lib/openssh/sftp-server"
NOBODY = 65534
AS_NOBODY = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
TESTS = Path(__file__).parents[1]
DRIVER = f"env PYTHONPATH={TESTS}:{TESTS.parent / 'src'} {sys.executable} -m fixtures.file_driver"
OLD = 981_173_106
BIG_BYTES = 100 << 20


@dataclass(frozen=True)
class Seen:
    """What one run showed and left."""

    status: int
    out: str
    err: str
    near: dict[str, object]
    far: dict[str, object]


class Ground:
    """Two folders, the client's and the server's, made alike for a direct run and for one through a relay. The server is nobody."""

    def __init__(self, root: Path, name: str, *, is_direct: bool) -> None:
        self.root, self.is_direct = root / name, is_direct
        self.near, self.far, self.record = self.root / "near", self.root / "far", self.root / "record"
        for place in (self.near, self.far):
            place.mkdir(parents=True)
            fill(place)
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(self.far)], check=True)
        for name, mode, uid in (("secret", 0o600, 0), ("locked", 0o700, 0)):
            (self.far / name).chmod(mode)
            os.chown(self.far / name, uid, uid)
        relay = "" if is_direct else f"{DRIVER} {self.record} "
        self.server = self.program("server", f"exec {relay}{'' if is_direct else 'sftp '}{AS_NOBODY} {SERVER}")
        copy = f'exec {AS_NOBODY} sh -c "$last"' if is_direct else f'exec {relay}scp "$last" {AS_NOBODY} sh'
        self.ssh = self.program("ssh", f'for last; do :; done\n[ "$last" = sftp ] && exec {self.server}\n{copy}')

    def program(self, name: str, body: str) -> Path:
        made = self.root / name
        made.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        made.chmod(0o755)
        return made

    def run(self, *words: str, given: str = "", **environment: str) -> Seen:
        done = subprocess.run(
            words, cwd=self.near, input=given, capture_output=True, text=True, errors="surrogateescape", timeout=120, check=False, env={**os.environ, "LC_ALL": "C.UTF-8", **environment}
        )  # fmt: skip
        out, err = (text.replace(str(self.root), "ROOT") for text in (done.stdout, done.stderr))
        return Seen(done.returncode, out, err, tree(self.near), tree(self.far))

    def sftp(self, batch: str, **environment: str) -> Seen:
        return self.run("sftp", "-b", "-", "-D", str(self.server), given=f"cd {self.far}\n{batch}\n", **environment)

    def scp(self, *words: str, **environment: str) -> Seen:
        return self.run("scp", "-S", str(self.ssh), *[word.replace("FAR", str(self.far)) for word in words], **environment)

    @property
    def deeds(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def moved(self, way: str) -> dict[str, tuple[str, bool]]:
        """Of each file that moved one way, by its name: the digest that was recorded, and whether it is complete."""
        deeds = {"read": ("read",), "written": ("write",)}[way]
        return {Path(str(row["path"])).name: (row[way][1], row["complete"]) for row in self.deeds if row.get("deed") in deeds}


def fill(place: Path) -> None:
    """The same files on both sides."""
    contents = {
        "a": b"a few words\n", "empty": b"", "tree/one": b"1" * 40_000, "tree/sp ace/\u00fc \u00e9": b"2", "tree/empty": b"", "tree/deep/er/x": b"3" * 300_000,
        "secret": b"nobody may read it", "locked/x": b"", "it's": b"quoted", "half": b"half" * 50_000,
    }  # fmt: skip
    for name, data in contents.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o640)
    (place / "tree/deep").chmod(0o750)
    for path in sorted(place.rglob("*"), reverse=True):
        os.utime(path, (OLD, OLD))


def tree(place: Path) -> dict[str, object]:
    """What is there: names, kinds, modes, contents; times only where a copy keeps them."""
    found: dict[str, object] = {}
    for path in sorted(place.rglob("*")):
        about = path.lstat()
        kept = int(about.st_mtime) if int(about.st_mtime) == OLD else "now"
        inside = str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(place))] = (stat.filemode(about.st_mode), inside, about.st_nlink if path.is_file() else 0, kept)
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that nobody can reach into."""
    made = Path(tempfile.mkdtemp(prefix="dwfiles"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def both(root: Path) -> tuple[Ground, Ground]:
    """The direct one, and the one through a relay."""
    return Ground(root, "direct", is_direct=True), Ground(root, "through", is_direct=False)


@pytest.fixture
def through(root: Path) -> Ground:
    """The one through a relay alone."""
    return Ground(root, "through", is_direct=False)


BATCHES = {
    "one file both ways": "put a new\nget new back\nput empty e2\nget e2 e3\nls -l tree",
    "trees": "put -r tree tree2\nget -r tree tree3\nput -rp tree tree4\nget -rp tree tree5",
    "names and links": "rename a b\nln -s b c\nln b d\nls -1\nchmod 600 b\nrm c\nmkdir new\nrmdir new\nrename b tree/b\ncp tree/b copy\nls -la tree",
    "going on": "!head -c 90000 half > part0\nput part0 h2\nreput half h2\n!head -c 70000 half > h3\nreget half h3\n!head -c 1000 half > part\nput part h4\nreput half h4",
    "what fails": "-get nothing\n-get secret\n-get locked\n-put a locked/x\n-rmdir tree\n-mkdir tree\n-rm nothing\n-rename nothing x\n-chmod 600 secret\n-ls locked\n-chown 0 a\n-get -r tree/nothing\nls",
    "the first failure ends it": "get a back\nget nothing\nget a never",
    "names that are odd": 'put "it\'s" "q \'2"\nget "tree/sp ace/\u00fc \u00e9" "\u00fc 2"\nls "tree/sp ace"\nput a ..//far/./z\nls ../far/z',
    "small pieces": "put half h2\nget half h3",
}


@pytest.mark.parametrize("batch", BATCHES)
def test_sftp_is_as_direct(both: tuple[Ground, Ground], batch: str) -> None:
    direct, through = (ground.sftp(BATCHES[batch]) for ground in both)

    assert direct == through
    assert [] == [row for row in both[1].deeds if "broke" in row]


def test_a_folder_of_many_files_is_listed_as_direct(both: tuple[Ground, Ground]) -> None:
    for ground in both:
        for number in range(500):
            (ground.far / "tree" / f"file {number}").touch()
            os.utime(ground.far / "tree" / f"file {number}", (OLD, OLD))
    direct, through = (ground.sftp("ls -l tree\nls -1t tree\nls tree/file*9") for ground in both)

    assert direct == through
    assert 500 < len(through.out.splitlines())


def test_the_space_of_a_file_system_is_shown(through: Ground) -> None:
    seen = through.sftp("df -h\ndf -i")

    assert 0 == seen.status
    assert "Avail" in seen.out
    assert ["space", "space"] == [row["deed"] for row in through.deeds if row["deed"] == "space"]


def test_a_hundred_mebibytes_pass_both_ways_and_their_digest_is_recorded(through: Ground) -> None:
    with (through.near / "big").open("wb") as big:
        for _ in range(BIG_BYTES >> 20):
            big.write(os.urandom(1 << 20))
    wanted = digest(through.near / "big")

    assert 0 == through.sftp("put big\nget big back").status
    assert wanted == digest(through.far / "big") == digest(through.near / "back")
    assert {"big": (wanted, True)} == through.moved("written")
    assert {"big": (wanted, True)} == through.moved("read")

    assert 0 == through.scp("-O", "big", "h:FAR/big2").status
    assert 0 == through.scp("-O", "h:FAR/big2", "back2").status
    assert wanted == digest(through.far / "big2") == digest(through.near / "back2")
    assert (wanted, True) == through.moved("read")["big2"]


def test_each_file_of_a_tree_is_recorded_with_its_digest(through: Ground) -> None:
    through.sftp("put -r tree tree2\nget -r tree2 tree3")
    expected = {path.name: (digest(path), True) for path in (through.near / "tree").rglob("*") if path.is_file()}

    assert expected == through.moved("written")
    assert expected == through.moved("read")


def test_what_is_kept_is_what_moved(through: Ground) -> None:
    through.sftp("put half h2\nget half h3", DRIVER_KEEP="1")

    kept = [bytes.fromhex(str(row["kept"])) for row in through.deeds if row["deed"] in ("read", "write")]
    assert [(through.near / "half").read_bytes()] * 2 == kept


@pytest.mark.parametrize("mode", ["-O", "-s"])
def test_uploads_and_downloads_are_judged_apart(root: Path, mode: str) -> None:
    for number, (right, may) in enumerate([("sftp.read", (False, True)), ("sftp.write", (True, False))]):
        ground = Ground(root, f"g{number}", is_direct=False)
        up = ground.scp(mode, "a", "h:FAR/up", DRIVER_RIGHTS=right)
        down = ground.scp(mode, "h:FAR/a", "down", DRIVER_RIGHTS=right)

        assert may == ("up" in down.far, "down" in down.near)
        assert may == (up.status == 0, down.status == 0)
        assert "is not allowed here; ask for" in (down if may[0] else up).err


def test_a_refused_file_says_why_and_the_rest_goes_on(through: Ground) -> None:
    seen = through.sftp("-rm a\n-get a back\nput half h2\nget h2 h3", DRIVER_DENY="*/a")

    assert 0 == seen.status
    assert (True, False, True) == ("a" in seen.far, "back" in seen.near, "h3" in seen.near)
    seen = through.scp("-O", "-r", "tree", "h:FAR/t2", DRIVER_DENY="*/deep")
    assert 1 == seen.status
    assert "dockwarden: " in seen.err
    assert ("t2/one" in seen.far, "t2/deep" in seen.far) == (True, False)
    seen = through.scp("-O", "-r", "h:FAR/tree", "t3", DRIVER_DENY="*/deep")
    assert 1 == seen.status
    assert "dockwarden: " in seen.err
    assert ("t3/one" in seen.near, "t3/deep" in seen.near) == (True, False)


COPIES = {
    "a file up": ("a", "h:FAR/new"),
    "a file down": ("h:FAR/a", "new"),
    "into a folder": ("-p", "a", "half", "h:FAR/tree"),
    "an empty file": ("-p", "empty", "h:FAR/e2"),
    "a tree up": ("-rp", "tree", "h:FAR/t2"),
    "a tree down": ("-rp", "h:FAR/tree", "t2"),
    "a tree into a folder": ("-r", "tree", "h:FAR/tree"),
    "odd names up": ("it's", "tree/sp ace/\u00fc \u00e9", "h:FAR/tree/"),
    "a pattern": ("h:FAR/tree/[o-p]ne", "h:FAR/e*y", "tree"),
    "a tree with what cannot be read": ("-r", "h:FAR", "t2"),
    "nothing": ("h:FAR/nothing", "new"),
    "what cannot be read": ("h:FAR/secret", "new"),
    "what cannot be written": ("a", "h:FAR/locked/new"),
    "into no folder": ("a", "half", "h:FAR/none"),
    "a folder without -r": ("h:FAR/tree", "t2"),
    "nothing up": ("nothing", "h:FAR/new"),
}


@pytest.mark.parametrize("mode", ["-O", "-s"])
@pytest.mark.parametrize("copy", COPIES)
def test_scp_is_as_direct(both: tuple[Ground, Ground], copy: str, mode: str) -> None:
    direct, through = (ground.scp(mode, *COPIES[copy]) for ground in both)

    assert direct == through
    rows = both[1].deeds if both[1].record.exists() else []
    assert [] == [row for row in rows if "broke" in row]


@pytest.mark.parametrize("mode", ["-O", "-s"])
def test_quoted_names_are_as_direct(both: tuple[Ground, Ground], mode: str) -> None:
    name = "h:FAR/tree/'sp ace'/\u00fc\\ \u00e9" if mode == "-O" else "h:FAR/tree/sp ace/\u00fc \u00e9"
    direct, through = (ground.scp(mode, name, "here now") for ground in both)

    assert direct == through
    assert "here now" in through.near


def test_a_client_that_goes_away_in_the_middle_is_told_as_that(through: Ground) -> None:
    asked = [sent.Open(1, os.fsencode(through.far / "cut"), sent.Flag.WRITE | sent.Flag.CREAT | sent.Flag.TRUNC, sent.Attributes())]
    with subprocess.Popen([str(through.server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(codec.written_init() + b"".join(map(codec.written, asked)))
        server.stdin.flush()
        read_packet(server.stdout)
        handle = codec.read_answer(read_packet(server.stdout))
        assert isinstance(handle, sent.Handle)
        server.stdin.write(codec.written(sent.Write(2, handle.handle, 0, memoryview(b"some"))) + b"\0\0\0\x20half of a packet")
        server.stdin.flush()
        read_packet(server.stdout)
        server.stdin.close()
        server.stdout.read()

    (row,) = through.deeds
    assert ("write", None, [4, hashlib.sha256(b"some").hexdigest(), 1], False) == (row["deed"], row["status"], row["written"], row["complete"])
    assert b"some" == (through.far / "cut").read_bytes()


def read_packet(stream) -> memoryview:
    return memoryview(stream.read(int.from_bytes(stream.read(4), "big")))


def test_a_copy_whose_client_goes_away_in_the_middle_is_told_as_that(through: Ground) -> None:
    with subprocess.Popen([str(through.ssh), f"scp -t {through.far}/cut"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.read(1)
        server.stdin.write(b"C0644 10 cut\n")
        server.stdin.flush()
        server.stdout.read(1)
        server.stdin.write(b"some")
        server.stdin.close()
        server.stdout.read()

    (row,) = through.deeds
    assert ("write", None, [4, hashlib.sha256(b"some").hexdigest(), 1], 10, False) == (row["deed"], row["status"], row["written"], row["size"], row["complete"])


def test_a_server_that_sends_what_was_not_asked_for_puts_nothing_at_the_client(through: Ground) -> None:
    """CVE-2019-6111: the name that comes is not the one that was asked for."""
    evil = through.program("evil", "head -c 1 > /dev/null; printf 'C0644 3 .bashrc\\nown\\0'; cat > /dev/null")
    through.program("ssh", f'for last; do :; done\nexec {DRIVER} {through.record} scp "$last" {evil}')
    seen = through.scp("-O", "-T", "h:x", ".")

    assert 0 != seen.status
    assert ".bashrc" not in seen.near
    assert ["server"] == [row["broke"] for row in through.deeds]
