"""What accounts may use, answered by the kernel: needs root, and files of other accounts."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwarden.access.host_files import NotThere, NoWay, describe_source, open_source
from dockwarden.engine.known import BindSource
from dockwarden.words.errors import Broken, Forbidden
from dockwarden.words.principal import Account

ALICE = Account(20001, 20001, (30000,))
BOB = Account(20002, 20002)
ROOT = Account(0, 0)
ACL = struct.Struct("<HHI")
NO_ID = 0xFFFFFFFF


@pytest.fixture
def root() -> Iterator[Path]:
    """A bind root that every account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="dwroot", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def make(path: Path, mode: int, uid: int = 0, gid: int = 0, *, is_dir: bool = False) -> Path:
    if is_dir:
        path.mkdir()
    else:
        path.write_text("content")
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def acl(path: Path, *entries: tuple[int, int, int]) -> None:
    """Give `path` an ACL: (tag, permissions, id) beside owner `rwx`, group and others nothing, mask everything."""
    rows = [(0x01, 7, NO_ID), *entries, (0x04, 0, NO_ID), (0x10, 7, NO_ID), (0x20, 0, NO_ID)]
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(ACL.pack(*row) for row in sorted(rows)))


def look(path: Path, root: Path, account: Account | None = ALICE) -> BindSource:
    return describe_source(str(path), [str(root)], account)


def rights(path: Path, root: Path, account: Account | None = ALICE) -> tuple[bool, bool]:
    source = look(path, root, account)
    return source.can_read, source.can_write


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "expected"),
    [
        (0o600, ALICE.uid, 0, (True, True)),
        (0o400, ALICE.uid, 0, (True, False)),
        (0o200, ALICE.uid, 0, (False, False)),
        (0o066, ALICE.uid, 0, (False, False)),
        (0o060, 0, ALICE.gid, (True, True)),
        (0o040, 0, 30000, (True, False)),
        (0o060, 0, 30001, (False, False)),
        (0o606, 0, 30000, (False, False)),
        (0o666, 0, 0, (True, True)),
        (0o604, 0, 0, (True, False)),
        (0o600, 0, 0, (False, False)),
        (0o600, BOB.uid, 0, (False, False)),
    ],
)
def test_mode_bits_count_as_the_kernel_counts_them(root: Path, mode: int, uid: int, gid: int, expected: tuple[bool, bool]) -> None:
    """The owner's bits count for the owner alone, the group's for its members, supplementary groups included."""
    assert expected == rights(make(root / "f", mode, uid, gid), root)


@pytest.mark.parametrize(("mode", "expected"), [(0o755, (True, False)), (0o757, (True, True)), (0o754, (False, False)), (0o711, (False, False))])
def test_a_folder_must_be_searched_too(root: Path, mode: int, expected: tuple[bool, bool]) -> None:
    assert expected == rights(make(root / "d", mode, is_dir=True), root)


def test_an_acl_gives_what_mode_bits_do_not(root: Path) -> None:
    folder = make(root / "d", 0o700, BOB.uid, BOB.gid, is_dir=True)
    acl(folder, (0x02, 5, ALICE.uid))

    assert (True, False) == rights(folder, root)
    assert (False, False) == rights(folder, root, Account(20003, 20003))


def test_an_acl_of_a_supplementary_group_counts(root: Path) -> None:
    folder = make(root / "d", 0o700, BOB.uid, BOB.gid, is_dir=True)
    acl(folder, (0x08, 7, 30000))

    assert (True, True) == rights(folder, root)
    assert (False, False) == rights(folder, root, Account(ALICE.uid, ALICE.gid))


def test_an_acl_takes_what_mode_bits_give(root: Path) -> None:
    folder = make(root / "d", 0o755, BOB.uid, 30000, is_dir=True)
    acl(folder, (0x02, 0, ALICE.uid), (0x08, 7, 30000))

    assert (False, False) == rights(folder, root)


@pytest.mark.parametrize("closed", ["a", "a/b"])
def test_every_folder_on_the_way_must_be_searchable(root: Path, closed: str) -> None:
    make(root / "a", 0o755, is_dir=True)
    make(root / "a/b", 0o755, is_dir=True)
    make(root / "a/b/f", 0o666)
    assert (True, True) == rights(root / "a/b/f", root)

    (root / closed).chmod(0o700)

    assert BindSource(str(root / "a/b/f"), str(root), "a/b/f", exists=True) == look(root / "a/b/f", root)
    assert (True, True) == rights(root / "a/b/f", root, ROOT)


def test_folders_above_the_root_count_too(root: Path) -> None:
    inner = make(root / "inner", 0o755, is_dir=True)
    make(inner / "f", 0o666)
    root.chmod(0o700)

    assert (False, False) == rights(inner / "f", inner)


def test_nothing_tells_whether_a_name_is_in_a_closed_folder(root: Path) -> None:
    make(root / "closed", 0o700, BOB.uid, is_dir=True)
    make(root / "closed/there", 0o666)

    there, absent = look(root / "closed/there", root), look(root / "closed/absent", root)

    assert (there.exists, there.owner_uid, there.can_read) == (absent.exists, absent.owner_uid, absent.can_read)


def test_what_is_not_there_is_said(root: Path) -> None:
    assert BindSource(str(root / "no/thing"), str(root), "no/thing") == look(root / "no/thing", root)
    make(root / "f", 0o644)
    assert not look(root / "f/below", root).exists


@pytest.mark.parametrize("way", ["link", "link/f", "d/link2"])
def test_a_link_anywhere_below_is_nobodys(root: Path, way: str) -> None:
    make(root / "d", 0o755, is_dir=True)
    make(root / "d/f", 0o666)
    (root / "link").symlink_to("d")
    (root / "d/link2").symlink_to("f")

    assert (True, (False, False)) == (look(root / way, root, ROOT).exists, rights(root / way, root, ROOT))
    with pytest.raises(NoWay, match="is a symbolic link, and links are not followed"):
        open_source(str(root / way), ROOT, is_read_only=True)


def test_a_link_above_the_root_is_not_followed_either(root: Path) -> None:
    make(root / "real", 0o755, is_dir=True)
    (root / "alias").symlink_to("real")

    assert (False, False) == rights(root / "alias", root / "alias", ROOT)


def test_the_path_is_cleaned_before_its_root_is_sought(root: Path) -> None:
    assert BindSource("/etc/shadow") == describe_source(f"{root}/../../../etc/shadow", [str(root)], ROOT)
    assert BindSource(f"{root}x") == describe_source(f"{root}x", [str(root)], ROOT)


def test_the_innermost_root_counts(root: Path) -> None:
    make(root / "a", 0o755, is_dir=True)

    source = describe_source(f"{root}/a", [str(root), f"{root}/a/"], ALICE)

    assert (f"{root}/a", ".") == (source.root, source.relative)


def test_kinds_and_owners_are_told(root: Path) -> None:
    make(root / "d", 0o755, BOB.uid, is_dir=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))

        folder, sock = look(root / "d", root), look(root / "s", root)

    assert (BOB.uid, True, False) == (folder.owner_uid, folder.is_dir, folder.is_socket)
    assert (0, False, True) == (sock.owner_uid, sock.is_dir, sock.is_socket)


def test_without_an_account_there_are_no_rights_to_ask_for(root: Path) -> None:
    make(root / "f", 0o666)

    assert (True, (False, False)) == (look(root / "f", root, None).exists, rights(root / "f", root, None))


def test_what_is_opened_is_the_file_and_not_its_name(root: Path) -> None:
    make(root / "f", 0o666)

    found = open_source(str(root / "f"), ALICE, is_read_only=False)
    (root / "f").unlink()
    (root / "f").symlink_to("/etc/shadow")

    with os.fdopen(os.open(f"/proc/self/fd/{found.fd}", os.O_RDONLY)) as content:
        assert "content" == content.read()
    os.close(found.fd)


def test_a_socket_needs_write_access_even_read_only(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))
        (root / "s").chmod(0o644)

        with pytest.raises(Forbidden, match="who uses a socket writes to it"):
            open_source(str(root / "s"), ALICE, is_read_only=True)


@pytest.mark.parametrize("account", [ALICE, ROOT, None])
def test_a_device_is_refused_for_everyone(root: Path, account: Account | None) -> None:
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    (root / "null").chmod(0o666)

    with pytest.raises(Forbidden, match="is a device"):
        open_source(str(root / "null"), account, is_read_only=True)


def test_a_path_with_dots_is_never_walked() -> None:
    for path in ("/var/../etc", "relative", "/a/./b", "/a\0b"):
        with pytest.raises(Broken):
            open_source(path, None, is_read_only=True)


def test_missing_is_refused_by_name(root: Path) -> None:
    with pytest.raises(NotThere, match=f"{root}/a is not there on the host; make it first"):
        open_source(f"{root}/a/b", ALICE, is_read_only=True)


def test_no_look_leaves_a_descriptor_open(root: Path) -> None:
    make(root / "d", 0o700, BOB.uid, is_dir=True)
    (root / "link").symlink_to("d")
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    before = len(list(Path("/proc/self/fd").iterdir()))

    for name in ("d", "d/x", "link", "absent", "null", "."):
        for account in (ALICE, BOB, ROOT, None):
            look(root / name, root, account)
            try:
                os.close(open_source(f"{root}/{name}".removesuffix("/."), account, is_read_only=True).fd)
            except (NotThere, NoWay, Forbidden):
                continue

    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_many_accounts_at_once_do_not_mix(root: Path) -> None:
    for account in (ALICE, BOB):
        make(root / str(account.uid), 0o700, account.uid, is_dir=True)
    wrong: list[tuple[int, int]] = []

    def ask(account: Account) -> None:
        for _ in range(50):
            for owner in (ALICE, BOB):
                if rights(root / str(owner.uid), root, account)[1] != (owner is account):
                    wrong.append((account.uid, owner.uid))

    threads = [threading.Thread(target=ask, args=(account,)) for account in (ALICE, BOB) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong
    assert (0, 0) == (os.geteuid(), os.getegid())
