"""References are read as the Engine reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.images import combine, is_id, is_like_an_id, parse_reference, with_repo_tag
from dockwarden.words.errors import Malformed

SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("busybox", "docker.io", "library/busybox", "", ""),
        ("busybox:1", "docker.io", "library/busybox", "1", ""),
        ("bob/app", "docker.io", "bob/app", "", ""),
        ("docker.io/busybox", "docker.io", "library/busybox", "", ""),
        ("index.docker.io/busybox", "docker.io", "library/busybox", "", ""),
        ("localhost/x", "localhost", "x", "", ""),
        ("localhost:5000/x:y", "localhost:5000", "x", "y", ""),
        ("registry.corp.test/a/b/c:1.2", "registry.corp.test", "a/b/c", "1.2", ""),
        ("registry.corp.test.evil.test/x", "registry.corp.test.evil.test", "x", "", ""),
        ("registry.corp.test:5000/x", "registry.corp.test:5000", "x", "", ""),
        ("registry-corp/test", "docker.io", "registry-corp/test", "", ""),
        ("[::1]:5000/x", "[::1]:5000", "x", "", ""),
        (f"x@{SHA}", "docker.io", "library/x", "", SHA),
        (f"x:1@{SHA}", "docker.io", "library/x", "1", SHA),
        ("a__b.c-d", "docker.io", "library/a__b.c-d", "", ""),
    ],
)
def test_a_reference_names_registry_repository_tag_and_digest(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    found = parse_reference(text)

    assert (registry, repository, tag, digest) == (found.registry, found.repository, found.tag, found.digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Busybox",
        "Foo/bar",
        "a b",
        "a:",
        "a:b c",
        "a@x",
        "a@sha256:zz",
        "/x",
        "x/",
        "a//b",
        "-x/y",
        "x..y/z:",
        "a" * 64,
        "a___b",
        "é",
        "x\n",
        "x:" + "t" * 129,
        "a.b/" + "x" * 260,
        "٣",
        "registry.corp.test@x/y",
    ],
)
def test_what_the_engine_would_not_read_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_reference(text)


@given(st.text(max_size=80) | st.from_regex(r"[a-z.:/@A-Z0-9_-]{0,40}", fullmatch=True))
def test_any_text_parses_or_is_malformed_and_its_full_text_parses_to_itself(text: str) -> None:
    try:
        found = parse_reference(text)
    except Malformed:
        return
    assert found == parse_reference(found.full) == parse_reference(found.familiar)


@pytest.mark.parametrize(
    ("name", "tag", "full"),
    [
        ("busybox", "latest", "docker.io/library/busybox:latest"),
        ("busybox", "", "docker.io/library/busybox:*"),
        ("busybox:", "", "docker.io/library/busybox:*"),
        ("busybox:1", "2", "docker.io/library/busybox:2"),
        ("busybox:1", "", "docker.io/library/busybox:1"),
        ("busybox:1", SHA, f"docker.io/library/busybox@{SHA}"),
        (f"busybox@{SHA}", "x", f"docker.io/library/busybox:x@{SHA}"),
    ],
)
def test_a_pull_combines_its_two_parameters_as_the_engine_does(name: str, tag: str, full: str) -> None:
    assert full == combine(name, tag).full


def test_a_name_given_to_an_image_has_a_tag_and_no_digest() -> None:
    named = with_repo_tag("alice/x", "")

    assert named is not None
    assert "docker.io/alice/x:latest" == named.full
    assert with_repo_tag("", "x") is None
    with pytest.raises(Malformed):
        with_repo_tag(f"alice/x@{SHA}", "")


def test_names_that_could_be_ids_are_seen() -> None:
    assert is_like_an_id(parse_reference("deadbeef"))
    assert not is_like_an_id(parse_reference("deadbeefs"))
    assert not is_like_an_id(parse_reference("bob/deadbeef"))
    assert is_id(SHA)
    assert is_id("a" * 64)
    assert not is_id("a" * 12)
