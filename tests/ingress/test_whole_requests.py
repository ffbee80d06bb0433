"""Requests that came as a whole: they need no task of their own, and get the same answers."""

import asyncio
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import orjson
import pytest

from service.ingress.webhook_endpoint import Reception
from service.ingress.whole_requests import MAX_PER_TURN, Turns
from service.security.telnyx_signature import sign
from service.store.inbox.group_commit import GroupCommit
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


@pytest.fixture
def _no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise AssertionError("a task was started")

    monkeypatch.setattr(Reception, "__call__", refuse)


@pytest.fixture
def connection(stack: Stack) -> Iterator[socket.socket]:
    address = urlsplit(stack.host.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as opened:
        yield opened


@pytest.mark.usefixtures("_no_tasks")
def test_a_whole_webhook_is_answered_without_a_task(stack: Stack, connection: socket.socket) -> None:
    event_id = str(uuid.uuid4())
    paths = ("/webhooks", "/webhooks", "/webhooks/failover/")
    answers = [ask(connection, signed(stack, "test.whole", path=path, event_id=event_id)) for path in paths]
    assert [each[0] for each in answers] == [200, 200, 200]
    assert [orjson.loads(each[1])["status"] for each in answers] == ["accepted", "duplicate", "duplicate"]
    assert stack.recorded(event_id).deliveries == 3


@pytest.mark.usefixtures("_no_tasks")
def test_a_forgery_is_refused_without_a_task_and_its_connection_closes(stack: Stack, connection: socket.socket) -> None:
    assert ask(connection, signed(stack, "test.forged").replace(b"test.forged", b"test.frogex"))[0] == 401
    assert connection.recv(4096) == b""


def test_a_body_that_comes_later_is_accepted_too(stack: Stack, connection: socket.socket) -> None:
    head, body = signed(stack, "test.later", "expect: 100-continue").split(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert b'{"status":"accepted"}' in connection.recv(4096)


@pytest.mark.parametrize("space", [" ", "\t", " \t "])
def test_blanks_around_the_value_of_a_header_do_not_count(stack: Stack, connection: socket.socket, space: str) -> None:
    head, end, body = signed(stack, "test.blanks").partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    spaced = [f"{name}:{space}{value}{space}" for name, _, value in (line.partition(": ") for line in lines)]
    assert ask(connection, "\r\n".join([first, *spaced]).encode() + end + body)[0] == 200


def test_requests_in_one_piece_are_answered_in_order(stack: Stack, connection: socket.socket) -> None:
    connection.sendall(signed(stack, "test.one") + b"GET /healthz HTTP/1.1\r\n\r\n" + signed(stack, "test.two"))
    seen = b""

    def answered() -> bool:
        nonlocal seen
        seen += connection.recv(4096)
        return seen.count(b"HTTP/1.1 200") == 3 and seen.endswith(b"}")

    wait_for(answered)
    first, health, second = seen.split(b"HTTP/1.1 200")[1:]
    assert b"accepted" in first
    assert b"accepted" in second
    assert b"accepted" not in health


def test_a_body_in_pieces_is_accepted_like_one_that_came_whole(stack: Stack, connection: socket.socket) -> None:
    request = signed(stack, "test.pieces")
    for _ in range(2):
        head, body = request.split(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n" + body[:10])
        # The server has read so much before it reads the rest.
        assert ask_elsewhere(stack).startswith(b"HTTP/1.1 200")
        assert ask(connection, body[10:])[0] == 200
        request = signed(stack, "test.pieces.again")
    assert ask(connection, signed(stack, "test.whole"))[0] == 200


def test_a_chunked_body_that_came_whole_is_one_body(stack: Stack, connection: socket.socket) -> None:
    head, body = signed(stack, "test.chunked").split(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:20], body[20:]))
    request = head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert orjson.loads(ask(connection, request)[1]) == {"status": "accepted"}


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_a_chunked_body_that_is_broken_is_answered_with_400_and_its_connection_closes(
    stack: Stack, connection: socket.socket, *, split: bool
) -> None:
    head, body = signed(stack, "test.chunked").split(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    pieces = [head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + b"5\r\n" + body[:5], b"no chunk\r\n"]
    for piece in pieces if split else [b"".join(pieces)]:
        connection.sendall(piece)
        # The server has read so much before it reads the rest.
        ask_elsewhere(stack)
    assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert connection.recv(4096) == b""


def test_data_behind_a_webhook_that_is_no_request_ends_the_connection_unanswered(
    stack: Stack, connection: socket.socket
) -> None:
    connection.sendall(signed(stack, "test.smuggled") + b"\x00\x01 no request\r\n\r\n")
    with suppress(ConnectionResetError):
        assert connection.recv(4096) == b""
    assert stack.deliver(envelope("test.whole", {})).json() == {"status": "accepted"}


@pytest.mark.parametrize("head", ["connection: close", "x-first: 1"], ids=["closing", "old"])
def test_a_connection_that_is_to_close_closes_after_its_answer(
    stack: Stack, connection: socket.socket, head: str
) -> None:
    request = signed(stack, "test.last", head)
    if head == "x-first: 1":
        request = request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    assert ask(connection, request)[0] == 200
    assert connection.recv(4096) == b""


@pytest.mark.parametrize("place", [(GroupCommit, "submit"), (Reception, "note")], ids=["before", "after"])
def test_a_bug_is_answered_with_500(
    stack: Stack, connection: socket.socket, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(*place, broken)
        assert ask(connection, signed(stack, "test.broken"))[0] == 500
    assert stack.deliver(envelope("test.whole", {})).json() == {"status": "accepted"}


def test_the_loop_looks_at_its_sockets_between_turns() -> None:
    async def run() -> list[object]:
        done: list[object] = []
        turns, loop = Turns(), asyncio.get_running_loop()

        def call(number: int) -> None:
            done.append(number)
            if number == 0:
                loop.call_soon(done.append, "between")
            if number == 1:
                loop.set_exception_handler(lambda *_: None)
                raise ZeroDivisionError

        for number in range(MAX_PER_TURN + 2):
            turns.add(call, number)
        while len(done) < MAX_PER_TURN + 3:  # noqa: ASYNC110 - one turn of the loop
            await asyncio.sleep(0)
        return done

    done = asyncio.run(asyncio.wait_for(run(), 5))
    assert [each for each in done if each != "between"] == [*range(MAX_PER_TURN + 2)], "one that raises holds up none"
    assert done.index("between") <= MAX_PER_TURN


def ask_elsewhere(stack: Stack) -> bytes:
    """Ask for a small answer over a connection of its own: all that was sent before is read then."""
    address = urlsplit(stack.host.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as other:
        other.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        return other.recv(4096)


def signed(stack: Stack, event_type: str, *more: str, path: str = "/webhooks", event_id: str | None = None) -> bytes:
    """Return a webhook as it comes over the wire."""
    body = orjson.dumps(envelope(event_type, {}, event_id=event_id))
    headers = {**sign(body, stack.signing_key, int(time.time())), "host": "localhost", "content-length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *more, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(connection: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send a request in one piece. Return the status and the body of its answer."""
    connection.sendall(request)
    seen = b""
    while not seen.endswith((b"}", b"Error")):
        more = connection.recv(4096)
        assert more, "the connection was closed"
        seen += more
    return int(seen.split(b" ", 2)[1]), seen.partition(b"\r\n\r\n")[2]
