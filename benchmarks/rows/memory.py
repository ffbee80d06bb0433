"""The memory of the processes under load, and that of an event in Redis at each stage of its life."""

import asyncio
import time
from contextlib import ExitStack

from benchmarks import handled
from benchmarks.figures import Result, Table
from benchmarks.load import send
from benchmarks.machine import memory
from benchmarks.processes import wait_for
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import RECEIVED_BYTES, fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, receiving, working
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox.maintenance import prune_bodies
from service.store.store import Store

EVENTS = 20_000


def run(scale: Scale) -> Result:
    """Accept some thousand events, handle them, then let their bodies go."""
    count = 500 if scale.quick else EVENTS
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        receiver = running.enter_context(receiving(RINGBACK_STACK, redis, scale))
        send(requests(fresh_ids(100), received), receiver.port)
        sizes = [redis.used_memory()]
        accepted = send(requests(fresh_ids(count), received), receiver.port).accepted
        sizes.append(redis.used_memory())
        worker = running.enter_context(working(RINGBACK_STACK, redis, scale))
        wait_for(lambda: handled.count(worker.file) >= accepted + 100, worker.process, worker.log, seconds=120)
        time.sleep(0.5)
        sizes.append(redis.used_memory())
        processes = {"ingress": memory(receiver.process.pid), "worker": memory(worker.process.pid)}
        record = asyncio.run(_prune(redis, handled.read(worker.file)[-1].event_id))
        sizes.append(redis.used_memory())
    each = {name: (size - sizes[0]) / accepted for name, size in zip(STAGES, sizes[1:], strict=True)}
    table = Table(
        f"Memory, after {accepted:,} events of {RECEIVED_BYTES:,} bytes",
        ("", ""),
        [
            *([f"`ringback {name}`", f"{size:.0f} MB"] for name, size in processes.items()),
            *([f"an event in Redis, {name}", f"{size:,.0f} bytes"] for name, size in each.items()),
            ["the record of a remembered event, beside its id", f"{record} bytes"],
        ],
        "Resident memory of the processes. In Redis, all that its memory grew by: body, record, index, queue and the"
        " server's own structures. The record is its names and values alone.",
    )
    return Result([table], {**processes, "remembered": record})


STAGES = ("open", "ended, with its body", "remembered")


async def _prune(redis: RedisServer, event_id: str) -> int:
    """Let all bodies of ended events go, as maintenance does a day later. Return the bytes of one's record."""
    async with connect(redis.url, timeout=60, connections=1) as client:
        store = Store(client, "ringback", PLAIN)
        while await prune_bodies(store, older_than=0):
            pass
        async with client.pipeline(transaction=False) as pipe:
            pipe.hgetall(store.keys.event(event_id))
            [record] = await pipe.execute()
    return sum(len(name) + len(value) for name, value in record.items())
