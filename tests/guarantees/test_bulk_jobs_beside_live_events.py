"""A large retry leaves the server and the workers to new events, and is cancelled and gone on with like a small one."""

import asyncio
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import orjson
import pytest

from service.cli.connections import ask_at
from service.cli.demo.stack import free_port
from service.security.encryption import PLAIN
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import FINISHED_AT_ONCE
from service.store.inbox.transfer import STEP, ImportedEvent, import_events
from service.store.operators.bulk_jobs import Job, read_jobs
from service.store.operators.issues import read_issues
from service.store.operators.job_runner import BATCH
from service.store.store import Store
from tests.pending import pending
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.running import RINGBACK
from tests.waiting import wait_for

HANDLERS = """
import time

from service import Context, Event, Router

router = Router()

@router.on("live.*")
async def live(event: Event, ctx: Context) -> None:
    await ctx.redis.rpush("fleet:user:waits", int(time.time() * 1000) - event.payload["at"])

@router.on("bulk.*")
async def bulk(event: Event, ctx: Context) -> None: ...
"""
LOGGED_ARGUMENTS = 32
"""The server's log of slow commands shows so many of each."""
OWN_PAGE = {"sec-fetch-site": "same-origin"}
RETRY = ("dead", "retry", "--handler", "bulk", "--yes", "--yes-send")


def died(fleet: Fleet, number: int) -> None:
    """Store so many dead events of the handler `bulk`, and as many of another one."""

    async def store_them(store: Store) -> None:
        for start in range(0, number, STEP):
            for handler in ("bulk", "other"):
                past = {handler: HandlerRecord("dead", attempts=8, reason="why")}
                events = [
                    ImportedEvent(f"{handler}-{each}", "bulk.one", b'{"data":{}}', "webhook", 1, 1, past)
                    for each in range(start, min(start + STEP, number))
                ]
                await import_events(store, events, run_them=False, keep=9e5)

    ask_at(fleet.server.url, NAMESPACE, PLAIN, store_them)


def latest_job(fleet: Fleet) -> Job | None:
    return next(iter(ask_at(fleet.server.url, NAMESPACE, PLAIN, read_jobs)), None)


def command(fleet: Fleet, *arguments: str) -> "subprocess.Popen[bytes]":
    with (fleet.folder / "command.log").open("ab") as output:
        process = subprocess.Popen(
            [*RINGBACK, *arguments], cwd=fleet.folder, env=fleet.environment, stdout=output, stderr=output
        )
    fleet.processes.append(process)
    return process


def p99_of_live_events(fleet: Fleet, beside: "subprocess.Popen[bytes] | None", *, at_least: int) -> int:
    """Accept an event each 10 ms, at least so many, until a process ends. Return the 99th percentile of waits (ms)."""

    async def produce(store: Store) -> int:
        await store.redis.delete("fleet:user:waits")
        number = 0
        while number < at_least or (beside is not None and beside.poll() is None):
            body = orjson.dumps({"data": {"payload": {"at": int(time.time() * 1000)}}})
            await accept(store, [NewEvent(f"live-{time.monotonic_ns()}", "live.one", body, "webhook")])
            number += 1
            await asyncio.sleep(0.01)
        while await pending(store.redis.llen("fleet:user:waits")) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waits = sorted(map(int, await pending(store.redis.lrange("fleet:user:waits", 0, -1))))
        return waits[len(waits) * 99 // 100]

    return ask_at(fleet.server.url, NAMESPACE, PLAIN, produce)


def arguments_of(command: bytes) -> int:
    """The number of a command's arguments, at least that which the server's log shows."""
    more = re.search(rb"\((\d+) more arguments\)$", command)
    return LOGGED_ARGUMENTS + int(more[1]) if more else LOGGED_ARGUMENTS


@pytest.mark.parametrize(
    ("number", "most"),
    [
        pytest.param(1_000, 500, marks=[pytest.mark.slow, pytest.mark.timeout(180)]),
        # On an idle machine.
        pytest.param(100_000, 50, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_new_events_are_picked_up_while_many_are_retried(tmp_path: Path, number: int, most: int) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        died(fleet, number)
        fleet.start_worker()
        alone = p99_of_live_events(fleet, None, at_least=300)

        async def watch_slow_commands(store: Store) -> None:
            await store.redis.config_set("slowlog-log-slower-than", 10_000)
            await store.redis.execute_command("SLOWLOG", "RESET")  # type: ignore[no-untyped-call]

        ask_at(fleet.server.url, NAMESPACE, PLAIN, watch_slow_commands)
        retry = command(fleet, *RETRY)
        beside = p99_of_live_events(fleet, retry, at_least=100)
        assert retry.wait() == 0
        job = latest_job(fleet)
        assert job is not None
        assert (job.state, job.changed) == ("done", number)
        assert beside <= most + alone, f"{alone} ms without"
        wait_for(lambda: fleet.counts().open == 0, seconds=60)
        # Before the audit of this test, whose calls are larger.
        slow = ask_at(fleet.server.url, NAMESPACE, PLAIN, lambda store: store.redis.slowlog_get(-1))
        # Nothing outside the filter was touched.
        assert fleet.counts().dead == number
        assert fleet.audit_is_clean()
        # A server that waits for a processor looks slow with any batch. `tests/store/test_script_costs.py` holds what
        # the largest one costs. So no slow call may be larger.
        sizes = [arguments_of(each["command"]) for each in slow if each["command"].startswith(b"EVALSHA")]
        assert max(sizes, default=0) <= max(LOGGED_ARGUMENTS, len(("EVALSHA", "digest", "1")) + 1 + FINISHED_AT_ONCE)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_command_is_gone_on_with_by_a_worker_and_a_stopped_one_by_a_person(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        died(fleet, 1_500)
        retry = command(fleet, *RETRY)
        wait_for(lambda: (job := latest_job(fleet)) is not None and job.done > 0, seconds=30)
        retry.send_signal(signal.SIGINT)
        asked_at = time.monotonic()
        assert retry.wait(20) == 1
        assert time.monotonic() - asked_at < 10, "cancelled at once, but for a busy machine"
        stopped = latest_job(fleet)
        assert stopped is not None
        assert stopped.state == "cancelled"
        assert stopped.done < 1_500
        assert fleet.counts().dead == 3_000 - stopped.changed

        resumed = command(fleet, "jobs", "resume", stopped.id, "--yes")
        wait_for(lambda: (job := latest_job(fleet)) is not None and job.done > stopped.done, seconds=30)
        resumed.kill()
        fleet.start_worker()
        wait_for(lambda: (job := latest_job(fleet)) is not None and job.state == "done", seconds=60)
        wait_for(lambda: fleet.counts().open == 0, seconds=30)
        assert fleet.counts().dead == 1_500
        assert fleet.audit_is_clean()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_is_cancelled_within_a_second_by_page_and_by_command_and_survives_its_dashboard(tmp_path: Path) -> None:
    number, port = 2_500, free_port()
    with open_fleet(tmp_path, HANDLERS, RINGBACK_DASHBOARD_PORT=str(port), RINGBACK_DRY_RUN="true") as fleet:
        died(fleet, number)
        dashboard = fleet.start("dashboard")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=OWN_PAGE, trust_env=False, timeout=30) as pages:
            wait_for(lambda: answers(pages), seconds=60)
            issues = ask_at(fleet.server.url, NAMESPACE, PLAIN, read_issues)
            issue = next(each.id for each in issues if each.handler == "bulk")
            pages.post("/retry-issue", data={"issue": issue})
            job = wait_for(lambda: running_job(fleet), seconds=30).id

            began = time.monotonic()
            pages.post("/cancel-job", data={"job": job})
            by_page = time.monotonic() - began
            stops_where_it_is(fleet, number)

            start = seconds_of(fleet, "jobs", "list")
            pages.post("/resume-job", data={"job": job})
            wait_for(lambda: running_job(fleet), seconds=30)
            by_command = seconds_of(fleet, "jobs", "cancel", job)
            stops_where_it_is(fleet, number)

            pages.post("/resume-job", data={"job": job})
            wait_for(lambda: running_job(fleet), seconds=30)
            dashboard.kill()
        # On a machine that others use too, everything takes longer.
        busy = max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
        # A command has to start first, as one that only reads does.
        assert (by_page <= busy, by_command <= start + busy) == (True, True), (by_page, by_command, start, busy)
        fleet.start_worker()
        wait_for(lambda: (ended := latest_job(fleet)) is not None and ended.state == "done", seconds=120)
        wait_for(lambda: fleet.counts().open == 0, seconds=60)
        ended = latest_job(fleet)
        assert ended is not None
        assert (ended.done, fleet.counts().dead) == (number, number)
        # A killed process has changed a batch at most that it has not counted. Then these are no longer dead.
        assert number - ended.changed == ended.tally.get("not_dead", 0) <= BATCH
        assert fleet.audit_is_clean()


def seconds_of(fleet: Fleet, *words: str) -> float:
    began = time.monotonic()
    assert command(fleet, *words).wait(60) == 0
    return time.monotonic() - began


def answers(pages: httpx.Client) -> bool:
    try:
        return pages.get("/healthz").status_code < 500
    except httpx.HTTPError:
        return False


def running_job(fleet: Fleet) -> Job | None:
    """The latest job while it changes events."""
    job = latest_job(fleet)
    return job if job is not None and job.state == "running" and job.done > 0 else None


def stops_where_it_is(fleet: Fleet, number: int) -> None:
    """Check that a cancelled job carries out no more than the batch that was under way."""
    cancelled = latest_job(fleet)
    assert cancelled is not None
    assert (cancelled.state, cancelled.done < number) == ("cancelled", True)
    wait_for(lambda: (job := latest_job(fleet)) is not None and fleet.counts().dead == 2 * number - job.changed)
    stopped = latest_job(fleet)
    assert stopped is not None
    assert stopped.done - cancelled.done <= BATCH
