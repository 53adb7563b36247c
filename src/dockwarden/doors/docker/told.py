"""What the ledger says of a call beside who, what and whether: the names, image, user and mounts that an auditor asks for.

Never a command line, an environment or a label: those are where people put secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockwarden.doors.docker.prepare import Prepared
from dockwarden.engine.delivery import SECRETS, read_delivery
from dockwarden.engine.driver import KIND, MODE, PATH, ROOT
from dockwarden.engine.fields import read
from dockwarden.engine.mounts import Mount, clean
from dockwarden.engine.references import moved_names
from dockwarden.engine.runs import NO_TEXTS, Run, run_of_service
from dockwarden.engine.veil.veil import IMAGE_LABEL

QUERY = {
    "container.archive.get": "path", "container.archive.put": "path", "container.archive.stat": "path", "container.rename": "name",
    "image.save": "names", "container.kill": "signal",
}
"""Query parameters that say what a call is about."""
LONGEST = 300
MOST = 32


def told(prepared: Prepared) -> dict[str, Any]:
    """What `prepared` is about, in words of a bounded length; empty where action and resource say it all."""
    call, action = prepared.call, prepared.call.route.action
    said: dict[str, Any] = {}
    if action in QUERY:
        values = [value for value in call.query.get(QUERY[action], ()) if value]
        said = {QUERY[action]: values if len(values) > 1 else "".join(values)}
    elif prepared.run is not None:
        labels: Mapping[str, str] = read(call.body, "Labels", NO_TEXTS)
        image = labels.get(IMAGE_LABEL, "")
        said = {"name": call.first("name"), **_run(prepared.run, image)}
    elif action in {"service.create", "service.update"}:
        said = {"name": read(call.body, "Name", ""), **_run(run_of_service(call.body), "")}
    elif action == "exec.create":
        said = {"user": read(call.body, "User", ""), "privileged": read(call.body, "Privileged", False)}
    elif action in {"volume.create", "network.create"}:
        said = {"name": read(call.body, "Name", ""), "driver": read(call.body, "Driver", "")}
    elif names := moved_names(call):
        said = {"names": list(names)}
    return {name: _short(value) for name, value in said.items() if value}


def _run(run: Run, image: str) -> dict[str, Any]:
    return {"image": image or run.image, "user": run.user, "privileged": run.is_privileged, "mounts": list(map(_mount, run.mounts))}


def _mount(mount: Mount) -> str:
    """One mount as people write it; ours as the bind that was asked for."""
    kind, source, is_read_only = mount.kind, mount.source, mount.is_read_only
    if mount.options.get(KIND) == SECRETS:
        return f"secrets:{' '.join(file.path for file in read_delivery(mount.options).files)}:{mount.target}:ro"
    if ROOT in mount.options:
        kind, source, is_read_only = "bind", clean(f"{mount.options[ROOT]}/{mount.options.get(PATH, '.')}"), mount.options.get(MODE) == "ro"
    return f"{kind}:{source}:{mount.target}{':ro' if is_read_only else ''}"


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST]
    return [str(one)[:LONGEST] for one in value[:MOST]] if isinstance(value, list) else value
