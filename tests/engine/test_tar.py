"""Tar uploads: judged entry by entry, written afresh, the same whatever pieces they come in."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockwarden.engine.dockerfile import LONGEST_DOCKERFILE
from dockwarden.engine.expand import PEEK, is_compressed
from dockwarden.engine.tar import LOAD_RULES, Captured, TarRules, TarUpload, archive_rules, build_rules
from dockwarden.words.errors import Forbidden, Malformed, Refused, TooLarge

Edit = Callable[[tarfile.TarInfo], None]


def pack(*entries: tuple[str, bytes] | tuple[str, bytes, Edit], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content, *edits in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for edit in edits:
                edit(info)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def kind(flag: bytes, linkname: str = "", mode: int = 0o644) -> Edit:
    def edit(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.mode = flag, linkname, mode
        info.size = 0 if flag != tarfile.REGTYPE else info.size

    return edit


def mode(bits: int) -> Edit:
    def edit(info: tarfile.TarInfo) -> None:
        info.mode = bits

    return edit


def passed(data: bytes, rules: TarRules, step: int = 1 << 16) -> bytes:
    upload = TarUpload(rules)
    out = bytearray()
    for at in range(0, len(data), step):
        for part in upload.feed(data[at : at + step]):
            out += part.wire if isinstance(part, Captured) else part
    for part in upload.end():
        out += part.wire if isinstance(part, Captured) else part
    return bytes(out)


def entries(data: bytes) -> Iterator[tuple[str, int, int, int, bytes, str, float, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isreg() else None
            yield info.name, info.mode, info.uid, info.gid, info.type, info.linkname, info.mtime, content.read() if content else b""


def rich() -> bytes:
    def owned(info: tarfile.TarInfo) -> None:
        info.uid, info.gid, info.mtime, info.mode = 3_000_000, 4_000_000, 123.5, 0o755
        info.pax_headers = {"SCHILY.xattr.user.note": "hi"}

    return pack(
        ("d", b"", kind(tarfile.DIRTYPE, mode=0o755)),
        ("d/" + "n" * 120, b"long name", owned),
        ("d/é", b"x" * 1500),
        ("d/l", b"", kind(tarfile.SYMTYPE, "../" + "t" * 150)),
        ("d/h", b"", kind(tarfile.LNKTYPE, "d/é")),
        ("empty", b""),
    )


FREE = TarRules(may_set_id=True, may_devices=True, may_hard_links=True)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_passes_says_what_was_read(form: int) -> None:
    data = (
        rich() if form == tarfile.PAX_FORMAT else pack(("d/" + "n" * 120, b"long"), ("l", b"", kind(tarfile.SYMTYPE, "t" * 150)), form=form)
    )

    assert list(entries(data)) == list(entries(passed(data, FREE)))


@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 4096])
def test_the_pieces_it_comes_in_change_nothing(step: int) -> None:
    data = rich()

    assert passed(data, FREE) == passed(data, FREE, step)


def test_writing_afresh_twice_changes_nothing() -> None:
    once = passed(rich(), FREE)

    assert once == passed(once, FREE)


@pytest.mark.parametrize(
    "compress", [gzip.compress, bz2.compress, lzma.compress, lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:])]
)
@pytest.mark.parametrize("step", [3, 1 << 16])
def test_compressed_archives_pass_expanded(compress: Callable[[bytes], bytes], step: int) -> None:
    data = rich()

    assert passed(data, FREE) == passed(compress(data), FREE, step)


def test_zstd_is_refused_with_what_to_send_instead() -> None:
    with pytest.raises(Forbidden, match="gzip"):
        passed(b"\x28\xb5\x2f\xfd" + bytes(20), FREE)


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 1000, 1500])
def test_an_archive_that_is_cut_is_malformed(cut: int) -> None:
    data = pack(("a", b"x" * 900))
    assert 512 + 1024 <= len(data)

    with pytest.raises(Malformed):
        passed(data[:cut], FREE)
    with pytest.raises(Malformed):
        passed(gzip.compress(data)[: 20 + cut % 20], FREE)


def test_an_archive_without_its_end_passes_as_the_engine_would_take_it() -> None:
    data = pack(("a", b"x" * 900))[: 512 + 1024]

    assert [("a", b"x" * 900)] == [(entry[0], entry[7]) for entry in entries(passed(data, FREE))]
    assert [] == list(entries(passed(b"", FREE)))


def test_nothing_after_the_end_passes() -> None:
    data = pack(("a", b"")) + pack(("evil", b"", mode(0o4755)))

    assert ["a"] == [entry[0] for entry in entries(passed(data, TarRules()))]
    assert b"evil" not in passed(data, TarRules())


RULES = archive_rules(1000, 1000)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (("x", b"#!", mode(0o4755)), "tar.set_id"),
        (("x", b"#!", mode(0o2755)), "tar.set_id"),
        (("x", b"", kind(tarfile.CHRTYPE)), "tar.device"),
        (("x", b"", kind(tarfile.BLKTYPE)), "tar.device"),
        (("x", b"", kind(tarfile.FIFOTYPE)), "tar.device"),
        (("x", b"", kind(tarfile.LNKTYPE, "a")), "tar.link"),
        (("x", b"", kind(tarfile.SYMTYPE, "/etc/passwd")), "tar.link"),
        (("a/x", b"", kind(tarfile.SYMTYPE, "../../etc")), "tar.link"),
        (("x", b"", kind(tarfile.SYMTYPE, "..")), "tar.link"),
        (("../x", b""), "tar.outside"),
        (("a/../../x", b""), "tar.outside"),
        (("..", b"", kind(tarfile.DIRTYPE)), "tar.outside"),
    ],
)
def test_what_would_reach_the_host_is_refused(entry: tuple[str, bytes, Edit], code: str) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        with pytest.raises(Forbidden) as refused:
            passed(pack(("ok", b"fine"), entry, form=form), RULES)
        assert code == refused.value.code


def test_file_capabilities_are_as_good_as_set_id_and_refused() -> None:
    def capable(info: tarfile.TarInfo) -> None:
        info.pax_headers = {"SCHILY.xattr.security.capability": "x"}

    with pytest.raises(Forbidden, match="capabilities"):
        passed(pack(("x", b"", capable)), RULES)


@pytest.mark.parametrize(
    "entry",
    [
        ("x", b"hi", mode(0o755)),
        ("a/l", b"", kind(tarfile.SYMTYPE, "../b")),
        ("l", b"", kind(tarfile.SYMTYPE, "b/c")),
        ("d", b"", kind(tarfile.DIRTYPE, mode=0o2755)),
        ("/abs", b""),
        ("./x", b""),
        ("t", b"", kind(tarfile.DIRTYPE, mode=0o1777)),
    ],
)
def test_honest_entries_pass_and_belong_to_the_container_s_user(entry: tuple[str, bytes, Edit]) -> None:
    (found,) = entries(passed(pack(entry), RULES))

    assert (1000, 1000) == found[2:4]
    assert not found[1] & 0o6000


def test_an_owner_in_an_extended_header_is_replaced_too() -> None:
    def root_later(info: tarfile.TarInfo) -> None:
        info.uid, info.pax_headers = 5, {"uid": "0", "gid": "0"}

    (found,) = entries(passed(pack(("x", b"", root_later)), RULES))

    assert (1000, 1000) == found[2:4]


def test_a_captured_member_comes_whole_before_any_of_it_passes() -> None:
    upload = TarUpload(build_rules(""))
    data = pack(("a", b"x" * 700), ("./Dockerfile", b"FROM busybox\n"), ("b", b"y"))
    before, found = bytearray(), None
    for at in range(0, len(data), 100):
        for part in upload.feed(data[at : at + 100]):
            if isinstance(part, Captured):
                found = part
            elif found is None:
                before += part

    assert found is not None
    assert ("Dockerfile", b"FROM busybox\n") == (found.name, found.content)
    assert b"FROM" not in before
    assert frozenset({"Dockerfile"}) == upload.seen


@pytest.mark.parametrize(
    ("dockerfile", "entry"),
    [
        ("", ("Dockerfile", b"", kind(tarfile.SYMTYPE, "other"))),
        ("", ("dockerfile", b"", kind(tarfile.LNKTYPE, "other"))),
        ("d/Dockerfile", ("d", b"", kind(tarfile.SYMTYPE, "e"))),
        ("./d/../d/f", ("d/f", b"", kind(tarfile.LNKTYPE, "x"))),
    ],
)
def test_no_link_stands_in_the_place_of_what_is_judged(dockerfile: str, entry: tuple[str, bytes, Edit]) -> None:
    with pytest.raises(Forbidden) as refused:
        passed(pack(entry), build_rules(dockerfile))

    assert "tar.link" == refused.value.code


def test_what_is_judged_whole_comes_once_and_is_no_longer_than_is_read() -> None:
    with pytest.raises(Malformed):
        passed(pack(("Dockerfile", b"FROM a"), ("x/../Dockerfile", b"FROM b")), build_rules("Dockerfile"))
    with pytest.raises(Malformed):
        passed(pack(("manifest.json", b"[]"), ("manifest.json", b"", kind(tarfile.DIRTYPE))), LOAD_RULES)
    with pytest.raises(TooLarge):
        passed(pack(("Dockerfile", bytes(LONGEST_DOCKERFILE + 1))), build_rules(""))


def test_a_load_captures_its_manifest() -> None:
    upload = TarUpload(LOAD_RULES)
    list(upload.feed(pack(("a/layer.tar", b"x"), ("b/layer.tar", b"", kind(tarfile.SYMTYPE, "../a/layer.tar")), ("manifest.json", b"[]"))))

    assert {"manifest.json"} == upload.seen


def test_odd_archives_are_malformed_rather_than_guessed_at() -> None:
    good = pack(("a", b"hi"))
    wrong_sum = bytearray(good)
    wrong_sum[0] ^= 1
    sparse = pack(("s", b"", lambda info: setattr(info, "pax_headers", {"GNU.sparse.major": "1"})))
    for data in (bytes(wrong_sum), sparse, bytes(512) + good, b"not a tar at all, and long enough to be looked at" * 20):
        with pytest.raises(Malformed):
            passed(data, FREE)


@pytest.mark.parametrize("name", ["BZh91AY", "P*M\x18x"])
def test_what_passes_never_looks_compressed(name: str) -> None:
    """A first name can spell a compressor's magic; the Engine would expand what follows it and find another archive there."""

    def named(info: tarfile.TarInfo) -> None:
        info.pax_headers = {"path": name}

    out = passed(pack(("x", b"", named)), FREE)

    assert not is_compressed(out[:PEEK])
    assert [f"./{name}"] == [entry[0] for entry in entries(out)]


@pytest.mark.parametrize("name", ["x/" * 1100 + "y", "p" * 256, "d/" + "p" * 300 + "/x"])
def test_a_name_that_no_host_can_hold_is_refused_at_once(name: str) -> None:
    for entry in ((name, b""), ("l", b"", kind(tarfile.SYMTYPE, "t/" * 2100))):
        with pytest.raises(Malformed):
            passed(pack(entry), FREE)


def test_links_are_counted_by_the_parts_of_their_paths() -> None:
    deep = "/d" * 400
    packed = pack(*((f"{at}{deep}", b"", kind(tarfile.SYMTYPE, "x")) for at in range(600)))

    with pytest.raises(TooLarge):
        passed(packed, build_rules(""))


def test_global_headers_say_nothing_of_an_entry() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "evil", "comment": "c"}) as archive:
        archive.addfile(tarfile.TarInfo("honest"))

    assert ["honest"] == [entry[0] for entry in entries(passed(out.getvalue(), FREE))]


def test_a_small_chunk_that_expands_to_much_never_stands_in_memory() -> None:
    bomb = gzip.compress(pack(("zeros", bytes(8 << 20))))
    upload = TarUpload(FREE)

    assert max(len(part) for part in upload.feed(bomb) if not isinstance(part, Captured)) <= 256 << 10


@settings(max_examples=300)
@given(
    st.binary(max_size=2000)
    | st.integers(0, 2000).flatmap(lambda at: st.binary(min_size=1, max_size=3).map(lambda new: _patched(at, new))),
    st.integers(1, 600),
)
def test_any_bytes_pass_as_an_archive_or_are_refused(data: bytes, step: int) -> None:
    try:
        once = passed(data, RULES, step)
    except Refused:
        return
    assert once == passed(once, RULES)
    for entry in entries(once):
        assert (1000, 1000) == entry[2:4]


def _patched(at: int, new: bytes) -> bytes:
    data = bytearray(rich())
    data[at : at + len(new)] = new
    block = at // 512 * 512
    header = data[block : block + 512]
    if len(header) == 512 and header[257:262] == b"ustar":
        data[block + 148 : block + 156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    return bytes(data)


@pytest.mark.parametrize(
    "entries_",
    [
        [("d", b"", kind(tarfile.SYMTYPE, ".")), ("d/Dockerfile", b"FROM evil")],
        [("a/d", b"", kind(tarfile.SYMTYPE, "..")), ("a/d/Dockerfile", b"FROM evil")],
        [("d", b"", kind(tarfile.SYMTYPE, ".")), ("e", b"", kind(tarfile.LNKTYPE, "d")), ("e/Dockerfile", b"FROM evil")],
        [("d", b"", kind(tarfile.SYMTYPE, ".")), ("d/e/f", b"")],
    ],
)
def test_nothing_is_written_through_a_link_of_the_same_archive(entries_: list[tuple[str, bytes]]) -> None:
    """Else `d -> .` and then `d/Dockerfile` would replace the Dockerfile that was judged."""
    for rules in (build_rules(""), LOAD_RULES, FREE):
        with pytest.raises(Forbidden) as refused:
            passed(pack(*entries_), rules)
        assert "tar.link" == refused.value.code


def test_a_folder_that_takes_a_link_s_place_is_a_folder() -> None:
    packed = pack(("d", b"", kind(tarfile.SYMTYPE, ".")), ("d", b"", kind(tarfile.DIRTYPE, mode=0o755)), ("d/x", b"1"), ("da/x", b"2"))

    assert ["d", "d", "d/x", "da/x"] == [entry[0] for entry in entries(passed(packed, build_rules("")))]
