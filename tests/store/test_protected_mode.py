"""A server in protected mode refuses each connection with a line of words, and closes it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from service.store.connection import connect, connect_blocking
from service.store.redis_errors import describe_cause
from tests.pending import pending
from tests.processes.running import clean_environment, running
from tests.waiting import wait_for

REFUSAL = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set.\r\n"


@pytest.fixture
def protected_url() -> Iterator[str]:
    """A stand-in, since a real server refuses strangers of other machines only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuse_all, args=(listener,), daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _refuse_all(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(REFUSAL)
            # A reset, which an unread command causes, may overtake the line.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


def cause_in_a_task(url: str) -> str:
    uvloop = pytest.importorskip("uvloop")

    async def ask() -> str:
        async with connect(url, timeout=5, connections=1) as redis:
            try:
                await pending(redis.ping())
            except RedisError as error:
                return describe_cause(error)
        return "answered"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(ask())


def cause_in_a_thread(url: str) -> str:
    with connect_blocking(url, timeout=5) as redis:
        try:
            redis.ping()
        except RedisError as error:
            return describe_cause(error)
    return "answered"


def test_its_refusal_is_told_as_what_it_is(protected_url: str) -> None:
    for cause in (cause_in_a_task(protected_url), cause_in_a_thread(protected_url)):
        assert cause.startswith("DENIED: it is in protected mode")


@pytest.mark.slow
def test_a_worker_says_what_to_do_and_waits(tmp_path: Path, protected_url: str) -> None:
    (tmp_path / "my_handlers.py").write_text("from service import Router\nrouter = Router()\n")
    log = tmp_path / "log"
    environment = clean_environment(REDIS_URL=protected_url, TELNYX_API_KEY="KEY", HANDLERS="my_handlers:router")
    with running("worker", cwd=tmp_path, log=log, environment=environment) as process:
        wait_for(lambda: process.poll() is not None or log.read_text().count("protected mode") > 3)
        assert process.poll() is None, log.read_text()
    assert process.returncode == 0
    assert "Next: give the server a password" in log.read_text()
    assert "fault of Ringback" not in log.read_text()
