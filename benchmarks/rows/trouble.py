"""The answer while a file is rewritten and processes are replaced, with open events behind it.

500 webhooks a second leave by the clock, minute by minute. It runs where `--only` names it.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from threading import Thread

from benchmarks.figures import Result, Table, percentile
from benchmarks.load import LoadReport, send
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, Receiver, Worker, receiving, working
from service.security.encryption import PLAIN
from service.settings import Settings
from service.store.connection import connect
from service.store.inbox.accept import NewEvent, accept
from service.store.store import Store

RATE = 500
BATCH = 500
DAY = 86_400_000
"""Milliseconds after which the events behind are due: long after the measurement."""
BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Upper bounds of the histogram in ms."""
NO_ANSWER = float("inf")


class Deployed:
    """A receiver and a worker that are replaced by new ones without a pause."""

    def __init__(self, redis: RedisServer, scale: Scale) -> None:
        self._redis, self._scale = redis, scale
        self._earlier: AbstractContextManager[Receiver] | None = None
        self._worker = self._new_worker()
        self._worker.__enter__()
        self._receiver = self._new_receiver()
        self.receiver = self._receiver.__enter__()

    def _new_worker(self) -> AbstractContextManager[Worker]:
        return working(RINGBACK_STACK, self._redis, self._scale, core=None)

    def _new_receiver(self) -> AbstractContextManager[Receiver]:
        return receiving(RINGBACK_STACK, self._redis, self._scale, core=None)

    def replace_worker(self) -> None:
        """Start another, then stop the first."""
        before, self._worker = self._worker, self._new_worker()
        self._worker.__enter__()
        before.__exit__(None, None, None)

    def start_receiver(self) -> None:
        """Start another, to which the next minute goes."""
        self._earlier, self._receiver = self._receiver, self._new_receiver()
        self.receiver = self._receiver.__enter__()

    def stop_earlier_receivers(self) -> None:
        """Stop the one before, which a load balancer has left out for a while."""
        if self._earlier is not None:
            self._earlier.__exit__(None, None, None)
            self._earlier = None

    def end(self) -> None:
        """Stop both."""
        self._worker.__exit__(None, None, None)
        self._receiver.__exit__(None, None, None)


def run(scale: Scale) -> Result:
    """Measure each answer from when its webhook had to leave."""
    minutes, seconds, behind = (2, 1.0, 1000) if scale.quick else (scale.minutes, 60.0, scale.behind)
    with redis_server(scale.folder, core=None) as redis, ExitStack() as stack:
        asyncio.run(_fill(redis, behind))
        deployed = Deployed(redis, scale)
        stack.callback(deployed.end)
        reports = [_minute(number, minutes, seconds, redis, deployed) for number in range(minutes)]
    return _result(reports, behind)


async def _fill(redis: RedisServer, number: int) -> None:
    """Accept events that stay open behind the measurement."""
    namespace = Settings.model_fields["namespace"].default
    async with connect(redis.url, timeout=60, connections=2) as client:
        store = Store(client, namespace, PLAIN)
        for start in range(0, number, BATCH):
            ids = fresh_ids(min(BATCH, number - start))
            await accept(
                store, [NewEvent.derived(each, "bench.behind", {}, "webhook", at=None, delay=DAY) for each in ids]
            )


def _minute(number: int, minutes: int, seconds: float, redis: RedisServer, deployed: Deployed) -> LoadReport:
    """Send for a minute. A rewrite begins in the first, and processes are replaced in the middle of the run."""
    pool, port, troubles = requests(fresh_ids(int(RATE * seconds)), received), deployed.receiver.port, []
    if number == 0:
        troubles.append(Thread(target=_rewrite, args=[redis, seconds / 4]))
    if number == minutes // 2:
        troubles.append(Thread(target=deployed.replace_worker))
        troubles.append(Thread(target=deployed.start_receiver))
    for each in troubles:
        each.start()
    report = send(pool, port, seconds=seconds, rate=RATE, core=None)
    for each in troubles:
        each.join()
    deployed.stop_earlier_receivers()
    return report


def _rewrite(redis: RedisServer, wait: float) -> None:
    time.sleep(wait)
    with redis.client() as client:
        client.bgrewriteaof()


def _result(reports: Iterable[LoadReport], behind: int) -> Result:
    known = list(reports)
    failed = sum(each.refused + each.missing for each in known)
    answers = [each * 1000 for report in known for each in report.latencies]
    taken = answers + [NO_ANSWER] * sum(each.missing for each in known)
    counts = Counter(bisect_left(BOUNDS, each) for each in taken)
    bounds = [*(f"up to {each}" for each in BOUNDS), f"over {BOUNDS[-1]}"]
    figures = {f"p{percent:g}": percentile(taken, percent) for percent in (50, 99, 99.9, 100)}
    told = ", ".join(f"{name} {value:.1f} ms" for name, value in figures.items())
    table = Table(
        f"Under trouble: {len(taken):,} webhooks at {RATE}/s, {behind:,} open events behind, {failed} failed, {told}",
        ("ms", "answers"),
        [[bound, f"{counts[place]:,}"] for place, bound in enumerate(bounds)],
        "A rewrite of the file begins in the first minute. Worker and ingress are replaced in the middle.",
    )
    return Result([table], figures | {"failed": float(failed)})
