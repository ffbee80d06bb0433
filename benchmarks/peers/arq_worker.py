"""arq's worker with a no-op job: as it comes, or with the settings that suit small jobs best (`BENCH_TUNED=1`)."""

import os
from typing import Any

import uvloop
from arq import run_worker
from arq.connections import RedisSettings

from benchmarks.handled import recorder

note = recorder()
TUNED: dict[str, Any] = {"max_jobs": 100, "poll_delay": 0.01, "keep_result": 0, "queue_read_limit": 1000}


async def handle(ctx: dict[str, Any], event_id: str, event: dict[str, Any]) -> None:
    """Note the event."""
    del ctx, event
    note(event_id)


class WorkerSettings:
    """The settings of `arq`."""

    functions = (handle,)
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])


if __name__ == "__main__":
    uvloop.install()
    run_worker(WorkerSettings, **(TUNED if os.environ.get("BENCH_TUNED") else {}))  # type: ignore[arg-type]
