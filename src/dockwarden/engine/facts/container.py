"""Facts of what runs: container create, update and archive, exec, and the service twin of create. Source: THREATS 2.1 to 2.4, 2.8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dockwarden.engine.call import EngineCall
from dockwarden.engine.facts.image import image_facts
from dockwarden.engine.facts.model import Facts
from dockwarden.engine.facts.run import endpoint_escapes, escapes_of, port_numbers, working_dir_escape
from dockwarden.engine.facts.user import group_escapes, group_numbers, user_facts, user_of_exec, user_of_run
from dockwarden.engine.fields import read
from dockwarden.engine.known import Known
from dockwarden.engine.runs import Endpoint, Run, endpoint_of, run_of_create, run_of_service, run_of_update
from dockwarden.words.ask import Kind, Resource

PORTS_SHOWN = 4096
"""A published range longer than this is an escape anyway, as it begins or ends where nobody may."""


def create_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of a container create."""
    return _run_facts(run_of_create(call.body), known)


def service_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of a service create or update: those of the container that each task is."""
    return _run_facts(run_of_service(call.body), known)


def update_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of a container update: what it shares with create."""
    return Facts(escape=frozenset(escapes_of(run_of_update(call.body), known)))


def _run_facts(run: Run, known: Known) -> Facts:
    userns_mode = run.modes.get("user", "")
    user = user_of_run(run.user, userns_mode, known)
    added = group_numbers(run.group_add, known)
    seen = user_facts(user, added, known, userns_mode)
    binds = sum(mount.kind == "bind" for mount in run.mounts) + len(run.volumes_from)
    inherited = replace(run, working_dir=run.working_dir or (known.image.working_dir if known.image else ""))
    escape = escapes_of(inherited, known) | set(group_escapes(user, added, known))
    escape.update(_networks(run, known))
    if not user.is_clear:
        escape.add("user:unclear")
    if seen.is_other_account and binds:
        escape.add("user:other-account")
    return Facts(
        escape=frozenset(escape), user=seen, image=image_facts(run.image, known.image), binds=binds, ports=_ports(run), effective=user,
    )


def _ports(run: Run) -> frozenset[int]:
    found: set[int] = set()
    for first, last in port_numbers(run.ports):
        found.update(range(first, min(last, first + PORTS_SHOWN) + 1))
    return frozenset(found)


def _networks(run: Run, known: Known) -> Iterator[str]:
    """What the networks turn out to be: the host's own under an id, two under one key, not the caller's and an address asked for."""
    by_text = {reference.text: thing for reference, thing in known.found.items() if reference.kind is Kind.NETWORK}
    for endpoint in run.endpoints:
        yield from _endpoint(endpoint, by_text.get(endpoint.network), known)
        inner = by_text.get(endpoint.network_id)
        if endpoint.network_id and inner is not None and endpoint.network in by_text and inner.id != by_text[endpoint.network].id:
            yield "endpoint-conflict"


def _endpoint(endpoint: Endpoint, network: Resource | None, known: Known) -> Iterator[str]:
    if endpoint.has_fixed_address and (network is None or network.owner != known.principal.name):
        yield "endpoint-address"


def connect_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of joining a container to a network."""
    network = next((thing for reference, thing in known.found.items() if reference.place == "path"), None)
    endpoint = endpoint_of(call.names.get(call.route.ref, ""), read(call.body, "EndpointConfig", None), "EndpointConfig")
    return Facts(escape=frozenset((*endpoint_escapes(endpoint), *_endpoint(endpoint, network, known))))


def exec_facts(call: EngineCall, known: Known) -> Facts:
    """Return the facts of an exec: its own powers, and those of the container it enters."""
    body, container = call.body, known.container
    user = user_of_exec(read(body, "User", ""), known)
    userns_mode = container.userns_mode if container else ""
    added = tuple(int(group) for group in container.group_add if group.isascii() and group.isdecimal()) if container else ()
    seen = user_facts(user, added, known, userns_mode)
    binds = container.binds if container else 0
    escape = set()
    if read(body, "Privileged", False):
        escape.add("privileged")
    if container is not None and container.is_privileged:
        escape.add("container-privileged")
    if working_dir := working_dir_escape(read(body, "WorkingDir", "")):
        escape.add(working_dir)
    if not user.is_clear:
        escape.add("user:unclear")
    if seen.is_other_account and binds:
        escape.add("user:other-account")
    return Facts(escape=frozenset(escape), user=seen, binds=binds, effective=user)


def archive_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of an archive read, written or looked at.

    The Engine does it as root and follows links inside, so any bind may be meant, and what the caller's account may do there does not
    count: a folder of theirs may hold what is not.
    """
    binds = known.container.binds if known.container else 0
    return Facts(escape=frozenset({"archive-bind"} if binds else ()), binds=binds)


def start_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of a start, or of a look at checkpoints."""
    escape = set()
    if call.first("checkpoint"):
        escape.add("checkpoint")
    if call.first("checkpoint-dir") or call.first("dir") or read(call.body, "CheckpointDir", ""):
        escape.add("checkpoint-dir")
    return Facts(escape=frozenset(escape))


def top_facts(call: EngineCall, known: Known) -> Facts:  # noqa: ARG001  every family has one form
    """Return the facts of a process list: its arguments go to a program on the host."""
    arguments = call.first("ps_args")
    is_plain = all(char.isascii() and (char.isalnum() or char in "-, ") for char in arguments)
    return Facts(escape=frozenset(() if is_plain else {"top-args"}))
