"""Found secrets are masked wherever the pieces end, what is no secret comes through as it is, and nobody hides what they do."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.sift import LONGEST, LONGEST_TOKEN, Sieve

CHANCE = random.Random(17)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def token(size: int, letters: str = LETTERS) -> str:
    return "".join(CHANCE.choices(letters, k=size))


def sifted(*pieces: bytes, is_typed: bool = False, ends_at_binary: bool = False) -> bytes:
    sieve = Sieve(is_typed=is_typed, ends_at_binary=ends_at_binary)
    return b"".join(sieve.feed(piece) for piece in pieces) + sieve.finish()


def pieces_of(text: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


GITHUB = "ghp_" + "x" + token(35)
AWS = token(40, LETTERS + "+/")
SIGNATURE = base64.urlsafe_b64encode(hashlib.sha256(b"x").digest()).decode().rstrip("=")
HEADER, CLAIMS = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"alice","admin":true}'))
JWT = f"{HEADER}.{CLAIMS}.{SIGNATURE}"
KEYS = {
    "PKCS 8": ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    "OpenSSH": ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()),
    "encrypted": rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"x" * 8)),
}  # fmt: skip

SHOWN: dict[str, tuple[str, str]] = {
    "a file of settings": ("DB_PASSWORD=hun;ter&2|x'y\r\nDEBUG=1\r\n", "DB_PASSWORD=[masked]\r\nDEBUG=1\r\n"),
    "env, and its separator is a zero": ("PATH=/bin\0API_TOKEN=abc123\0HOME=/root\0", "PATH=/bin\0API_TOKEN=[masked]\0HOME=/root\0"),
    "docker inspect": ('  "Env": [\n    "PGPASSWORD=s3 cr3t",\n    "A=b"\n  ]', '  "Env": [\n    "PGPASSWORD=[masked]",\n    "A=b"\n  ]'),
    "json": ('{"user": "x", "password": "correct horse battery"}', '{"user": "x", "password": "[masked]"}'),
    "json in json": (r'"{\"token\":\"tr0ub4dor\"}"', r'"{\"token\":\"[masked]\"}"'),
    "yaml": ("db:\n  password: hunter2\n  port: 5432\n", "db:\n  password: [masked]\n  port: 5432\n"),
    "credentials of aws": (f"aws_secret_access_key = {AWS}\r\n", "aws_secret_access_key = [masked]\r\n"),
    "aws configure": (f"AWS Secret Access Key [None]: {AWS}\r\nDefault", "AWS Secret Access Key [None]: [masked]\r\nDefault"),
    "a command at a prompt": ("$ export API_TOKEN=abc123; ls\r\n", "$ export API_TOKEN=[masked]; ls\r\n"),
    "an option": ("$ app --db-password=hunter2 --verbose\r\n", "$ app --db-password=[masked] --verbose\r\n"),
    "grep --color in the name": ("\x1b[01;31m\x1b[KSECRET\x1b[m\x1b[K_KEY=abc123\r\n", "\x1b[01;31m\x1b[KSECRET\x1b[m\x1b[K_KEY=[masked]\r\n"),
    "grep --color in the value": ("password=ab\x1b[01;31m\x1b[Kc12\x1b[m\x1b[K3\r\n", "password=[masked]\x1b[01;31m\x1b[K\x1b[m\x1b[K\r\n"),
    "a line that goes on in the next row": ("$ export TOKEN=abc123 \rdef456\r\n", "$ export TOKEN=[masked]\r\n"),
    "a token": (f"remote: {GITHUB} is yours", "remote: ghp_[masked] is yours"),
    "a token in colours": (f"x ghp_\x1b[1m{GITHUB[4:]}\x1b[m y", "x ghp_[masked]\x1b[1m\x1b[m y"),
    "a web token": (f"id: {JWT}\n", "id: eyJ[masked]\n"),
    "a URL": ("postgres://app:s3cr:t@db:5432/x", "postgres://app:[masked]@db:5432/x"),
    "a header": (f"> Authorization: Bearer {token(40)}7\r\n", "> Authorization: Bearer [masked]\r\n"),
    "basic": ("> authorization: Basic dXNlcjpodW50ZXIy\r\n", "> authorization: Basic [masked]\r\n"),
    "/etc/shadow": (f"root:$6${token(8)}${token(86)}:19000:0:\n", "root:$6$[masked]:19000:0:\n"),
}


@pytest.mark.parametrize("form", SHOWN)
def test_each_form_is_masked_wherever_it_is_cut(form: str) -> None:
    text, expected = (part.encode() for part in SHOWN[form])
    assert expected == sifted(text)
    assert {expected} == {sifted(text[:cut], text[cut:]) for cut in range(len(text))}
    assert expected == sifted(*(text[at : at + 1] for at in range(len(text))))


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("end", ["\n", "\r\n", r"\n", "\n    "])
def test_of_a_private_key_no_line_is_left(kind: str, end: str) -> None:
    key = KEYS[kind].decode().strip()
    text = f"$ cat id{end}{end.join(key.splitlines())}{end}$ ls README\r\n".encode()
    body = max(key.splitlines()[1:-1], key=len)
    left = sifted(text)

    assert body.encode() not in left
    assert not [line for line in key.splitlines()[1:-1] if len(line) > 4 and ": " not in line and line.encode() in left]
    assert f"{key.splitlines()[-1]}{end}$ ls README\r\n".encode() in left
    assert {left} == {sifted(text[:cut], text[cut:]) for cut in range(0, len(text), 3)}


def test_what_is_shown_before_a_secret_waits_for_nothing() -> None:
    """The tape is ahead of the screen: a prompt, a name and a key that was typed are kept at once."""
    sieve = Sieve()
    for piece in (b"Password: ", b"\r\n$ ", b"e", b"x", b"p", b"ort TOK", b"EN=", b"\r\n$ cat gh", b"p_", b" -----BEGIN RSA PRIVATE KEY-----", b"\r\n"):
        assert piece == sieve.feed(piece)


def test_what_may_be_a_secret_is_held_while_it_may() -> None:
    sieve = Sieve()
    assert b"TOKEN=" == sieve.feed(b"TOKEN=ab")
    assert b"" == sieve.feed(b"c1")
    assert b"[masked]\r\n" == sieve.feed(b"23\r\n")
    assert b"x://h:" == sieve.feed(b"x://h:80")
    assert b"80/" == sieve.feed(b"/")


def ordinary() -> dict[str, bytes]:
    """Terminals as they are on any day."""
    some = range(40)
    rows = [f"{token(12, '0123456789abcdef')}   nginx:1.2{at}   \"/docker-entrypoint.…\"   Up {at} hours   0.0.0.0:80{at}->80/tcp   web-{at}" for at in some]
    log = "".join(
        f"\x1b[33mcommit {hashlib.sha1(b'%d' % at).hexdigest()}\x1b[m\r\nAuthor: A <a@example.test>\r\nDate:   Mon Nov 2 12:00:00 2026 +0100\r\n\r\n"
        f"    fix: the token of a key: pass it on\r\n\r\n" for at in some
    )  # fmt: skip
    vim = "".join(f"\x1b[{at};1H\x1b[34m{at:4} \x1b[m\x1b[32mdef\x1b[m keep(key: str, token=None) -> bool:\x1b[K" for at in some)
    digests = "\n".join(f"sha256:{hashlib.sha256(b'%d' % at).hexdigest()}  {hashlib.md5(b'%d' % at).hexdigest()}  file-{at}" for at in some)
    apt = "".join(
        f"Get:{at} http://deb.debian.org:80/debian bookworm/main amd64 libpam-passwdqc amd64 2.0.2-1 [14.4 kB]\r\nUnpacking passwd (1:4.13) ...\r\n"
        "debconf: password: unset\r\n" for at in some
    )  # fmt: skip
    sentences = (
        "Enter password: please wait\r\nPassword: \r\nerror: bad token: foo is not valid\r\nToken: valid\r\nssh-key: none\r\npassword required: yes\r\n"
        "usage: app [--password=PASSWORD] [--token=<token>] [--key-file=/etc/app.key]\r\nsecret: see https://example.test/docs\r\n"
        "key=value token=$TOKEN password=${PASSWORD} secret=$(cat /run/secrets/x) PASSWORD_FILE=/run/secrets/db\r\n"
    )
    code = "self.password = password\ntoken = request.headers.get('x')\nsecret: str\npassword=getpass.getpass()\nif token == other: pass\nkeys = {key: value}\n"
    text = {"docker ps": "\r\n".join(rows), "git log": log, "vim": vim, "digests": digests, "apt": apt, "sentences": sentences, "code": code}
    return {name: some.encode() for name, some in text.items()} | {
        "ls": subprocess.run(["ls", "-lR", "/etc"], capture_output=True, check=False).stdout,
        "a file in base64": base64.encodebytes(random.Random(3).randbytes(60_000)),
        "JSON in base64": base64.b64encode(b'{"a": "b", "list": [1, 2, 3]}' * 400),
        "a hexdump": subprocess.run(["od", "-Ax", "-tx1z"], input=random.Random(4).randbytes(20_000), capture_output=True, check=True).stdout,
        "a certificate": b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(random.Random(5).randbytes(900)) + b"-----END CERTIFICATE-----\n",
        "public keys": b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + token(43).encode() + b" a@b\n",
    }


ORDINARY = ordinary()


@pytest.mark.parametrize("what", ORDINARY)
def test_an_ordinary_session_comes_through_as_it_is(what: str) -> None:
    text = ORDINARY[what]
    assert text == sifted(text)
    assert text == sifted(*(text[at : at + 37] for at in range(0, len(text), 37)))


def test_our_own_sources_come_through_but_for_what_is_written_like_a_secret() -> None:
    """Code is the hardest text: it is full of such names, and of their values there are few."""
    folder = Path(__file__).resolve().parents[2] / "src"
    text = b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))
    sieve = Sieve()
    sieve.feed(text)

    assert len(sieve.found) < len(text) / 50_000


ATOMS = st.one_of(
    st.sampled_from([part for text, _ in SHOWN.values() for part in (text.encode(), text[: len(text) // 2].encode(), text[len(text) // 3 :].encode())]),
    st.sampled_from([b"\x1b", b"\x1b[", b"\x1b[31m", b" \r", b"\r\n", b"\0", b"\\", b'"', b"'", b"=", b": ", b"@", b"$("]),
    st.sampled_from([b"A" * 64 + b"\n", b"a" * 250, b"Z" * 4090]),
    st.sampled_from([b"-----BEGIN RSA PRIVATE KEY-----", b"Proc-Type: 4\n", b"password", b"token=", b"Key: ", b"://u:", b"eyJ", b"sk-", b"ghp_"]),
    st.binary(max_size=6),
)


@given(st.lists(ATOMS, max_size=12).map(b"".join), st.lists(st.integers(0, 2000), max_size=10), st.booleans(), st.booleans())
def test_what_is_kept_does_not_depend_on_the_pieces(text: bytes, cuts: list[int], is_typed: bool, is_raw: bool) -> None:
    whole = sifted(text, is_typed=is_typed, ends_at_binary=is_raw)
    assert whole == sifted(*pieces_of(text, [cut for cut in cuts if cut < len(text)]), is_typed=is_typed, ends_at_binary=is_raw)


@given(st.lists(ATOMS, max_size=12).map(b"".join))
def test_every_escape_sequence_and_line_stays(text: bytes) -> None:
    left = sifted(text)
    for kept in (b"\x1b", b"\n", b"\0"):
        assert text.count(kept) == left.count(kept)


@pytest.mark.parametrize(
    "line",
    [
        "password= rm -rf /data", "password=$(rm${IFS}-rf${IFS}/data)", "password=`reboot`", "password=${x:-reboot}", 'password="$(reboot)"',
        "-----BEGIN PRIVATE KEY-----\rrm\rreboot\rls", f"password={'a,' * LONGEST}", f"token={'a' * (LONGEST_TOKEN + 1)}", "token token token",
    ],
)  # fmt: skip
def test_what_somebody_does_is_not_hidden(line: str) -> None:
    text = f"{line}\r".encode()
    assert text == sifted(text, is_typed=True)


@pytest.mark.parametrize(
    ("line", "left"),
    [("PASSWORD=x;reboot", "PASSWORD=[masked];reboot"), ("password=x&reboot", "password=[masked]&reboot"), ("token=x1|sh", "token=[masked]|sh"),
     ("password='a b';reboot", "password='[masked]';reboot")],
)  # fmt: skip
def test_a_command_after_a_value_stays_in_what_was_typed(line: str, left: str) -> None:
    assert f"{left}\r".encode() == sifted(f"{line}\r".encode(), is_typed=True)


def test_after_a_line_that_begins_a_key_only_lines_of_a_key_are_hidden() -> None:
    listing = b"-----BEGIN PRIVATE KEY-----\r\nREADME\r\nsecret-plans\r\n" + b"B" * 64 + b"\r\n" + b"C" * 65 + b"\r\n"
    assert listing == sifted(listing)
    after = b"-----BEGIN PRIVATE KEY-----\r\n" + b"B" * 64 + b"\r\n$ ls\r\nREADME\r\n"
    assert after.replace(b"B" * 64, b"[masked]") == sifted(after)


def test_bytes_that_are_no_text_are_left_alone() -> None:
    """A stream without a terminal is as it was from two zeros in a row on: an archive can still be unpacked."""
    archive = b"x/\0\0\0\0password=hunter2\n"
    assert b"TOKEN=[masked]\n" + archive == sifted(b"TOKEN=abc123\n" + archive, ends_at_binary=True)
    assert b"TOKEN=[masked]\n" + archive.replace(b"hunter2", b"[masked]") == sifted(b"TOKEN=abc123\n" + archive)
