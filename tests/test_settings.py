"""Options are closed: what cannot be meant refuses to start, and says what to do."""

from pathlib import Path

import pytest

from dockwarden.settings import load_settings
from dockwarden.words.errors import BadConfig

ENGINE = '[engine]\naddress = "unix:///run/docker.sock"\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "dockwarden.toml"
    file.write_text(text)
    return file


def test_a_file_that_names_only_the_engine_has_one_door_beside_itself(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, ENGINE))

    assert [f"unix://{tmp_path}/docker.sock"] == [door.listen for door in settings.doors]
    assert tmp_path / "state" / "ledger" == settings.ledger_dir


def test_a_named_door_is_read(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, ENGINE + '[[door]]\nkind = "docker"\nlisten = "unix:///run/t.sock"\nas = "traefik"\n'))

    assert ["traefik"] == [door.as_ for door in settings.doors]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[engine]\naddres = "unix:///x"\n', "addres"),
        (ENGINE + "[limits]\nheader_byte = 3\n", "did you mean `header_bytes`?"),
        (ENGINE + "observ = true\n", "observ"),
        (ENGINE.replace("unix", "http"), "write unix:///absolute/path"),
        (ENGINE + '[[door]]\nlisten = "tcp://0.0.0.0:2375"\n', "proves nobody's identity"),
        (ENGINE + '[[door]]\nlisten = "tcp://0.0.0.0:2375"\nas = "ci"\n', "proves nobody's identity"),
        (ENGINE + '[[door]]\nlisten = "unix:///x"\ncertificate = "c.pem"\n', "TLS needs tcp://"),
        (ENGINE + '[binds]\nroots = ["/"]\n', "cannot be a root"),
        (ENGINE + '[binds]\nroots = ["work"]\n', "cannot be a root"),
        ('file = "x"\n' + ENGINE, "unknown option `file`"),
        ("[engine\n", "is not TOML"),
        ("", "missing option `engine`"),
        (ENGINE + "observe = true\n", "[engine]: unknown option `observe`; `observe` stands at the top of the file, above the first [table]"),
        (ENGINE + '[[door]]\nlisten = "unix:///x"\nobserve = true\n', "door 1: unknown option `observe`; `observe` stands at the top"),
        ("lock = true\n" + ENGINE, "unknown option `lock`; `lock` is an option of [engine]"),
        (ENGINE + "[limits]\nroots = []\n", "[limits]: unknown option `roots`; `roots` is an option of [binds]"),
        (ENGINE + "[limits]\nnothing_like_it = 3\n", "[limits]: unknown option `nothing_like_it`; there are answer_bytes, body_bytes"),
        (ENGINE + "[limit]\nidle_s = 3\n", "unknown option `limit`; did you mean `limits`?"),
        (ENGINE + '[door]\nlisten = "unix:///x"\n', "write [[door]], with two brackets"),
        (ENGINE + '[[door]]\nkind = "docker"\n', "door 1: missing option `listen`"),
        (ENGINE + '[[door]]\nlisten = "unix:///x"\nkind = "dokcer"\n', 'door 1 kind: Invalid enum value \'dokcer\'; write one of: "docker", "ssh", "tapes"'),
        (ENGINE + '[[door]]\nkind = "tapes"\nas = "player"\nlisten = "tcp://127.0.0.1:8443"\n', "door 1: tapes go over tcp with TLS alone"),
        (ENGINE + '[operate]\nlog_level = "verbose"\n', '[operate] log_level: Invalid enum value \'verbose\'; write one of: "debug", "info", "warning", "error"'),
        (ENGINE + 'unknown = "pass"\n', 'write one of: "refuse", "drop"'),
        (ENGINE + '[operate]\nlisten = "0.0.0.0:9351"\n', "[operate] listen: '0.0.0.0:9351' is not on loopback"),
        (ENGINE + 'plugin = "../x"\n', "is no plugin's name"),
        (ENGINE + '[binds]\nroots = ["/srv/.."]\n', "cannot be a root"),
        (ENGINE + f'[[door]]\nlisten = "unix:///{"x" * 107}"\n', "too long for a socket"),
        (ENGINE + '[[door]]\nlisten = "unix:///x"\n[[door]]\nlisten = "unix:///x"\nas = "ci"\n', "unix:///x is named twice"),
    ],
)
def test_what_cannot_be_meant_refuses_to_start_and_names_the_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load_settings(write(tmp_path, text))

    assert what in str(caught.value)


@pytest.mark.parametrize("mode", ["660", "0o660", "432", '"rw-rw----"', '"660 "', '"06600"', '"0888"', '""'])
def test_a_mode_that_is_not_octal_text_is_refused(tmp_path: Path, mode: str) -> None:
    """A number would be read in tens: 660 is 0o1224."""
    with pytest.raises(BadConfig, match='mode = "0660"'):
        load_settings(write(tmp_path, ENGINE + f'[[door]]\nlisten = "unix:///x"\nmode = {mode}\n'))


@pytest.mark.parametrize("mode", ["0660", "660", "0o660"])
def test_a_mode_is_octal_text(tmp_path: Path, mode: str) -> None:
    settings = load_settings(write(tmp_path, ENGINE + f'[[door]]\nlisten = "unix:///x"\nmode = "{mode}"\n'))

    assert 0o660 == int(settings.doors[0].mode, 8)


@pytest.mark.parametrize("option", ["header_bytes", "body_bytes", "connections", "header_timeout_s", "idle_s", "answer_bytes"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_limit_of_nothing_is_refused(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(BadConfig, match=rf"\[limits\] {option}: Expected"):
        load_settings(write(tmp_path, ENGINE + f"[limits]\n{option} = {value}\n"))


def test_a_drain_of_no_time_may_be_meant_and_one_of_less_not(tmp_path: Path) -> None:
    assert 0 == load_settings(write(tmp_path, ENGINE + "[limits]\ndrain_s = 0\n")).limits.drain_s
    with pytest.raises(BadConfig, match="drain_s"):
        load_settings(write(tmp_path, ENGINE + "[limits]\ndrain_s = -1\n"))


def test_observe_at_the_top_is_read(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "observe = true\n" + ENGINE)).observe


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="dockwarden init"):
        load_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('store = "http://x"\nstore_secret = "a"', "write s3://BUCKET"),
        ('store = "s3://b/../c"\nstore_secret = "a"', "write s3://BUCKET"),
        ('store = "s3://bucket"', "needs store_secret or store_key_file"),
        ('store = "s3://bucket"\nstore_secret = "a"\nstore_key_file = "b"', "and not both"),
        ('store = "s3://bucket"\nstore_secret = "a"\nstore_endpoint = "http://10.0.0.1:9000"', "which everyone between can read"),
        ('store = "s3://bucket"\nstore_secret = "a"\nstore_endpoint = "https://h/x"', "store_endpoint is no address"),
        ("local_days = 3", "local_days needs store"),
        ("retain_days = -1", ">= 0"),
    ],
)
def test_a_store_of_tapes_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadConfig) as refused:
        load_settings(write(tmp_path, f"{ENGINE}[tapes]\n{text}\n"))

    assert says in str(refused.value)
