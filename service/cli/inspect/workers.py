"""`ringback workers`."""

from dataclasses import asdict
from typing import Any

from service.cli.connections import with_redis
from service.cli.options import JsonOption
from service.cli.output import say, say_json
from service.cli.rich_output import Cell, print_table
from service.store.inbox.transfer import format_timestamp
from service.store.inbox.workers import NO_WORKER, WorkerInfo, read_workers


def workers(*, as_json: JsonOption = False) -> None:
    """List the workers: version, start, load, and the time since the last sign of each.

    A worker without a sign for 15 s is silent: it was killed, or cannot reach Redis. After an hour it is forgotten.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage.
    """
    found = with_redis(read_workers)
    if as_json:
        say_json([_as_object(each) for each in found])
    elif found:
        print_table(("worker", "state", "load", "version", "started (UTC)", "last sign", "handlers"), map(_row, found))
    if all(each.state in ("silent", "stopping") for each in found) and not as_json:
        say(f"{NO_WORKER[0].upper()}{NO_WORKER[1:]}.", err=True)


def _as_object(worker: WorkerInfo) -> dict[str, Any]:
    times = {"started_at": format_timestamp(worker.sign.started_at), "seen_at": format_timestamp(worker.seen_at)}
    told = {"state": worker.state, "silent_seconds": worker.silent_for / 1000, "blocked_at": worker.blocked_at}
    return {"id": worker.id, **asdict(worker.sign), **told, **times}


def _row(worker: WorkerInfo) -> tuple[Cell, ...]:
    sign = worker.sign
    started = format_timestamp(sign.started_at)[:19].replace("T", " ")
    state = f"blocked at {worker.blocked_at}" if worker.state == "blocked" else worker.state
    load, ago = f"{sign.running} of {sign.concurrency}", f"{worker.silent_for / 1000:.0f} s ago"
    return sign.name, state, load, sign.version, started, ago, f"{len(sign.handlers)} of {sign.source}"
