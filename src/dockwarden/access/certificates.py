"""TLS doors: whose certificates are believed, and whom a verified one belongs to."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from dockwarden.access.peer import host_groups
from dockwarden.access.people import People
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import Principal, stranger

MOST_SHOWN, MOST_NAMES = 80, 5


def server_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """A server that speaks TLS 1.2 or newer, and only with clients whose certificate `client_ca` signed.

    Raises:
        BadConfig: a file is missing or no PEM, or others may read the key.
    """
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            raise BadConfig(str(key), f"others may use it (mode {mode:o})", f"chmod 600 {key}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        where = f"{certificate}, {key}, {client_ca}"
        raise BadConfig(where, f"cannot be used for TLS ({error})", "name PEM files of one key pair and a CA") from None
    return context


def names_in(certificate: bytes) -> tuple[str, ...]:
    """The subject alternative names of a verified certificate (DER): addresses, host names and URIs, as they stand; no common name."""
    from cryptography import x509  # 3 MiB, which a house without TLS doors need not carry

    try:
        extension = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    kinds = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier)
    return tuple(str(name.value) for name in extension.value if isinstance(name, kinds))


def hosts_in(certificate: bytes) -> frozenset[str]:
    """The host names and addresses of a door's own certificate (PEM, the first of a chain), in lower case; `*.` may be in front of a name."""
    from cryptography import x509  # as in `names_in`

    try:
        found = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    names = found.get_values_for_type(x509.DNSName)
    return frozenset(str(name).lower() for name in (*names, *found.get_values_for_type(x509.IPAddress)))


def identify_certificate(certificate: bytes, people: People) -> Principal:
    """The person whom exactly one name of the certificate belongs to; else a stranger, with the names, so that an admin can add one."""
    names = names_in(certificate)
    return people.by_certificate(names, host_groups) or stranger(_why_not(names, people))


def _why_not(names: tuple[str, ...], people: People) -> str:
    """Why a verified certificate is nobody's. Its names were signed by the door's own authority, and are shown cut and printable all the same."""
    if not names:
        return "your certificate has no subject alternative name of a kind that counts (address, host name, URI); its common name is not looked at"
    shown = ", ".join("".join(char for char in name[:MOST_SHOWN] if char.isprintable()) for name in names[:MOST_NAMES])
    if len({people.sans[name].name for name in names if name in people.sans}) > 1:
        return f"your certificate ({shown}) has names of more than one person in people.toml"
    return f"nobody in people.toml has a name of your certificate ({shown}): an admin may add one to a person as certificate = [...]"
