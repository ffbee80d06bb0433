"""What replicas have to confirm counts only once they have done so."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.inbox.accept import NewEvent, accept, counts
from service.store.redis_errors import NotReplicated
from service.store.store import Store
from tests.store.half_way import new_world

EVENT = NewEvent("one", "test.x", b"{}", "webhook")


def replicated(server: "Redis", replicas: int) -> Store:
    world = new_world(server)
    return replace(world.store, redis=server, replicas=replicas)


@pytest.mark.anyio
async def test_without_the_replica_an_event_is_not_accepted(server: "Redis") -> None:
    store, began = replicated(server, 1), time.monotonic()
    with pytest.raises(NotReplicated):
        await accept(store, [EVENT])
    assert time.monotonic() - began >= 0.4, "it waits for the replica"


@pytest.mark.anyio
async def test_what_only_reads_needs_no_replica(server: "Redis") -> None:
    assert (await counts(replicated(server, 1))).accepted == 0


@pytest.mark.anyio
async def test_a_server_that_refuses_to_wait_says_why(server: "Redis") -> None:
    store = replicated(server, 1)
    await server.execute_command("ACL", "SETUSER", store.namespace, "on", "nopass", "~*", "&*", "+@all", "-wait")  # type: ignore[no-untyped-call]
    async with Redis(
        unix_socket_path=server.connection_pool.connection_kwargs["path"], username=store.namespace, password="any"
    ) as guest:
        with pytest.raises(ResponseError, match="no permissions"):
            await accept(replace(store, redis=guest), [EVENT])
    await server.execute_command("ACL", "DELUSER", store.namespace)  # type: ignore[no-untyped-call]
