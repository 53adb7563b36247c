"""Start or stop the private Engine of `make up`: `private_engine.py start|stop FOLDER`. It has the image `busybox`, made of busybox-static."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BRIDGE, SUBNET = "dwup0", "172.28.77.1/24"
START_S = 60.0


def docker(folder: Path, *words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """The client, straight to the private Engine."""
    command = ["docker", "-H", f"unix://{folder}/docker.sock", *words]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def start(folder: Path) -> None:
    """Start the Engine below `folder` unless it runs, wait until it answers, and make `busybox` if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    if docker(folder, "version").returncode != 0:
        (folder / "pid").unlink(missing_ok=True)
        if not Path(f"/sys/class/net/{BRIDGE}").exists():
            subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
            subprocess.run(["ip", "addr", "add", SUBNET, "dev", BRIDGE], check=True)
            subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
        command = [
            "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", f"unix://{folder}/docker.sock",
            "--pidfile", f"{folder}/pid", "--bridge", BRIDGE, "--iptables=false",
        ]
        with (folder / "dockerd.log").open("ab") as log:
            engine = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + START_S
        while docker(folder, "version").returncode != 0:
            if engine.poll() is not None or time.monotonic() > end:
                sys.exit(f"the Engine does not start; see {folder}/dockerd.log")
            time.sleep(0.2)
    if docker(folder, "image", "inspect", "busybox").returncode != 0:
        done = docker(folder, "import", "-", "busybox", data=busybox())
        if done.returncode != 0:
            sys.exit(f"the image busybox cannot be made: {done.stderr.decode()}")


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
    """End the Engine that was started below `folder`, by its own id."""
    try:
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
