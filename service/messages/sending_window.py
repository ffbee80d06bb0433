"""Whether an SMS may go out now, as one look at Redis tells: consent, quiet hours, the budget, the way to Telnyx."""

import random
from typing import NoReturn

from service import clock
from service.messages.fallback import Case, Draft, request, sketch
from service.messages.message_state import effect_name, hold
from service.outbound.api_call import Call
from service.outbound.handler_run_state import Run, current_run
from service.routing import Context, Retry
from service.store.effects.rate_limits import Blocked, Deferred
from service.store.effects.sms_budget import Room, room
from service.store.facts.consent import KeyMissing
from service.store.facts.message_states import Outlook, Prospect, RecipientState
from service.store.keys import Keys

HELD = "SMS fallbacks are held: RINGBACK_SMS_PER_HOUR is reached"
ADVICE = "Find out why so many messages fail, or raise it"
SHORTEST_PAUSE = 60.0
SPREAD = 120.0
"""Seconds over which those that wait for the same thing look again, so that they do not all come at once."""


def prospect(ctx: Context, case: Case) -> Prospect | None:
    """Return what would be sent in place of a message; None where its rule sends nothing, or outside of a run."""
    run = current_run.get()
    if run is None or case.blocked or not case.rule.acts_on(case.occasion):
        return None
    now, wanted = clock.now(), sketch(case)
    return Prospect(
        awake=case.rule.goes_out_at(case.number, now, by=now) is not None,
        since=case.since,
        fresh_until=case.fresh_until,
        segments=_segments(wanted),
        limit=ctx.settings.sms_per_hour,
        admission=run.gate.request(_call(case, wanted), event_id=run.event_id, returning=run.returning),
    )


async def check_sending_window(ctx: Context, case: Case, known: RecipientState, *, by: str) -> str | None:
    """Let an SMS pass that may go out now; else answer why it never may, within `max_wait` of its first hold.

    Raises:
        Retry: it may, later (`quiet_hours`, `over_budget` or `encryption_key_missing`).
        service.outbound.handler_run_state.Interrupted: it may, when its turn comes or what parks it is over.
    """
    outlook, run = known.outlook, current_run.get()
    if outlook is None or run is None:
        return None
    if outlook.consent_missing:
        raise KeyMissing(outlook.consent_missing)
    if outlook.opted_out:
        return "opted_out"
    now = clock.now()
    latest = (known.held or now) + case.rule.max_wait
    opens = case.rule.goes_out_at(case.number, now, by=latest)
    if opens is None:
        return "quiet_hours"
    if opens > now:
        await hold(ctx, str(case.message.id), case.number, by=by)
        raise Retry(after=opens - now, reason="quiet_hours")
    pause = None if outlook.room is None else await _over_budget(ctx, outlook.room, _segments(sketch(case)))
    if pause is not None and now + pause > latest:
        return "over_budget"
    if pause is not None:
        await hold(ctx, str(case.message.id), case.number, by=by)
        raise Retry(after=pause, reason="over_budget")
    _wait_for_turn(case, outlook, run)
    return None


async def wait_for_budget(ctx: Context, case: Case, wanted: Draft, *, by: str) -> NoReturn:
    """Hold an SMS back whose segments others took between the look and the intent.

    Raises:
        Retry: always (`over_budget`).
    """
    name, limit = effect_name(str(case.message.id), case.number), ctx.settings.sms_per_hour
    found = await room(ctx.redis, Keys.of(ctx.settings), name, segments=wanted.segments, limit=limit)
    pause = await _over_budget(ctx, found, wanted.segments)
    await hold(ctx, str(case.message.id), case.number, by=by)
    raise Retry(after=SHORTEST_PAUSE if pause is None else pause, reason="over_budget")


def _wait_for_turn(case: Case, outlook: Outlook, run: Run) -> None:
    """End the run before Telnyx is read, where the SMS could not be sent now.

    Raises:
        service.outbound.handler_run_state.Interrupted: it may go later.
    """
    if isinstance(outlook.admission, Deferred | Blocked):
        raise run.interrupt(run.gate.refusal(_call(case, sketch(case)), outlook.admission))


async def _over_budget(ctx: Context, found: Room, segments: int) -> float | None:
    """Seconds until there may be segments again; None where they were to be had."""
    limit = ctx.settings.sms_per_hour
    if found.tell:
        await _tell(ctx, limit)
    if found.granted:
        return None
    if segments > limit:
        return float("inf")
    return max(found.again_in, SHORTEST_PAUSE) + random.uniform(0, SPREAD)


async def _tell(ctx: Context, limit: int) -> None:
    """Let a person know, by the log at once and by what `RINGBACK_NOTIFY` names."""
    ctx.log.error(HELD, advice=ADVICE, segments_per_hour=limit)
    if ctx.settings.notify is not None:
        text, mend = f"{ADVICE}: {limit} segments an hour are allowed", "ringback events list --handler sms_fallback"
        await ctx.notify(cause=HELD, text=text, mend=mend)


def _segments(wanted: Draft | None) -> int:
    """The segments of an SMS; where only Telnyx knows its text, the least."""
    return 1 if wanted is None else wanted.segments


def _call(case: Case, wanted: Draft | None) -> Call:
    """The request that would send it, as far as the limits that concern it depend on it."""
    asked = request(case, wanted) if wanted is not None else {"from_": case.rule.sender}
    return Call(
        "POST",
        "/messages",
        product="mms" if wanted is not None and wanted.type == "MMS" else "sms",
        messaging_profile_id=case.message.messaging_profile_id or None,
        sender=asked.get("from_"),
    )
