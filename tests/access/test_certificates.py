"""Client certificates over real TLS: whose are believed, and whom a believed one belongs to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from dockwarden.access.certificates import hosts_in, identify_certificate, names_in, server_context
from dockwarden.access.people import parse_people
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import NOBODY
from fixtures.certificates import Authority

PEOPLE = parse_people(
    '[people.ci]\ngroups = ["ci"]\ncertificate = ["ci.corp.test"]\n[people.eve]\ncertificate = ["eve@corp.test", "urn:eve"]', "people.toml"
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.sign("door")
    made.sign("ci.corp.test")
    (tmp_path / "door-key.pem").chmod(0o600)
    return made


@contextlib.contextmanager
def served(context: ssl.SSLContext) -> Iterator[tuple[int, list[bytes | None]]]:
    """A server for one handshake; yields its port and, afterwards, the certificate it saw."""
    seen: list[bytes | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def accept() -> None:
            with contextlib.suppress(OSError), listening.accept()[0] as raw, context.wrap_socket(raw, server_side=True) as tls:
                seen.append(tls.getpeercert(binary_form=True))
                tls.recv(1)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1], seen
        thread.join(10)


def call(port: int, dir: Path, name: str, highest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED, ca: str = "ca") -> None:
    """A client that shows certificate `name` ("" for none), and reads until the server ends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(dir / f"{ca}.pem")
    context.check_hostname = False
    context.maximum_version = highest
    if name:
        context.load_cert_chain(dir / f"{name}.pem", dir / f"{name}-key.pem")
    with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw) as tls:
        tls.sendall(b"x")
        tls.recv(1)


def context_of(dir: Path) -> ssl.SSLContext:
    return server_context(dir / "door.pem", dir / "door-key.pem", dir / "ca.pem")


def test_a_certificate_of_our_authority_is_the_person_whose_name_it_has(authority: Authority) -> None:
    with served(context_of(authority.dir)) as (port, seen):
        call(port, authority.dir, "ci.corp.test")

    assert seen
    assert seen[0] is not None
    found = identify_certificate(seen[0], PEOPLE)
    assert ("ci", frozenset({"ci"}), "tls", None) == (found.name, found.groups, found.via, found.account)


def test_a_client_without_a_certificate_does_not_come_in(authority: Authority) -> None:
    with served(context_of(authority.dir)) as (port, seen), pytest.raises((ssl.SSLError, ConnectionError)):
        call(port, authority.dir, "")

    assert [] == seen


def test_a_certificate_of_another_authority_does_not_come_in_though_the_name_is_right(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert other is not None
    other.sign("ci.corp.test")
    (tmp_path / "other" / "mine.pem").write_bytes((tmp_path / "ca.pem").read_bytes())

    with served(context_of(authority.dir)) as (port, seen), pytest.raises((ssl.SSLError, ConnectionError)):
        call(port, tmp_path / "other", "ci.corp.test", ca="mine")

    assert [] == seen


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_a_client_that_speaks_less_than_tls_1_2_does_not_come_in(authority: Authority) -> None:
    context = context_of(authority.dir)
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version

    with served(context) as (port, seen), pytest.raises((ssl.SSLError, ConnectionError, ValueError)):
        call(port, authority.dir, "ci.corp.test", highest=ssl.TLSVersion.TLSv1_1)

    assert [] == seen


def made(authority: Authority, name: str, sans: list[x509.GeneralName]) -> bytes:
    """A certificate with these names, as the wire has it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return authority._build(subject, ec.generate_private_key(ec.SECP256R1()).public_key(), sans, False).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("sans", "name"),
    [
        ([x509.DNSName("ci.corp.test")], "ci"),
        ([x509.RFC822Name("eve@corp.test")], "eve"),
        ([x509.UniformResourceIdentifier("urn:eve")], "eve"),
        ([x509.RFC822Name("eve@corp.test"), x509.UniformResourceIdentifier("urn:eve")], "eve"),
        ([x509.DNSName("ci.corp.test"), x509.UniformResourceIdentifier("urn:eve")], ""),
        ([x509.DNSName("ci.corp.test.evil.test")], ""),
        ([x509.DNSName("*.corp.test")], ""),
        ([x509.RFC822Name("eve@corp.test.evil.test")], ""),
        ([], ""),
    ],
)
def test_exact_alternative_names_alone_say_whose_it_is(authority: Authority, sans: list[x509.GeneralName], name: str) -> None:
    assert name == identify_certificate(made(authority, "ci.corp.test", sans), PEOPLE).name


def test_the_common_name_says_nothing(authority: Authority) -> None:
    assert () == names_in(made(authority, "ci.corp.test", []))
    assert NOBODY == identify_certificate(made(authority, "ci.corp.test", []), PEOPLE)


@pytest.mark.parametrize(
    ("sans", "says"),
    [
        ([], "no subject alternative name of a kind that counts"),
        ([x509.DNSName("new.corp.test"), x509.RFC822Name("new@corp.test")], "(new.corp.test, new@corp.test): an admin may add one"),
        ([x509.DNSName("ci.corp.test"), x509.UniformResourceIdentifier("urn:eve")], "has names of more than one person"),
        ([x509.UniformResourceIdentifier("urn:" + "x" * 500)], "(urn:" + "x" * 76 + ")"),
    ],
)
def test_a_stranger_is_told_the_names_that_nobody_has(authority: Authority, sans: list[x509.GeneralName], says: str) -> None:
    found = identify_certificate(made(authority, "ci.corp.test", sans), PEOPLE)

    assert (False, True) == (found.is_known, says in found.why_not), found.why_not


@pytest.mark.parametrize("san", ["CN=alice", "cn=alice", "CN = alice", "/CN=alice", "O=corp, CN=alice", "subject=CN=alice"])
def test_a_common_name_in_people_toml_is_refused_with_what_to_write(san: str) -> None:
    with pytest.raises(BadConfig, match=r"common name are never looked at; write what its subject alternative name has"):
        parse_people(f'[people.alice]\ncertificate = ["{san}"]', "people.toml")


def test_bytes_that_are_no_certificate_are_nobody_s() -> None:
    assert NOBODY == identify_certificate(b"not a certificate", PEOPLE)


def test_a_key_that_others_may_read_refuses_to_start(authority: Authority) -> None:
    (authority.dir / "door-key.pem").chmod(0o640)

    with pytest.raises(BadConfig, match="chmod 600"):
        context_of(authority.dir)


@pytest.mark.parametrize("file", ["door.pem", "door-key.pem", "ca.pem"])
def test_a_file_that_is_missing_or_no_pem_refuses_to_start(authority: Authority, file: str) -> None:
    (authority.dir / file).write_text("nonsense")
    with pytest.raises(BadConfig):
        context_of(authority.dir)

    (authority.dir / file).unlink()
    with pytest.raises(BadConfig):
        context_of(authority.dir)


def test_a_door_s_own_names_are_its_certificate_s_hosts_and_addresses(authority: Authority, tmp_path: Path) -> None:
    names = [x509.DNSName("Tapes.corp.test"), x509.DNSName("*.lab.test"), x509.IPAddress(ipaddress.ip_address("::1")), x509.RFC822Name("a@corp.test")]
    chain = x509.load_der_x509_certificate(made(authority, "door", names)).public_bytes(serialization.Encoding.PEM)

    assert {"tapes.corp.test", "*.lab.test", "::1"} == hosts_in(chain + (tmp_path / "ca.pem").read_bytes())
    assert frozenset() == hosts_in((tmp_path / "ca.pem").read_bytes()) == hosts_in(b"no certificate")
