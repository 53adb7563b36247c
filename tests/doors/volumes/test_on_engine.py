"""The volume driver asked by a real Engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from dockwarden.doors.volumes.canary import prove_mounts
from dockwarden.doors.volumes.seal import Sealer
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.errors import Unavailable
from fixtures.plugin_engine import ALICE, BOB, Plugins
from fixtures.volume_process import KEY


def run(plugins: Plugins, mount: str, *command: str, fails: bool = False) -> str:
    return plugins.engine.say("run", "--rm", "--network", "none", "--mount", mount, "busybox", *command, fails=fails)


def create(plugins: Plugins, name: str, *command: str) -> str:
    """Make a container of alice's over her folder of the same name, not started; return its volume's name."""
    mount = plugins.mount(plugins.options(name))
    plugins.engine.say("create", "--name", name, "--network", "none", "--mount", mount, "busybox", *(command or ("/bin/cat", "/mnt/f")))
    return volume_of(plugins, name)


def background(plugins: Plugins, name: str, folder: str = "") -> str:
    """Start a container that stays, over alice's `folder` (by default of its name); return its volume's name."""
    mount = plugins.mount(plugins.options(folder or name))
    plugins.engine.say("run", "-d", "--name", name, "--network", "none", "--mount", mount, "busybox", "/bin/sleep", "600")
    return volume_of(plugins, name)


def volume_of(plugins: Plugins, name: str) -> str:
    return str(json.loads(plugins.engine.say("inspect", "--format", "{{json .Mounts}}", name))[0]["Name"])


def test_a_folder_below_a_root_is_mounted_for_reading_and_writing(plugins: Plugins) -> None:
    folder = plugins.folder("rw")

    assert "hello from rw" == run(plugins, plugins.mount(plugins.options("rw")), "/bin/cat", "/mnt/f")
    run(plugins, plugins.mount(plugins.options("rw")), "/bin/touch", "/mnt/made")
    assert (folder / "made").exists()


def test_a_single_file_is_mounted(plugins: Plugins) -> None:
    plugins.folder("single")

    assert "hello from single" == run(plugins, plugins.mount(plugins.options("single/f"), "/tmp/file"), "/bin/cat", "/tmp/file")


def test_the_root_itself_is_mounted(plugins: Plugins) -> None:
    plugins.folder("inroot")

    assert "inroot" in run(plugins, plugins.mount(plugins.options(".")), "/bin/ls", "/mnt").split()


def test_read_only_is_ours_whatever_the_container_asks(plugins: Plugins) -> None:
    plugins.folder("ro")

    said = run(plugins, plugins.mount(plugins.options("ro", "ro")), "/bin/touch", "/mnt/made", fails=True)

    assert "Read-only file system" in said


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_a_set_uid_program_has_no_power_there(plugins: Plugins, mode: str) -> None:
    plugins.folder(f"suid-{mode}")

    line = run(plugins, plugins.mount(plugins.options(f"suid-{mode}", mode)), "/bin/grep", " /mnt ", "/proc/mounts")

    assert {"nosuid", "nodev"} <= set(line.split()[3].split(","))


def test_nothing_stays_mounted_after_the_container(plugins: Plugins) -> None:
    plugins.folder("gone")
    run(plugins, plugins.mount(plugins.options("gone")), "/bin/cat", "/mnt/f")

    assert [] == plugins.mounted()


def test_no_volume_shows_in_a_list(plugins: Plugins) -> None:
    plugins.folder("hidden")
    create(plugins, "hidden")

    assert ["DRIVER    VOLUME NAME"] == plugins.engine.say("volume", "ls").splitlines()
    plugins.engine.say("rm", "-v", "hidden")


def test_removing_a_container_with_its_volumes_leaves_no_record(plugins: Plugins) -> None:
    plugins.folder("record")
    before = set(plugins.records.iterdir())
    create(plugins, "record")
    assert 1 == len(set(plugins.records.iterdir()) - before)

    plugins.engine.say("rm", "-v", "record")

    assert before == set(plugins.records.iterdir())


def test_two_containers_use_one_source(plugins: Plugins) -> None:
    plugins.folder("two")
    for name in ("two-a", "two-b"):
        background(plugins, name, "two")

    plugins.engine.say("rm", "-fv", "two-a")
    plugins.engine.say("restart", "-t", "0", "two-b")

    assert "hello from two" == plugins.engine.say("exec", "two-b", "/bin/cat", "/mnt/f")
    plugins.engine.say("rm", "-fv", "two-b")
    assert [] == plugins.mounted()


def test_volumes_from_has_a_place_of_its_own(plugins: Plugins) -> None:
    plugins.folder("from")
    docker = plugins.engine.say
    background(plugins, "from")

    assert "hello from from" == docker("run", "--rm", "--network", "none", "--volumes-from", "from", "busybox", "/bin/cat", "/mnt/f")
    assert 1 == len(plugins.mounted())
    docker("rm", "-fv", "from")


def test_copying_out_of_a_running_container_works_and_harms_nothing(plugins: Plugins, tmp_path: Path) -> None:
    """`docker cp` mounts with the container's own id and unmounts with it, while the container goes on."""
    plugins.folder("cp")
    docker = plugins.engine.say
    background(plugins, "cp")

    docker("cp", "cp:/mnt/f", str(tmp_path / "out"))
    docker("cp", "cp:/mnt/f", str(tmp_path / "out2"))

    assert "hello from cp\n" == (tmp_path / "out").read_text()
    assert "hello from cp" == docker("exec", "cp", "/bin/cat", "/mnt/f")
    docker("restart", "-t", "0", "cp")
    assert "hello from cp" == docker("exec", "cp", "/bin/cat", "/mnt/f")
    docker("rm", "-fv", "cp")
    assert [] == plugins.mounted()


def test_a_folder_swapped_for_a_link_between_create_and_start_is_refused(plugins: Plugins) -> None:
    folder = plugins.folder("swap")
    create(plugins, "swap", "/bin/cat", "/mnt/shadow")
    folder.rename(plugins.root / "swap-away")
    folder.symlink_to("/etc")

    said = plugins.engine.say("start", "-a", "swap", fails=True)

    assert f"dockwarden: {folder} is a symbolic link, and links are not followed" in said
    assert "root:" not in said
    assert [] == plugins.mounted()
    plugins.engine.say("rm", "-v", "swap")


def test_a_folder_swapped_for_a_link_before_an_automatic_restart_is_refused(plugins: Plugins) -> None:
    folder = plugins.folder("auto")
    docker = plugins.engine.say
    docker(
        "run", "-d", "--restart", "always", "--name", "auto", "--network", "none", "--mount", plugins.mount(plugins.options("auto")),
        "busybox", "/bin/sh", "-c", "cat /mnt/shadow && sleep 600; sleep 600",
    )
    folder.rename(plugins.root / "auto-away")
    folder.symlink_to("/etc")

    os.kill(plugins.engine.state("auto")["Pid"], signal.SIGKILL)
    for _ in range(50):
        time.sleep(0.1)
        state = plugins.engine.state("auto")
        if "dockwarden: " in state["Error"]:
            break

    assert f"dockwarden: {folder} is a symbolic link" in state["Error"]
    assert not state["Running"]
    assert "root:" not in docker("logs", "auto")
    docker("rm", "-fv", "auto")
    assert [] == plugins.mounted()


def test_a_link_above_the_source_is_refused_too(plugins: Plugins) -> None:
    plugins.folder("deep/er")
    (plugins.root / "way").symlink_to("deep")

    said = run(plugins, plugins.mount(plugins.options("way/er")), "/bin/cat", "/mnt/f", fails=True)

    assert f"dockwarden: {plugins.root / 'way'} is a symbolic link" in said


def test_a_source_that_is_gone_is_refused(plugins: Plugins) -> None:
    said = run(plugins, plugins.mount(plugins.options("nowhere")), "/bin/cat", "/mnt/f", fails=True)

    assert f"dockwarden: {plugins.root / 'nowhere'} is not there on the host; make it first" in said


def test_another_accounts_closed_folder_is_refused(plugins: Plugins) -> None:
    plugins.folder("bobs", uid=BOB, mode=0o700)

    said = run(plugins, plugins.mount(plugins.options("bobs")), "/bin/cat", "/mnt/f", fails=True)

    assert f"dockwarden: uid {ALICE} itself cannot read {plugins.root / 'bobs'} on the host" in said


def test_a_folder_the_account_may_only_read_is_mounted_read_only_alone(plugins: Plugins) -> None:
    plugins.folder("look", uid=BOB, mode=0o755)

    said = run(plugins, plugins.mount(plugins.options("look")), "/bin/cat", "/mnt/f", fails=True)

    assert "cannot write" in said
    assert "mount it read-only" in said
    assert "hello from look" == run(plugins, plugins.mount(plugins.options("look", "ro")), "/bin/cat", "/mnt/f")


def test_a_file_swapped_for_a_socket_of_another_is_refused_even_read_only(plugins: Plugins) -> None:
    folder = plugins.folder("sock")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)
        listener.bind("s")
        os.chdir("/")
        (folder / "s").chmod(0o644)

        said = run(plugins, plugins.mount(plugins.options("sock/s", "ro"), "/tmp/s"), "/bin/ls", fails=True)

    assert "it is a socket" in said


def test_a_device_is_never_mounted(plugins: Plugins) -> None:
    folder = plugins.folder("dev")
    os.mknod(folder / "null", 0o666 | 0o020000, os.makedev(1, 3))
    (folder / "null").chmod(0o666)

    assert "is a device" in run(plugins, plugins.mount(plugins.options("dev/null"), "/tmp/n"), "/bin/ls", fails=True)


def test_a_volume_made_on_the_raw_socket_is_refused(plugins: Plugins) -> None:
    options = {**plugins.options("x"), "dockwarden.path": ".", "dockwarden.mode": "rw"}

    words = [f"-o{name}={value}" for name, value in options.items()]
    said = plugins.engine.say("volume", "create", "-d", plugins.plugin, *words, fails=True)

    assert "dockwarden: this volume was not made by dockwarden, so nobody judged it" in said


def test_a_volume_without_options_is_refused(plugins: Plugins) -> None:
    assert "not made by dockwarden" in plugins.engine.say("volume", "create", "-d", plugins.plugin, fails=True)


def test_a_root_that_is_no_root_any_more_is_refused(plugins: Plugins) -> None:
    options = plugins.options(".", **{"dockwarden.root": "/etc"})

    assert "/etc is not one of this host's bind roots" in run(plugins, plugins.mount(options), "/bin/ls", fails=True)


def test_killed_with_a_container_running_and_started_again_nothing_is_lost(plugins: Plugins) -> None:
    plugins.folder("kill")
    docker = plugins.engine.say
    background(plugins, "kill")
    plugins.stop(signal.SIGKILL)
    assert "hello from kill" == docker("exec", "kill", "/bin/cat", "/mnt/f")

    plugins.start()

    docker("restart", "-t", "0", "kill")
    assert "hello from kill" == docker("exec", "kill", "/bin/cat", "/mnt/f")
    docker("rm", "-fv", "kill")
    assert [] == plugins.mounted()


def test_a_container_that_ended_while_we_were_gone_is_mended(plugins: Plugins) -> None:
    """Nobody hears `Unmount` then, and `docker rm` without -v leaves the record."""
    plugins.folder("mend")
    docker = plugins.engine.say
    name = background(plugins, "mend")
    plugins.stop(signal.SIGKILL)
    docker("kill", "mend")
    old = time.time() - 3600
    os.utime(plugins.places / name, (old, old))
    plugins.start()
    assert 1 == len(plugins.mounted())

    assert [[], [name], [], []] == plugins.mend()
    assert [] == plugins.mounted()

    docker("rm", "mend")
    os.utime(plugins.records / f"{name}.json", (old, old))
    assert [[], [], [name], []] == plugins.mend()
    assert not (plugins.records / f"{name}.json").exists()
    assert "no such volume" in docker("volume", "inspect", name, fails=True).lower()


def test_a_mount_of_a_running_container_is_not_mended_away(plugins: Plugins) -> None:
    plugins.folder("stay")
    docker = plugins.engine.say
    name = background(plugins, "stay")
    os.utime(plugins.places / name, (1, 1))
    os.utime(plugins.records / f"{name}.json", (1, 1))

    assert [[], [], [], []] == plugins.mend()
    assert 1 == len(plugins.mounted())
    docker("rm", "-fv", "stay")


def test_a_lost_record_is_restored_from_the_container_itself(plugins: Plugins) -> None:
    plugins.folder("lost")
    docker = plugins.engine.say
    name = create(plugins, "lost")
    (plugins.records / f"{name}.json").unlink()
    assert "no such volume" in docker("start", "-a", "lost", fails=True)

    assert [[name], [], [], []] == plugins.mend()

    assert "hello from lost" in docker("start", "-a", "lost")
    docker("rm", "-fv", "lost")


def test_the_engine_killed_and_started_again_mounts_what_restarts(plugins: Plugins) -> None:
    plugins.folder("engine")
    docker = plugins.engine.say
    docker(
        "run", "-d", "--restart", "always", "--name", "engine", "--network", "none", "--mount", plugins.mount(plugins.options("engine")),
        "busybox", "/bin/sleep", "600",
    )
    plugins.engine.kill()

    plugins.engine.start()

    assert "hello from engine" == docker("exec", "engine", "/bin/cat", "/mnt/f")
    docker("rm", "-fv", "engine")
    assert [] == plugins.mounted()


async def test_the_canary_proves_that_mounts_arrive_and_leaves_nothing(plugins: Plugins) -> None:
    link = EngineLink(plugins.engine.address)

    await prove_mounts(link.call, plugins.plugin, Sealer(KEY).seal, ("test", "canary"))

    link.close()
    assert "" == plugins.engine.say("ps", "-aq", "--filter", "label=test=canary")
    assert "" == plugins.engine.say("images", "-q", "--filter", "dangling=true")
    assert [] == plugins.mounted()
    assert [] == list((plugins.run / plugins.plugin / "canary").iterdir())


async def test_the_canary_says_when_our_seal_is_not_believed(plugins: Plugins) -> None:
    link = EngineLink(plugins.engine.address)

    with pytest.raises(Unavailable, match="not made by dockwarden"):
        await prove_mounts(link.call, plugins.plugin, Sealer(b"o" * 32).seal, ("test", "canary"))
    link.close()
    assert "" == plugins.engine.say("images", "-q", "--filter", "dangling=true")


@pytest.mark.parametrize("wait_ms", [0, 20, 40, 60, 80, 100, 140, 180])
def test_killed_at_any_moment_the_container_gets_its_folder_or_does_not_start(plugins: Plugins, wait_ms: int) -> None:
    plugins.folder(f"any{wait_ms}")
    words = ["run", "--rm", "--network", "none", "--mount", plugins.mount(plugins.options(f"any{wait_ms}")), "busybox", "cat", "/mnt/f"]
    with subprocess.Popen(["docker", "-H", plugins.engine.address, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        time.sleep(wait_ms / 1000)
        plugins.stop(signal.SIGKILL)
        plugins.start()
        said, error = client.communicate(timeout=60)

    assert (0, f"hello from any{wait_ms}\n") == (client.returncode, said) or (client.returncode > 0 and "No such file" not in error), error
    for name in plugins.places.iterdir():
        os.utime(name, (1, 1))
    plugins.mend()
    assert [] == plugins.mounted()
    assert [] == list((plugins.run / plugins.plugin / "staging").iterdir())


@pytest.mark.timeout(300)
def test_what_the_engine_gave_up_on_while_we_were_away_is_started(plugins: Plugins) -> None:
    """An Engine that starts without us leaves what should restart exited, for good."""
    plugins.folder("away")
    say = plugins.engine.say
    mount = plugins.mount(plugins.options("away"))
    for name, policy in (("away", "always"), ("stays", "no")):
        say("run", "-d", "--restart", policy, "--name", name, "--network", "none", "--mount", mount, "busybox", "/bin/sleep", "600")
    plugins.stop()
    plugins.engine.stop()
    plugins.engine.start()
    assert f'plugin "{plugins.plugin}" not found' in plugins.engine.state("away")["Error"]

    plugins.start()
    mended = plugins.mend()

    assert [say("ps", "-q", "--no-trunc")] == mended[3]
    assert "hello from away" == say("exec", "away", "/bin/cat", "/mnt/f")
    assert [] == plugins.mend()[3]
    say("rm", "-fv", "away", "stays")
