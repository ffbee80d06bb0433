"""An embedded server with little memory: what goes first, when webhooks are refused, and how it recovers."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from service import Context, Event, Router
from service.processes import embedded_server
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.worker.maintenance import Maintenance
from tests.pending import pending
from tests.stack import Stack, open_host, open_stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

MEMORY = 12_000_000
BODY = 50_000

pytestmark = pytest.mark.slow


@pytest.fixture
def small_stack(tmp_path: Path) -> Iterator[Stack]:
    with (
        embedded_server.start(tmp_path / "data", max_memory=MEMORY) as server,
        open_host(server.url) as host,
        open_stack(host) as opened,
    ):
        yield opened


def quiet() -> Router:
    router = Router()

    @router.on("test.big")
    async def heard(event: Event[Any], ctx: Context) -> None:
        pass

    return router


def big() -> dict[str, Any]:
    return envelope("test.big", {"id": str(uuid.uuid4()), "text": "x" * BODY})


def find(stack: Stack, event: dict[str, Any]) -> EventRecord:
    record = stack.record(event["data"]["id"])
    assert record is not None
    return record


def filled(stack: Stack) -> list[dict[str, Any]]:
    """Deliver until the server takes no more; the events that it took."""
    taken = []
    while stack.deliver(event := big()).status_code == 200:
        taken.append(event)
        assert len(taken) < 2 * MEMORY // BODY
    return taken


async def crowd(redis: "Redis") -> None:
    """Fill nine tenths of the memory with what is nobody's to forget."""
    memory = await redis.info("memory")
    ballast = b"x" * 50_000
    for _ in range((MEMORY * 9 // 10 - int(memory["used_memory"])) // len(ballast)):
        await pending(redis.rpush("ballast", ballast))


def test_bodies_go_first_and_every_event_is_taken(small_stack: Stack) -> None:
    small_stack.start_worker(quiet())
    first = big()
    assert small_stack.deliver(first).status_code == 200
    small_stack.ended(first)
    others = [big() for _ in range(5 * MEMORY // 4 // BODY)]
    for event in others:
        # Telnyx delivers again: the upkeep frees memory once a second.
        wait_for(lambda: small_stack.deliver(event).status_code == 200, seconds=10)
    small_stack.ended(others[-1])

    assert find(small_stack, first).body is None
    assert small_stack.deliver(first).json() == {"status": "duplicate"}
    assert small_stack.ask(audit).clean


def test_open_events_are_refused_no_memory_and_what_is_full_recovers_by_itself(small_stack: Stack) -> None:
    taken = filled(small_stack)
    refused = small_stack.deliver(late := big())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")

    small_stack.start_worker(quiet())
    for event in taken:
        assert small_stack.ended(event).state == "done"
    wait_for(lambda: small_stack.deliver(late).status_code == 200, seconds=10)
    assert small_stack.ended(late).state == "done"
    assert small_stack.ask(audit).clean


def test_ended_records_older_than_two_days_go_once_no_body_is_left(small_stack: Stack) -> None:
    small_stack.start_worker(quiet())
    old, young = big(), big()
    for event in (old, young):
        small_stack.deliver(event)
        small_stack.ended(event)

    async def grow_old(store: Store) -> None:
        await store.redis.zadd(store.keys.ended, {old["data"]["id"]: (time.time() - 49 * 3600) * 1000})
        await crowd(store.redis)

    small_stack.ask(grow_old)
    wait_for(lambda: small_stack.record(old["data"]["id"]) is None)
    assert find(small_stack, young).body is None
    assert small_stack.ask(accept.counts).accepted == 1
    small_stack.ask(lambda store: store.redis.delete("ballast"))
    assert small_stack.deliver(big()).status_code == 200


def test_each_shortage_is_told_of_once(small_stack: Stack) -> None:
    async def turns(store: Store) -> None:
        await crowd(store.redis)
        upkeep = Maintenance(small_stack.settings, store, "worker")
        for _ in range(5):
            await upkeep.run_once()

    with capture_logs() as logs:
        small_stack.ask(turns)
    assert [each["log_level"] for each in logs if "nearly full" in each["event"]] == ["error"]
