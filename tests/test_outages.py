"""Redis away, hung or full: the answer comes in time, and reception goes on by itself afterwards."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from handlers import router as built_in
from service import embedded
from service.store import inbox
from service.store.audit import audit
from service.store.keys import Keys
from tests.events import envelope, finalized_rcs, fresh_number
from tests.stack import Host, Stack, open_host, open_stack
from tests.waiting import wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[embedded.EmbeddedServer]:
    """A server that only this test uses, and may stop."""
    with embedded.start(tmp_path / "data") as started:
        yield started


@pytest.fixture
def own_host(server: embedded.EmbeddedServer) -> Iterator[Host]:
    with open_host(server.url) as host:
        yield host


@pytest.fixture
def stack(own_host: Host) -> Iterator[Stack]:
    with open_stack(own_host) as opened:
        yield opened


@contextmanager
def stopped(server: embedded.EmbeddedServer) -> Iterator[None]:
    """The server hangs: its socket takes connections, and nothing is answered."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def event() -> dict[str, Any]:
    return envelope("message.finalized", finalized_rcs("delivered", fresh_number()))


def test_a_hung_redis_is_a_503_before_telnyx_gives_up_and_no_restart_is_needed(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    first = event()
    with stopped(server):
        began = time.monotonic()
        answer = stack.deliver(first)
        assert time.monotonic() - began < 1.9
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]
        assert stack.http.get("/readyz").status_code == 503
        assert stack.http.get("/healthz").status_code == 200

    def delivered_again() -> bool:
        return stack.deliver(first).status_code == 200

    wait_for(delivered_again)
    assert stack.ask(inbox.counts).accepted == 1


def test_a_redis_that_was_killed_is_a_503_and_its_return_needs_no_restart(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    before = event()
    assert stack.deliver(before).status_code == 200
    server.process.kill()
    server.process.wait()
    after = event()
    began = time.monotonic()
    assert stack.deliver(after).status_code == 503
    assert time.monotonic() - began < 1.9
    server.folder.release()

    with embedded.start(server.folder.data):
        wait_for(lambda: stack.deliver(after).status_code == 200)
        assert stack.deliver(before).json() == {"status": "duplicate"}
        assert stack.ask(inbox.counts).accepted == 2


def test_a_redis_that_is_back_within_the_patience_is_not_noticed_by_telnyx(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    server.process.kill()
    server.process.wait()
    server.folder.release()
    with embedded.start(server.folder.data):
        assert stack.deliver(event()).json() == {"status": "accepted"}


def test_a_full_memory_is_a_503_with_its_reason_and_what_is_queued_still_ends(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    waiting = event()
    assert stack.deliver(waiting).status_code == 200
    stack.ask(lambda redis, keys: redis.config_set("maxmemory", "1"))
    answer = stack.deliver(event())
    assert (answer.status_code, answer.json()) == (503, {"error": "Redis refuses writes (OutOfMemoryError)"})
    assert stack.http.get("/readyz").status_code == 503

    stack.start_worker(built_in)
    assert stack.ended(waiting).state == "done"
    stack.ask(lambda redis, keys: redis.config_set("maxmemory", "0"))
    assert stack.deliver(event()).status_code == 200


def test_near_the_memory_limit_bodies_of_ended_events_go_first_and_reception_goes_on(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    stack.start_worker(built_in)
    large = "x" * 20_000
    ended = [envelope("message.finalized", finalized_rcs("delivered", fresh_number(), text=large)) for _ in range(60)]
    for each in ended:
        stack.deliver(each)
    for each in ended:
        stack.ended(each)
    dead = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), text=None))
    stack.deliver(dead)
    assert stack.ended(dead).state == "dead"
    assert stack.record(ended[0]["data"]["id"]).body is not None  # type: ignore[union-attr]

    async def nearly_fill(redis: "Redis", keys: Keys) -> None:
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", int(used / 0.9))

    stack.ask(nearly_fill)
    wait_for(lambda: stack.record(ended[0]["data"]["id"]).body is None)  # type: ignore[union-attr]
    assert stack.record(dead["data"]["id"]).body is not None  # type: ignore[union-attr]
    assert stack.deliver(event()).status_code == 200
    assert stack.ask(audit).clean


def test_a_worker_outlives_a_restart_of_redis(stack: Stack, server: embedded.EmbeddedServer) -> None:
    stack.start_worker(built_in)
    first = event()
    stack.deliver(first)
    assert stack.ended(first).state == "done"
    server.process.kill()
    server.process.wait()
    server.folder.release()
    with embedded.start(server.folder.data):
        second = event()
        wait_for(lambda: stack.deliver(second).status_code == 200)
        assert stack.ended(second).state == "done"


def test_forgotten_scripts_are_loaded_again(stack: Stack) -> None:
    assert stack.deliver(event()).status_code == 200
    stack.ask(lambda redis, keys: redis.script_flush())
    assert stack.deliver(event()).status_code == 200
