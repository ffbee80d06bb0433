"""Commands on many events: the bulk job that carries one out, its progress, and its result."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import typer

from service.cli.connections import with_redis
from service.cli.on_record import current_actor
from service.cli.output import fail, say
from service.cli.rich_output import progress
from service.store.inbox.dead_letters import STEP
from service.store.operators.bulk_jobs import DID, WHY_NOT, Job, JobRequest, cancel_job, create_job
from service.store.operators.job_runner import carry_out
from service.store.store import Store

T = TypeVar("T")

DOING = {"retry": "Retrying", "drop": "Dropping", "replay": "Replaying"}


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job, and the result for each event that this command has carried out."""

    job: Job
    results: dict[str, str] = field(default_factory=dict)

    def changed_ids(self) -> list[str]:
        """Return the ids of the events that were changed."""
        did = DID[self.job.request.action]
        return [event_id for event_id, result in self.results.items() if result == did]


async def in_batches(ids: Sequence[str], act: Callable[[Sequence[str]], Awaitable[Sequence[T]]], doing: str) -> list[T]:
    """Return the answers of `act`, one for each id. It gets the ids in batches."""
    answers: list[T] = []
    with progress(doing, len(ids)) as advance:
        for start in range(0, len(ids), STEP):
            done = await act(ids[start : start + STEP])
            answers += done
            advance(len(done))
    return answers


def run_job(request: JobRequest, ids: Sequence[str]) -> JobResult | None:
    """Carry out a bulk job on these events, and return the result. Return None without events.

    If a person stops it, cancel the job and end the command with exit code 1.
    """
    if not ids:
        return None
    job = with_redis(lambda store: create_job(store, request, current_actor(), ids=ids))
    return follow_job(job, request, len(ids))


def follow_job(job: str, request: JobRequest, number: int | None) -> JobResult:
    """Carry out a job that exists, or the rest of it, as `run_job` does."""
    results: dict[str, str] = {}

    async def work(store: Store) -> Job | None:
        with progress(DOING[request.action], number) as advance:

            def note(_: Job, batch: Sequence[str], found: Sequence[str]) -> None:
                results.update(zip(batch, found, strict=True))
                advance(len(batch))

            return await carry_out(store, job, on_batch=note)

    try:
        ended = with_redis(work)
    except KeyboardInterrupt:
        with_redis(lambda store: cancel_job(store, job))
        fail("", f"Stopped after {events(len(results))}. `ringback jobs resume {job}` goes on.")
    if ended is None:
        fail(f"The job {job} is forgotten.")
    if ended.state == "cancelled":
        fail(f"Another person cancelled the job {job} after {events(ended.done)}.")
    if ended.state != "done":
        fail(f"Another process goes on with the job {job}: see `ringback jobs list`.")
    return JobResult(ended, results)


def report(result: JobResult | None, did: str, *, named: bool) -> None:
    """Say how many events were changed, and how many not and why. End with exit code 1 if a named one was not."""
    counts = Counter(result.job.tally if result else {})
    say(f"{did}: {events(counts.pop(did, 0))}.")
    if named and result is not None:
        for event_id, why in result.results.items():
            if why != did:
                say(f"{event_id}: {WHY_NOT[why].replace(' ID ', f' {event_id} ')}", err=True)
    else:
        for why, count in counts.items():
            say(f"Unchanged: {events(count)} ({WHY_NOT[why]}).", err=True)
    if named and counts:
        raise typer.Exit(1)


def events(number: int) -> str:
    """Return `1 event` or `1,234 events`."""
    return f"{number:,} event{'' if number == 1 else 's'}"
