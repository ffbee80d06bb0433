"""Carrying out bulk jobs, in batches of a few milliseconds each.

New events come first: a job waits while enough events are due. So it takes as long as the workers do.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from service.store.connection import server_time
from service.store.inbox.dead_letters import Replayed, RetryVerdict, drop, replay, retry
from service.store.inbox.order import in_order
from service.store.inbox.search import dead_pages, matching
from service.store.operators.bulk_jobs import Job, JobRequest, end_collection, read_job, replace_ids
from service.store.store import Store, check_cancelled

BATCH = 10
"""Events that one script changes: about a millisecond in which the server does nothing else."""
MAX_DUE = 5
"""Due events from which on a job waits for the workers."""
LEASE = 10_000
"""Milliseconds after which another process takes a job whose runner has vanished."""
PAUSE = 0.01
"""Seconds between looks whether the workers are done with what a job made due."""
SHARE = 1.0
"""Seconds of rest for each second of work, so that others have the server too."""

OnBatch = Callable[[Job, Sequence[str], Sequence[str]], None]


def _nobody(_: Job, __: Sequence[str], ___: Sequence[str]) -> None:
    return


async def carry_out(store: Store, job_id: str, *, on_batch: OnBatch = _nobody) -> Job | None:
    """Carry out a job until it is done or cancelled, and return it. Return None where it is not remembered.

    If another process carries it out, return at once. `on_batch` gets the job, ids and the result for each.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached. A worker goes on with the job.
    """
    job = await read_job(store, job_id)
    if job is None:
        # Its place must not stand before that of every other job.
        await store.redis.zrem(store.keys.jobs_due, job_id)
        return None
    run = _Run(store, job, on_batch)
    while await _whole_turn(run):
        check_cancelled()
    return await read_job(store, job_id)


async def _whole_turn(run: "_Run") -> bool:
    """Take a turn. If it is cancelled meanwhile, its batch is still carried out and counted."""
    turn = asyncio.ensure_future(run.turn())
    try:
        # Cut off in the middle, a batch would be done and not counted.
        return await asyncio.shield(turn)
    except asyncio.CancelledError:
        await turn
        await run.count_last()
        raise


async def due_job(store: Store) -> str | None:
    """Return the id of a job that nobody carries out."""
    first = await store.redis.zrange(store.keys.jobs_due, 0, 0, withscores=True)
    # The server's clock set the time. A worker's own may be wrong.
    if not first or first[0][1] > await server_time(store.redis):
        return None
    return str(first[0][0].decode())


@dataclass
class _Run:
    """One process's work on a job: the place that it has reached, and the results that are not counted yet."""

    store: Store
    job: Job
    on_batch: OnBatch
    runner: str = field(default_factory=lambda: secrets.token_hex(8))
    _place: int = 0
    _number: int = 0
    _tally: Counter[str] = field(default_factory=Counter)

    async def turn(self) -> bool:
        """Count the last batch and carry out the next. Return whether there is more to do here."""
        what, *rest = await self._ask()
        if what == b"collect":
            await self._collect()
        elif what == b"wait":
            await asyncio.sleep(PAUSE)
        elif what == b"go":
            self._place, total, *ids = rest
            await self._act(replace(self.job, done=self._place, total=total), [each.decode() for each in ids])
        else:
            return False
        return True

    async def count_last(self) -> None:
        """Count the last batch, without another one."""
        await self._ask()

    async def _ask(self) -> list[Any]:
        """Take a turn. Results are counted by their place, so it may be repeated."""
        paced = self.job.request.action != "drop"
        told = orjson.dumps(self._tally)
        args = (self._place, self._number, told, BATCH, MAX_DUE if paced else -1)
        answer: list[Any] = await self.store.run("job_turn", self.job.id, self.runner, LEASE, *args)
        self._number, self._tally = 0, Counter()
        return answer

    async def _act(self, job: Job, ids: list[str]) -> None:
        began = time.monotonic()
        results = await perform(self.store, self.job, ids)
        self._number, self._tally = len(ids), Counter(results)
        self.on_batch(replace(job, done=job.done + len(ids)), ids, results)
        await asyncio.sleep((time.monotonic() - began) * SHARE)

    async def _collect(self) -> None:
        """List the events of the filter, unless the job is cancelled meanwhile."""
        unchanged: Counter[str] = Counter()

        async def pages() -> AsyncIterator[Sequence[str]]:
            async for found in _selected(self.store, self.job):
                # Events that died in the same millisecond come in no order.
                page = await in_order(self.store, found)
                yield await self._replayable(page, unchanged) if self.job.request.asks else page
                if (await self._ask())[0] != b"collect":
                    return

        number = await replace_ids(self.store, self.job.id, pages())
        await end_collection(self.store, self.job, number, unchanged)

    async def _replayable(self, ids: Sequence[str], unchanged: Counter[str]) -> list[str]:
        """Return the ids of the events that a replay would change, and count the others by their result."""
        found: list[str] = []
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            counted = await replay_as(self.store, self.job.request, some, before=self.job.created_at)
            verdicts = [each.verdict for each in counted]
            found += [event_id for event_id, verdict in zip(some, verdicts, strict=True) if verdict == "replayed"]
            unchanged.update(verdict for verdict in verdicts if verdict != "replayed")
        return found


async def perform(store: Store, job: Job, ids: Sequence[str]) -> list[RetryVerdict]:
    """Carry out a job on these events, if they ended before it was created. Return the result for each."""
    request, by, before = job.request, job.actor, job.created_at
    died, reason = request.selection.died, request.selection.reason
    if request.action == "drop":
        keep = request.keep_ids
        return await drop(store, ids, by=by, handler=died, reason=reason, keep_ids=keep, before=before)
    if request.action == "retry":
        word, trusted = request.word, request.trusted
        return await retry(store, ids, by=by, word=word, handler=died, reason=reason, trusted=trusted, before=before)
    return [each.verdict for each in await replay_as(store, request, ids, by=by, act=True, before=before)]


async def replay_as(
    store: Store,
    request: JobRequest,
    ids: Sequence[str],
    *,
    by: str = "",
    act: bool = False,
    before: int | None = None,
) -> list[Replayed]:
    """Replay events as a job's request says, or count what that would do: `replay` without `act`."""
    return await replay(
        store,
        ids,
        by=by,
        handler=request.handler,
        types=request.types,
        again=request.again,
        trusted=request.trusted,
        act=act,
        before=before,
    )


def _selected(store: Store, job: Job) -> AsyncIterator[list[str]]:
    """Yield the ids of the events that the job takes, in pages."""
    selection = job.request.selection
    if job.request.action == "replay" and selection.died is None:
        return matching(store, selection)
    until = job.created_at if selection.until is None else min(selection.until, job.created_at)
    return dead_pages(store, replace(selection, until=until))
