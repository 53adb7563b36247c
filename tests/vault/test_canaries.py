"""No error, log, trace or answer shows a value: canaries are planted, every error that we know how to make is made, and all is searched."""

from __future__ import annotations

import base64
import os
import secrets
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dockwarden.doors.control.secrets import Get, Put
from dockwarden.doors.control.vault import Rekey, Unseal
from dockwarden.doors.volumes.secrets import Given, Secrets
from dockwarden.engine.delivery import Delivery, File
from dockwarden.vault import seals
from dockwarden.vault.faults import Sealed
from dockwarden.vault.keyring import new_keyring
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.secret import Secret

from .conftest import Made, put


def canary() -> bytes:
    return b"canary-" + secrets.token_hex(16).encode()


def shows(value: bytes, *things: object) -> bool:
    """Whether `value` is in what any of `things` prints, in any of the forms that it could take."""
    text = "".join(repr(thing) + str(thing) + "".join(traceback.format_exception(thing) if isinstance(thing, BaseException) else ()) for thing in things)
    text += "".join(repr(vars(thing)) for thing in things if hasattr(thing, "__dict__"))
    forms = (value.decode(), base64.b64encode(value).decode()[:-4], value.hex(), repr(value)[2:-1])
    return any(form in text for form in forms)


def caught(deed: Callable[[], Any]) -> BaseException:
    with pytest.raises((Refused, BadConfig, ValueError, TypeError, msgspec.DecodeError, OSError)) as raised:
        deed()
    return raised.value


def test_the_search_finds_what_is_shown() -> None:
    value = canary()

    assert shows(value, ValueError(value.decode()))
    assert shows(value, [base64.b64encode(value).decode()])
    assert shows(value, {"x": value})


def deeds(made: Made, value: bytes) -> Iterator[tuple[str, Callable[[], Any]]]:
    vault, secret = made.vault, Secret(value)
    yield "no path", lambda: vault.put("../etc", secret, "alice")
    yield "no label", lambda: vault.put("a/b", secret, "alice", label="newest")
    yield "too long", lambda: vault.put("a/b", Secret(value * (1 << 16)), "alice")
    yield "no passphrase", lambda: seals.checked_passphrase(Secret(value[:5]))
    yield "no share", lambda: seals.combine([value.decode()])
    yield "wrong key", lambda: vault.unseal(value[:32])
    yield "wrong passphrase", lambda: vault.unseal(seals.passphrase_key(seals.new_passphrase_seal(), secret))
    yield "wrong how", lambda: seals.read_how(value.decode())
    yield "pickled", lambda: secret.__reduce_ex__(4)


def test_no_error_of_the_vault_shows_a_value(made: Made) -> None:
    value = canary()
    for name, deed in deeds(made, value):
        assert not shows(value, caught(deed)), name


def test_no_error_shows_what_is_stored_when_it_does_not_open(made: Made) -> None:
    value = canary()
    put(made.vault, value.decode(), "a/b")
    for sql in ("UPDATE version SET sealed = wrapped", "UPDATE version SET term = 9", "UPDATE record SET row = x'00'", "DROP TABLE version"):
        made.store._run("SAVEPOINT s")
        made.store._run(sql)
        with pytest.raises(Exception) as raised:  # noqa: PT011  of every kind there is
            made.vault.get("a/b")
        assert not shows(value, raised.value), sql
        made.store._run("ROLLBACK TO s")
        made.store._run("RELEASE s")
    made.log.fails = True
    assert not shows(value, caught(lambda: made.vault.put("a/b", Secret(value), "alice")))
    made.vault.seal()
    with pytest.raises(Sealed) as sealed:
        made.vault.put("a/b", Secret(value), "alice")
    assert not shows(value, sealed.value)


def test_nothing_that_holds_a_value_prints_it(made: Made) -> None:
    value = canary()
    text = value.decode()
    for held in (
        Secret(value), Given(1, Secret(value)), Put(path="a/b", value=value), Unseal(passphrase=value, share=text), Rekey(by="passphrase", passphrase=value),
        made.vault, new_keyring("", lambda count: value[:count].ljust(count, b"x")),
    ):  # fmt: skip
        assert not shows(value, held) or isinstance(held, Put | Unseal | Rekey), held
        assert text not in repr(held), type(held)
        assert text not in f"{held}", type(held)
    assert text not in repr(Get(path="a/b"))


@pytest.mark.parametrize("body", [{"path": 3}, {"path": "a/b", "value": 7}, {"path": "a/b", "value": "not base64!"}, {"value": "eA=="}, {"more": 1}])
def test_no_refusal_of_a_body_repeats_what_was_in_it(body: dict[str, Any]) -> None:
    value = canary()
    sent = msgspec.json.encode({**body, "note": value.decode()})

    assert not shows(value, caught(lambda: msgspec.json.decode(sent, type=Put)))


def test_no_failed_delivery_shows_or_leaves_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = canary()
    kind = Secrets(tmp_path / "secrets", lambda _delivery, files: [Given(1, Secret(bytes(bytearray(value)))) for _ in files])
    options = Delivery((File("A", "a/b"), File("B", "a/c")), "alice", "{}", 1000, 1000).options()
    monkeypatch.setattr(Secrets, "_mount", lambda self: self._folder.mkdir(exist_ok=True))
    for broken in ("fchown", "rename", "fchmod"):
        with monkeypatch.context() as patched:
            patched.setattr(f"dockwarden.doors.volumes.secrets.os.{broken}", lambda *_a, **_k: (_ for _ in ()).throw(OSError(28, "no space")))
            assert not shows(value, caught(lambda: kind.open("v" * 8, options)))
        assert [] == list((tmp_path / "secrets").iterdir())
    os.close(kind.open("v" * 8, options).fd)
    assert {"A", "B"} == {file.name for file in (tmp_path / "secrets" / ("v" * 8)).iterdir()}
