"""The requests of one SMS fallback to Redis, and its cost for the worker."""

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.figures import Result, Table
from benchmarks.load import send
from benchmarks.machine import cpu_seconds
from benchmarks.processes import wait_for
from benchmarks.redis_server import Command, RedisServer, monitored, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import failed_rcs, fresh_ids, requests
from benchmarks.stacks import RINGBACK_STACK, Receiver, Worker, receiving, working

SINGLE = 5
"""Fallbacks that are counted, each alone."""
MANY = 200
"""Fallbacks whose CPU is measured, together."""
WAITING = frozenset({"BLPOP", "BRPOP", "BLMOVE", "BZPOPMIN", "SUBSCRIBE", "PING", "CLIENT"})
"""Commands by which an idle worker waits, and those that open a connection."""
PIPELINED = 50e-6
"""Seconds between two commands of one client in which no answer reaches it. So both came in one pipeline."""


def run(scale: Scale) -> Result:
    """Let the built-in handlers send an SMS in place of RCS messages, at a local Telnyx."""
    many = 20 if scale.quick else MANY
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(scale.folder, core=None))
        variables = {
            "HANDLERS": "handlers:router",
            "RINGBACK_SMS_FROM": "+13125550199",
            "RINGBACK_LIMITS": "sms=10000",
            "RINGBACK_SMS_PER_HOUR": "100000",
        }
        receiver = stack.enter_context(receiving(RINGBACK_STACK, redis, scale, core=None, **variables))
        worker = stack.enter_context(working(RINGBACK_STACK, redis, scale, core=None, **variables))
        _fall_back(receiver, worker, scale, 1)
        time.sleep(1.0)
        counted = [_count(redis, receiver, worker, scale) for _ in range(SINGLE)]
        before = cpu_seconds(worker.process.pid)
        _fall_back(receiver, worker, scale, many)
        cpu = (cpu_seconds(worker.process.pid) - before) / many * 1e3
    # A heartbeat that falls into one of them is no part of it.
    earlier, trips, inner, shown = min(counted)
    table = Table(
        "One SMS fallback",
        ("", ""),
        [
            ["round trips before the POST", str(earlier)],
            ["round trips in all", str(trips)],
            ["commands in scripts", str(inner)],
            ["worker's CPU", f"{cpu:.2f} ms, of {many} at once"],
        ],
        f"All commands from the accept to the end: {shown}.",
    )
    return Result([table], {"before the POST": earlier, "in all": trips, "commands in scripts": inner, "cpu": cpu})


def _posts(scale: Scale) -> list[float]:
    """Return when the local Telnyx was asked to send messages (seconds since 1970)."""
    with urllib.request.urlopen(f"{scale.telnyx}/_simulator/requests?method=POST", timeout=10) as answer:  # noqa: S310
        return [each["at"] for each in json.load(answer) if each["path"].startswith("/messages")]


def _fall_back(receiver: Receiver, worker: Worker, scale: Scale, count: int) -> None:
    """Deliver failed RCS messages, and wait until each has its SMS."""
    before = len(_posts(scale))
    send(requests(fresh_ids(count), failed_rcs), receiver.port, core=None)
    wait_for(lambda: len(_posts(scale)) >= before + count, worker.process, worker.log)
    time.sleep(0.3)


def _count(redis: RedisServer, receiver: Receiver, worker: Worker, scale: Scale) -> tuple[int, int, int, str]:
    """Return a fallback's trips before its POST and in all, its commands in scripts, and the trips by name."""
    with monitored(redis) as commands:
        _fall_back(receiver, worker, scale, 1)
    posted = max(_posts(scale))
    trips = list(_round_trips(commands))
    # The first is the accept, which the ingress shares with what arrives beside it.
    before = sum(trip[0].at < posted for trip in trips) - 1
    names = Counter(" + ".join(map(_verb, trip)) for trip in trips)
    shown = ", ".join(f"{number} {name}" for name, number in names.most_common())
    return before, len(trips), sum(each.in_script for each in commands), shown


def _round_trips(commands: list[Command]) -> Iterator[list[Command]]:
    """Yield the commands of each round trip. A pipeline is one trip: its commands run one right behind the other."""
    trip: list[Command] = []
    latest = 0.0
    for each in commands:
        if not each.in_script and _verb(each) not in WAITING:
            if trip and not (each.client == trip[0].client and each.at - latest < PIPELINED):
                yield trip
                trip = []
            trip.append(each)
        latest = each.at
    if trip:
        yield trip


def _verb(command: Command) -> str:
    return re.split(r"\s", command.words, maxsplit=1)[0].upper()
