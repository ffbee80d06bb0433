"""The order of events while workers are killed."""

import os
import random
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.inbox.accept import NewEvent, accept
from service.store.store import Store
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.waiting import wait_for

HANDLERS = """
import random
from service import Context, Event, Retry, Router

router = Router()

@router.on("test.one", ordered_by="number")
async def keep(event: Event, ctx: Context) -> None:
    number, n = event.payload["phone_number"], event.payload["n"]
    await ctx.redis.rpush(ctx.keys.user(f"ran:{number}"), n)
    if random.random() < 0.01:
        raise Retry(after=0.1)
"""
BATCH = 200


def accept_all(fleet: Fleet, events: Sequence[NewEvent]) -> None:
    async def act(store: Store) -> None:
        for start in range(0, len(events), BATCH):
            await accept(store, events[start : start + BATCH])

    ask_at(fleet.server.url, NAMESPACE, PLAIN, act)


def mixed(numbers: int, events: int, seed: int) -> list[NewEvent]:
    """Events of several numbers in a mixed order. The ids tell nothing of it."""
    chosen, counted = random.Random(seed), dict.fromkeys(range(numbers), 0)
    made = []
    for _ in range(events):
        number = chosen.randrange(numbers)
        payload = {"phone_number": f"+1312555{number:04d}", "n": counted[number]}
        counted[number] += 1
        made.append(NewEvent.derived(f"{chosen.getrandbits(64):x}", "test.one", payload, "webhook", at=None))
    return made


def ran(fleet: Fleet, numbers: int) -> list[list[int]]:
    async def read(store: Store) -> list[list[int]]:
        keys = [store.keys.user(f"ran:+1312555{number:04d}") for number in range(numbers)]
        return [[int(each) for each in await store.redis.lrange(key, 0, -1)] for key in keys]  # type: ignore[misc]

    return ask_at(fleet.server.url, NAMESPACE, PLAIN, read)


def run(folder: Path, *, numbers: int, events: int, kills: int, seed: int = 7) -> None:
    """Run events on two workers, of which one at a time is killed. A killed run may be repeated, never overtaken."""
    with open_fleet(folder, HANDLERS, RINGBACK_LEASE="2s", RINGBACK_CONCURRENCY="50") as fleet:
        accept_all(fleet, mixed(numbers, events, seed))
        workers = [fleet.start_worker(), fleet.start_worker()]
        for kill in range(kills):
            wait_for(lambda kill=kill: fleet.counts().done >= events * (kill + 1) // (kills + 2), seconds=900)  # type: ignore[misc]
            victim = workers.pop(0)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            workers.append(fleet.start_worker())
        wait_for(lambda: fleet.counts().done == events, seconds=1800)
        runs = ran(fleet, numbers)
        inversions = sum(later < earlier for each in runs for earlier, later in pairwise(each))
        assert inversions == 0
        assert sum(len(set(each)) for each in runs) == events
        assert fleet.audit_is_clean()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_event_overtakes_another_of_its_number_though_workers_are_killed(tmp_path: Path) -> None:
    run(tmp_path, numbers=20, events=600, kills=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [7, 8, 9])
def test_a_hundred_thousand_events_keep_their_order_through_kills(tmp_path: Path, seed: int) -> None:
    run(tmp_path, numbers=1000, events=100_000, kills=10, seed=seed)
