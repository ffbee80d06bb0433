"""Redis away, hung or full: the answer comes in time, and reception goes on by itself afterwards."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handlers import router as built_in
from service.processes import embedded_server
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for


@contextmanager
def stopped(own_server: embedded_server.EmbeddedServer) -> Iterator[None]:
    """The server hangs: its socket takes connections, and nothing is answered."""
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)


def event() -> dict[str, Any]:
    return envelope("message.finalized", finalized_rcs("delivered", fresh_number()))


def test_a_hung_redis_is_a_503_before_telnyx_gives_up_and_no_restart_is_needed(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    first = event()
    with stopped(own_server):
        began = time.monotonic()
        answer = own_stack.deliver(first)
        assert time.monotonic() - began < 1.9
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]
        assert own_stack.http.get("/readyz").status_code == 503
        assert own_stack.http.get("/healthz").status_code == 200

    def delivered_again() -> bool:
        return own_stack.deliver(first).status_code == 200

    wait_for(delivered_again)
    assert own_stack.ask(accept.counts).accepted == 1


def test_a_redis_that_was_killed_is_a_503_and_its_return_needs_no_restart(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    before = event()
    assert own_stack.deliver(before).status_code == 200
    own_server.process.kill()
    own_server.process.wait()
    after = event()
    began = time.monotonic()
    assert own_stack.deliver(after).status_code == 503
    assert time.monotonic() - began < 1.9
    own_server.folder.release()

    with embedded_server.start(own_server.folder.data):
        wait_for(lambda: own_stack.deliver(after).status_code == 200)
        assert own_stack.deliver(before).json() == {"status": "duplicate"}
        assert own_stack.ask(accept.counts).accepted == 2


def test_a_redis_that_is_back_within_the_patience_is_not_noticed_by_telnyx(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    own_server.process.kill()
    own_server.process.wait()
    own_server.folder.release()
    with embedded_server.start(own_server.folder.data):
        assert own_stack.deliver(event()).json() == {"status": "accepted"}


def test_a_full_memory_is_a_503_with_its_reason_and_what_is_queued_still_ends(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    waiting = event()
    assert own_stack.deliver(waiting).status_code == 200
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", "1"))
    answer = own_stack.deliver(event())
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "Redis refuses writes (OOM: its memory is full (maxmemory))"},
    )
    assert own_stack.http.get("/readyz").status_code == 503

    own_stack.start_worker(built_in)
    assert own_stack.ended(waiting).state == "done"
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", "0"))
    assert own_stack.deliver(event()).status_code == 200


@pytest.mark.slow
def test_near_the_memory_limit_bodies_of_ended_events_go_first_and_reception_goes_on(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    own_stack.start_worker(built_in)
    large = "x" * 20_000
    ended = [envelope("message.finalized", finalized_rcs("delivered", fresh_number(), text=large)) for _ in range(60)]
    for each in ended:
        own_stack.deliver(each)
    for each in ended:
        own_stack.ended(each)
    dead = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), text=None))
    own_stack.deliver(dead)
    assert own_stack.ended(dead).state == "dead"
    assert own_stack.recorded(ended[0]["data"]["id"]).body is not None

    async def nearly_fill(store: Store) -> None:
        used = (await store.redis.info("memory"))["used_memory"]
        await store.redis.config_set("maxmemory", int(used / 0.9))

    own_stack.ask(nearly_fill)
    wait_for(lambda: own_stack.recorded(ended[0]["data"]["id"]).body is None)
    assert own_stack.recorded(dead["data"]["id"]).body is not None
    assert own_stack.deliver(event()).status_code == 200
    assert own_stack.ask(audit).clean


def test_a_worker_outlives_a_restart_of_redis(own_stack: Stack, own_server: embedded_server.EmbeddedServer) -> None:
    own_stack.start_worker(built_in)
    first = event()
    own_stack.deliver(first)
    assert own_stack.ended(first).state == "done"
    own_server.process.kill()
    own_server.process.wait()
    own_server.folder.release()
    with embedded_server.start(own_server.folder.data):
        second = event()
        wait_for(lambda: own_stack.deliver(second).status_code == 200)
        assert own_stack.ended(second).state == "done"


def test_forgotten_scripts_are_loaded_again(own_stack: Stack) -> None:
    assert own_stack.deliver(event()).status_code == 200
    own_stack.ask(lambda store: store.redis.script_flush())
    assert own_stack.deliver(event()).status_code == 200
