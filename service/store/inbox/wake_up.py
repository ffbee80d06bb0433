"""Waiting for work at the server, with a claim that the server carries out as soon as there is some.

The claim stands behind the wait on one connection. So the server claims an event in the turn that accepts it. The
worker needs no second round trip then, and waits for no second write to disk.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import NoScriptError

from service.store.inbox.leases import ClaimedEvents, ClaimRequest, claim_arguments, read_claim
from service.store.scripts import script
from service.store.store import Store


async def claim_when_woken(
    store: Store, request: Callable[[], ClaimRequest], *, seconds: float, idle: Callable[[], Coroutine[Any, Any, None]]
) -> ClaimedEvents | None:
    """Wait for a wake-up, at most so many seconds, and claim what is due then.

    The claim is sent once `idle` returns, as no handler runs. One may block the event loop, and then nobody would run
    what the server has claimed. Return None where the wake-up comes before that. Then nothing is claimed.

    Raises:
        redis.exceptions.RedisError: it is not known whether events were taken. Repeat the request to learn which.
    """
    async with _connection_of(store) as connection:
        await connection.send_command("BLPOP", store.keys.wake, seconds)
        latest = time.monotonic() + seconds
        woken = asyncio.create_task(connection.read_response())
        try:
            if await _comes_first(woken, idle()):
                await woken
                return None
            asked = request()
            await _send(connection, store, asked)
            await woken
            answer = await _answer(connection)
        finally:
            woken.cancel()
    # A loop that was blocked meanwhile reads the answer late.
    return None if answer is None else read_claim(store, asked, answer, at=min(time.monotonic(), latest))


async def claim_ahead(store: Store, request: ClaimRequest, *, sent: Callable[[], None]) -> ClaimedEvents | None:
    """Claim what is due, and say when the claim is `sent`. Return None where nothing is claimed.

    Raises:
        redis.exceptions.RedisError: it is not known whether events were taken. Repeat the request to learn which.
    """
    async with _connection_of(store) as connection:
        began = time.monotonic()
        await _send(connection, store, request)
        sent()
        answer = await _answer(connection)
    return None if answer is None else read_claim(store, request, answer, at=began)


@asynccontextmanager
async def _connection_of(store: Store) -> AsyncIterator[Any]:
    """Take a connection out of the pool. Close it where the block fails: its answers are still to come."""
    pool = store.redis.connection_pool
    connection: Any = await pool.get_connection()
    try:
        yield connection
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def _send(connection: Any, store: Store, request: ClaimRequest) -> None:
    digest = script("claim").digest
    await connection.send_command("EVALSHA", digest, 1, store.keys.counts, *claim_arguments(request))


async def _answer(connection: Any) -> list[Any] | None:
    """Return the answer to a claim, None where the server does not know the script."""
    try:
        answer: list[Any] = await connection.read_response()
    except NoScriptError:
        return None
    return answer


async def _comes_first(woken: "asyncio.Task[Any]", idle: Coroutine[Any, Any, None]) -> bool:
    """Wait for the wake-up and for `idle`. Return whether the wake-up comes first."""
    waiting = asyncio.create_task(idle)
    try:
        await asyncio.wait((woken, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return not waiting.done()
