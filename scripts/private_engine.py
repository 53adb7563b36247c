"""The private Engine of `make up`: `private_engine.py start|stop|names FOLDER`. It has the image `busybox`, made of busybox-static.

Its bridge, and the names `names` prints for dockwarden, come from FOLDER, so that clones beside each other do not meet.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_S = 150.0
SLOW_S = 4.0
"""A start that takes longer is said, with the reason that it mostly has."""
SLOW = "still starting: containers with binds that are always restarted wait for dockwarden, which comes after it (up to 45 s)"


def own(folder: Path) -> str:
    """Six letters that stand for this folder."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:6]


def bridge_of(folder: Path) -> str:
    """The name of the Engine's bridge."""
    return f"dwup{own(folder)}"


def make_bridge(folder: Path) -> None:
    """Make the bridge, on a network that nobody uses here, and write down that it is ours to take away."""
    name = bridge_of(folder)
    if Path(f"/sys/class/net/{name}").exists():
        return
    taken = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    first = int(own(folder), 16)
    free = next(number for step in range(250) if f" 172.28.{(number := (first + step) % 250 + 2)}." not in taken)
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    (folder / "bridge").write_text(name)
    subprocess.run(["ip", "addr", "add", f"172.28.{free}.1/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)


def names(folder: Path) -> None:
    """Print the options of `dockwarden init` that keep this clone's dockwarden apart from others of the machine."""
    print(f"--plugin dockwarden-{own(folder)} --operate 127.0.0.1:{free_port(int(own(folder), 16))}")


def free_port(number: int) -> int:
    """A port of the machine that nobody listens at, beginning at a place that `number` says."""
    for step in range(500):
        port = 9400 + (number + step) % 500
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    sys.exit("no port between 9400 and 9899 is free")


def docker(folder: Path, *words: str, data: bytes | None = None, timeout_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """The client, straight to the private Engine."""
    command = ["docker", "-H", f"unix://{folder}/docker.sock", *words]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=timeout_s)


def answers(folder: Path) -> bool:
    """Whether the Engine answers; while it starts, it takes a call and says nothing."""
    try:
        return docker(folder, "version", timeout_s=2).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def start(folder: Path) -> None:
    """Start the Engine below `folder` unless it runs, wait until it answers, and make `busybox` if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    if not answers(folder):
        (folder / "pid").unlink(missing_ok=True)
        make_bridge(folder)
        command = [
            "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", f"unix://{folder}/docker.sock",
            "--pidfile", f"{folder}/pid", "--bridge", bridge_of(folder), "--iptables=false",
        ]
        with (folder / "dockerd.log").open("ab") as log:
            engine = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            wait_for(folder, engine)
        except BaseException:
            engine.terminate()
            engine.wait()
            raise
    if docker(folder, "image", "inspect", "busybox").returncode != 0:
        done = docker(folder, "import", "-", "busybox", data=busybox())
        if done.returncode != 0:
            sys.exit(f"the image busybox cannot be made: {done.stderr.decode()}")


def wait_for(folder: Path, engine: subprocess.Popen[bytes]) -> None:
    """Return once the Engine answers; say what it waits for if that takes long."""
    begun, said_s = time.monotonic(), 0.0
    while not answers(folder):
        waited_s = time.monotonic() - begun
        if engine.poll() is not None or waited_s > START_S:
            sys.exit(f"the Engine does not start; see {folder}/dockerd.log")
        if waited_s - said_s > SLOW_S:
            print(f"  {waited_s:3.0f} s: {SLOW}" if not said_s else f"  {waited_s:3.0f} s", flush=True)
            said_s = waited_s
        time.sleep(0.2)
    if said_s:
        print(f"  {time.monotonic() - begun:3.0f} s: started", flush=True)


def busybox() -> bytes:
    """A root file system of the machine's static busybox, as a tar archive."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "root"):
            (root / folder).mkdir()
        (root / "tmp").chmod(0o1777)
        shutil.copy("/bin/busybox", root / "bin" / "busybox")
        for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                (root / "bin" / applet).symlink_to("busybox")
        (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n")
        (root / "etc" / "group").write_text("root:x:0:\napp:x:1000:\n")
        return subprocess.run(["tar", "-C", name, "-c", "."], capture_output=True, check=True).stdout


def stop(folder: Path) -> None:
    """End the Engine that was started below `folder`, by its own id, and take away the bridge that was made for it."""
    try:
        pid = int((folder / "pid").read_text())
        if f"{folder}/pid".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():  # the number may be another process's by now
            os.kill(pid, signal.SIGTERM)
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.1)
    except (OSError, ValueError):
        pass  # it does not run: its bridge may still be there
    forget_mounts(Path("/run/dockwarden") / f"dockwarden-{own(folder)}")
    try:
        made = (folder / "bridge").read_text()
    except OSError:
        return
    subprocess.run(["ip", "link", "del", made], check=False, capture_output=True)
    (folder / "bridge").unlink()


def forget_mounts(run: Path) -> None:
    """Take down what dockwarden mounted for containers of this Engine, all of which have ended: secrets among it."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if (place := line.split()[4]).startswith(f"{run}/"):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
    shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    {"start": start, "stop": stop, "names": names}[sys.argv[1]](Path(sys.argv[2]))
