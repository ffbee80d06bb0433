"""What an ending of a handler means for its record: done, again later, or dead.

Pure but for the jitter: the time and the limits are arguments. An ordinary exception is an attempt and is retried
`attempt**4` seconds later, a wait for something outside the event costs none, a hopeless refusal is final.
"""

import random
from dataclasses import dataclass, replace

from pydantic import ValidationError
from telnyx import APIError

from service.masking import place
from service.outbound.refusals import Refusal, judge
from service.routing import Dead, Discard, Retry
from service.store.records import HandlerRecord

LONGEST_BACKOFF = 3600.0
JITTER = 0.1
LONGEST_PAUSE = 60.0
PARKED_PROBE = 60.0
UNKNOWN_HANDLER_PAUSE = 60.0
UNKNOWN_HANDLER_PATIENCE = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up: runs that ended in an error, and seconds of waiting for others."""

    max_attempts: int
    max_wait: float
    outage_patience: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that costs no attempt: why, for how long now, and for how long in all (seconds)."""

    reason: str
    error: str | None
    pause: float
    patience: float


class UnfitPayload(Exception):  # noqa: N818 - a state
    """The payload does not fit the model that the handler's annotation asks for."""

    def __init__(self, error: ValidationError) -> None:
        fields = (
            f"{'.'.join(map(str, each['loc'])) or 'payload'} ({each['type']})"
            for each in error.errors(include_input=False, include_url=False, include_context=False)
        )
        super().__init__("the payload does not fit its model: " + ", ".join(fields))


def done(record: HandlerRecord, now: int, reason: str | None = None) -> HandlerRecord:
    """The handler has ended well, or chose not to act for a reason."""
    return replace(record, state="done", due=0, reason=reason, error=None, waiting_since=None, waits=0, ended_at=now)


def after_error(record: HandlerRecord, error: BaseException, limits: Limits, now: int) -> HandlerRecord:
    """What becomes of a handler that raised `error` at `now` (milliseconds)."""
    if isinstance(error, Discard):
        return done(record, now, error.why)
    if isinstance(error, Retry):
        return _wait(record, Wait(error.reason or "retry", None, error.after, limits.max_wait), now)
    if isinstance(error, Dead):
        return _dead(_counted(record), error.reason, error.detail, now)
    if isinstance(error, APIError):
        return _after_refusal(record, judge(error), limits, now)
    if isinstance(error, UnfitPayload):
        return _dead(_counted(record), "payload", str(error), now)
    return _after_failure(record, error, limits, now)


def unknown_handler(record: HandlerRecord, now: int) -> HandlerRecord:
    """This worker does not know the handler: a deploy is going on, so another may; dead after a day."""
    error = "no worker knows this handler: deploy it again, or keep its name with @router.on(…, name=…)"
    wait = Wait("unknown_handler", error, UNKNOWN_HANDLER_PAUSE, UNKNOWN_HANDLER_PATIENCE)
    return _wait(record, wait, now)


def backoff(attempt: int) -> float:
    """Seconds before the next run after `attempt` failed ones: `attempt**4`, at most an hour, ±10 %."""
    return float(min(attempt**4, LONGEST_BACKOFF) * random.uniform(1 - JITTER, 1 + JITTER))


def _after_refusal(record: HandlerRecord, refusal: Refusal, limits: Limits, now: int) -> HandlerRecord:
    if refusal.kind == "hopeless":
        return _dead(_counted(record), refusal.reason, refusal.detail, now)
    if refusal.kind == "account":
        parked = _wait(record, Wait(refusal.reason, refusal.detail, PARKED_PROBE, limits.max_wait), now)
        return parked if parked.ended else replace(parked, state="parked")
    pause = refusal.after if refusal.after is not None else min(2.0**record.waits, LONGEST_PAUSE)
    return _wait(record, Wait(refusal.reason, refusal.detail, pause, limits.outage_patience), now)


def _after_failure(record: HandlerRecord, error: BaseException, limits: Limits, now: int) -> HandlerRecord:
    counted = _counted(record)
    text = f"{type(error).__name__} at {place(error)}"
    if counted.attempts >= limits.max_attempts:
        return _dead(counted, type(error).__name__, text, now)
    due = now + int(backoff(counted.attempts) * 1000)
    return replace(counted, state="waiting", due=due, reason="error", error=text)


def _counted(record: HandlerRecord) -> HandlerRecord:
    return replace(record, attempts=record.attempts + 1, waiting_since=None, waits=0)


def _wait(record: HandlerRecord, wait: Wait, now: int) -> HandlerRecord:
    begun = record.waiting_since if record.reason == wait.reason else None
    since = now if begun is None else begun
    waiting = replace(record, reason=wait.reason, error=wait.error, waiting_since=since, waits=record.waits + 1)
    if now - since >= wait.patience * 1000:
        return _dead(waiting, wait.reason, wait.error or "gave up waiting", now)
    return replace(waiting, state="waiting", due=now + int(wait.pause * 1000))


def _dead(record: HandlerRecord, reason: str, error: str, now: int) -> HandlerRecord:
    return replace(record, state="dead", due=0, reason=reason, error=error, ended_at=now)
