"""Periodic handlers: arq's cron jobs, each raises an event at its time and does nothing else.

The handler then runs under a lease, with retries and a recorded end. The job itself takes one call.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from arq.cron import CronJob, cron

from service.routing import CRON, Router, Times
from service.store.inbox.accept import NewEvent, accept
from service.store.keys import Keys


def cron_jobs(router: Router, keys: Keys) -> list[CronJob]:
    """Return one job for each periodic handler of the router, under a name of this deployment."""
    return in_deployment((_cron_job(name, times, keys) for name, times in router.periodic.items()), keys)


def in_deployment(jobs: Iterable[CronJob], keys: Keys) -> list[CronJob]:
    """Return copies of jobs under names and ids of this deployment: arq's keys are global, equal ones would collide."""
    return [replace(job, name=keys.job_id(job.name), job_id=job.job_id and keys.job_id(job.job_id)) for job in jobs]


def _cron_job(name: str, times: Mapping[str, Times], keys: Keys) -> CronJob:
    async def raise_event(ctx: dict[str, Any]) -> None:
        # arq ends the job's id with the time it is for, so that all workers speak of the same event.
        _, _, milliseconds = ctx["job_id"].rpartition(":")
        await accept(ctx["redis"], keys, [_arrival(name, int(milliseconds))])

    # Not the event's own name: arq, done with this job, would delete the event's beside it.
    return cron(raise_event, name=f"raise:{name}", **_in_arqs_types(times))


def _in_arqs_types(times: Mapping[str, Times]) -> dict[str, Any]:
    """Plain sets: arq refuses every other kind of set, and does so at its first heart beat, which ends the worker."""
    return {unit: set(wanted) if isinstance(wanted, AbstractSet) else wanted for unit, wanted in times.items()}


def _arrival(name: str, milliseconds: int) -> NewEvent:
    identity, event_type = f"cron:{name}:{milliseconds}", CRON + name
    due = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
    data = {"record_type": "event", "id": identity, "event_type": event_type, "occurred_at": due, "payload": {}}
    return NewEvent(identity, event_type, orjson.dumps({"data": data}), "cron")
