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
    ],
)
def test_what_cannot_be_meant_refuses_to_start_and_names_the_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load_settings(write(tmp_path, text))

    assert what in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="dockwarden init"):
        load_settings(tmp_path / "none.toml")
