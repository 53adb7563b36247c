"""`hosts.toml`: one table a host. Pure.

    [hosts.web]
    address = "10.0.0.5:22"
    login = "deploy"
    host_keys = ["ssh-ed25519 AAAA…"]
    secret = "hosts/web/deploy"        # a private key or a password in the vault; or: certificate = true
    labels = { env = "test" }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

import msgspec

from dockwarden.words.errors import BadConfig

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
LOGIN = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)
ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}", re.ASCII)
KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+={0,2}", re.ASCII)


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One host. Of `secret` and `certificate` there is one."""

    address: str
    login: str
    host_keys: tuple[str, ...]
    secret: str = ""
    certificate: bool = False
    labels: dict[str, str] = {}
    name: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Name or number, and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    hosts: dict[str, Host] = {}


def parse_hosts(text: str, where: str) -> Mapping[str, Host]:
    """Return the hosts in `text`, by name.

    Raises:
        BadConfig: it is no such file; the message says which host and what.
    """
    try:
        found = msgspec.convert(tomllib.loads(text), _File).hosts
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:  # the last: brackets within brackets without end
        raise BadConfig(where, f"cannot be read: {error}", "mend it, or write hosts with: dockwarden host add") from None
    return {name: checked(msgspec.structs.replace(host, name=name), f"{where}: [hosts.{name}]") for name, host in found.items()}


def checked(host: Host, where: str) -> Host:
    """Return `host` if it can be meant. Raises: BadConfig: what cannot."""
    if not NAME.fullmatch(host.name) or host.name.startswith("container."):
        raise BadConfig(where, f"{host.name[:64]!r} is no name of a host", "use letters, digits and _ . @ -")
    if not ADDRESS.fullmatch(host.address) or not 0 < host.place[1] < 65536:
        raise BadConfig(where, f"address {host.address[:100]!r} is none", "write HOST:PORT")
    if not LOGIN.fullmatch(host.login):
        raise BadConfig(where, f"login {host.login[:64]!r} is no account's name", "write one, as login = \"deploy\"")
    if not host.host_keys or not all(KEY.fullmatch(key) for key in host.host_keys):
        mend = 'write host_keys = ["ssh-ed25519 AAAA…"], as ssh-keyscan prints it'
        raise BadConfig(where, "host_keys names no key, or something that is none", mend)
    if bool(host.secret) == host.certificate:
        raise BadConfig(where, "it needs a secret or a certificate, and not both", "write secret = \"PATH\" or certificate = true")
    return host


def written(hosts: Mapping[str, Host]) -> str:
    """The text of `hosts.toml` with these hosts."""
    lines = ["# Hosts that people reach through the SSH door; written by `dockwarden host`, read again when it changes.\n"]
    for name, host in sorted(hosts.items()):
        lines.append(f"\n[hosts.{_text(name)}]\naddress = {_text(host.address)}\nlogin = {_text(host.login)}\n")
        lines.append(f"host_keys = [{', '.join(map(_text, host.host_keys))}]\n")
        lines.append("certificate = true\n" if host.certificate else f"secret = {_text(host.secret)}\n")
        if host.labels:
            lines.append("labels = { " + ", ".join(f"{_text(key)} = {_text(value)}" for key, value in sorted(host.labels.items())) + " }\n")
    return "".join(lines)


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")  # which JSON lets stand, and TOML does not
