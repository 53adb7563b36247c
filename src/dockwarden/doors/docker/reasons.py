"""What a refused caller reads: every reason in a fixed order, the gravest first, and what to do instead of this very call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dockwarden.engine.escapes import CATALOGUE, advice, describe
from dockwarden.engine.fields import read
from dockwarden.engine.mounts import clean, is_below
from dockwarden.words.ask import Why
from dockwarden.words.errors import Forbidden, Refused

if TYPE_CHECKING:
    from dockwarden.doors.docker.judge import Judgement

MOST_REASONS = 5
ORDER = {escape.name: number for number, escape in enumerate(CATALOGUE)}
"""The catalogue begins with what is root on the host."""
BY_ACTION: Mapping[tuple[str, str], str] = {
    ("exec.create", "privileged"):
        "Privileged: all capabilities and devices of the host for one program; leave out --privileged: an exec has the container's own capabilities, "
        "so make the container with the one that is needed",
    ("image.build", "namespace:host-network"):
        "query networkmode: the build's steps would be in the host's own network; leave out --network host (the default network reaches registries)",
    ("network.connect", "namespace:host-network"):
        "the network host is the host's own, its loopback services included; connect to a network of your own (docker network create)",
}
"""Facts that ask for other advice where they come by another call than a create."""
IN_CLEAR = "secret.in_environment"
_NO_IMAGE = "whoever has the image has it, so leave it out of that, and give it to the container"
IN_CLEAR_ADVICE: Mapping[str, str] = {
    "image.build": _NO_IMAGE, "image.commit": _NO_IMAGE,
    "exec.create": "an exec can name what its container holds already, so make the container with it",
}
NO_ROOTS = (
    "HostConfig.Binds, Mounts ({}): a folder of the host, and none may be mounted here; use a named volume (-v NAME:/path), or docker cp "
    "(an admin can name bind roots)"
)
NO_POLICY: Mapping[str, str] = {
    "build.session": "BuildKit cannot be judged from here: build with DOCKER_BUILDKIT=0 docker build …",
    "build.grpc": "BuildKit cannot be judged from here: build with DOCKER_BUILDKIT=0 docker build …",
    "build.": "the build cache is everybody's",
    "image.prune": "it would remove images of others too; remove your own by name (docker rmi NAME)",
    "image.push": "what is pushed leaves the host under a name that others trust",
    "image.attestations": "docker image inspect shows what there is of an image",
    "container.attach.ws": "attach by docker attach",
    "checkpoint.": "a memory image is read and written as root; docker commit keeps a container's files",
    "config.": "a cluster is everybody's; mount a file, or run a plain container",
    "secret.": "a cluster is everybody's; run a plain container",
    "service.": "a cluster is everybody's; run a plain container (docker run, docker compose)",
    "task.": "a cluster is everybody's; docker ps shows your own containers",
    "node.": "a cluster is everybody's",
    "swarm.": "a cluster is everybody's",
    "plugin.": "a plugin is root on the host",
    "volume.update": "a volume of the whole cluster; make a local one",
    "debug.": "the Engine's inside tells of everybody's containers",
}
"""What to do instead of a call that no policy permits, by its action or the beginning of that."""


def refusal(judgement: Judgement) -> Refused:
    """The answer to a refused call: which facts, which policy, and what to do instead."""
    ask, verdict = judgement.ask, judgement.verdict
    who = ask.principal.name or "a caller nobody knows"
    reasons = list(_reasons(judgement)) if ask.principal.is_known else []
    shown = reasons[:MOST_REASONS] or [_plain_reason(judgement)]
    if (left := len(reasons) - MOST_REASONS) > 0:
        shown.append(f"and {left} more (dockwarden policy explain shows all)")
    code = IN_CLEAR if judgement.forbids_secrets else verdict.why.value
    return Forbidden(code, f"{ask.action} is refused for {who}: {'; '.join(shown)}", policies=verdict.policies)


def way_out(name: str, kind: str, who: str, action: str) -> str:
    """How a secret in clear becomes one that nobody sees: two lines to paste, each a line of its own; the first asks for the value."""
    path = f"people/{who}/{name}"
    lines = f"\n    dockwarden secret put {path}\n    docker run -e {name}=dockwarden://{path} …\n"
    advice = IN_CLEAR_ADVICE.get(action, "keep it in the vault, and name it there")
    return f"{name} looks like a secret ({kind}) in clear, where inspect and logs show it; {advice}:{lines}(it is in the file that {name}_FILE names)"


def in_order(facts: Iterable[str]) -> list[str]:
    """Escape facts, the gravest first."""
    return sorted(facts, key=_gravity)


def _gravity(fact: str) -> tuple[int, str]:
    row = describe(fact)
    return ORDER[row.name] if row else len(ORDER), fact


def _reasons(judgement: Judgement) -> Iterator[str]:
    texts = [_said(fact, judgement) for fact in in_order(judgement.facts.escape) if not _is_a_socket_s(fact, judgement)]
    group = _no_group(judgement)
    texts += [group] if group else []
    if judgement.forbids_secrets:
        texts += [way_out(name, kind, judgement.ask.principal.name, judgement.ask.action) for name, kind in judgement.facts.env_secrets]
    texts += [text for text in judgement.verdict.advice if not (group and text.startswith("User "))]
    yield from dict.fromkeys(texts)


def _said(fact: str, judgement: Judgement) -> str:
    text = BY_ACTION.get((judgement.ask.action, fact)) or advice(fact)
    if fact.startswith("bind:") and judgement.known is not None:
        roots = judgement.known.bind_roots
        return f"{text}; bind roots here: {', '.join(roots)}" if roots else NO_ROOTS.format(fact.removeprefix("bind:"))
    return text


def _is_a_socket_s(fact: str, judgement: Judgement) -> bool:
    """Whether `fact` is about the path of a socket that is refused whatever else there is to say of the path."""
    name, _, path = fact.partition(":")
    if "engine-socket" not in judgement.facts.escape or not name.startswith("bind") or judgement.known is None:
        return False
    return any(is_below(path, socket) for socket in map(clean, judgement.known.sockets))


def _no_group(judgement: Judgement) -> str:
    """The advice for `-u 1001`: the Engine takes group 0 where neither the call nor the image names one."""
    user = judgement.facts.user
    asked = str(read(judgement.call.body, "User", "")) if judgement.call is not None else ""
    if not (user.is_given and user.is_root and user.gid == 0 and asked.isascii() and asked.isdecimal() and int(asked) > 0):
        return ""
    return f"User {asked} names no group, and the image has none for it, so it would be in group 0, root's: write -u {asked}:{asked}"


def _plain_reason(judgement: Judgement) -> str:
    ask = judgement.ask
    if judgement.verdict.why is Why.POLICY_BROKEN:
        return "a policy could not be evaluated, and doubt refuses; ask an operator to run dockwarden policy check"
    if not ask.principal.is_known:
        return ask.principal.why_not or "ask an admin for a place in people.toml"
    if judgement.facts.foreign:
        return f"it names a {', '.join(sorted(judgement.facts.foreign))} of somebody else; name your own or a shared one"
    hint = next((text for name, text in NO_POLICY.items() if ask.action == name or (name.endswith(".") and ask.action.startswith(name))), "")
    ask_whom = "an admin (group admins) can permit it in the policies folder; dockwarden policy explain shows what would"
    return f"no policy permits it; {hint}; {ask_whom}" if hint else f"no policy permits it; {ask_whom}"
