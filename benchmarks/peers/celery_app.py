"""Celery with a no-op task, in one process (the pool `solo`) and without results."""

import os
from typing import Any

from celery import Celery

from benchmarks.handled import recorder

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True
app.conf.task_acks_late = True
app.conf.broker_connection_retry_on_startup = True
note = recorder() if "BENCH_HANDLED" in os.environ else None


def _handle(event_id: str, event: dict[str, Any]) -> None:
    del event
    if note is not None:
        note(event_id)


handle = app.task(name="handle")(_handle)
