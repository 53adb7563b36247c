"""Any bytes are one canonical call or one refusal; a canonical call reads and writes as itself."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.engine import gojson
from dockwarden.engine.bodies.container import ContainerCreate
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.routes.table import ROUTES
from dockwarden.engine.write import write_call
from dockwarden.words.errors import Forbidden, Malformed, Refused

EXAMPLES = int(os.environ.get("DOCKWARDEN_EXAMPLES", "200"))
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = [(b"content-type", b"application/json")]


def create(body: bytes) -> ContainerCreate:
    call = read_call(read_head("POST", b"/v1.41/containers/create", JSON), body)
    assert isinstance(call.body, ContainerCreate)
    return call.body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"Image":"a","Image":"b"}', "json.duplicate_key"),
        (b'{"Image":"a","image":"b"}', "json.duplicate_key"),
        (b'{"Image":"a","\\u0049mage":"b"}', "json.duplicate_key"),
        ('{"HostConfig":{},"Ho\u017ftConfig":{}}'.encode(), "json.duplicate_key"),
        (b'{"Labels":{"a":"1","a":"2"}}', "json.duplicate_key"),
        (b'{"HostConfig":{"Devices":[{"PathOnHost":"a","pathonhost":"b"}]}}', "json.duplicate_key"),
        (b'{"Image":"a"}]', "json.unreadable"),
        (b'{"Image":"a"} {}', "json.unreadable"),
        (b'{"Image":"a"', "json.unreadable"),
        (b'\xef\xbb\xbf{"Image":"a"}', "json.unreadable"),
        (b'{"Image":"\xff"}', "json.not_utf8"),
        (b'{"Image":"\\ud800"}', "json.bad_text"),
        (b'{"Image":"a\\u0000b"}', "json.bad_text"),
        (b'{"Image":"a\nb"}', "json.unreadable"),
        (b'{"HostConfig":{"Memory":NaN}}', "json.unreadable"),
        (b'{"HostConfig":{"Memory":Infinity}}', "json.unreadable"),
        (b'{"HostConfig":{"Memory":1.0}}', "json.wrong_type"),
        (b'{"HostConfig":{"Memory":1e2}}', "json.wrong_type"),
        (b'{"HostConfig":{"Memory":"1"}}', "json.wrong_type"),
        (b'{"HostConfig":{"Memory":9223372036854775808}}', "json.wrong_type"),
        (b'{"HostConfig":{"Memory":' + b"9" * 5000 + b"}}", "json.unreadable"),
        (b'{"HostConfig":{"Privileged":1}}', "json.wrong_type"),
        (b'{"HostConfig":[]}', "json.wrong_type"),
        (b'{"Env":"A=b"}', "json.wrong_type"),
        (b"[" * 100_000, "json.too_deep"),
        (b"null", "json.wrong_type"),
        (b"[]", "json.wrong_type"),
        (b"", "body.missing"),
    ],
)
def test_a_body_that_two_readers_could_read_differently_is_malformed(body: bytes, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        create(body)

    assert code == caught.value.code


@pytest.mark.parametrize(
    ("body", "named"),
    [(b'{"Privileged":true}', "Privileged"), (b'{"HostConfig":{"Priviliged":true}}', "HostConfig.Priviliged"), (b'{"Config":{}}', "Config"),
     (b'{"HostConfig":{"Mounts":[{},{"Sauce":"x"}]}}', "HostConfig.Mounts[1].Sauce")],
)
def test_an_unknown_field_is_refused_by_its_whole_name(body: bytes, named: str) -> None:
    with pytest.raises(Forbidden) as caught:
        create(body)

    assert ("engine.unknown_field", True) == (caught.value.code, caught.value.message.startswith(f"{named}: "))


@pytest.mark.parametrize(
    "body", [b'{"hostconfig":{"PRIVILEGED":true}}', b'{"HostConfig":{"\\u0050rivileged":true}}', '{"Ho\u017ftConfig":{"Privileged":true}}'.encode()]
)
def test_one_odd_spelling_of_a_known_key_is_the_known_one(body: bytes) -> None:
    assert b'{"HostConfig":{"Privileged":true}}' == msgspec.json.encode(create(body))


def test_null_is_absence_and_empty_is_not() -> None:
    assert b'{"HostConfig":{"MaskedPaths":[]}}' == msgspec.json.encode(create(b'{"HostConfig":{"MaskedPaths":[],"ReadonlyPaths":null,"Binds":null}}'))


def test_a_bare_string_is_a_list_where_the_engine_takes_it_for_one() -> None:
    assert b'{"Cmd":["sh"],"Entrypoint":["a"]}' == msgspec.json.encode(create(b'{"Cmd":"sh","Entrypoint":["a"]}'))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "header.content_type"),
        ([(b"content-type", b"text/plain")], "header.content_type"),
        ([(b"content-type", b"application/x-www-form-urlencoded")], "header.content_type"),
        ([(b"content-type", b"multipart/form-data; boundary=x")], "header.content_type"),
        ([(b"content-type", b"application/json; charset=utf-16")], "header.content_type"),
        ([(b"content-type", b"application/json"), (b"content-type", b"text/plain")], "header.duplicate"),
    ],
)
def test_a_body_of_another_type_than_json_is_never_judged_as_json(headers: list[tuple[bytes, bytes]], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_call(read_head("POST", b"/v1.41/containers/create", headers), b'{"Image":"a"}')

    assert code == caught.value.code


@pytest.mark.parametrize("target", [b"/containers/x1/kill?signal=9", b"/containers/x1/rename?name=y", b"/images/a/tag?repo=b", b"/volumes/prune"])
def test_a_form_never_passes_where_the_engine_would_merge_it_with_the_query(target: bytes) -> None:
    with pytest.raises(Malformed):
        read_head("POST", target, [(b"content-type", b"application/x-www-form-urlencoded")])


@pytest.mark.parametrize(
    ("query", "canonical"),
    [(b"all=1", "all=1"), (b"all=true", "all=1"), (b"all=True", "all=1"), (b"all=false", "all=0"), (b"all=", "all=0"), (b"a%6cl=1", "all=1"),
     (b"limit=+5", None), (b"limit=5", "limit=5"), (b"all=off", None), (b"all=2", None), (b"all=1&all=1", None), (b"all=1;limit=2", None),
     (b"all=%zz", None), (b"all=1#f", None), (b"ALL=1", None), (b'filters={"label":["a=b"]}', "filters=%7B%22label%22:%7B%22a%3Db%22:true%7D%7D"),
     (b'filters={"label":{"a=b":true}}', "filters=%7B%22label%22:%7B%22a%3Db%22:true%7D%7D"), (b'filters={"label":["a"],"label":["b"]}', None),
     (b"filters=[]", None), (b"filters={}}", None)],
)
def test_each_query_has_one_canonical_spelling_or_none(query: bytes, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(Refused):
            read_head("GET", b"/v1.41/containers/json?" + query, [])
        return

    call = read_call(read_head("GET", b"/v1.41/containers/json?" + query, []), b"")
    assert f"/v1.41/containers/json?{canonical}" == write_call(call).target


def test_a_login_is_written_afresh_and_never_shown() -> None:
    import base64

    login = base64.urlsafe_b64encode(b'{"username":"a","password":"canary-secret"}')
    head = read_head("POST", b"/v1.41/images/create?fromImage=a", [(b"x-registry-auth", login.rstrip(b"="))])

    assert "canary" not in repr(head)
    assert {"username": "a", "password": "canary-secret"} == json.loads(base64.urlsafe_b64decode(head.headers["x-registry-auth"]))
    for bad in (b"!!!", base64.urlsafe_b64encode(b'{"password":"canary-secret","x":1}'), base64.urlsafe_b64encode(b'{"password":"canary-secret"')):
        with pytest.raises(Refused) as caught:
            read_head("POST", b"/v1.41/images/create?fromImage=a", [(b"x-registry-auth", bad)])
        assert "canary" not in str(caught.value) + caught.value.message


def test_headers_that_no_route_asks_for_never_go_upstream() -> None:
    given_headers = [(name, b"x") for name in (b"x-meta-a", b"cookie", b"x-dockwarden-ticket", b"forwarded", b"expect", b"authz-user", b"te")]

    assert () == write_call(read_call(read_head("GET", b"/v1.41/info", given_headers), b"")).headers


@quick
@given(st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE"]), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_one_call_or_one_refusal(method: str, target: bytes, body: bytes) -> None:
    with contextlib.suppress(Refused):
        read_call(read_head(method, b"/" + target, JSON), body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


def body_for(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=6), values, max_size=6)


@quick
@given(st.data())
def test_any_body_of_any_route_is_read_or_refused_and_reads_as_itself_again(data: st.DataObject) -> None:
    route = data.draw(st.sampled_from([route for route in ROUTES if route.body and not route.is_body_list]))
    names = list(getattr(route.body, "__annotations__", {})) or ["Name"]
    body = json.dumps(data.draw(body_for(names)), allow_nan=True).encode("utf-8", "surrogatepass")
    target = route.template.replace("{name*}", "a/b").replace("{name}", "x1").replace("{id}", "x1").encode()
    try:
        call = read_call(read_head(route.method, b"/v1.41" + target, JSON), body)
    except Refused:
        return

    request = write_call(call)
    again = read_call(read_head(request.method, request.target.encode(), [(n.encode(), v.encode()) for n, v in request.headers]), request.body)
    assert request == write_call(again)


@quick
@given(st.text(max_size=30), st.sampled_from(["name", "all", "filters", "t", "x"]))
def test_any_query_value_is_read_or_refused_and_reads_as_itself_again(value: str, name: str) -> None:
    from urllib.parse import quote

    for path in ("/containers/json", "/build", "/images/get"):
        method = "POST" if path == "/build" else "GET"
        try:
            call = read_call(read_head(method, f"/v1.41{path}?{name}={quote(value.encode('utf-8', 'surrogatepass'))}".encode(), []), b"")
        except Refused:
            continue
        request = write_call(call)
        assert request == write_call(read_call(read_head(method, request.target.encode(), []), b""))


def test_unknown_fields_can_be_dropped_but_routes_never() -> None:
    head = read_head("POST", b"/v1.41/containers/create", JSON)

    assert b'{"Image":"a"}' == msgspec.json.encode(read_call(head, b'{"Image":"a","New":{"Privileged":true}}', drop_unknown=True).body)
    with pytest.raises(Forbidden):
        read_head("POST", b"/v1.41/new", [])


def test_the_reader_of_a_type_is_made_once() -> None:
    assert gojson.reader(ContainerCreate) is gojson.reader(ContainerCreate)
