"""The name of a deployment on a cluster: scripts touch only keys whose braces hold it."""

import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.leases import ClaimRequest, claim
from service.store.store import Store
from tests.store.half_way import new_world


@pytest.mark.anyio
async def test_a_job_of_another_deployment_is_foreign_though_an_event_of_ours_bears_its_id(server: "Redis") -> None:
    store = Store(server, new_world(server).keys.namespace, PLAIN)
    await accept(store, [NewEvent("one", "test.x", b"{}", "webhook", delay=60_000)])
    job = "x" * len(store.keys.job_id("")) + "one"
    await server.zadd(store.keys.queue, {job: 1})
    claimed = await claim(store, ClaimRequest("w", 1, 15.0, 9, {"greet": ["*"]}))
    assert (claimed.leases, claimed.foreign) == ([], [job])


@pytest.mark.anyio
@pytest.mark.parametrize("in_cluster", [True, False])
async def test_only_a_job_of_our_own_slot_is_looked_at(server: "Redis", *, in_cluster: bool) -> None:
    name = new_world(server).keys.namespace
    store = Store(server, f"{{{name}}}" if in_cluster else name, PLAIN)
    await accept(store, [NewEvent("one", "test.x", b"{}", "webhook")])
    jobs = [f"near{store.namespace}", f"far{{{name}x}}", f"idle{store.namespace}"]
    await server.zadd(store.keys.queue, dict.fromkeys(jobs, 1))
    for job in jobs[:2]:
        await server.set(f"arq:in-progress:{job}", "1", px=60_000)
    claimed = await claim(store, ClaimRequest("w", 1, 15.0, 9, {"greet": ["*"]}))
    assert [each.record.id for each in claimed.leases] == ["one"]
    # One that runs is none of ours to look at. Where its mark cannot be read, it is told of.
    assert sorted(claimed.foreign) == sorted(jobs[1:] if in_cluster else jobs[2:])
    for job in jobs[:2]:
        await server.delete(f"arq:in-progress:{job}")
