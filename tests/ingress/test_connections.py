"""Connections, over raw sockets: what an honest proxy may do, and what ends whoever sends or holds too much.

Each attack is tried on the port that Telnyx delivers to, on its admin port, on a worker's own, and on a port that two
processes serve.
"""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from service.cli.demo.stack import free_port
from tests.processes.fleet import open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

EMPTY = "from service import Router\nrouter = Router()\n"
PATHS = {"public": "/webhooks", "admin": "/readyz", "worker": "/healthz", "several": "/webhooks"}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports, each answered by a process or, the last one, by two."""
    with open_fleet(tmp_path_factory.mktemp("connections"), EMPTY) as fleet:
        admin, worker, several = free_port(), free_port(), free_port()
        fleet.start("ingress", RINGBACK_ADMIN_PORT=str(admin))
        fleet.start("ingress", RINGBACK_PORT=str(several), RINGBACK_INGRESS_PROCESSES="2")
        fleet.start_worker(RINGBACK_ADMIN_PORT=str(worker))
        opened = {"public": fleet.port, "admin": admin, "worker": worker, "several": several}
        wait_for(lambda: all(map(answers, opened.values())))
        yield opened


@pytest.fixture(params=["public and worker", pytest.param("admin and several", marks=pytest.mark.soak)])
def timed_ports(request: pytest.FixtureRequest, ports: dict[str, int]) -> list[int]:
    """A port of each kind of process, for what takes seconds; the ingress has two of one kind."""
    return [ports[each] for each in request.param.split(" and ")]


@pytest.fixture(params=PATHS)
def port(request: pytest.FixtureRequest, ports: dict[str, int]) -> int:
    return ports[request.param]


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Processes that are started within have 300 descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def at_once(check: Callable[[int], None], ports: list[int]) -> None:
    """Check all ports at the same time, since each check waits for seconds."""
    with ThreadPoolExecutor(len(ports)) as pool:
        list(pool.map(check, ports))


def answers(port: int) -> bool:
    try:
        with connected(port) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            return answer_of(connection).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def answer_of(connection: socket.socket) -> bytes:
    """One whole answer: its head and as much of a body as it declares."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    head, _, _ = answer.lower().partition(b"\r\n\r\n")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return answer + connection.recv(length, socket.MSG_WAITALL)


def is_closed(connection: socket.socket, *, seconds: float) -> bool:
    """Whether the server ends the connection within so many seconds, whatever it answers before."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if select.select([connection], [], [], left)[0]:
            try:
                if not connection.recv(65536):
                    return True
            except ConnectionError:
                return True
    return False


def sent_until_closed(connection: socket.socket, piece: bytes, *, most: int) -> int:
    """How many bytes of an endless stream the server takes before it ends the connection."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


def ends_while_it_is_sent(connection: socket.socket, piece: bytes, *, seconds: float) -> bool:
    """Whether the server ends a connection on which a client sends and never reads."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            connection.sendall(piece)
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("target", ["/healthz", "/nothing", "/webhooks"])
def test_endless_trailers_are_cut_off(port: int, target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n".encode()
    with connected(port) as connection:
        connection.sendall(head)
        line = b"x-more: " + b"y" * 1000 + b"\r\n"
        assert sent_until_closed(connection, line * 60, most=32 * 1024**2) < 16 * 1024**2


def test_one_endless_trailer_is_cut_off_while_the_body_is_awaited(ports: dict[str, int]) -> None:
    head = (
        f"POST /webhooks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        f"telnyx-signature-ed25519: {'A' * 86}==\r\ntelnyx-timestamp: {int(time.time())}\r\n\r\n0\r\nx-more: "
    ).encode()
    with connected(ports["public"]) as connection:
        connection.sendall(head)
        assert sent_until_closed(connection, b"y" * 65536, most=32 * 1024**2) < 16 * 1024**2


def test_proof_in_a_trailer_proves_nothing(ports: dict[str, int]) -> None:
    request = (
        f"POST /webhooks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n"
        f"telnyx-signature-ed25519: {'A' * 86}==\r\ntelnyx-timestamp: {int(time.time())}\r\n\r\n"
    ).encode()
    with connected(ports["public"]) as connection:
        connection.sendall(request)
        answer = answer_of(connection)
    assert b"telnyx-signature-ed25519 header missing" in answer


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"a: b\r\n" * 99, b"200"),
        (b"a: b\r\n" * 100, b"431"),
        (b"a: " + b"b" * 65_000 + b"\r\n", b"200"),
        (b"a: " + b"b" * 66_000 + b"\r\n", b"431"),
        (b"a: " + b"b" * 200_000, b"431"),
    ],
    ids=["100 headers", "101 headers", "below 64 KiB", "above 64 KiB", "unfinished"],
)
def test_a_head_has_at_most_100_headers_and_64_kib(port: int, lines: bytes, status: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n")
        answer = answer_of(connection)
        assert answer.split()[1] == status
        assert is_closed(connection, seconds=2) == (status == b"431")


def test_an_answer_to_an_unfinished_request_ends_the_connection(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        assert is_closed(connection, seconds=3)


def test_an_answer_that_comes_before_the_body_reaches_who_goes_on_sending_it(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n")
        assert select.select([connection], [], [], 5)[0]
        for _ in range(10):
            connection.sendall(b"x" * 4000)
        assert answer_of(connection).startswith(b"HTTP/1.1 404")
        assert is_closed(connection, seconds=3)


def test_a_byte_between_two_requests_starts_a_timer(timed_ports: list[int]) -> None:
    def check(port: int) -> None:
        with ExitStack() as stack:
            connections = [stack.enter_context(connected(port)) for _ in range(3)]
            for connection, between in zip(connections, (b"\r\n", b"\n\r\n", b"G"), strict=True):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                assert answer_of(connection).startswith(b"HTTP/1.1 200")
                connection.sendall(between)
            ends = time.monotonic() + 8
            for connection in connections:
                assert is_closed(connection, seconds=ends - time.monotonic())

    at_once(check, timed_ports)


def test_a_refused_upgrade_leaves_no_connection_without_a_timer(timed_ports: list[int]) -> None:
    def check(port: int) -> None:
        request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        with connected(port) as connection:
            connection.sendall(request)
            answer_of(connection)
            connection.sendall(b"x")
            assert is_closed(connection, seconds=8)

    at_once(check, timed_ports)


def test_the_first_byte_and_the_head_have_five_seconds_each(timed_ports: list[int]) -> None:
    def check(port: int) -> None:
        with connected(port) as silent, connected(port) as slow:
            began = time.monotonic()
            assert not is_closed(slow, seconds=3)
            slow.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert is_closed(silent, seconds=5)
            assert not is_closed(slow, seconds=6.5 - (time.monotonic() - began))
            assert is_closed(slow, seconds=5)

    at_once(check, timed_ports)


def test_a_client_that_pipelines_and_never_reads_is_ended(timed_ports: list[int]) -> None:
    def check(port: int) -> None:
        with connected(port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            requests = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"
            connection.sendall(requests * 4)
            connection.settimeout(1)
            assert ends_while_it_is_sent(connection, requests, seconds=20)

    at_once(check, timed_ports)


def test_a_few_requests_may_be_pipelined_and_are_answered_in_order(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /nothing HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
        answer, ends = b"", time.monotonic() + 10
        while answer.count(b"HTTP/1.1") < 6 and time.monotonic() < ends:
            answer += connection.recv(65536)
    assert [each.split()[0] for each in answer.split(b"HTTP/1.1")[1:]] == [b"200", b"404"] * 3


def test_an_idle_connection_is_kept_for_a_proxy(timed_ports: list[int]) -> None:
    def check(port: int) -> None:
        with connected(port) as connection:
            for pause in (0.0, 7.0, 0.0):
                assert not is_closed(connection, seconds=pause)
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                assert answer_of(connection).startswith(b"HTTP/1.1 200")

    at_once(check, timed_ports)


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_a_proxy_that_was_idle_for_65_seconds_is_served_and_one_for_80_is_closed(ports: dict[str, int]) -> None:
    with connected(ports["public"]) as connection:
        for pause in (0.0, 65.0):
            assert not is_closed(connection, seconds=pause)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert answer_of(connection).startswith(b"HTTP/1.1 200")
        assert is_closed(connection, seconds=80)


@pytest.mark.parametrize("role", ["ingress", "worker"])
def test_how_long_idle_connections_are_kept_can_be_set(tmp_path: Path, role: str) -> None:
    with open_fleet(tmp_path, EMPTY) as fleet:
        admin = free_port()
        fleet.start(role, RINGBACK_KEEP_ALIVE="1s", RINGBACK_ADMIN_PORT=str(admin))
        wait_for(lambda: answers(admin))
        with connected(admin) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert is_closed(connection, seconds=3)


@pytest.mark.parametrize("half_sent", [False, True], ids=["idle", "half-sent bodies"])
def test_strangers_that_hold_all_descriptors_lock_nobody_out(tmp_path: Path, *, half_sent: bool) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    if half_sent:
        proof = f"telnyx-signature-ed25519: {'A' * 86}==\r\ntelnyx-timestamp: {int(time.time())}\r\n"
        request = f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n{proof}\r\nx".encode()
    with open_fleet(tmp_path, EMPTY) as fleet, ExitStack() as strangers:
        with few_descriptors():
            fleet.start("ingress")
        wait_for(lambda: answers(fleet.port))
        held = [strangers.enter_context(connected(fleet.port)) for _ in range(600)]
        for connection in held:
            with suppress(ConnectionError):
                connection.sendall(request)
        assert fleet.deliver(envelope("test.x", {})).status_code == 200
        assert is_closed(held[0], seconds=2)
        assert not is_closed(held[-1], seconds=0.2)
