from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from dockwarden.doors.lock.tickets import HEADER, LIFE_S, Ticket, Tickets, digest_of
from dockwarden.engine.call import Request
from dockwarden.words.errors import Refused

JSON = (("Content-Type", "application/json"),)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def draws() -> Callable[[int], bytes]:
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(clock: Clock) -> Tickets:
    return Tickets(clock, draws())


def code(answer: Ticket | Refused) -> str:
    return answer.code if isinstance(answer, Refused) else "good"


def test_a_ticket_is_good_for_the_call_it_was_made_for(tickets: Tickets) -> None:
    ticket = tickets.issue("POST", "/v1.41/containers/create?name=a", digest_of(b"{}"))

    assert "good" == code(tickets.redeem(ticket, "POST", "/v1.41/containers/create?name=a", b"{}"))


def test_a_ticket_has_128_bits(tickets: Tickets) -> None:
    assert 32 == len(tickets.issue("GET", "/_ping", digest_of(b"")))


def test_a_ticket_is_good_once(tickets: Tickets) -> None:
    ticket = tickets.issue("GET", "/_ping", digest_of(b""))
    tickets.redeem(ticket, "GET", "/_ping", b"")

    assert "lock.ticket" == code(tickets.redeem(ticket, "GET", "/_ping", b""))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("PUT", "/v1.41/a?b=c", b"{}"),
        ("post", "/v1.41/a?b=c", b"{}"),
        ("POST", "/v1.41/a?b=d", b"{}"),
        ("POST", "/v1.41/a", b"{}"),
        ("POST", "http://localhost/v1.41/a?b=c", b"{}"),
        ("POST", "/v1.41/a?b=c", b"{ }"),
        ("POST", "/v1.41/a?b=c", b""),
    ],
)
def test_any_other_call_is_refused_and_uses_the_ticket_up(tickets: Tickets, method: str, target: str, body: bytes) -> None:
    ticket = tickets.issue("POST", "/v1.41/a?b=c", digest_of(b"{}"))

    assert "lock.changed" == code(tickets.redeem(ticket, method, target, body))
    assert "lock.ticket" == code(tickets.redeem(ticket, "POST", "/v1.41/a?b=c", b"{}"))


def test_a_call_without_a_body_may_not_have_one_at_the_engine(tickets: Tickets) -> None:
    ticket = tickets.issue("POST", "/v1.41/containers/a/start", digest_of(b""))

    assert "lock.changed" == code(tickets.redeem(ticket, "POST", "/v1.41/containers/a/start", b'{"Binds":["/:/x"]}'))


def test_an_upload_says_that_its_body_is_not_shown(tickets: Tickets) -> None:
    ticket = tickets.issue("POST", "/v1.41/build", None)

    assert "good" == code(tickets.redeem(ticket, "POST", "/v1.41/build", b""))


def test_a_ticket_ends(tickets: Tickets, clock: Clock) -> None:
    ticket = tickets.issue("GET", "/_ping", digest_of(b""))
    clock.now += LIFE_S

    assert "lock.ticket" == code(tickets.redeem(ticket, "GET", "/_ping", b""))


def test_tickets_that_ended_are_forgotten(tickets: Tickets, clock: Clock) -> None:
    for _ in range(10):
        tickets.issue("GET", "/_ping", digest_of(b""))
    clock.now += LIFE_S
    tickets.issue("GET", "/_ping", digest_of(b""))

    assert 1 == len(tickets)


@pytest.mark.parametrize("text", ["", "0", "f" * 32, "../x", "\x00"])
def test_a_ticket_that_nobody_issued_is_refused(tickets: Tickets, text: str) -> None:
    assert "lock.ticket" == code(tickets.redeem(text, "GET", "/_ping", b""))


@pytest.mark.parametrize(
    ("request_", "has_upload", "seen", "expected"),
    [
        (Request("GET", "/a", (), b""), False, b"", "good"),
        (Request("POST", "/a", JSON, b"{}"), False, b"{}", "good"),
        (Request("POST", "/a", JSON, b"{}"), False, b"", "lock.changed"),
        (Request("POST", "/a", JSON, b"x" * (1 << 20)), False, b"", "good"),
        (Request("POST", "/auth", JSON, b"{}"), False, b"", "good"),
        (Request("POST", "/build", (("content-type", "application/x-tar"),), b""), True, b"", "good"),
        (Request("PUT", "/a", (("content-type", "application/x-tar"),), b"tar"), False, b"", "good"),
    ],
    ids=["no body", "json", "json not shown", "1 MiB", "password", "upload", "whole tar"],
)
def test_a_stamped_request_is_redeemed_as_the_engine_shows_it(
    tickets: Tickets, request_: Request, has_upload: bool, seen: bytes, expected: str
) -> None:
    stamped = tickets.stamp(request_, has_upload=has_upload)

    ticket = dict(stamped.headers)[HEADER]
    assert (request_.method, request_.target, request_.body) == (stamped.method, stamped.target, stamped.body)
    assert expected == code(tickets.redeem(ticket, request_.method, request_.target, seen))


def test_a_stamp_replaces_a_header_of_that_name(tickets: Tickets) -> None:
    stamped = tickets.stamp(Request("GET", "/a", (("X-Dockwarden-Ticket", "forged"), ("accept", "x")), b""))

    assert ["accept", HEADER] == [name for name, _ in stamped.headers]
    assert "forged" not in dict(stamped.headers).values()
