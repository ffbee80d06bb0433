"""The thread that renews leases: a damaged record keeps it from no other event."""

import asyncio
from uuid import uuid4

from service import Router
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim
from service.store.inbox.workers import WorkerSign
from service.store.store import Store
from service.worker.held_leases import HeldLeases
from service.worker.lease_renewer import LeaseRenewer
from service.worker.loop_watch import LoopWatch
from service.worker.metrics import TimesRecorder

SIGN = WorkerSign("w", "0", 0, 1, "handlers:router", ())


def test_results_of_a_damaged_event_keep_neither_others_nor_their_leases(redis_url: str) -> None:
    async def renewed(store: Store) -> tuple[str, str]:
        leases = HeldLeases(60, worker="w")
        await accept.accept(store, [accept.NewEvent(name, "test.one", b"{}", "webhook") for name in "abc"])
        claimed = await claim(store, ClaimRequest("w", 1, lease=60, limit=3, routes={"one": ["test.one"]}))
        await store.redis.set(store.keys.event("a"), "no hash")
        watch = LoopWatch(asyncio.get_running_loop(), leases, Router())
        renewer = LeaseRenewer(redis_url, store, leases, watch, sign=SIGN, times=TimesRecorder())
        done = {"one": HandlerRecord("done")}
        renewer._endings = [HandlerResults.of(each, done, release=True) for each in claimed.leases]
        assert await asyncio.to_thread(renewer._record_and_renew), "it goes on to renew"
        b, c = await accept.find_all(store, ["b", "c"])
        return b.state, c.state

    async def run() -> tuple[str, str]:
        async with connect(redis_url, timeout=5, connections=2) as redis:
            return await renewed(Store(redis, f"t{uuid4().hex[:12]}", PLAIN))

    assert asyncio.run(run()) == ("done", "done")
