"""`ringback jobs` and `dead retry --wait`: bulk commands that can be stopped, gone on with, and waited for."""

import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from service import Context, Event, Router
from service.cli.connections import with_redis
from service.cli.events import bulk
from service.cli.events.after_retry import newest_change
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import renewal
from service.store.inbox.search import EventFilter
from service.store.inbox.workers import WorkerSign
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import JobRequest, create_job
from service.store.operators.job_runner import carry_out
from service.store.store import Store
from tests.cli.at_stack import run_at
from tests.cli.deployment import Deployment
from tests.stack import Stack
from tests.telnyx_events import envelope

router = Router()


@router.on("fails.*", max_attempts=1)
async def fails(event: Event, ctx: Context) -> None:
    if not await ctx.redis.exists(f"{ctx.settings.namespace}:user:fixed"):
        raise ValueError(event.id)


def died(deployment: Deployment, *ids: str) -> None:
    deployment.accept(*ids)
    for each in ids:
        deployment.finish(each, greet=HandlerRecord("dead", attempts=1, reason="why"))


def test_a_bulk_command_is_listed_as_a_job_with_its_results(deployment: Deployment) -> None:
    died(deployment, "one", "two")
    assert deployment.run("jobs", "list").stderr == "There are no jobs.\n"
    assert deployment.run("dead", "retry", "--handler", "greet", "--yes").stdout == "retried: 2 events.\n"
    [job] = json.loads(deployment.run("jobs", "list", "--json").stdout)
    assert (job["action"], job["state"], job["done"], job["total"]) == ("retry", "done", 2, 2)
    assert job["tally"] == {"retried": 2}
    shown = deployment.run("jobs", "list").stdout
    assert "2 of 2" in shown
    assert "retried: 2" in shown


def test_ctrl_c_cancels_the_rest_and_resume_goes_on(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    died(deployment, "one", "two", "three")

    calls = itertools.count()

    def interrupted(work: Callable[[Store], Awaitable[object]]) -> object:
        # The first call creates the job, the second carries it out.
        if next(calls) == 1:
            raise KeyboardInterrupt
        return with_redis(work)

    with monkeypatch.context() as patched:
        patched.setattr(bulk, "with_redis", interrupted)
        stopped = deployment.run("dead", "drop", "--handler", "greet", "--yes")
    assert stopped.code == 1
    [job] = json.loads(deployment.run("jobs", "list", "--json").stdout)
    assert f"ringback jobs resume {job['id']}" in stopped.stderr
    assert job["state"] == "cancelled"
    assert deployment.run("jobs", "resume", job["id"]).code == 1, "nobody has agreed"
    assert len(json.loads(deployment.run("dead", "list", "--json").stdout)) == 3
    assert deployment.run("jobs", "resume", job["id"], "--yes").stdout == "dropped: 3 events.\n"
    assert deployment.run("jobs", "resume", job["id"], "--yes").code == 1
    assert json.loads(deployment.run("dead", "list", "--json").stdout) == []


def test_a_job_is_cancelled_by_its_id(deployment: Deployment) -> None:
    died(deployment, "one")
    request = JobRequest("drop", EventFilter(died="greet"))
    job = deployment.ask(lambda store: create_job(store, request, Actor("ann", "dashboard")))
    assert deployment.run("jobs", "cancel", job).stdout == f"{job} is cancelled after 0 events.\n"
    assert deployment.run("jobs", "cancel", job).code == 1
    assert deployment.run("jobs", "cancel", "unknown").code == 1
    # The filter was never read: the rest is all of it.
    assert deployment.run("jobs", "resume", job, "--yes").stdout == "dropped: 1 event.\n"
    entries = json.loads(deployment.run("audit", "log", "--json").stdout)
    assert [each["action"] for each in entries] == ["jobs resume", "jobs cancel", "jobs cancel", "jobs cancel"]
    assert [each["about"]["job_id"] for each in entries] == [job, "unknown", job, job]


def test_a_job_that_is_counted_and_waits_for_a_person_is_cancelled(deployment: Deployment) -> None:
    died(deployment, "one")
    request = JobRequest("replay", EventFilter(), asks=True)
    job = deployment.ask(lambda store: create_job(store, request, Actor("ann", "dashboard")))
    counted = deployment.ask(lambda store: carry_out(store, job))
    assert counted is not None
    assert counted.state == "ready"
    ran = deployment.run("jobs", "cancel", job)
    assert (ran.code, ran.stdout) == (0, f"{job} is cancelled after 0 events.\n")


def test_a_retry_that_waits_tells_what_became_of_the_events(stack: Stack) -> None:
    stack.start_worker(router)
    bodies = [envelope("fails.one", {}) for _ in range(3)]
    for body in bodies:
        stack.deliver(body)
    assert [stack.ended(body).state for body in bodies] == ["dead"] * 3
    again = run_at(stack, "dead", "retry", "--handler", "fails", "--yes", "--wait")
    assert (again.code, "Of 3 events: 0 done, 3 dead again (fails: ValueError, 3)." in again.stdout) == (1, True), again
    stack.ask(lambda store: store.redis.set(f"{store.namespace}:user:fixed", 1))
    fixed = run_at(stack, "dead", "retry", "--handler", "fails", "--yes", "--wait")
    assert (fixed.code, "Of 3 events: 3 done." in fixed.stdout) == (0, True), fixed
    assert [stack.recorded(body["data"]["id"]).state for body in bodies] == ["done"] * 3


@pytest.mark.parametrize(("age", "warned"), [(3600, True), (-3600, False)])
def test_a_worker_that_is_older_than_its_handlers_is_warned_of(
    deployment: Deployment, tmp_path: Path, age: int, *, warned: bool
) -> None:
    died(deployment, "one")
    (tmp_path / "my_handlers.py").write_text("raise SystemExit('never imported')")
    started = int((time.time() - age) * 1000)
    sign = WorkerSign("host:1", "0.1.0", started, 100, "my_handlers:router", ())
    deployment.ask(lambda store: store.run("renew", *renewal("w", (), lease=15, answered=1, sign=sign)))
    ran = deployment.run("dead", "retry", "one", "--yes")
    assert ran.code == 0
    assert ("host:1 started at" in ran.stderr) is warned
    assert ("before my_handlers.py changed" in ran.stderr) is warned


def test_the_newest_file_of_a_package_counts(tmp_path: Path) -> None:
    package = tmp_path / "my_package"
    (package / "inner").mkdir(parents=True)
    for name, at in (("__init__.py", 1_000), ("inner/new.py", 3_000), ("old.py", 2_000)):
        (package / name).write_text("")
        os.utime(package / name, (at, at))
    assert newest_change("my_package.inner:router") == (package / "inner" / "new.py", 3_000_000)
    assert newest_change("no_such_module:router") is None
