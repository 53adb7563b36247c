"""Image and volume names: nobody moves, takes or frees another's, however the call begins, ends or breaks off."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import threading
import time

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden

pytestmark = pytest.mark.timeout(180)
IMAGES = "/v1.41/images"


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def built(warden: Warden, uid: int, *names: str, text: str = "FROM busybox\nRUN true\n", until: bytes = b"") -> bytes:
    query = "&".join(f"t={name}" for name in names)
    return warden.say(uid, "POST", f"/v1.41/build?{query}", tar({"Dockerfile": text.encode()}), until=until)


def owner(warden: Warden, name: str) -> set[str]:
    """Who sees an image of that name: alice, bob, both or neither."""
    who = {"alice": ALICE, "bob": BOB}
    return {person for person, uid in who.items() if 200 == warden.curl(f"{IMAGES}/{name}/json", uid=uid).status}


@pytest.fixture(autouse=True)
def _swept(engine: PrivateEngine) -> object:
    yield
    names = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.decode().split()
    mine = [name for name in names if name.startswith(("nm/", "nmx"))]
    if mine:
        engine.docker("rmi", "-f", *mine)


def test_who_hangs_up_on_a_build_owns_the_names_it_gave(warden: Warden) -> None:
    built(warden, BOB, "nmx:latest", *(f"nm/x:{number}" for number in range(40)), until=b"Successfully tagged nmx:latest")
    time.sleep(1)

    assert owner(warden, "nmx:latest") <= {"bob"}
    assert 0 != warden.docker("run", "--rm", "nmx", "true").returncode


def test_who_hangs_up_on_an_import_owns_the_name_it_gave(warden: Warden) -> None:
    root = tar({"f": bytes(1 << 20)})
    with warden.connect(BOB) as made:
        head = f"POST {IMAGES}/create?fromSrc=-&repo=nmx&tag=imported HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: {len(root)}\r\n\r\n"
        made.sendall(head.encode() + root)
        time.sleep(0.02)
    time.sleep(1.5)

    assert owner(warden, "nmx:imported") <= {"bob"}


def test_a_name_that_is_being_made_is_nobody_else_s(warden: Warden) -> None:
    """An import whose end is held back does not move a name that somebody made meanwhile."""
    root = tar({"f": bytes(1 << 16)})
    with warden.connect(BOB) as made:
        head = f"POST {IMAGES}/create?fromSrc=-&repo=nm/race&tag=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/x-tar\r\nContent-Length: {len(root)}\r\n\r\n"
        made.sendall(head.encode() + root[:1024])
        time.sleep(0.5)
        refused = built(warden, ALICE, "nm/race:1")
        made.sendall(root[1024:])
        assert b"200 OK" in made.recv(1 << 16)

    assert b" 429 " in refused.split(b"\r\n")[0]
    assert b"image.name_busy" in refused
    time.sleep(0.3)
    assert {"bob"} == owner(warden, "nm/race:1")


def test_an_upload_that_is_refused_holds_no_name_of_another_s(warden: Warden) -> None:
    """Or anybody could keep alice from building her own image, by uploads that name it and are refused."""
    built(warden, ALICE, "nm/hers:1")
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["nm/hers:1"], "Layers": []}]).encode()
    assert b" 403 " in warden.say(BOB, "POST", f"{IMAGES}/load", tar({"manifest.json": manifest})).split(b"\r\n")[0]

    assert b"Successfully tagged" in built(warden, ALICE, "nm/hers:1")


def test_an_upload_that_is_refused_leaves_no_name_held(warden: Warden, engine: PrivateEngine) -> None:
    """Or a name that bob never made would be bob's once somebody else's hands, root's own, have made it."""
    assert b" 403 " in built(warden, BOB, "nm/freed:1", text="FROM busybox\nADD http://127.0.0.1/x /x\n").split(b"\r\n")[0]

    engine.docker("tag", "busybox", "nm/freed:1")
    assert {"alice", "bob"} == owner(warden, "nm/freed:1")


def test_a_name_that_was_claimed_and_never_made_is_free_again(warden: Warden) -> None:
    assert b"returned a non-zero code" in built(warden, BOB, "nm/failed:1", text="FROM busybox\nRUN false\n")

    assert b"Successfully tagged" in built(warden, ALICE, "nm/failed:1")
    assert {"alice"} == owner(warden, "nm/failed:1")


def test_no_moment_of_a_build_shows_its_name_to_another(warden: Warden) -> None:
    """Whoever follows the events sees nothing of a private build, so there is no id to tag."""
    seen = bytearray()
    with warden.connect(BOB) as events:
        events.sendall(b"GET /v1.41/events HTTP/1.1\r\nHost: d\r\n\r\n")

        def follow() -> None:
            with contextlib.suppress(OSError):  # the end of the test closes it
                while piece := events.recv(1 << 16):
                    seen.extend(piece)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        built(warden, ALICE, "nm/private:1", "nm/private:2", "nm/private:3")
        time.sleep(0.5)
        assert b"nm/private" not in bytes(seen)


@pytest.mark.parametrize("key", ["repotags", "repoTags", "RepoTag\u017f"])
def test_a_load_cannot_hide_a_name_by_its_spelling(warden: Warden, engine: PrivateEngine, key: str) -> None:
    assert b"Successfully tagged" in (said := built(warden, ALICE, "nm/mine:1")), said
    with tarfile.open(fileobj=io.BytesIO(engine.docker("save", "nm/mine:1").stdout)) as saved:
        files = {member.name: (saved.extractfile(member) or io.BytesIO()).read() for member in saved if member.isfile()}
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps([{key: ["busybox:latest"], "Config": manifest[0]["Config"], "Layers": manifest[0]["Layers"]}]).encode()
    files.pop("repositories", None)
    before = engine.docker("images", "-q", "--no-trunc", "busybox:latest").stdout

    said = warden.say(BOB, "POST", f"{IMAGES}/load", tar(files))

    assert b"Loaded image" not in said
    assert before == engine.docker("images", "-q", "--no-trunc", "busybox:latest").stdout


def test_who_tags_a_shared_image_owns_that_name_and_no_other(warden: Warden) -> None:
    assert 0 == warden.docker("tag", "busybox", "nm/b:1", uid=BOB).returncode

    assert {"bob"} == owner(warden, "nm/b:1")
    assert {"alice", "bob"} == owner(warden, "busybox")
    assert 0 != warden.docker("run", "--rm", "nm/b:1", "true").returncode
    assert 0 != warden.docker("rmi", "busybox", uid=BOB).returncode
    assert 0 == warden.docker("rmi", "nm/b:1", uid=BOB).returncode


def test_an_image_is_not_removed_by_its_id_while_another_holds_a_name_of_it(warden: Warden, engine: PrivateEngine) -> None:
    built(warden, ALICE, "nm/two:1", text="FROM busybox\nRUN echo two > /two\n")
    id = engine.docker("images", "-q", "--no-trunc", "nm/two:1").stdout.decode().strip()
    engine.docker("tag", "nm/two:1", "nm/two:shared")
    assert 0 == warden.docker("tag", "nm/two:shared", "nm/two:bobs", uid=BOB).returncode

    assert 0 != warden.docker("rmi", "-f", id, uid=BOB).returncode
    assert {"alice"} == owner(warden, "nm/two:1")


def test_a_save_by_repository_saves_what_was_judged_and_no_more(warden: Warden) -> None:
    built(warden, ALICE, "nm/priv:1", text="FROM busybox\nRUN echo PRIVATE OF ALICE > /secret\n")
    built(warden, BOB, "nm/priv:latest", text="FROM busybox\nRUN true\n")
    for target in (f"{IMAGES}/get?names=nm/priv", f"{IMAGES}/nm/priv/get"):
        said = warden.say(BOB, "GET", target)
        assert b" 200 " in said.split(b"\r\n")[0]
        assert b"nm/priv:latest" in said
        assert b"nm/priv:1" not in said
        assert b"PRIVATE OF ALICE" not in said


def test_a_push_names_its_tag_apart(warden: Warden) -> None:
    built(warden, ALICE, "nm/pushed:1")
    done = warden.docker("push", "nm/pushed:1")

    assert "No such image" not in done.stderr


def test_a_volume_made_again_stays_its_owner_s_and_another_s_is_not_given(warden: Warden) -> None:
    for _ in range(2):
        assert 0 == warden.docker("volume", "create", "nmvol").returncode
    assert "nmvol" in warden.docker("volume", "ls", "-q").stdout.split()

    assert 0 != warden.docker("volume", "create", "nmvol", uid=BOB).returncode
    assert "nmvol" in warden.docker("volume", "ls", "-q").stdout.split()
    assert 0 == warden.docker("volume", "rm", "nmvol").returncode


def test_the_ledger_says_which_image_name_user_and_mount_a_call_was_about(warden: Warden) -> None:
    assert 0 == warden.docker("run", "--rm", "--name", "nmtold", "-v", "nmtoldvol:/data", "-e", "SETTING=canary", "busybox", "echo", "canary").returncode
    intent = next(entry for entry in reversed(warden.entries()) if entry["kind"] == "intent" and entry["action"] == "container.create")

    about = intent["detail"]["about"]  # type: ignore[index]  # plain JSON
    assert ("nmtold", "busybox", f"{ALICE}:{ALICE}", ["volume:nmtoldvol:/data"]) == (about["name"], about["image"], about["user"], about["mounts"])
    assert "canary" not in json.dumps(warden.entries())
    warden.docker("volume", "rm", "nmtoldvol")


def test_the_engine_s_own_copying_never_goes_through_a_bind(warden: Warden, engine: PrivateEngine, work: object) -> None:
    """The Engine reads and writes as root: a folder of alice's may hold what is not hers."""
    assert 0 == warden.docker("run", "-d", "--name", "nmcp", "-v", f"{work}/alice:/mnt", "busybox", "sleep", "60").returncode
    for target in ("/v1.41/containers/nmcp/archive?path=/mnt", "/v1.41/containers/nmcp/archive?path=/etc/passwd"):
        said = warden.curl(target)
        assert 403 == said.status
        assert 403 == warden.curl("-I", target).status
    assert b" 403 " in warden.say(ALICE, "PUT", "/v1.41/containers/nmcp/archive?path=/mnt", tar({"x": b"x"})).split(b"\r\n")[0]
    warden.docker("rm", "-f", "nmcp")
