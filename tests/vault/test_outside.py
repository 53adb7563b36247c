"""An outside vault by the same port as our own: the same answers, and its being away, sealed or closed to us is said plainly.

Against a stand-in that speaks the documented API; a live server was not tried.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dockwarden.settings import load_settings
from dockwarden.vault.outside import OutsideVault
from dockwarden.vault.outside_keeper import OutsideKeeper
from dockwarden.vault.outside_kv import Kv, Place
from dockwarden.vault.outside_login import ByRole, ByToken, read_word
from dockwarden.vault.outside_record import as_data, as_value
from dockwarden.words.errors import BadConfig, Hidden, Malformed, Missing, Refused, Unavailable
from dockwarden.words.secret import Secret
from fixtures.certificates import Authority
from fixtures.kv2 import Kv2, standing

from .conftest import Made, put, value
from .test_canaries import shows


def written(file: Path, text: str, mode: int = 0o600) -> Path:
    file.write_text(text + "\n")
    file.chmod(mode)
    return file


@pytest.fixture
def there() -> Iterator[Kv2]:
    with standing() as made:
        yield made


@pytest.fixture
def token_file(there: Kv2, tmp_path: Path) -> Path:
    return written(tmp_path / "token", there.token())


@pytest.fixture
def vault(there: Kv2, token_file: Path) -> Iterator[OutsideVault]:
    made = outside(there, ByToken(token_file))
    yield made
    made.kv.close()


def outside(there: Kv2, by: ByToken | ByRole, **place: Any) -> OutsideVault:
    return OutsideVault(Kv(Place(there.url, **{"timeout_s": 2.0, **place}), by, now=there.now, wall=there.now))


def refused(deed: Callable[[], Any]) -> Refused:
    with pytest.raises(Refused) as raised:
        deed()
    return raised.value


def failed(deed: Callable[[], Any]) -> Refused | None:
    try:
        deed()
    except Refused as error:
        return error
    return None


def code(deed: Callable[[], Any]) -> str:
    return refused(deed).code


# --- the port ---


def seen(vault: Any, path: str) -> Any:
    """All that a caller sees of a path, but times and hashes."""
    try:
        record = vault.record(path)
    except Hidden as error:
        return error.code
    values = {}
    for held in record.versions:
        try:
            values[held.version] = vault.get(path, held.version).value.reveal()
        except Hidden as error:
            values[held.version] = error.code
    held = [(one.version, one.state, one.by, one.size) for one in record.versions]
    return record.labels, held, values


DEEDS = some.lists(
    some.one_of(
        some.tuples(some.just("put"), some.sampled_from(["current", "current", "pending", "previous", "newest"]), some.binary(min_size=0, max_size=6)),
        some.tuples(some.just("label"), some.sampled_from(["current", "pending", "previous"]), some.integers(1, 6)),
        some.tuples(some.sampled_from(["delete", "undelete", "destroy"]), some.frozensets(some.integers(1, 6), max_size=2), some.none()),
    ),
    max_size=9,
)


def done(vault: Any, deed: tuple[Any, ...]) -> Any:
    try:
        match deed:
            case ("put", label, data):
                return vault.put("a/b", Secret(data), "alice", label=label)
            case ("label", label, version):
                return vault.label("a/b", label, version)
            case (name, versions, _):
                return getattr(vault, name)("a/b", versions)
    except Refused as error:
        return type(error), error.code


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(deeds=DEEDS)
def test_it_answers_as_our_own_vault_does(make: Callable[[], Made], there: Kv2, vault: OutsideVault, deeds: list[tuple[Any, ...]]) -> None:
    """Whatever is done, in whatever order: the same versions, states, labels, values and refusals."""
    own = make().vault
    there.secrets.clear()
    for deed in deeds:
        assert done(own, deed) == done(vault, deed), deed
        assert seen(own, "a/b") == seen(vault, "a/b"), deed


def test_paths_are_listed_in_the_order_and_pages_of_our_own(made: Made, there: Kv2, vault: OutsideVault) -> None:
    paths = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a/b.c", "a0", "b/c/d/e", "people/alice/x"]
    for path in paths:
        put(made.vault, "x", path)
        put(vault, "x", path)  # type: ignore[arg-type]  # it has the same port
    there.write("not a path/of ours", {"value": "x"})
    for prefix in ("", "a", "a/", "a/b", "b/", "b/c/d", "p", "none/", "people/alice/x", "a b/", "../", "a/../"):
        for after in ("", "a-b", "a/b", "a/b/c", "zz"):
            for limit in (1, 2, 1000):
                assert made.vault.paths(prefix, after, limit) == vault.paths(prefix, after, limit), (prefix, after, limit)


@pytest.mark.parametrize("prefix", ["../../auth/token/accessors/", "..", "a/../../x/", "?list=true/", "%2e%2e/"])
def test_no_prefix_leads_our_token_out_of_the_mount(there: Kv2, vault: OutsideVault, prefix: str) -> None:
    vault.paths(prefix)

    assert all(call == "GET auth/token/lookup-self" or call == "LIST secret/metadata" for call in there.calls)


@pytest.mark.parametrize("path", ["../x", "a/../b", "/a", "a//b", "a?version=1", "a b", ""])
def test_what_is_no_path_is_not_asked_for(there: Kv2, vault: OutsideVault, path: str) -> None:
    assert "vault.path" == code(lambda: vault.get(path))
    assert "vault.path" == code(lambda: vault.put(path, Secret(b"x"), "alice"))
    assert [] == there.calls


def test_all_is_below_the_prefix_in_the_mount_and_the_namespace(tmp_path: Path) -> None:
    with standing(mount="kv/docker", namespace="team") as there:
        by = ByToken(written(tmp_path / "token", there.token()))
        vault = outside(there, by, mount="kv/docker", prefix="hosts/one", namespace="team")
        put(vault, "x", "a/b")  # type: ignore[arg-type]  # it has the same port
        there.write("hosts/two/c", {"value": "another's"})

        assert {"hosts/one/a/b", "hosts/two/c"} == set(there.secrets)
        assert (["a/b"], "x") == (vault.paths(), value(vault, "a/b"))  # type: ignore[arg-type]  # it has the same port
        assert "vault.outside_mount" == code(lambda: outside(there, by, mount="kv/docker").record("a/b"))
        assert "vault.outside_mount" == code(lambda: outside(there, by, mount="other", namespace="team").record("a/b"))


# --- values ---


@pytest.mark.parametrize("kept", [b"x", b"two\nlines", "grüße \U0001f511".encode(), b"\x00", b"\xff\x00\xfe", bytes(range(256)), b"a" * (1 << 20)], ids=len)
def test_a_value_comes_back_byte_for_byte(there: Kv2, vault: OutsideVault, kept: bytes) -> None:
    vault.put("a/b", Secret(bytes(kept)), "alice")

    assert kept == vault.get("a/b").value.reveal()
    assert kept == as_value("a/b", as_data(kept))
    assert {"value"} == set(there.secrets["a/b"].data[1]) or b"\xff" in kept


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"password": "theirs"}, b"theirs"),
        ({"value_base64": "/w=="}, b"\xff"),
        ({"value_base64": "no base64"}, "no base64"),
        ({"value_base64": "/w==", "value": "x"}, "2 keys"),
        ({"user": "u", "password": "p"}, "2 keys"),
        ({}, "0 keys"),
        ({"port": 5432}, "no text"),
        ({"value": None}, "no text"),
        ({"value": {"a": "b"}}, "no text"),
        ({"value": ""}, "0 bytes"),
        ({"value": "a" * ((1 << 20) + 1)}, "bytes"),
    ],
)
def test_what_others_wrote_is_read_if_it_is_one_text(there: Kv2, vault: OutsideVault, data: dict[str, Any], expected: bytes | str) -> None:
    there.write("a/b", data)

    if isinstance(expected, bytes):
        assert expected == vault.get("a/b").value.reveal()
    else:
        error = refused(lambda: vault.get("a/b"))
        assert (Missing, "vault.outside_shape", True) == (type(error), error.code, expected in error.message)


# --- labels, with others who write there ---


def test_what_others_write_later_is_current_and_what_waits_goes_on_waiting(there: Kv2, vault: OutsideVault) -> None:
    there.write("a/b", {"value": "one"})
    assert {"current": 1} == vault.record("a/b").labels
    vault.put("a/b", Secret(b"two, waits"), "alice", label="pending")
    assert {"current": 1, "pending": 2} == vault.record("a/b").labels
    there.write("a/b", {"value": "three"})

    assert {"current": 3, "previous": 1, "pending": 2} == vault.record("a/b").labels
    vault.label("a/b", "current", 1)
    assert {"current": 1, "previous": 3, "pending": 2} == vault.record("a/b").labels
    there.write("a/b", {"value": "four"})
    assert b"four" == vault.get("a/b").value.reveal()


def test_others_custom_metadata_and_settings_of_a_path_stay(there: Kv2, vault: OutsideVault) -> None:
    there.write("a/b", {"value": "one"})
    kept = there.secrets["a/b"]
    kept.custom, kept.delete_version_after, kept.max_versions, kept.cas_required = {"team": "shop"}, "3h25m19s", 25, True
    vault.put("a/b", Secret(b"two"), "alice")
    vault.label("a/b", "current", 1)

    assert ("shop", "3h25m19s", 25, True) == ((kept.custom or {})["team"], kept.delete_version_after, kept.max_versions, kept.cas_required)


def test_versions_that_the_other_vault_drops_are_gone_and_their_notes_with_them(there: Kv2, vault: OutsideVault) -> None:
    for number in range(1, 61):
        assert number == vault.put("a/b", Secret(str(number).encode()), "é" * 600)

    record = vault.record("a/b")
    assert (list(range(51, 61)), 60) == ([held.version for held in record.versions], record.labels["current"])
    assert 12 == len(there.secrets["a/b"].custom or {})
    assert "vault.absent_version" == code(lambda: vault.get("a/b", 50))


def test_a_version_is_deleted_when_its_time_has_come_and_though_clocks_differ(there: Kv2, vault: OutsideVault) -> None:
    for number in (1, 2, 3):
        there.write("a/b", {"value": str(number)})
    there.skew = 20.0
    there._state("delete", "a/b", [3])
    ahead = OutsideVault(vault.kv)
    there.secrets["a/b"].versions[1]["deletion_time"] = "2999-01-01T00:00:00.123456789Z"

    assert ["live", "live", "deleted"] == [held.state.value for held in ahead.record("a/b").versions]
    assert b"2" == ahead.get("a/b").value.reveal()


@pytest.mark.parametrize("text", ["{", "{}", '{"at":"x","labels":{}}', '{"at":1,"labels":{"current":"1"}}'])
def test_labels_that_cannot_be_read_refuse(there: Kv2, vault: OutsideVault, text: str) -> None:
    there.write("a/b", {"value": "one"})
    there.secrets["a/b"].custom = {"dockwarden.labels": text}

    assert "vault.outside_answer" == code(lambda: vault.get("a/b"))


def test_a_version_that_waits_never_becomes_current_by_a_crash(there: Kv2, vault: OutsideVault) -> None:
    """Cut after each call of a put, and of what deletes and brings back: what is delivered is what was, or what was meant."""
    for at in range(1, 4):
        there.secrets.clear()
        there.write("a/b", {"value": "one"})
        calls = len(there.calls)
        whole = outside(there, ByToken(Path(vault.kv._by.file)))  # type: ignore[union-attr]  # it is by token
        send, count = whole.kv._send, [0]

        def cut(call: Any, *more: Any, send: Any = send, count: list[int] = count, at: int = at) -> Any:
            count[0] += 1
            if count[0] > at + 1:  # the first is the look at the token
                raise Unavailable("vault.outside_away", "cut")
            return send(call, *more)

        whole.kv._send = cut  # type: ignore[method-assign]  # the fault
        with contextlib.suppress(Refused):
            whole.put("a/b", Secret(b"waits"), "alice", label="pending")
        assert len(there.calls) > calls
        assert b"one" == vault.get("a/b").value.reveal(), at


def test_two_that_write_at_once_both_get_a_version(there: Kv2, vault: OutsideVault) -> None:
    vault.put("a/b", Secret(b"one"), "alice")
    put, late = vault.kv.put, [1]

    def raced(path: str, data: Any, newest: int) -> int | None:
        if late.pop() if late else 0:
            there.write("a/b", {"value": "another's"})
        return put(path, data, newest)

    vault.kv.put = raced  # type: ignore[method-assign]  # the fault
    assert 3 == vault.put("a/b", Secret(b"mine"), "alice", label="pending")
    assert {"current": 2, "previous": 1, "pending": 3} == vault.record("a/b").labels


def test_a_put_that_is_refused_leaves_the_labels_as_they_were(there: Kv2, vault: OutsideVault) -> None:
    vault.put("a/b", Secret(b"one"), "alice")
    before = dict(there.secrets["a/b"].custom or {})
    there.forbidden.add("secret/data")

    assert "vault.outside_forbidden" == code(lambda: vault.put("a/b", Secret(b"two"), "alice", label="pending"))
    assert before == there.secrets["a/b"].custom


# --- tokens ---


def test_a_token_is_renewed_ahead_of_its_end_and_again(there: Kv2, tmp_path: Path) -> None:
    name = there.token(60)
    vault = outside(there, ByToken(written(tmp_path / "t", name)))
    vault.kv.tend()
    for _ in range(5):
        wait_s = vault.kv.tend()
        assert 30 < wait_s < 60
        there.skew += wait_s + 0.1
    vault.kv.tend()

    assert there.calls.count("POST auth/token/renew-self") == 5
    assert there.tokens[name].ends > there.now() + 30


def test_a_role_logs_in_anew_when_renewing_gives_no_more_time(there: Kv2, tmp_path: Path) -> None:
    there.role("web", "s3cret-id", ttl=60, max_s=100)
    there.write("a/b", {"value": "x"})
    vault = outside(there, ByRole("web", written(tmp_path / "id", "s3cret-id")))
    for _ in range(20):
        there.skew += vault.kv.tend() + 0.1
        assert b"x" == vault.get("a/b").value.reveal()

    assert 2 <= there.calls.count("POST auth/approle/login") < 20


def test_a_token_that_was_revoked_is_got_anew_and_the_call_is_done(there: Kv2, tmp_path: Path) -> None:
    there.role("web", "s3cret-id")
    there.write("a/b", {"value": "x"})
    vault = outside(there, ByRole("web", written(tmp_path / "id", "s3cret-id")))
    assert b"x" == vault.get("a/b").value.reveal()
    there.tokens.clear()

    assert b"x" == vault.get("a/b").value.reveal()


def test_a_token_that_ended_is_said_until_the_file_has_another(there: Kv2, tmp_path: Path) -> None:
    there.write("a/b", {"value": "x"})
    file = written(tmp_path / "t", there.token(60, renewable=False))
    vault = outside(there, ByToken(file))
    assert b"x" == vault.get("a/b").value.reveal()
    there.skew += 61
    error = refused(lambda: vault.get("a/b"))
    assert ("vault.outside_token", True) == (error.code, str(file) in error.message)
    written(file, there.token(60))

    assert b"x" == vault.get("a/b").value.reveal()


def test_renewing_that_fails_leaves_the_token_until_it_ends(there: Kv2, tmp_path: Path) -> None:
    there.write("a/b", {"value": "x"})
    vault = outside(there, ByToken(written(tmp_path / "t", there.token(60))))
    vault.kv.tend()
    there.skew += 45
    there.forced = [(500, {"errors": []}), (500, {"errors": []})]
    assert b"x" == vault.get("a/b").value.reveal()
    there.skew += 10
    assert b"x" == vault.get("a/b").value.reveal()
    assert there.calls.count("POST auth/token/renew-self") == 2


@pytest.mark.parametrize(("text", "mode"), [("hvs.x", 0o640), ("hvs.x", 0o604), ("", 0o600), ("two words", 0o600), ("a\r\nX-Vault-Token: b", 0o600)])
def test_a_file_that_others_can_read_or_that_holds_no_word_is_refused(there: Kv2, tmp_path: Path, text: str, mode: int) -> None:
    file = written(tmp_path / "t", text, mode)

    with pytest.raises(BadConfig):
        read_word(file)
    assert "vault.outside_token" == code(lambda: outside(there, ByToken(file)).record("a/b"))
    assert "vault.outside_token" == code(lambda: outside(there, ByRole("r", file)).record("a/b"))
    assert [] == there.calls


def test_a_file_that_is_a_link_or_absent_is_refused(there: Kv2, tmp_path: Path, token_file: Path) -> None:
    (tmp_path / "link").symlink_to(token_file)
    for name in ("link", "absent"):
        assert "vault.outside_token" == code(lambda name=name: outside(there, ByToken(tmp_path / name)).record("a/b"))  # type: ignore[misc]  # a default


def test_a_wrong_secret_id_and_a_token_that_is_none_are_said(there: Kv2, tmp_path: Path) -> None:
    assert "vault.outside_token" == code(lambda: outside(there, ByRole("web", written(tmp_path / "id", "wrong"))).record("a/b"))
    assert "vault.outside_token" == code(lambda: outside(there, ByToken(written(tmp_path / "t", "hvs.none"))).record("a/b"))


def test_nothing_of_the_environment_is_used(there: Kv2, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "VAULT_ADDR"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.wrong")
    monkeypatch.setenv("VAULT_NAMESPACE", "wrong")

    assert 1 == outside(there, ByToken(token_file)).put("a/b", Secret(b"x"), "alice")


# --- faults ---

FAULTS: list[tuple[str, Callable[[Kv2], Any]]] = [
    ("vault.outside_away", lambda there: there.stop()),
    ("vault.outside_away", lambda there: setattr(there, "delay_s", 3.0)),
    ("vault.outside_away", lambda there: there.lost.update({"GET secret/metadata/a/b", "POST secret/data/a/b"})),
    ("vault.outside_sealed", lambda there: setattr(there, "is_sealed", True)),
    ("vault.outside_sealed", lambda there: setattr(there, "forced", [(501, {"errors": []})])),
    ("vault.outside_busy", lambda there: setattr(there, "forced", [(429, {"errors": ["request path rate limit quota exceeded"]})])),
    ("vault.outside_failed", lambda there: setattr(there, "forced", [(500, {"errors": ["internal error"]})])),
    ("vault.outside_failed", lambda there: setattr(there, "forced", [(502, b"<html>bad gateway")])),
    ("vault.outside_moved", lambda there: setattr(there, "redirect", "http://127.0.0.1:9")),
    ("vault.outside_forbidden", lambda there: there.forbidden.update({"secret/"})),
    ("vault.outside_answer", lambda there: setattr(there, "forced", [(200, b"<html>welcome")])),
    ("vault.outside_answer", lambda there: setattr(there, "forced", [(200, {"data": {"versions": {"x": {}}, "current_version": 1}})])),
    ("vault.outside_mount", lambda there: setattr(there, "forced", [(404, {"errors": ["no handler for route"]})])),
]


@pytest.mark.parametrize(("expected", "fault"), FAULTS)
def test_every_fault_is_said_in_our_words_and_is_over_when_it_is_over(there: Kv2, token_file: Path, expected: str, fault: Callable[[Kv2], Any]) -> None:
    """Nothing is given, nothing of values, tokens or what the other vault said is in the error or its chain, and afterwards all is well."""
    canary = "canary-" + secrets.token_hex(8)
    vault = outside(there, ByToken(token_file), timeout_s=1.0)
    vault.put("a/b", Secret(canary.encode()), "alice")
    fault(there)
    error = refused(lambda: vault.get("a/b"))

    assert (Unavailable, expected, 503) == (type(error), error.code, error.status)
    assert "the outside vault" in error.message
    for hidden in (canary.encode(), token_file.read_text().strip().encode()):
        assert not shows(hidden, error, *chain(error))
    assert "internal error" not in "".join(traceback.format_exception(error))
    there.delay_s, there.is_sealed, there.redirect, there.forced = 0.0, False, "", []
    there.lost.clear()
    there.forbidden.clear()
    if there._server is None:
        there.start()
    assert canary.encode() == vault.get("a/b").value.reveal()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        assert error.__context__ is None or isinstance(error.__context__, Refused)
        yield error
        error = error.__context__


@pytest.mark.parametrize("lost", ["POST secret/data/a/b", "POST secret/metadata/a/b", "POST secret/delete/a/b"])
def test_no_failed_write_shows_the_value(there: Kv2, vault: OutsideVault, lost: str) -> None:
    canary = "canary-" + secrets.token_hex(8)
    vault.put("a/b", Secret(b"one"), "alice")
    there.lost.add(lost)
    for deed in (
        lambda: vault.put("a/b", Secret(canary.encode()), "alice", label="pending"), lambda: vault.delete("a/b"),
        lambda: vault.put("a/b", Secret(b"\xff" + canary.encode()), "alice"), lambda: vault.put("../a", Secret(canary.encode()), "alice"),
    ):  # fmt: skip
        error = failed(deed)
        assert not shows(canary.encode(), *chain(error))
        assert base64.b64encode(b"\xff" + canary.encode()).decode() not in repr(error)
        assert error is None or "vault.outside_away" != error.code or "not known" in error.message


def test_nothing_that_holds_a_token_or_value_prints_it(there: Kv2, vault: OutsideVault, token_file: Path) -> None:
    there.write("a/b", {"value": "canary-0451"})
    vault.get("a/b")
    answer = vault.kv._look("a/b", lambda: vault.kv._kv.read_secret_version("a/b", raise_on_deleted_version=True))
    for held in (vault, vault.kv, vault.kv.lease, vault.kv.place, vault.kv._by, answer, vault.kv._session):
        assert not shows(token_file.read_text().strip().encode(), repr(held))
        assert "canary" not in repr(held)


def test_certificates_are_checked(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), tmp_path / "other"
    authority.sign("localhost")
    other.mkdir()
    Authority(other)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "localhost.pem", tmp_path / "localhost-key.pem")
    with standing(tls=tls) as there:
        by = ByToken(written(tmp_path / "token", there.token()))
        assert 1 == outside(there, by, ca=tmp_path / "ca.pem").put("a/b", Secret(b"x"), "alice")
        calls = len(there.calls)
        for ca in (other / "ca.pem", None, tmp_path / "absent.pem", tmp_path / "token"):
            assert "vault.outside_tls" == code(lambda ca=ca: outside(there, by, ca=ca).record("a/b"))  # type: ignore[misc]  # a default
        wrong_name = OutsideVault(Kv(Place(there.url.replace("localhost", "127.0.0.1"), ca=tmp_path / "ca.pem"), by))
        assert "vault.outside_tls" == code(lambda: wrong_name.record("a/b"))
        assert calls == len(there.calls)


# --- the keeper ---


async def test_the_keeper_says_where_it_is_how_it_stands_and_keeps_the_token_alive(there: Kv2, tmp_path: Path) -> None:
    name = there.token(3)
    kv = Kv(Place(there.url, prefix="hosts"), ByToken(written(tmp_path / "t", name)))
    keeper = OutsideKeeper(kv)
    await keeper.open()
    said = await keeper.status()
    assert (True, False, "", True, True) == (said["answers"], said["sealed"], said["trouble"], said["token"]["accepted"], said["token"]["renewable"])
    assert said["token"]["ends"].startswith("20")
    await asyncio.sleep(4.5)
    assert there.tokens[name].ends > there.now()
    assert 1 == await keeper.run(lambda vault: vault.put("a/b", Secret(b"x"), "alice"))
    assert b"x" == await asyncio.to_thread(lambda: keeper.run_here(lambda vault: vault.get("a/b").value.reveal()))

    there.is_sealed = True
    assert (True, True) == ((said := await keeper.status())["answers"], said["sealed"])
    there.stop()
    said = await keeper.status()
    assert (False, "vault.outside_away") == (said["answers"], code(lambda: keeper.run_here(lambda vault: vault.record("a/b"))))
    assert "does not answer" in said["trouble"]
    await keeper.close()
    assert kv.lease is None


async def test_a_vault_that_is_away_at_the_start_is_used_once_it_is_there(there: Kv2, token_file: Path) -> None:
    there.stop()
    keeper = OutsideKeeper(Kv(Place(there.url, timeout_s=1.0), ByToken(token_file)))
    await keeper.open()
    assert "does not answer" in keeper.trouble
    there.start()
    assert 1 == await keeper.run(lambda vault: vault.put("a/b", Secret(b"x"), "alice"))
    assert ("", True) == ((said := await keeper.status())["trouble"], said["answers"])
    await keeper.close()


# --- settings ---

ENGINE = '[engine]\naddress = "unix:///run/docker.sock"\n[vault]\n'
TOKEN = 'token_file = "t"\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('outside = "http://vault.corp.test:8200"\n' + TOKEN, "write https://"),
        ('outside = "vault:8200"\n' + TOKEN, "is no address"),
        ('outside = "https://user:pw@vault:8200"\n' + TOKEN, "is no address"),
        ('outside = "https://vault:8200/v1"\n' + TOKEN, "is no address"),
        ('outside = "https://vault:8200?x"\n' + TOKEN, "is no address"),
        ('outside = "https://vault:8200"\n', "needs token_file, or role_id"),
        ('outside = "https://vault:8200"\nrole_id = "r"\n', "needs token_file, or role_id"),
        ('outside = "https://vault:8200"\nrole_id = "r"\nsecret_id_file = "s"\n' + TOKEN, "not both"),
        ('outside = "https://vault:8200"\nmount = "../sys"\n' + TOKEN, "mount and prefix"),
        ('outside = "https://vault:8200"\nprefix = "a/../b"\n' + TOKEN, "mount and prefix"),
        ('outside = "https://vault:8200"\ntimeout_s = 0\n' + TOKEN, "> 0"),
        (TOKEN, "need outside"),
    ],
)
def test_what_cannot_be_meant_refuses_to_start(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "dockwarden.toml").write_text(ENGINE + text)

    with pytest.raises(BadConfig) as raised:
        load_settings(tmp_path / "dockwarden.toml")
    assert what in str(raised.value)
    assert "[vault]" in str(raised.value)


@pytest.mark.parametrize("url", ["https://vault:8200", "https://10.0.0.1/", "https://[2001:db8::1]:8200", "http://127.0.0.1:8200", "http://[::1]:8200"])
def test_what_can_be_meant_is_read(tmp_path: Path, url: str) -> None:
    (tmp_path / "dockwarden.toml").write_text(f'{ENGINE}outside = "{url}"\nrole_id = "r"\nsecret_id_file = "s"\nmount = "kv/a"\nprefix = "b"\n')

    assert url == load_settings(tmp_path / "dockwarden.toml").vault.outside


def test_labels_have_the_names_that_ours_have(vault: OutsideVault) -> None:
    vault.put("a/b", Secret(b"x"), "alice")
    error = refused(lambda: vault.label("a/b", "newest", 1))
    assert (Malformed, "vault.label") == (type(error), error.code)
