"""Bulk jobs: retry or drop of an issue, and replay of a filter. Their events are counted before."""

import asyncio
from dataclasses import dataclass, field, replace

import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from service.dashboard.actions import Action, ActionResult, Choice, Fields, Question, required, time_of_question
from service.dashboard.event_filter import FIELDS, filter_of, in_words
from service.dashboard.handler_types import handler_types
from service.dashboard.pages.issues import issue_named
from service.dashboard.rendering import parameters
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.security.masking import describe_error
from service.store.connection import server_time
from service.store.inbox.search import EventFilter
from service.store.operators import bulk_jobs
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import (
    DID,
    UNENDED,
    WHY_NOT,
    Job,
    JobRequest,
    cancel_job,
    create_job,
    read_job,
    read_jobs,
    resume_job,
)
from service.store.operators.issues import Issue
from service.store.operators.job_runner import carry_out
from service.store.store import Store

log = structlog.get_logger(__name__)

EVERY = "every handler"


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
    found = [(each, in_words(each.request.selection)) for each in await read_jobs(visit.store)]
    return View("jobs", {"jobs": found}, live=True)


async def job(visit: Visit) -> View:
    """Show a job and its progress."""
    found = await _job(visit, visit.request.path_params["job"])
    did = DID[found.request.action]
    data = {
        "job": found,
        "events": in_words(found.request.selection),
        "is_ended": found.state not in UNENDED,
        "share": found.done / found.total if found.total else 0,
        "did": did,
        "unchanged": [(WHY_NOT.get(name, name), number) for name, number in found.tally.items() if name != did],
    }
    return View("job", data, live=True)


async def _job(visit: Visit, job_id: str) -> Job:
    found = await read_job(visit.store, job_id)
    if found is None:
        raise HTTPException(404, "There is no such job. Ended ones are forgotten after a week.")
    return found


def _path(job_id: str) -> str:
    return path_of("jobs", job_id)


async def _ask_retry(visit: Visit, fields: Fields) -> Question:
    until, found = await _counted(visit, fields)
    text = f"{found.count:,} events of this issue run again, in small batches after new events. Nothing is sent twice."
    return _question(found, f"Retry {found.count:,} events?", text, "Retry all", until)


async def _ask_drop(visit: Visit, fields: Fields) -> Question:
    until, found = await _counted(visit, fields)
    text = f"{found.count:,} events of this issue are forgotten, with all of their data. This cannot be undone."
    return _question(found, f"Forget {found.count:,} events for good?", text, "Drop all", until, danger=True)


async def _counted(visit: Visit, fields: Fields) -> tuple[int, Issue]:
    """Return an issue with its number of events, and the time (ms) up to which these have died."""
    return await server_time(visit.store.redis), await issue_named(visit, required(fields, "issue"))


def _question(issue: Issue, title: str, text: str, button: str, until: int, *, danger: bool = False) -> Question:
    back, hidden = path_of("issues", issue.id), {"until": str(until)}
    return Question(title, text, button, back, danger=danger, is_off=not issue.count, hidden=hidden)


async def _begin(visit: Visit, fields: Fields, action: bulk_jobs.Action) -> ActionResult:
    found = await issue_named(visit, required(fields, "issue"))
    # Those that died after the question were not counted there.
    wanted = EventFilter(died=found.handler, reason=found.reason, until=time_of_question(fields, "until"))
    settings = visit.settings
    request = JobRequest(action, wanted, trusted=settings.dry_run, keep_ids=settings.retention)
    return await _create(visit, request, "begun")


async def _create(visit: Visit, request: JobRequest, notice: str) -> ActionResult:
    created = await create_job(visit.store, request, Actor(visit.actor, "dashboard"))
    _start(visit, created)
    return ActionResult(_path(created), notice)


def _start(visit: Visit, job_id: str) -> None:
    running: RunningJobs = visit.request.app.state.jobs
    running.start(visit.store, job_id)


async def _retry(visit: Visit, fields: Fields) -> ActionResult:
    return await _begin(visit, fields, "retry")


async def _drop(visit: Visit, fields: Fields) -> ActionResult:
    return await _begin(visit, fields, "drop")


async def _ask_count(visit: Visit, fields: Fields) -> Question:
    wanted = await _selection(visit, fields)
    names = await handler_types(visit.settings)
    return Question(
        f"Replay {in_words(wanted)}?",
        "They are counted first. Nothing is changed before you have seen the number, and confirmed it. One handler runs"
        " on events of its own types alone.",
        "Count them",
        f"/events{parameters(fields)}",
        choices=(Choice("only", "Run", options=(EVERY, *sorted(names))),),
    )


async def _count(visit: Visit, fields: Fields) -> ActionResult:
    wanted, only = await _selection(visit, fields), fields.get("only", EVERY)
    request = JobRequest("replay", wanted, trusted=visit.settings.dry_run, asks=True)
    if only != EVERY:
        types = (await handler_types(visit.settings)).get(only)
        if types is None:
            raise HTTPException(400, "There is no handler of this name. Go back, and choose one of the list.")
        request = replace(request, handler=only, types=types)
    return await _create(visit, request, "counting")


async def _selection(visit: Visit, fields: Fields) -> EventFilter:
    """Return the events of a filter.

    Raises:
        HTTPException: the filter is wrong.
    """
    chosen = await filter_of(visit, fields)
    if chosen.wrong:
        raise HTTPException(400, chosen.wrong)
    if issue_id := chosen.given.get("issue"):
        issue = await issue_named(visit, issue_id)
        return replace(chosen.wanted, state="dead", died=issue.handler, reason=issue.reason)
    return chosen.wanted


async def _ask_start(visit: Visit, fields: Fields) -> Question:
    found = await _job(visit, required(fields, "job"))
    number = found.total or 0
    return Question(
        f"Replay {number:,} events?",
        "They are processed again, in small batches after new events. Nothing that was sent is sent again.",
        f"Replay {number:,}",
        _path(found.id),
        is_off=found.state != "ready" or not number,
    )


async def _start_counted(visit: Visit, fields: Fields) -> ActionResult:
    found = await _job(visit, required(fields, "job"))
    return await _resume(visit, fields) if found.state == "ready" else ActionResult(_path(found.id), "job_unchanged")


async def _ask_cancel(visit: Visit, fields: Fields) -> Question:
    found = await _job(visit, required(fields, "job"))
    text = f"{found.done:,} events were dealt with, and stay so. The others stay unchanged. It can be resumed."
    return Question("Cancel this job?", text, "Cancel the job", _path(found.id))


async def _cancel(visit: Visit, fields: Fields) -> ActionResult:
    before = await cancel_job(visit.store, required(fields, "job"))
    return ActionResult(_path(fields["job"]), "cancelled" if before in UNENDED else "job_unchanged")


async def _ask_resume(visit: Visit, fields: Fields) -> Question:
    found = await _job(visit, required(fields, "job"))
    return Question("Resume this job?", "It goes on with the events that are left.", "Resume", _path(found.id))


async def _resume(visit: Visit, fields: Fields) -> ActionResult:
    before = await resume_job(visit.store, required(fields, "job"))
    goes_on = before in ("cancelled", "ready")
    if goes_on:
        _start(visit, fields["job"])
    return ActionResult(_path(fields["job"]), "begun" if goes_on else "job_unchanged")


async def _about_issue(visit: Visit, fields: Fields) -> dict[str, str | int]:
    found = await issue_named(visit, required(fields, "issue"))
    return {"handler": found.handler, "reason": found.reason, "events": found.count}


async def _about_job(_: Visit, fields: Fields) -> Fields:
    return {"job_id": fields.get("job", "")}


async def _about_filter(visit: Visit, fields: Fields) -> Fields:
    return {"count": in_words(await _selection(visit, fields)), "handler": fields.get("only", EVERY)}


async def _about_counted(visit: Visit, fields: Fields) -> dict[str, str | int]:
    found = await _job(visit, required(fields, "job"))
    return {"job_id": found.id, "replay": in_words(found.request.selection), "events": found.total or 0}


ACTIONS = (
    Action("/retry-issue", "dead retry", ("issue",), _ask_retry, _retry, about=_about_issue),
    Action("/drop-issue", "dead drop", ("issue",), _ask_drop, _drop, about=_about_issue),
    Action("/replay-events", "events replay", FIELDS, _ask_count, _count, about=_about_filter),
    Action("/start-job", "events replay", ("job",), _ask_start, _start_counted, about=_about_counted),
    Action("/cancel-job", "jobs cancel", ("job",), _ask_cancel, _cancel, about=_about_job),
    Action("/resume-job", "jobs resume", ("job",), _ask_resume, _resume, about=_about_job),
)
PAGES = (
    Page("/jobs", jobs),
    Page("/jobs/{job}", job),
    *(page for action in ACTIONS for page in action.pages()),
)
