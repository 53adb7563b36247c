"""Every option: its name, its type, its default and what it is for.

`load_settings` reads one TOML file. An option nobody knows refuses to start, since a misspelt limit is no limit. Paths that
are not absolute stand beside the file. The page docs/settings.md is made from the classes below.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from dockwarden.words.errors import BadConfig

MODE = re.compile(r"(0o?)?[0-7]{3}", re.ASCII)
PLUGIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
LONGEST_SOCKET = 107
"""Bytes of a unix socket's path. Source: unix(7)."""
OUTSIDE = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?/?", re.ASCII)
FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.@-]*)*", re.ASCII)
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?", re.ASCII)
WITNESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


def _help(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _positive(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, gt=0)


def _least(least: int, text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least)


class EngineSettings(Section, frozen=True, kw_only=True):
    """The Docker Engine that is protected."""

    address: Annotated[str, _help("where the Engine listens: unix://PATH or tcp://HOST:PORT")]
    plugin: Annotated[str, _help("the name of our sockets in the Engine's plugin folder, one for each Engine of a machine")] = "dockwarden"
    plugin_dir: Annotated[str, _help("the folder in which the Engine looks for plugin sockets")] = "/run/docker/plugins"
    lock: Annotated[bool, _help("be the Engine's authorization plugin too, so that its raw socket obeys the same policy")] = False
    volumes: Annotated[bool, _help("serve the Engine's volume calls: binds below a bind root, and secrets in containers, need it")] = True
    unknown: Annotated[Literal["refuse", "drop"], _help("a body field no table knows: refuse the call or drop the field")] = "refuse"
    pool: Annotated[int, _least(0, "how many idle connections to the Engine to keep")] = 256
    timeout_s: Annotated[float, _positive("how long, in seconds, the Engine may take to accept a connection")] = 10.0


class DoorSettings(Section, frozen=True, kw_only=True, rename={"as_": "as"}):
    """One way in."""

    listen: Annotated[str, _help("where the door listens: unix://PATH, or tcp://HOST:PORT with TLS and client certificates")]
    kind: Annotated[
        Literal["docker", "ssh", "tapes"], _help("what is spoken there: the Docker API, SSH (listen = \"tcp://HOST:PORT\"), or recordings over HTTP")
    ] = "docker"
    as_: Annotated[str, _help("a named door: whoever comes in here is this one, so mount the socket only where that is meant")] = ""
    mode: Annotated[str, _help("the socket's permission bits in octal, as text; who a caller is does not depend on them")] = "0666"
    certificate: Annotated[str, _help("TLS: the door's own certificate chain (PEM)")] = ""
    key: Annotated[str, _help("TLS: the key of that certificate (PEM, mode 0600)")] = ""
    client_ca: Annotated[str, _help("TLS: whose client certificates are believed (PEM)")] = ""


class ImageSettings(Section, frozen=True, kw_only=True):
    """Whose images are for all."""

    shared_from: Annotated[tuple[str, ...], _help("image names made by members of these groups may be used by everyone")] = (
        "admins", "operators",
    )


class BindSettings(Section, frozen=True, kw_only=True):
    """Which folders of the host containers may mount."""

    roots: Annotated[tuple[str, ...], _help("folders below which binds are mounted by us, checked at every start")] = ()


class LedgerSettings(Section, frozen=True, kw_only=True):
    """The record."""

    segment_bytes: Annotated[int, _least(4096, "a segment file turns over at this size")] = 64 << 20
    retain_days: Annotated[int, _least(0, "segments older than this leave the folder, with a signed entry saying so; 0 keeps all")] = 0
    witness: Annotated[str, _help("who else signs the ledger's checkpoints (C2SP tlog-witness): https://HOST/PREFIX; empty: nobody")] = ""
    witness_key: Annotated[str, _help("the witness's verifier key: NAME+ID+BASE64")] = ""
    witness_ca: Annotated[str, _help("whose certificate of the witness is believed (PEM); empty: the machine's authorities")] = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant of a witness; the reader says in which file. Raises: ValueError."""
        if wrong := _witness_wrong(self):
            raise ValueError(wrong)


def _witness_wrong(ledger: LedgerSettings) -> str:
    """What is wrong with how a witness is reached, "" if nothing is."""
    if bool(ledger.witness) != bool(ledger.witness_key):
        return "witness and witness_key go together"
    if ledger.witness and WITNESS.fullmatch(ledger.witness) is None:
        return "witness is no address; write https://HOST/PREFIX"
    if ledger.witness.startswith("http:") and urlsplit(ledger.witness).hostname not in LOOPBACK:
        return "witness is http:// to another machine; write https://"
    return ""


class LimitSettings(Section, frozen=True, kw_only=True):
    """What one caller may cost."""

    header_bytes: Annotated[int, _least(1024, "the longest request line and headers together")] = 32 << 10
    body_bytes: Annotated[int, _least(1024, "the longest body that is judged as a whole; uploads stream and are not limited by it")] = 1 << 20
    connections: Annotated[int, _positive("connections one principal may hold open at a time")] = 256
    header_timeout_s: Annotated[float, _positive("how long a request may take to arrive, from its first byte to the end of its headers")] = 10.0
    idle_s: Annotated[float, _positive("how long a connection may wait for its next request; streams under way are never cut")] = 300.0
    answer_bytes: Annotated[int, _least(1024, "the longest answer that is veiled as a whole")] = 64 << 20
    drain_s: Annotated[float, _least(0, "how long calls under way may take to end after SIGTERM")] = 10.0


class TapeSettings(Section, frozen=True, kw_only=True):
    """Recordings of sessions."""

    recipients: Annotated[tuple[str, ...], _help("age recipients (age1…) who can open and check tapes with their own key, without a server")] = ()
    stall_s: Annotated[float, _positive("how long, in seconds, a piece may wait to be recorded before its session ends")] = 0.75
    mask_found: Annotated[
        bool, _help("leave out of tapes what is known as a secret by its form or its name, besides what dockwarden delivered")
    ] = True
    retain_days: Annotated[int, _least(0, "tapes that ended longer ago are deleted, unless they are held; 0 keeps all")] = 0
    quota_bytes: Annotated[int, _least(0, "how much of the disk tapes may have: the oldest go, and then no session begins; 0 is no limit")] = 0
    quota_keep_days: Annotated[int, _least(0, "no tape that ended later than this is deleted for the quota")] = 7
    local_days: Annotated[int, _least(0, "a tape that is in the store is kept here, too, for so long after its end; 0: as long as there")] = 0
    store: Annotated[str, _help("where tapes are copied as they grow: s3://BUCKET/PREFIX; empty: nowhere")] = ""
    store_endpoint: Annotated[str, _help("the store's address, https://HOST[:PORT]; empty: Amazon's own")] = ""
    store_region: Annotated[str, _help("the store's region")] = "us-east-1"
    store_ca: Annotated[str, _help("whose certificates are believed at the store, besides the public authorities (PEM)")] = ""
    store_secret: Annotated[str, _help("the path in the vault of its credentials, as JSON: access_key_id, secret_access_key, token")] = ""
    store_key_file: Annotated[str, _help("a file with the same (mode 0600), where they are not in the vault")] = ""
    store_every_s: Annotated[float, _positive("how long, in seconds, a piece of a session under way may wait to be copied")] = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant of a store; the reader says in which file. Raises: ValueError."""
        if wrong := _store_wrong(self):
            raise ValueError(wrong)


def _store_wrong(tapes: TapeSettings) -> str:
    """What is wrong with how a store is reached, "" if nothing is."""
    others = {
        "store_endpoint": tapes.store_endpoint, "store_secret": tapes.store_secret, "store_key_file": tapes.store_key_file,
        "store_ca": tapes.store_ca, "local_days": tapes.local_days,
    }  # fmt: skip
    if not tapes.store:
        alone = ", ".join(name for name, value in others.items() if value)
        return f"{alone} needs store = an address" if alone else ""
    if BUCKET.fullmatch(tapes.store) is None:
        return "store is no address; write s3://BUCKET or s3://BUCKET/PREFIX"
    if tapes.store_endpoint and OUTSIDE.fullmatch(tapes.store_endpoint) is None:
        return "store_endpoint is no address; write https://HOST:PORT with nothing after it"
    if tapes.store_endpoint.startswith("http:") and urlsplit(tapes.store_endpoint).hostname not in LOOPBACK:
        return "store_endpoint is http:// to another machine, which everyone between can read; write https://"
    if bool(tapes.store_secret) == bool(tapes.store_key_file):
        return "a store needs store_secret or store_key_file, and not both"
    return ""


class SshSettings(Section, frozen=True, kw_only=True):
    """The SSH door."""

    user_ca: Annotated[tuple[str, ...], _help("SSH authorities (public keys) whose user certificates count, for persons they name")] = ()
    login_s: Annotated[float, _positive("how long, in seconds, a client may take to log in")] = 60.0
    processes: Annotated[
        int, msgspec.Meta(ge=1, le=64, description="how many processes carry SSH sessions at each door; 1: the serving process does so itself")
    ] = 1


class SessionSettings(Section, frozen=True, kw_only=True):
    """What sessions are kept to."""

    session_bytes: Annotated[int, _least(0, "how many bytes one session may record, where policy has no most=; 0: any number")] = 4 << 30
    daily_bytes: Annotated[int, _least(0, "how many one person may record in a day (UTC), where policy has no daily=; 0: any number")] = 16 << 30
    watcher_wait_s: Annotated[float, _positive("how long, in seconds, a session that must be watched waits before it is refused")] = 300.0
    watcher_gone_s: Annotated[float, _positive("how long, in seconds, it is paused without one before it ends")] = 60.0


class VaultSettings(Section, frozen=True, kw_only=True):
    """Where secrets are kept."""

    store: Annotated[str, _help("the vault's database: sqlite:///PATH or postgresql://HOST/NAME; empty: D/state/vault.db")] = ""
    key_file: Annotated[str, _help("the unseal key, where the vault is unsealed by a file; empty: D/unseal.key")] = ""
    person_paths: Annotated[int, _least(0, "how many secrets one person may keep below people/NAME/; 0: any number")] = 1000
    person_bytes: Annotated[int, _least(0, "how many bytes they may have together, in all versions; 0: any number")] = 64 << 20
    outside: Annotated[str, _help("keep secrets in a HashiCorp Vault or OpenBao instead: https://HOST:8200; empty: in a vault of our own")] = ""
    mount: Annotated[str, _help("outside: where its KV version 2 engine is mounted")] = "secret"
    prefix: Annotated[str, _help("outside: the folder of that engine below which all our paths are; empty: all of it")] = ""
    namespace: Annotated[str, _help("outside: the namespace, where it has them")] = ""
    ca: Annotated[str, _help("outside: whose certificates are believed (PEM); empty: the public authorities that come with Python's certifi")] = ""
    token_file: Annotated[str, _help("outside: a file with the token (mode 0600); it is read again whenever the token ends")] = ""
    role_id: Annotated[str, _help("outside: log in by AppRole instead of a token, as this role")] = ""
    secret_id_file: Annotated[str, _help("outside: a file with the secret id of that role (mode 0600)")] = ""
    timeout_s: Annotated[float, _positive("outside: how long, in seconds, one answer may take")] = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant of an outside vault; the reader says in which file. Raises: ValueError."""
        if wrong := _outside_wrong(self):
            raise ValueError(wrong)


def _outside_wrong(vault: VaultSettings) -> str:
    """What is wrong with how an outside vault is reached, "" if nothing is."""
    by_role = bool(vault.role_id or vault.secret_id_file)
    if not vault.outside:
        return "token_file, role_id and secret_id_file need outside = an address" if vault.token_file or by_role else ""
    if OUTSIDE.fullmatch(vault.outside) is None:
        return "outside is no address; write https://HOST:8200 with nothing after it"
    if vault.outside.startswith("http:") and urlsplit(vault.outside).hostname not in LOOPBACK:
        return "outside is http:// to another machine, which everyone between can read; write https://"
    if not all(FOLDER.fullmatch(folder) for folder in (vault.mount, vault.prefix or "x")):
        return "mount and prefix are words of letters, digits, . _ @ - with / between them"
    if bool(vault.token_file) == by_role or bool(vault.role_id) != bool(vault.secret_id_file):
        return "an outside vault needs token_file, or role_id and secret_id_file, and not both"
    return ""


class VeilSettings(Section, frozen=True, kw_only=True):
    """What of an answer is hidden."""

    env_shown: Annotated[tuple[str, ...], _help("environment variables whose values everyone may see")] = (
        "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TERM", "HOSTNAME", "DEBIAN_FRONTEND",
    )


class OperateSettings(Section, frozen=True, kw_only=True):
    """For those who run it."""

    listen: Annotated[str, _help("HOST:PORT of /healthz and /metrics, loopback only; empty turns both off")] = "127.0.0.1:9351"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("the least serious event that is logged")] = "info"


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    engine: EngineSettings
    door: tuple[DoorSettings, ...] = ()
    binds: BindSettings = BindSettings()
    images: ImageSettings = ImageSettings()
    ledger: LedgerSettings = LedgerSettings()
    limits: LimitSettings = LimitSettings()
    ssh: SshSettings = SshSettings()
    sessions: SessionSettings = SessionSettings()
    tapes: TapeSettings = TapeSettings()
    vault: VaultSettings = VaultSettings()
    veil: VeilSettings = VeilSettings()
    operate: OperateSettings = OperateSettings()
    observe: Annotated[bool, _help("decide and record, but refuse nothing: for the first days only")] = False
    file: Annotated[Path, _help("set by the reader: where this was read from")] = Path("dockwarden.toml")

    @property
    def dir(self) -> Path:
        """The folder of the file: D."""
        return self.file.parent

    @property
    def state_dir(self) -> Path:
        """`D/state`: all that dockwarden itself writes."""
        return self.dir / "state"

    @property
    def serve_lock(self) -> Path:
        """`D/state/serve.lock`: held by who serves or changes what is in `D/state`."""
        return self.state_dir / "serve.lock"

    @property
    def ledger_dir(self) -> Path:
        """`D/state/ledger`."""
        return self.state_dir / "ledger"

    @property
    def tapes_dir(self) -> Path:
        """`D/state/tapes`."""
        return self.state_dir / "tapes"

    @property
    def hosts_file(self) -> Path:
        """`D/hosts.toml`."""
        return self.dir / "hosts.toml"

    @property
    def authority_dir(self) -> Path:
        """`D/ca`: public keys only."""
        return self.dir / "ca"

    @property
    def policy_dir(self) -> Path:
        """`D/policies`."""
        return self.dir / "policies"

    @property
    def people_file(self) -> Path:
        """`D/people.toml`."""
        return self.dir / "people.toml"

    @property
    def control_socket(self) -> Path:
        """`D/control.sock`: where our own command line asks."""
        return self.dir / "control.sock"

    @property
    def vault_url(self) -> str:
        """Where the vault's rows are."""
        return self.vault.store or f"sqlite://{self.state_dir / 'vault.db'}"

    @property
    def vault_key(self) -> Path:
        """`D/unseal.key`, unless the file says otherwise."""
        return self.dir / (self.vault.key_file or "unseal.key")

    @property
    def doors(self) -> tuple[DoorSettings, ...]:
        """The doors, with the default one where the file names none."""
        return self.door or (DoorSettings(listen=f"unix://{self.dir / 'docker.sock'}"),)


def load_settings(path: Path) -> Settings:
    """Read `path`, every option checked.

    Raises:
        BadConfig: the file is not there, is not TOML, has an option nobody knows, or a value that cannot be meant.
    """
    where = str(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        mend = "make one with: dockwarden init --dir DIR --engine unix://PATH; or name it with --config FILE or DOCKWARDEN_CONFIG"
        raise BadConfig(where, f"cannot be read ({error.strerror})", mend) from None
    except UnicodeDecodeError as error:
        raise BadConfig(where, f"is not TOML: {error}", "write it in UTF-8") from None
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """Return what `text` says, which is or will be the file `path`.

    Raises:
        BadConfig: as `load_settings`.
    """
    where = str(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(where, f"is not TOML: {error}", "mend that line") from None
    if "file" in raw:
        raise BadConfig(where, "unknown option `file`", "remove it")
    settings = _typed(raw, where)
    settings = msgspec.structs.replace(settings, file=path.absolute())
    _check_addresses(settings, where)
    return settings


def _typed(raw: dict[str, Any], where: str) -> Settings:
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise _in_words(str(error), where) from None


def _in_words(error: str, where: str) -> BadConfig:
    """What the library says, with the place as it stands in the file and what to do."""
    what, _, way = error.partition(" - at `$.")
    steps = [(name, number) for name, number in re.findall(r"(\w+)(?:\[(\d+)\])?", way)]
    kind: type[Section] = Settings
    place = ""
    for name, number in steps:
        found = _sections().get(name)
        kind = found or kind
        place += (f" door {int(number) + 1}" if number else f" [{name}]") if found else f" {name}"
    option = steps[-1][0] if steps and steps[-1][0] not in _sections() else ""
    named = re.search(r"`(\w+)`$", what)
    plain = what.replace("Object contains unknown field", "unknown option").replace("Object missing required field", "missing option")
    mend = _mend(what, kind, option or (named[1] if named else ""), steps[-1][0] if steps else "")
    return BadConfig(f"{where}:{place}" if place else where, plain, mend)


def _mend(what: str, kind: type[Section], option: str, last: str) -> str:
    if "unknown field" in what:
        return _where_it_belongs(option, kind)
    if what.startswith("Invalid enum"):
        return f"write one of: {', '.join(map(repr, _values(kind, option)))}".replace("'", '"')
    if kind is DoorSettings and option == "mode":
        return 'write it in quotes and in octal: mode = "0660"'
    if last == "door" and "array" in what:
        return "write [[door]], with two brackets, for each door"
    return "see docs/settings.md for every option"


def _where_it_belongs(option: str, kind: type[Section]) -> str:
    """What to do about an option that `kind` does not have."""
    sections, own = _sections(), _options(kind)
    if kind is not Settings and option in _options(Settings) - set(sections):
        return f"`{option}` stands at the top of the file, above the first [table]: whatever is below a [table] belongs to it"
    homes = sorted(name for name, section in sections.items() if option in _options(section))
    if homes:
        return f"`{option}` is an option of {' and of '.join(_heading(home) for home in homes)}"
    if close := difflib.get_close_matches(option, sorted(own), n=1):
        return f"did you mean `{close[0]}`?"
    return f"there are {', '.join(sorted(own))}; docs/settings.md says what each is"


def _heading(name: str) -> str:
    return f"[[{name}]]" if name == "door" else f"[{name}]"


def _values(kind: type[Section], option: str) -> tuple[str, ...]:
    """What an option of few values may be."""
    hint = get_type_hints(kind).get({"as": "as_"}.get(option, option))
    return get_args(hint) if get_origin(hint) is Literal else ()


def _sections() -> dict[str, type[Section]]:
    """The name and class of every table."""
    hints = get_type_hints(Settings)
    return {"door": DoorSettings} | {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Section)}


def _options(kind: type[Section]) -> frozenset[str]:
    return frozenset(kind.__struct_encode_fields__) - {"file"}


def _check_addresses(settings: Settings, where: str) -> None:
    _check_address(settings.engine.address, f"{where}: [engine] address")
    for number, door in enumerate(settings.doors, 1):
        place = f"{where}: door {number}"
        scheme = _check_address(door.listen, f"{place} listen")
        has_tls = bool(door.certificate and door.key and door.client_ca)
        is_local = urlsplit(door.listen).hostname in {"127.0.0.1", "::1", "localhost"}
        if door.kind == "ssh":
            if scheme != "tcp" or door.as_ or door.certificate:
                mend = 'write listen = "tcp://HOST:PORT" and nothing more'
                raise BadConfig(place, "an SSH door is tcp://, and people prove themselves by their keys", mend)
            continue
        if scheme == "tcp" and not has_tls and not (door.as_ and is_local):
            raise BadConfig(place, "a tcp door proves nobody's identity by itself", "set certificate, key and client_ca, or listen on unix://")
        if any((door.certificate, door.key, door.client_ca)) and not (has_tls and scheme == "tcp"):
            raise BadConfig(place, "TLS needs tcp:// and all of certificate, key and client_ca", "add what is missing")
        if door.kind == "tapes" and scheme == "tcp" and not has_tls:
            raise BadConfig(place, "tapes go over tcp with TLS alone", "set certificate, key and client_ca, or listen on unix://")
        if not MODE.fullmatch(door.mode):
            raise BadConfig(f"{place} mode", f"{door.mode!r} is no mode", 'write three octal digits: mode = "0660"')
    listens = [door.listen for door in settings.doors]
    for listen in listens:
        if listens.count(listen) > 1:
            raise BadConfig(f"{where}: [[door]] listen", f"{listen} is named twice", "give each door a place of its own")
    if settings.binds.roots and not settings.engine.volumes:
        what = "binds below a root are mounted by us, and this turns it off"
        raise BadConfig(f"{where}: [engine] volumes", what, "set it to true, or name no roots")
    if not PLUGIN.fullmatch(settings.engine.plugin):
        raise BadConfig(f"{where}: [engine] plugin", f"{settings.engine.plugin!r} is no plugin's name", "use small letters, digits and _ . -")
    if settings.operate.listen:
        loopback(settings.operate.listen, f"{where}: [operate] listen")
    for root in settings.binds.roots:
        if not Path(root).is_absolute() or os.path.normpath(root) == "/":
            raise BadConfig(f"{where}: [binds] roots", f"{root} cannot be a root", "name an absolute folder below /")


def loopback(listen: str, where: str = "[operate] listen") -> tuple[str, int]:
    """Return host and port of `listen`.

    Raises:
        BadConfig: it is not HOST:PORT, or the host is not this machine alone.
    """
    host, _, port = listen.rpartition(":")
    if host.strip("[]") not in LOOPBACK or not port.isdecimal() or int(port) > 65_535:
        raise BadConfig(where, f"{listen!r} is not on loopback", "write 127.0.0.1:PORT, or leave it empty")
    return host.strip("[]"), int(port)


def _check_address(address: str, place: str) -> str:
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        if len(os.fsencode(parts.path)) > LONGEST_SOCKET:
            raise BadConfig(place, f"{address} is too long for a socket ({LONGEST_SOCKET} bytes)", "choose a shorter path")
        return "unix"
    try:
        if parts.scheme == "tcp" and parts.hostname and parts.port:
            return "tcp"
    except ValueError:
        pass
    raise BadConfig(place, f"{address!r} is no address", "write unix:///absolute/path or tcp://HOST:PORT")
