"""G14: an event that kills its worker goes dead instead of killing it for ever, and its neighbours lose nothing."""

import signal
from pathlib import Path
from subprocess import Popen

import pytest

from tests.processes.fleet import Fleet, open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

HANDLERS = """
import asyncio, os
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("test.deadly")
async def deadly(event: Event, ctx: Context) -> None:
    await asyncio.sleep(0.02)
    os.kill(os.getpid(), 9)

@router.on("test.harmless")
async def harmless(event: Event, ctx: Context) -> None:
    await asyncio.sleep(0.1)

@router.on("test.endless")
async def endless(event: Event, ctx: Context) -> None:
    with Path("endless").open("a") as file:
        print(ctx.attempt, file=file)
    if len(Path("endless").read_text().splitlines()) <= 3:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
"""


POISON = """
import asyncio, sys
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("test.exit")
async def exits(event: Event, ctx: Context) -> None:
    async def leave() -> None:
        sys.exit(3)
    asyncio.create_task(leave())
    await asyncio.sleep(5)

@router.on("test.block", timeout=0.2)
async def blocks(event: Event, ctx: Context) -> None:
    Path("blocked").touch()
    import time
    while True:
        time.sleep(0.1)
"""


@pytest.mark.slow
def test_an_exit_in_a_task_that_a_handler_left_behind_counts_against_its_event(tmp_path: Path) -> None:
    with open_fleet(tmp_path, POISON) as fleet:
        fleet.start_ingress()
        event = envelope("test.exit", {})
        fleet.accepted(event)
        for _ in range(6):
            worker = fleet.start_worker()
            wait_for(lambda: worker.poll() is not None or fleet.counts().open == 0)
            if fleet.counts().open == 0:
                break
        record = fleet.ended(event)
        assert (record.state, record.handlers["exits"].reason) == ("dead", "killed_worker")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_event_that_blocks_its_worker_for_ever_goes_dead(tmp_path: Path) -> None:
    """Each worker hangs, and is killed as a liveness probe would kill it once its event is overdue."""
    with open_fleet(tmp_path, POISON, RINGBACK_HANDLER_TIMEOUT="200ms") as fleet:
        fleet.start_ingress()
        event = envelope("test.block", {})
        fleet.accepted(event)
        for _ in range(3):
            worker = fleet.start_worker()
            wait_for((tmp_path / "blocked").exists)
            (tmp_path / "blocked").unlink()
            assert fleet.is_leased(event)
            wait_for(lambda: not fleet.is_leased(event))
            worker.kill()
            worker.wait()
        record = fleet.ended(event)
        assert (record.state, record.handlers["blocks"].reason) == ("dead", "blocked_event_loop")


def kept_running(fleet: Fleet, condition: object, *, most: int = 12) -> int:
    """Start a worker again each time it dies, until the condition holds; how many died."""
    assert callable(condition)
    for died in range(most):
        worker: Popen[bytes] = fleet.start_worker()
        wait_for(lambda: condition() or worker.poll() is not None, seconds=40)
        if condition():
            return died
        assert worker.returncode == -signal.SIGKILL
    raise AssertionError(f"{most} workers died")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_one_that_kills_its_worker_goes_dead_and_300_others_are_done(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_CONCURRENCY="50") as fleet:
        fleet.start_ingress()
        harmless = [envelope("test.harmless", {"n": n}) for n in range(300)]
        deadly = envelope("test.deadly", {})
        fleet.accepted(*harmless[:150], deadly, *harmless[150:])

        died = kept_running(fleet, lambda: fleet.counts().open == 0)

        assert died == 3
        counts = fleet.counts()
        assert (counts.done, counts.dead, counts.accepted) == (300, 1, 301)
        record = fleet.record(deadly["data"]["id"])
        assert record is not None
        assert (record.state, record.handlers["deadly"].reason) == ("dead", "killed_worker")
        for event in harmless:
            other = fleet.record(event["data"]["id"])
            assert other is not None
            assert other.handlers["harmless"].attempts == 0
        assert fleet.audit_is_clean()


@pytest.mark.slow
def test_deploys_that_end_in_sigkill_make_no_suspects(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_GRACE="1s", RINGBACK_HANDLER_TIMEOUT="60s") as fleet:
        fleet.start_ingress()
        event = envelope("test.endless", {})
        fleet.accepted(event)
        for deploy in range(1, 4):
            worker = fleet.start_worker()
            wait_for(lambda: len(fleet.written("endless")) == deploy)
            log = tmp_path / f"worker-{len(fleet.processes) - 1}.log"
            worker.send_signal(signal.SIGTERM)
            wait_for(lambda: b'"stopping"' in log.read_bytes())
            wait_for(lambda: fleet.server_has("draining:*", at_least=deploy))
            worker.kill()
            worker.wait()
        fleet.start_worker()
        record = fleet.ended(event)
        assert (record.state, record.handlers["endless"].attempts) == ("done", 0)
        assert fleet.written("endless") == ["1"] * 4
