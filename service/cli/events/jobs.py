"""`ringback jobs`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from service.cli.connections import with_redis
from service.cli.events.bulk import events, follow_job, report
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption, LimitOption, YesOption
from service.cli.output import confirm, fail, say, say_json
from service.cli.rich_output import Cell, print_table
from service.store.inbox.transfer import format_timestamp
from service.store.operators.bulk_jobs import DID, UNENDED, WHY_NOT, Job, cancel_job, read_job, read_jobs, resume_job

jobs = typer.Typer(help="List, cancel and resume bulk retries, drops and replays.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job, from `ringback jobs list`.")]


@jobs.command("list")
def list_jobs(*, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List bulk retries, drops and replays with their progress, the newest first. Ended ones stay for 7 days.

    If the process that carries out a job ends, a worker goes on with it.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage.
    """
    found = with_redis(lambda store: read_jobs(store, limit=limit))
    if as_json:
        say_json([_as_object(each) for each in found])
    elif found:
        print_table(("job", "state", "progress", "who", "began (UTC)", "results"), map(_row, found))
    else:
        say("There are no jobs.", err=True)


@jobs.command("cancel")
def cancel(job_id: JobId) -> None:
    """Cancel a job within a second. Its other events stay unchanged. `resume` goes on with them.

    Exit codes: 0 cancelled, 1 there is none, it has ended, or Redis is unreachable, 2 bad usage.
    """
    put_on_record()
    before = with_redis(lambda store: cancel_job(store, job_id))
    if before not in UNENDED:
        fail(f"The job {job_id} is {before}.")
    found = _known(job_id)
    say(f"{job_id} is cancelled after {events(found.done)}.")


@jobs.command("resume")
def resume(job_id: JobId, *, yes: YesOption = False) -> None:
    """Go on with a cancelled or ready job until it has ended. Events that ended again since it began stay unchanged.

    Exit codes: 0 done, 1 there is no such job, not confirmed, or Redis is unreachable, 2 bad usage.
    """
    found = _known(job_id)
    if found.state not in ("cancelled", "ready"):
        fail(f"The job {job_id} is {found.state}.")
    left = None if found.total is None else found.total - found.done
    confirm(f"{found.request.action.capitalize()} {'its events' if left is None else events(left)}?", yes=yes)
    with_redis(lambda store: resume_job(store, job_id))
    report(follow_job(job_id, found.request, left), DID[found.request.action], named=False)


def _known(job: str) -> Job:
    found = with_redis(lambda store: read_job(store, job))
    if found is None:
        fail("There is no such job: ringback jobs list shows all.")
    return found


def _as_object(job: Job) -> dict[str, Any]:
    told = {name: each for name, each in asdict(job).items() if name != "request"}
    times = {name: format_timestamp(at) for name, at in told.items() if name.endswith("_at") and at is not None}
    return told | times | {"action": job.request.action}


def _row(job: Job) -> tuple[Cell, ...]:
    began = format_timestamp(job.created_at)[:19].replace("T", " ")
    total = "…" if job.total is None else f"{job.total:,}"
    results = [f"{WHY_NOT.get(why, why)}: {number:,}" for why, number in job.tally.items()]
    return f"{job.id} {job.request.action}", job.state, f"{job.done:,} of {total}", job.actor, began, results
