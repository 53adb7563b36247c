"""Secrets that a container asks for by name: read out of a create, and written into it as one mount of our own driver.

    -e DB_PASSWORD=dockwarden://prod/db/password          the current version
    -e DB_PASSWORD=dockwarden://prod/db/password?version=3
    --label dockwarden.secret.DB_PASSWORD=prod/db/password

Each becomes the file `/run/secrets/DB_PASSWORD` and the variable `DB_PASSWORD_FILE` that names it, as official images expect. Options of
the mount name paths and versions, never values; `dockwarden.seal` proves that they are ours.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from dockwarden.engine.bodies.container import DriverConfig, HostConfig, Mount, VolumeOptions
from dockwarden.engine.driver import GID, KIND, SEAL, UID, Seal, options_of
from dockwarden.engine.fields import is_given, read
from dockwarden.engine.labels import ASKING, RENEW, is_asking
from dockwarden.engine.mounts import clean
from dockwarden.engine.references import at_way, json_map, put_in_body
from dockwarden.engine.runs import NO_LIST, NO_TEXTS, run_of_create
from dockwarden.engine.users import numbers_of
from dockwarden.words.errors import Forbidden, Malformed, Missing
from dockwarden.words.secret import Secret

if TYPE_CHECKING:
    from dockwarden.engine.call import EngineCall

SCHEME = "dockwarden://"
FOLDER = "/run/secrets"
SUFFIX = "_FILE"
SECRETS = "secrets"
"""The kind of such a volume."""
FILES, USED_BY, FACTS, THEN = "dockwarden.files", "dockwarden.for", "dockwarden.facts", "dockwarden.then"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
SIGNALS = frozenset(
    {"HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "CONT", "WINCH", "ALRM", "PWR", "URG", "IO", "RTMIN", *(f"RTMIN+{n}" for n in range(31))}
)
"""What a program can take for news. KILL and STOP it cannot take at all."""
LABELS = frozenset({"current", "pending", "previous"})
MOST = 256
MOUNTS = ("HostConfig", "Mounts")
NO_VARIABLES: Mapping[str, Secret] = {}


class File(msgspec.Struct, frozen=True, array_like=True):
    """One file: the name it has, the secret's path, and which version: a number, or 0 for the one that goes by `label`."""

    name: str
    path: str
    version: int = 0
    label: str = "current"

    @property
    def reference(self) -> str:
        """As people write it."""
        which = f"?version={self.version}" if self.version else "" if self.label == "current" else f"?label={self.label}"
        return f"{SCHEME}{self.path}{which}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one container gets: the files, for whom and on which facts policy is asked at each start, and who owns them in the container.

    `facts` are those of the create, as JSON. `then` is what follows when a file was renewed: `signal:NAME`, `exec:COMMAND` or "".
    """

    files: tuple[File, ...]
    used_by: str
    facts: str
    uid: int
    gid: int
    then: str = ""

    def options(self) -> dict[str, str]:
        """The mount's options, not sealed yet."""
        files = msgspec.json.encode(self.files).decode()
        options = {KIND: SECRETS, FILES: files, USED_BY: self.used_by, FACTS: self.facts, UID: str(self.uid), GID: str(self.gid)}
        return {**options, THEN: self.then} if self.then else options


def read_delivery(options: Mapping[str, str]) -> Delivery:
    """Return what options say.

    Raises:
        Malformed: `volume.options`; they are not complete.
    """
    try:
        files = msgspec.json.decode(options[FILES].encode(), type=tuple[File, ...])
        uid, gid = int(options[UID]), int(options[GID])
        who, facts = options[USED_BY], options[FACTS]
    except (KeyError, ValueError, msgspec.DecodeError):
        raise Malformed("volume.options", "the options of this volume of secrets cannot be read; make the container again") from None
    if not files or not all(NAME.fullmatch(file.name) for file in files) or not who or min(uid, gid) < 0:
        raise Malformed("volume.options", "the options of this volume of secrets cannot be meant; make the container again")
    return Delivery(files, who, facts, uid, gid, options.get(THEN, ""))


def asked_files(call: EngineCall) -> tuple[File, ...]:
    """The secrets that a create or an exec names, in the order they are named.

    Raises:
        Malformed: `secret.reference`, `secret.twice`.
    """
    if call.route.action not in {"container.create", "exec.create"}:
        return ()
    found: dict[str, File] = {}
    plain: set[str] = set()
    for entry in read(call.body, "Env", NO_LIST):
        name, _, value = entry.partition("=")
        if is_reference(value):
            _add(found, _file(name, value.removeprefix(SCHEME) if value.startswith(SCHEME) else "", f"Env {name}"))
        else:
            plain.add(name)
    labels: Mapping[str, str] = read(call.body, "Labels", NO_TEXTS)
    for label, value in labels.items():
        if label.startswith(ASKING):
            _add(found, _file(label.removeprefix(ASKING), value.removeprefix(SCHEME), f"Labels {label}"))
    if both := sorted(found.keys() & plain):
        raise Malformed("secret.twice", f"{both[0]} is a secret and a variable with a value, too; leave out the one that is not meant")
    if RENEW in labels and not found:
        raise Malformed("secret.renew", f"Labels {RENEW} is for containers with secrets, and this one has none; leave it out")
    if len(found) > MOST:
        raise Malformed("secret.reference", f"a container has at most {MOST} secrets; give it fewer")
    return tuple(found.values())


def is_reference(value: str) -> bool:
    """Whether `value` means a secret, written as it must be or nearly so: a program would get the reference itself for its password."""
    return SCHEME in value.lower()


def asked_then(call: EngineCall) -> str:
    """What a create wants done when a secret of its own was renewed, "" for nothing.

    Raises:
        Malformed: `secret.renew`.
    """
    labels: Mapping[str, str] = read(call.body, "Labels", NO_TEXTS)
    then = labels.get(RENEW, "")
    kind, _, what = then.partition(":")
    if then and not (kind == "signal" and what.removeprefix("SIG") in SIGNALS) and not (kind == "exec" and words_of(what)):
        raise Malformed("secret.renew", f"Labels {RENEW}: write signal:HUP, or another that a program can take, or exec:COMMAND with its words")
    return then


def words_of(command: str) -> list[str]:
    """The words of a command as a shell would split them, none where it cannot."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def refuse_elsewhere(call: EngineCall) -> None:
    """Raise if a reference stands where no secret is delivered: the program would get the reference itself for its password.

    Raises:
        Forbidden: `secret.not_here`.
    """
    action = call.route.action
    texts: list[str] = []
    if action in {"service.create", "service.update"}:
        texts = list(read(at_way(call.body, ("TaskTemplate", "ContainerSpec")), "Env", NO_LIST))
    elif action == "image.build":
        texts = [f"{name}={value}" for name, value in json_map(call, "buildargs").items()]
    elif action == "image.commit":
        texts = list(read(call.body, "Env", NO_LIST))
    for text in texts:
        refuse_reference(*text.partition("=")[::2])


def refuse_reference(name: str, value: str) -> None:
    """Raise if `value` is a reference, since here it is not replaced by anything. Raises: Forbidden: `secret.not_here`."""
    if is_reference(value):
        raise Forbidden("secret.not_here", f"{name}: secrets are given to containers, as docker run -e NAME={SCHEME}PATH, and nowhere else yet")


def _add(found: dict[str, File], file: File) -> None:
    if found.setdefault(file.name, file) != file:
        raise Malformed("secret.twice", f"{file.name} is asked for twice, as two secrets; name it once")


def _file(name: str, reference: str, place: str) -> File:
    path, mark, query = reference.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=False) if mark else []
    words = dict(pairs)
    version, label = words.pop("version", ""), words.pop("label", "current")
    is_number = not version or (version.isascii() and version.isdecimal() and 0 < int(version) < 1 << 31)
    if not NAME.fullmatch(name) or not path or words or not is_number or label not in LABELS or len(pairs) > 1:
        how = f"write NAME={SCHEME}PATH, with ?version=N or ?label=pending where the current version is not meant"
        raise Malformed("secret.reference", f"{place} names no secret that could be given: {how}")
    return File(name, path, int(version or 0), label)


def to_files(
    call: EngineCall, files: tuple[File, ...], used_by: str, facts: str, plugin: str, seal: Seal, variables: Mapping[str, Secret] = NO_VARIABLES
) -> EngineCall:
    """Return a hardened create with `files` as one mount, and no reference left.

    `variables` are values that policy lets be variables, too, by their names.

    Raises:
        Forbidden: `secret.place`: something else is to be mounted there. `secret.user`: it is not clear who the container's user is.
            `secret.no_text`: a value cannot be a variable.
    """
    if not files:
        return call
    run = run_of_create(call.body)
    if any((clean(mount.target) + "/").startswith(f"{FOLDER}/") or FOLDER.startswith(clean(mount.target).rstrip("/") + "/") for mount in run.mounts):
        raise Forbidden("secret.place", f"{FOLDER} is where secrets are mounted; mount what you have there elsewhere")
    user = numbers_of(run.user or "0:0")
    if user is None:
        raise Forbidden("secret.user", "the container's user cannot be told as numbers, so its secrets would be nobody's; write --user UID:GID")
    options = Delivery(files, used_by, facts, *user, asked_then(call)).options()
    options[SEAL] = seal(options)
    mount = Mount(Type="volume", Target=FOLDER, VolumeOptions=VolumeOptions(NoCopy=True, DriverConfig=DriverConfig(Name=plugin, Options=options)))
    if not is_given(call.body, "HostConfig"):
        call = put_in_body(call, ("HostConfig",), HostConfig())
    entries = at_way(call.body, MOUNTS)
    call = put_in_body(call, MOUNTS, [*(entries if isinstance(entries, list) else ()), mount])
    entries = _environment(read(call.body, "Env", NO_LIST), {file.name: file.name for file in files})
    plain = [f"{name}={_text(name, value)}" for name, value in variables.items()]
    call = put_in_body(call, ("Env",), [*entries, *plain])
    labels: Mapping[str, str] = read(call.body, "Labels", NO_TEXTS)
    return put_in_body(call, ("Labels",), {name: value for name, value in labels.items() if not is_asking(name)})


def _text(name: str, value: Secret) -> str:
    try:
        text = value.reveal().decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Forbidden("secret.no_text", f"{name} is no text, so it cannot be a variable, as policy says it is; ask an operator")
    return text


def to_held(call: EngineCall, files: tuple[File, ...], held: Iterable[File]) -> EngineCall:
    """Return an exec with each secret it names as the file that its container `held` already: of that path, and of that version or label.

    Raises:
        Missing: `secret.not_held`; the container was made without it.
    """
    if not files:
        return call
    names = {file.reference: file.name for file in held}
    for file in files:
        if file.reference not in names:
            raise Missing("secret.not_held", f"this container was made without {file.reference}, and cannot be given it now; make it again with it")
    return put_in_body(call, ("Env",), _environment(read(call.body, "Env", NO_LIST), {file.name: names[file.reference] for file in files}))


def _environment(entries: Any, names: Mapping[str, str]) -> list[str]:
    """The variables without references, and one that says where each file is, unless the caller said so themselves."""
    kept = [entry for entry in entries if not entry.partition("=")[2].startswith(SCHEME)]
    given = {entry.partition("=")[0] for entry in kept}
    return kept + [f"{name}{SUFFIX}={FOLDER}/{file}" for name, file in names.items() if f"{name}{SUFFIX}" not in given]


def held_by(inspected: Mapping[str, Any], plugin: str) -> tuple[File, ...]:
    """The secrets of a container, from its inspect answer. Total: what cannot be read is none."""
    host = inspected.get("HostConfig")
    for entry in (host.get("Mounts") if isinstance(host, Mapping) else None) or ():
        if (options := secrets_of(entry, plugin)) is not None:
            try:
                return read_delivery(options).files
            except Malformed:
                return ()
    return ()


def secrets_of(entry: Any, plugin: str) -> Mapping[str, str] | None:
    """The options of an entry of an answer's `HostConfig.Mounts`, `None` if it is no mount of secrets."""
    options = options_of(entry, plugin)
    return options if options is not None and options.get(KIND) == SECRETS else None


def shown_environment(entries: list[str], files: tuple[File, ...]) -> list[str]:
    """A container's variables as its maker wrote them: references in place of the files' names, and of values that policy made variables."""
    ours = {f"{file.name}{SUFFIX}={FOLDER}/{file.name}": f"{file.name}={file.reference}" for file in files}
    names = {file.name for file in files}
    return [ours.get(entry, entry) for entry in entries if entry.partition("=")[0] not in names]


def without_mount(mounts: list[Any], plugin: str) -> list[Any]:
    """`HostConfig.Mounts` of an answer without the mount of secrets."""
    return [entry for entry in mounts if secrets_of(entry, plugin) is None]


