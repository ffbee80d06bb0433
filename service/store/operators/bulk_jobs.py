"""Bulk jobs: retry, drop or replay of many events. Redis keeps them, so they can be followed, cancelled and resumed.

A job lists its events when it begins, and touches no others. An event that ends again meanwhile stays unchanged. The
process that starts a job carries it out in small batches. If that process ends, a worker goes on within seconds.
"""

import secrets
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from typing import Any, Literal

import orjson

from service.store.facts.message_states import DEFAULT_KEEP
from service.store.inbox.dead_letters import OperatorVerdict
from service.store.inbox.search import EventFilter
from service.store.later_fields import known_fields
from service.store.operators.audit_log import Actor
from service.store.scripts import Argument
from service.store.store import Store

Action = Literal["retry", "drop", "replay"]
JobState = Literal["collecting", "ready", "running", "cancelled", "done"]
"""`ready`: its events are counted, and a person has to let it run."""
UNENDED: tuple[JobState, ...] = ("collecting", "ready", "running")
DID: Mapping[Action, str] = {"retry": "retried", "drop": "dropped", "replay": "replayed"}
"""The result for an event that was changed."""
WHY_NOT: Mapping[str, str] = tomllib.loads((files(__package__) / "why_not.toml").read_text("utf-8"))
"""By any other result: why the event is unchanged."""
KEPT = 500
"""Jobs that are listed. Ended ones are forgotten after 7 days."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The work of a job: its action, the events that it takes, and the options of that action.

    `word` settles unconfirmed effects. `trusted` takes imported events too. `handler` is the only one that a replay
    runs, and `again` forgets its effects. Its `types` (patterns) leave other events out. The ids of dropped events are
    remembered for `keep_ids` seconds. `asks` lets a replay wait for a person when its events are counted.
    """

    action: Action
    selection: EventFilter
    word: OperatorVerdict = ""
    trusted: bool = False
    handler: str | None = None
    again: bool = False
    keep_ids: float = DEFAULT_KEEP
    asks: bool = False
    types: tuple[str, ...] | None = None

    def to_json(self) -> bytes:
        """Return the stored form."""
        told = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "selection"}
        return orjson.dumps({**told, "selection": orjson.loads(self.selection.to_json(with_times=True))})

    @classmethod
    def from_json(cls, text: bytes) -> "JobRequest":
        """Read the stored form.

        Raises:
            ValueError: it cannot be read.
        """
        told = known_fields(cls, text)
        types = told.get("types")
        read = {
            "selection": EventFilter.from_told(told["selection"]),
            "types": types if types is None else tuple(types),
        }
        return cls(**{**told, **read})


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its progress. Times are milliseconds since 1970, by the server's clock.

    It takes events that ended before `created_at`. `tally` counts its events by result (`RetryVerdict`). `total` is
    None while the events are collected.
    """

    id: str
    request: JobRequest
    actor: str
    state: JobState
    created_at: int
    total: int | None
    done: int = 0
    ended_at: int | None = None
    tally: Mapping[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """The number of events that were changed."""
        return self.tally.get(DID[self.request.action], 0)


async def create_job(store: Store, request: JobRequest, actor: Actor, *, ids: Sequence[str] | None = None) -> str:
    """Create a job, and return its id. Without `ids`, it collects the events of its filter when it is carried out.

    Record the action in the audit log before. `carry_out` in `service.store.operators.job_runner` carries the job out.

    Raises:
        redis.exceptions.RedisError: it is not known whether the job exists. `read_jobs` tells.
    """
    job = secrets.token_hex(6)
    state: tuple[Argument, ...] = ("state", "collecting")
    if ids is not None:
        await replace_ids(store, job, _pages(ids))
        state = ("state", "running", "collected", len(ids))
    await store.run("job_create", job, "request", request.to_json(), "actor", actor.name, *state)
    return job


async def replace_ids(store: Store, job: str, pages: AsyncIterator[Sequence[str]]) -> int:
    """Store the ids of a job's events in place of earlier ones. Return how many."""
    await store.redis.delete(store.keys.job_ids(job))
    number = 0
    async for page in pages:
        if page:
            number = await store.run("job_list", job, *page)
    return number


async def end_collection(store: Store, job: Job, number: int, unchanged: Mapping[str, int]) -> None:
    """Say that a job has listed its events. It runs, or is ready for a person, unless it was cancelled.

    `unchanged` counts, by result, events that were found and not listed.
    """
    state = "ready" if job.request.asks else "running"
    await store.run("job_state", job.id, state, number, orjson.dumps(unchanged))


async def read_jobs(store: Store, *, limit: int = 50) -> list[Job]:
    """Return the latest jobs, the newest first."""
    return [job for row in await store.run("jobs", min(limit, KEPT)) if (job := _job(*row))]


async def read_job(store: Store, job: str) -> Job | None:
    """Return a job, or None where none is remembered."""
    return next((_job(*row) for row in await store.run("jobs", 1, job)), None)


async def cancel_job(store: Store, job: str) -> JobState | Literal["gone"]:
    """Cancel a job: at most the batch that is under way is still carried out. Return its state before."""
    state: bytes = await store.run("job_state", job, "cancel")
    return state.decode()  # type: ignore[return-value]


async def resume_job(store: Store, job: str) -> JobState | Literal["gone"]:
    """Let a cancelled or ready job go on with the events that are left. Return its state before."""
    state: bytes = await store.run("job_state", job, "resume")
    return state.decode()  # type: ignore[return-value]


async def _pages(ids: Sequence[str]) -> AsyncIterator[Sequence[str]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


def _job(identity: bytes, *flat: bytes) -> Job | None:
    """Read a job, or return None where it cannot be read."""
    stored: dict[str, bytes] = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    numbers: dict[str, Any] = {name: int(stored[name]) for name in ("created_at", "done", "ended_at") if name in stored}
    try:
        return Job(
            id=identity.decode(),
            request=JobRequest.from_json(stored["request"]),
            actor=stored["actor"].decode(),
            state=stored["state"].decode(),  # type: ignore[arg-type]
            total=int(stored["collected"]) if "collected" in stored else None,
            tally={name[2:]: int(value) for name, value in stored.items() if name.startswith("v:")},
            **numbers,
        )
    except (KeyError, ValueError, TypeError):
        return None
