"""Requests that offer to upgrade the connection: they are answered as if they did not (RFC 9110, 7.8)."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import orjson
import pytest

from tests.dashboard.conftest import USERS, serving_dashboard
from tests.ingress.test_whole_requests import ask_elsewhere, signed
from tests.raw_http import LAST, exchange, read_answers
from tests.stack import Stack

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAABAAMAAABk")
OFFERS = {
    "h2c": H2C,
    "websocket": ("connection: keep-alive, Upgrade", "upgrade: websocket"),
    "TLS": ("Connection: Upgrade", "Upgrade: TLS/1.0"),
}
Cut = Callable[[bytes], int]
CUTS: dict[str, Cut] = {
    "in one piece": len,
    "split in its head": lambda request: request.index(b"upgrade: "),
    "split behind its head": lambda request: request.index(b"\r\n\r\n") + 4,
    "split in its body": lambda request: len(request) - 10,
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_a_webhook_with_an_offer_is_accepted(stack: Stack, offer: tuple[str, ...]) -> None:
    assert statuses(stack, signed(stack, "test.offer", *offer) + LAST) == ["accepted", "alive"]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_its_body_may_come_in_any_pieces(stack: Stack, cut: Cut, *, chunked: bool) -> None:
    request = signed(stack, "test.pieces", *H2C)
    request = in_chunks(request) if chunked else request
    at = cut(request)
    assert statuses(stack, request[:at], request[at:] + signed(stack, "test.next") + LAST) == [
        "accepted",
        "accepted",
        "alive",
    ]


def test_requests_behind_it_are_answered_in_order(stack: Stack) -> None:
    asking = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    offering = signed(stack, "test.pipelined", *H2C)
    plain = signed(stack, "test.pipelined")
    seen = statuses(stack, offering + asking + plain + offering + asking + LAST)
    assert seen == ["accepted", "alive", "accepted", "duplicate", "alive", "alive"]


def test_a_forgery_with_an_offer_is_refused(stack: Stack) -> None:
    forged = signed(stack, "test.forged", *H2C).replace(b"test.forged", b"test.frogex")
    seen = asyncio.run(exchange(port_of(stack), [forged]))
    assert [answer.status for answer in read_answers(seen)] == [401]


def test_an_offer_beside_close_closes(stack: Stack) -> None:
    request = signed(stack, "test.close", "connection: close, Upgrade", "upgrade: h2c")
    assert statuses(stack, request) == ["accepted"]


def test_a_body_behind_an_offer_is_no_request(stack: Stack) -> None:
    hidden = b"GET /sign-in?next=/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    lines = ("GET /sign-in HTTP/1.1", "host: x", *H2C, f"content-length: {len(hidden)}", "\r\n")
    head = "\r\n".join(lines).encode()
    with serving_dashboard(stack, dashboard_users=USERS) as url:
        port = urlsplit(url).port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(head)
            ask_elsewhere(stack)
            connection.sendall(hidden + LAST)
            seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert {answer.status for answer in read_answers(seen)} == {200}
    assert b"smuggled" not in seen


@pytest.mark.parametrize("rest", [b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"], ids=["alone", "with more"])
def test_a_tunnel_is_refused_and_its_connection_closes(stack: Stack, rest: bytes) -> None:
    seen = asyncio.run(exchange(port_of(stack), [b"CONNECT localhost:22 HTTP/1.1\r\nhost: x\r\n\r\n" + rest]))
    assert [answer.status for answer in read_answers(seen)] == [400]


def test_endless_offers_end_the_connection(stack: Stack) -> None:
    offering = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(stack)), timeout=5) as connection, suppress(ConnectionError):
        connection.sendall(offering * 3000)
        assert not any(iter(lambda: connection.recv(65536), b"")), "none of so many is answered"
    assert ask_elsewhere(stack).startswith(b"HTTP/1.1 200")


def statuses(stack: Stack, *pieces: bytes) -> list[str]:
    """Send pieces over one connection, each after the one before is read. Return what the answers say."""
    with socket.create_connection(("127.0.0.1", port_of(stack)), timeout=5) as connection:
        for piece in pieces:
            connection.sendall(piece)
            ask_elsewhere(stack)
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
    return [orjson.loads(answer.body)["status"] for answer in read_answers(seen)]


def in_chunks(request: bytes) -> bytes:
    """Return a request with its body in two chunks."""
    head, body = request.split(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:20], body[20:]))
    return b"\r\n".join([*lines, b"transfer-encoding: chunked"]) + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


def port_of(stack: Stack) -> int:
    """Return the port of a stack's ingress."""
    port = urlsplit(stack.host.url).port
    assert port is not None
    return port
