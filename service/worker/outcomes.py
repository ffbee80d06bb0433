"""The new record of a handler after a run: done, again later, or dead.

Pure but for the jitter: the time and the limits are arguments. An ordinary exception is an attempt, and is retried
`attempt**4` seconds later. A wait for something outside the event costs none. A hopeless refusal is final.
"""

import math
import random
from dataclasses import dataclass, replace

import httpx
from pydantic import ValidationError
from redis.exceptions import RedisError
from telnyx import APIConnectionError, APIError

from service.outbound.effect_rules import not_sent_reason
from service.outbound.errors import Refusal, classify_error
from service.outbound.gate import ACCOUNT_PROBE, LONGEST_PAUSE
from service.outcome import Dead, Discard, Retry
from service.security.masking import describe_error, mask_numbers
from service.store.effects.blocks import OUTAGE, kind_of
from service.store.facts.consent import KeyMissing
from service.store.inbox.handler_records import HandlerRecord
from service.store.redis_errors import describe_cause, is_outage
from service.worker import retired_handlers

MAX_TEXT = 300
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 3600.0
JITTER = 0.1
FIRST_PAUSE = 1.0
RATE_LIMIT = "rate_limit"
UNKNOWN_HANDLER_PAUSE = 60.0
MISSING_KEY_PAUSE = 60.0
UNKNOWN_HANDLER_DEADLINE = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of retries: runs that ended in an error, and seconds of waiting."""

    max_attempts: int
    max_wait: float
    outage_patience: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that costs no attempt: its kind, its reason, its pause and its deadline (seconds)."""

    kind: str
    reason: str
    error: str | None
    pause: float
    deadline: float


class TookTooLong(TimeoutError):
    """A handler ran longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} s")


class UnfitPayload(Exception):
    """The payload does not fit the model that the handler's annotation asks for."""

    def __init__(self, error: ValidationError) -> None:
        fields = (
            f"{'.'.join(map(str, each['loc'])) or 'payload'} ({each['type']})"
            for each in error.errors(include_input=False, include_url=False, include_context=False)
        )
        # A field of a dictionary has the name that Telnyx gave it, which may be a number.
        super().__init__("the payload does not fit its model: " + mask_numbers(", ".join(fields))[:MAX_TEXT])


def done(record: HandlerRecord, now: int, reason: str | None = None) -> HandlerRecord:
    """Return the record of a handler that ended well, or chose not to act for a `reason`."""
    return HandlerRecord("done", record.attempts, reason=reason, runs=record.runs, ended_at=now, ran=record.ran)


def after_error(record: HandlerRecord, error: BaseException, limits: Limits, now: int) -> HandlerRecord:
    """Return the record of a handler that raised `error` at `now` (milliseconds)."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        # A task group wraps the exception.
        error = error.exceptions[0]
    if isinstance(error, Discard):
        return done(record, now, short(error.why))
    if isinstance(error, KeyMissing):
        error = Retry(after=MISSING_KEY_PAUSE, reason="encryption_key_missing")
    if isinstance(error, Retry):
        reason = short(error.reason) or "retry"
        return _wait(record, Wait("retry", reason, None, error.after, limits.max_wait), limits.max_wait, now)
    if isinstance(error, Dead):
        return _dead(_counted(record), short(error.reason), short(error.detail), now)
    if isinstance(error, APIError) and not _hides_bug(error):
        not_sent = not_sent_reason(error)
        return done(record, now, not_sent) if not_sent else after_refusal(record, classify_error(error), limits, now)
    if isinstance(error, UnfitPayload):
        return _dead(_counted(record), "payload", str(error), now)
    return _after_failure(record, (isinstance(error, APIError) and error.__cause__) or error, limits, now)


def _after_failure(record: HandlerRecord, error: BaseException, limits: Limits, now: int) -> HandlerRecord:
    """Count an attempt, unless Redis cannot be used: no author can help that."""
    if is_outage(error):
        detail = f"Redis cannot be used now ({describe_cause(error)})"
        return after_refusal(record, Refusal("later", "redis_unavailable", detail), limits, now)
    expired = isinstance(error, TookTooLong)
    reason, text = ("TimeoutError", str(error)) if expired else (type(error).__name__, describe_error(error))
    return _attempted(record, reason, text, limits, now)


def unknown_handler(record: HandlerRecord, name: str, now: int) -> HandlerRecord:
    """Return the record of a handler that this worker does not know.

    A retired one is done. Any other waits, since during a deploy another worker may know it. It is dead after a day.
    """
    if name in retired_handlers.RETIRED:
        return done(record, now, "retired")
    error = "no worker knows this handler: deploy it again, or keep its name with @router.on(…, name=…)"
    wait = Wait("deploy", "unknown_handler", error, UNKNOWN_HANDLER_PAUSE, UNKNOWN_HANDLER_DEADLINE)
    return _wait(record, wait, UNKNOWN_HANDLER_DEADLINE, now)


def short(text: object) -> str:
    """Return an author's word as it can be kept: text, not long, writable as UTF-8, and with numbers masked."""
    return mask_numbers(str(text).encode(errors="replace").decode())[:MAX_TEXT]


def backoff(attempt: int) -> float:
    """Return seconds before the next run after `attempt` failed ones: `attempt**4`, at most an hour, ±10 %."""
    return float(min(FIRST_BACKOFF * attempt**4, MAX_BACKOFF) * random.uniform(1 - JITTER, 1 + JITTER))


def after_refusal(record: HandlerRecord, refusal: Refusal, limits: Limits, now: int) -> HandlerRecord:
    """Return the record of a handler that Telnyx, or the gate before it, refused at `now` (milliseconds)."""
    if refusal.kind in ("hopeless", "ambiguous"):
        return _dead(_counted(record), refusal.reason, refusal.detail, now)
    if refusal.kind == "bug":
        return _attempted(record, refusal.reason, refusal.detail, limits, now)
    if refusal.block is not None or refusal.kind == "account":
        # The end of a block makes the handler due. Without a known block it is probed.
        outage = refusal.block is not None and kind_of(refusal.block) == OUTAGE
        kind, deadline = ("outage", limits.outage_patience) if outage else ("account", limits.max_wait)
        pause = ACCOUNT_PROBE if refusal.block is None else math.inf
        parked = _wait(record, Wait(kind, refusal.reason, refusal.detail, pause, deadline), limits.max_wait, now)
        return parked if parked.ended else replace(parked, state="parked", blocked_by=refusal.block)
    # Waiting for the rate limit does not count towards the deadline of an outage.
    kind = RATE_LIMIT if refusal.reason == RATE_LIMIT else "outage"
    # Being asked to wait for no time at all is no reason to hammer.
    pause = refusal.after or min(FIRST_PAUSE * 2 ** min(_waits(record, kind), 10), LONGEST_PAUSE)
    wait = Wait(kind, refusal.reason, refusal.detail, pause, limits.outage_patience)
    return _wait(record, wait, limits.max_wait, now)


def _hides_bug(error: APIError) -> bool:
    """Return whether the SDK took a failure that came from no network for an unreachable Telnyx."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) else None
    return cause is not None and not isinstance(cause, (httpx.HTTPError, OSError, RedisError))


def _attempted(record: HandlerRecord, reason: str, text: str, limits: Limits, now: int) -> HandlerRecord:
    """Count an attempt, and retry it later or end as dead."""
    counted = _counted(record)
    if counted.attempts >= limits.max_attempts:
        return _dead(counted, reason, text, now)
    due = now + int(backoff(counted.attempts) * 1000)
    return replace(counted, state="waiting", due=due, reason="error", error=text)


def _counted(record: HandlerRecord) -> HandlerRecord:
    return replace(_not_waiting(record), attempts=record.attempts + 1)


def _not_waiting(record: HandlerRecord) -> HandlerRecord:
    return replace(record, waiting_for=None, waiting_since=None, first_waiting=None, waits=0, blocked_by=None)


def _wait(record: HandlerRecord, wait: Wait, longest: float, now: int) -> HandlerRecord:
    """Wait, unless the deadline of this kind of wait, or of all kinds together, is over."""
    since = record.waiting_since if record.waiting_for == wait.kind else None
    waiting = replace(
        record,
        reason=wait.reason,
        error=wait.error,
        waiting_for=wait.kind,
        waiting_since=now if since is None else since,
        first_waiting=now if record.first_waiting is None else record.first_waiting,
        waits=_waits(record, wait.kind) + 1,
        blocked_by=None,
    )
    left = _left(waiting.waiting_since, wait.deadline, now), _left(waiting.first_waiting, longest, now)
    if min(left) <= 0:
        return _dead(waiting, wait.reason, wait.error or "waited too long", now)
    return replace(waiting, state="waiting", due=now + int(min(wait.pause, *left) * 1000))


def _waits(record: HandlerRecord, kind: str) -> int:
    return record.waits if record.waiting_for == kind else 0


def _left(since: int | None, deadline: float, now: int) -> float:
    """Return the seconds until a deadline."""
    return deadline - (now - (now if since is None else since)) / 1000


def _dead(record: HandlerRecord, reason: str, error: str, now: int) -> HandlerRecord:
    return replace(record, state="dead", due=0, reason=reason, error=error, ended_at=now)
