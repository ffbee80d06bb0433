"""Waiting for work with a claim behind the wait: carried out by the server, but only where nothing runs beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from service.store.connection import connect
from service.store.inbox import accept
from service.store.inbox.leases import ClaimedEvents, ClaimRequest
from service.store.inbox.wake_up import claim_ahead, claim_when_woken
from service.store.scripts import script
from service.store.store import Store
from tests.stack import Stack

REQUEST = ClaimRequest("worker", 1, lease=15, limit=10, routes={"one": ["*"]}, alone=True)


async def come(store: Store) -> None:
    await accept.accept(store, [accept.NewEvent("an-event", "test.x", b'{"data":{}}', "webhook")])


async def is_waiting(store: Store, *, with_claim: bool = False) -> None:
    """Wait until the server holds the wait, and the claim behind it where one was sent."""

    def is_there(client: dict[str, str]) -> bool:
        return client["cmd"] == "blpop" and (not with_claim or int(client["qbuf"]) > 0)

    while not any(map(is_there, await store.redis.client_list())):  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def waited(
    stack: Stack, meanwhile: Callable[[Store, "asyncio.Event"], Awaitable[None]], seconds: float = 10
) -> ClaimedEvents | None:
    """What a wait brings beside work that is over when `meanwhile` says so."""

    async def wait(store: Store) -> ClaimedEvents | None:
        await store.redis.script_load(script("claim").text)
        over = asyncio.Event()

        async def idle() -> None:
            await over.wait()

        waiting = asyncio.create_task(
            claim_when_woken(store, lambda: REQUEST, seconds=seconds, idle=idle),
        )
        await meanwhile(store, over)
        return await waiting

    return stack.ask(wait)


def test_an_event_that_comes_while_nothing_runs_is_claimed_with_the_wake_up(stack: Stack) -> None:
    async def meanwhile(store: Store, over: asyncio.Event) -> None:
        await is_waiting(store)
        over.set()
        await is_waiting(store, with_claim=True)
        await come(store)

    claimed = waited(stack, meanwhile)
    assert claimed is not None
    assert [each.record.id for each in claimed.leases] == ["an-event"]


def test_nothing_is_claimed_beside_what_may_block_the_event_loop(stack: Stack) -> None:
    async def meanwhile(store: Store, over: asyncio.Event) -> None:
        await is_waiting(store)
        await come(store)

    assert waited(stack, meanwhile) is None
    assert stack.recorded("an-event").leased_until is None


def test_without_a_wake_up_it_claims_when_the_time_is_over(stack: Stack) -> None:
    async def meanwhile(store: Store, over: asyncio.Event) -> None:
        over.set()

    claimed = waited(stack, meanwhile, seconds=0.05)
    assert claimed is not None
    assert (claimed.leases, claimed.next_in) == ([], None)


def test_a_server_that_forgot_the_script_claims_nothing(stack: Stack) -> None:
    async def meanwhile(store: Store, over: asyncio.Event) -> None:
        await store.redis.script_flush()
        over.set()

    assert waited(stack, meanwhile, seconds=0.05) is None


def test_a_claim_ahead_says_that_it_is_sent(stack: Stack) -> None:
    told: list[str] = []

    async def claim(store: Store) -> ClaimedEvents | None:
        await store.redis.script_load(script("claim").text)
        await come(store)
        return await claim_ahead(store, REQUEST, sent=lambda: told.append("sent"))

    claimed = stack.ask(claim)
    assert claimed is not None
    assert [each.record.id for each in claimed.leases] == ["an-event"]
    assert told == ["sent"]


def test_claims_ahead_give_their_connection_back(stack: Stack) -> None:
    async def claim_twice(store: Store) -> list[int]:
        await store.redis.script_load(script("claim").text)
        async with connect(stack.redis_url, timeout=10, connections=1) as one:
            lone = Store(one, store.namespace, store.encryption)
            requests = [replace(REQUEST, number=number) for number in (1, 2, 3)]
            claims = [await claim_ahead(lone, each, sent=lambda: None) for each in requests]
        return [len(each.leases) for each in claims if each is not None]

    assert stack.ask(claim_twice) == [0, 0, 0]
