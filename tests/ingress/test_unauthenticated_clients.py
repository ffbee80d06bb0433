"""Strangers without a key must not keep Telnyx out, whatever they open, declare, or never finish."""

import base64
import errno
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from httpx import URL

from tests.processes.fleet import Fleet, open_fleet
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

EMPTY = "from service import Router\nrouter = Router()\n"


@pytest.fixture(scope="module")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("strangers"), EMPTY) as opened:
        opened.start_ingress()
        yield opened


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """An ingress that, after whatever a test does to it, takes webhooks and tells of no crash."""
    yield shared_fleet
    wait_for(lambda: genuine_is_accepted(shared_fleet))
    log = (shared_fleet.folder / "ingress-0.log").read_text()
    assert "ingress listening" in log, "there is something to read"
    assert "ASGI" not in log
    assert "Traceback" not in log


def connected(fleet: Fleet) -> socket.socket:
    return socket.create_connection(("127.0.0.1", fleet.port), timeout=20)


def genuine_is_accepted(fleet: Fleet) -> bool:
    return fleet.deliver(envelope("test.x", {})).status_code == 200


def closed_by_the_server(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_bodies_that_are_declared_and_never_sent_take_no_room(fleet: Fleet) -> None:
    signature = base64.b64encode(bytes(64)).decode()
    head = (
        f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n"
        f"telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {int(time.time())}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(connected(fleet)).sendall(head)
        assert genuine_is_accepted(fleet)


@pytest.mark.slow
@pytest.mark.parametrize(("strangers", "size"), [(66, 1024**2 - 1), (600, 65_536)], ids=["1 MiB each", "64 KiB each"])
def test_half_sent_bodies_leave_room_for_telnyx_on_both_urls(fleet: Fleet, strangers: int, size: int) -> None:
    signature = base64.b64encode(bytes(64)).decode()
    head = (
        f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n"
        f"telnyx-signature-ed25519: {signature}\r\ntelnyx-timestamp: {int(time.time())}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        for _ in range(strangers):
            with suppress(ConnectionError):  # some give way while they send
                stack.enter_context(connected(fleet)).sendall(head + bytes(size))
        for path in ("/webhooks", "/webhooks/failover") * 5:
            assert fleet.deliver(envelope("test.x", {}), path=path).status_code == 200
        assert fleet.deliver(envelope("test.x", {"text": "x" * 200_000})).status_code == 200


def test_endless_headers_are_cut_off(fleet: Fleet) -> None:
    with connected(fleet) as connection:
        connection.sendall(b"POST /webhooks HTTP/1.1\r\nhost: x\r\nx-endless: ")
        sent = 0
        try:
            while sent < 8 * 1024**2:
                connection.sendall(b"x" * 65536)
                sent += 65536
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 8 * 1024**2
    assert genuine_is_accepted(fleet)


@pytest.mark.slow
def test_connections_that_never_finish_their_headers_are_closed(fleet: Fleet) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(fleet)) for _ in range(3)]
        for connection, sent in zip(connections, (b"", b"POST /webhooks HTTP/1.1\r\nhost:", b"\r\n"), strict=True):
            connection.sendall(sent)
        assert all(map(closed_by_the_server, connections))


def test_many_who_ask_for_readiness_at_once_get_the_same_answer(fleet: Fleet) -> None:
    request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(fleet)) for _ in range(60)]
        for connection in connections:
            connection.sendall(request)
        answers = {connection.recv(65536).split(b"\r\n")[0] for connection in connections}
    assert answers == {b"HTTP/1.1 200 OK"}


def test_a_content_length_of_many_digits_is_refused(fleet: Fleet) -> None:
    with connected(fleet) as connection:
        connection.sendall(b"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n")
        assert connection.recv(65536).split()[1] in {b"400", b"413"}


def test_a_client_that_is_gone_before_its_answer_leaves_no_traceback(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone: list[object] = []

    def reset(transport: object) -> None:
        gone.append(transport)
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    # The client's reset may come between the last read and this call: no client can time that.
    monkeypatch.setattr("asyncio.selector_events._SelectorSocketTransport.write_eof", reset)
    url = URL(stack.http.base_url)
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(b"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx")
        wait_for(lambda: closed_by_the_server(connection))
    assert len(gone) == 1
    assert "Traceback" not in caplog.text
