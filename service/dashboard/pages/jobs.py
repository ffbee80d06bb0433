"""Bulk jobs: retry or drop of all dead events of an issue, with a count before, progress, cancel and resume."""

import asyncio
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from service.dashboard.actions import Action, Fields, Outcome, Question, required
from service.dashboard.pages.issues import issue_named
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.security.masking import describe_error
from service.store.inbox.search import EventFilter
from service.store.operators import bulk_jobs
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import Job, JobRequest, cancel_job, create_job, read_job, read_jobs, resume_job
from service.store.operators.issues import OTHER, Issue
from service.store.operators.job_runner import carry_out
from service.store.store import Store

log = structlog.get_logger(__name__)

_APART = "Its causes are counted together, so that its events are not known. Retry or drop them one by one."


@dataclass
class RunningJobs:
    """The jobs that this process carries out. Where it ends, a worker goes on with them."""

    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def start(self, store: Store, job: str) -> None:
        """Carry out a job beside the pages."""
        task = asyncio.create_task(_carry_out(store, job))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def _carry_out(store: Store, job: str) -> None:
    try:
        await carry_out(store, job)
    except (RedisError, OSError) as error:
        log.warning("a worker goes on with a job of the dashboard", job=job, error=describe_error(error))


async def jobs(visit: Visit) -> View:
    """Show the latest jobs."""
    return View("jobs", {"jobs": await read_jobs(visit.store)}, live=True)


async def job(visit: Visit) -> View:
    """Show a job and its progress."""
    found = await _job(visit, visit.request.path_params["job"])
    return View("job", {"job": found, "share": found.done / found.total if found.total else 0}, live=True)


async def _job(visit: Visit, job_id: str) -> Job:
    found = await read_job(visit.store, job_id)
    if found is None:
        raise HTTPException(404, "There is no such job. Ended ones are forgotten after a week.")
    return found


def _path(job_id: str) -> str:
    return path_of("jobs", job_id)


async def _ask_retry(visit: Visit, fields: Fields) -> Question:
    found = await issue_named(visit, required(fields, "issue"))
    text = f"{found.count:,} events of this issue run again, in small batches after new events. Nothing is sent twice."
    return _question(found, f"Retry {found.count:,} events?", text, "Retry all")


async def _ask_drop(visit: Visit, fields: Fields) -> Question:
    found = await issue_named(visit, required(fields, "issue"))
    text = f"{found.count:,} events of this issue are forgotten, with all of their data. This cannot be undone."
    return _question(found, f"Forget {found.count:,} events for good?", text, "Drop all", danger=True)


def _question(issue: Issue, title: str, text: str, button: str, *, danger: bool = False) -> Question:
    apart = issue.reason == OTHER
    is_off = apart or not issue.count
    return Question(title, _APART if apart else text, button, path_of("issues", issue.id), danger=danger, is_off=is_off)


async def _begin(visit: Visit, fields: Fields, action: bulk_jobs.Action) -> Outcome:
    found = await issue_named(visit, required(fields, "issue"))
    if found.reason == OTHER:
        raise HTTPException(409, _APART)
    wanted = EventFilter(died=found.handler, reason=found.reason)
    settings = visit.settings
    request = JobRequest(action, wanted, trusted=settings.dry_run, keep_ids=settings.retention)
    created = await create_job(visit.store, request, Actor(visit.actor, "dashboard"))
    _start(visit, created)
    return Outcome(_path(created), "begun")


def _start(visit: Visit, job_id: str) -> None:
    running: RunningJobs = visit.request.app.state.jobs
    running.start(visit.store, job_id)


async def _retry(visit: Visit, fields: Fields) -> Outcome:
    return await _begin(visit, fields, "retry")


async def _drop(visit: Visit, fields: Fields) -> Outcome:
    return await _begin(visit, fields, "drop")


async def _ask_cancel(visit: Visit, fields: Fields) -> Question:
    found = await _job(visit, required(fields, "job"))
    text = f"{found.done:,} events were dealt with, and stay so. The others stay unchanged. It can be resumed."
    return Question("Cancel this job?", text, "Cancel the job", _path(found.id))


async def _cancel(visit: Visit, fields: Fields) -> Outcome:
    before = await cancel_job(visit.store, required(fields, "job"))
    return Outcome(_path(fields["job"]), "cancelled" if before in ("collecting", "running") else "job_unchanged")


async def _ask_resume(visit: Visit, fields: Fields) -> Question:
    found = await _job(visit, required(fields, "job"))
    return Question("Resume this job?", "It goes on with the events that are left.", "Resume", _path(found.id))


async def _resume(visit: Visit, fields: Fields) -> Outcome:
    before = await resume_job(visit.store, required(fields, "job"))
    if before == "cancelled":
        _start(visit, fields["job"])
    return Outcome(_path(fields["job"]), "begun" if before == "cancelled" else "job_unchanged")


async def _about_issue(visit: Visit, fields: Fields) -> dict[str, str | int]:
    found = await issue_named(visit, required(fields, "issue"))
    return {"handler": found.handler, "reason": found.reason, "events": found.count}


async def _about_job(_: Visit, fields: Fields) -> Fields:
    return {"job_id": fields.get("job", "")}


ACTIONS = (
    Action("/retry-issue", "dead retry", ("issue",), _ask_retry, _retry, about=_about_issue),
    Action("/drop-issue", "dead drop", ("issue",), _ask_drop, _drop, about=_about_issue),
    Action("/cancel-job", "jobs cancel", ("job",), _ask_cancel, _cancel, about=_about_job),
    Action("/resume-job", "jobs resume", ("job",), _ask_resume, _resume, about=_about_job),
)
PAGES = (
    Page("/jobs", jobs),
    Page("/jobs/{job}", job),
    *(page for action in ACTIONS for page in action.pages()),
)
