"""Holding back what may not go out yet: for quiet hours to end, or for the hour's segments to suffice."""

import random
from typing import NoReturn

from service import clock
from service.messages.fallback import Case, Draft
from service.messages.message_state import effect_key, hold
from service.outbound.api_call import name_of_key
from service.routing import Context, Retry
from service.store.effects.sms_budget import room
from service.store.facts.message_states import RecipientState
from service.store.keys import Keys

HELD = "SMS fallbacks are held: RINGBACK_SMS_PER_HOUR is reached"
ADVICE = "Find out why so many messages fail, or raise it"
SHORTEST_PAUSE = 60.0
SPREAD = 120.0
"""Seconds over which those that wait for the same thing look again, so that they do not all come at once."""


async def check_sending_window(
    ctx: Context, case: Case, wanted: Draft, known: RecipientState, *, by: str
) -> str | None:
    """Let an SMS pass that may go out now; else answers why it never may, within `max_wait` of its first hold.

    Raises:
        Retry: it may, later (`quiet_hours` or `over_budget`).
    """
    now = clock.now()
    latest = (known.held or now) + case.rule.max_wait
    opens = case.rule.goes_out_at(case.number, now, by=latest)
    if opens is None:
        return "quiet_hours"
    if opens > now:
        await hold(ctx, str(case.message.id), case.number, by=by)
        raise Retry(after=opens - now, reason="quiet_hours")
    pause = await _over_budget(ctx, case, wanted)
    if pause is None:
        return None
    if now + pause > latest:
        return "over_budget"
    await hold(ctx, str(case.message.id), case.number, by=by)
    raise Retry(after=pause, reason="over_budget")


async def wait_for_budget(ctx: Context, case: Case, wanted: Draft, *, by: str) -> NoReturn:
    """Hold an SMS back whose segments others took between the look and the intent.

    Raises:
        Retry: always (`over_budget`).
    """
    pause = await _over_budget(ctx, case, wanted)
    await hold(ctx, str(case.message.id), case.number, by=by)
    raise Retry(after=SHORTEST_PAUSE if pause is None else pause, reason="over_budget")


async def _over_budget(ctx: Context, case: Case, wanted: Draft) -> float | None:
    """Seconds until there may be segments again; None where they were to be had."""
    limit = ctx.settings.sms_per_hour
    name = name_of_key(effect_key(str(case.message.id), case.number))
    found = await room(ctx.redis, Keys.of(ctx.settings), name, segments=wanted.segments, limit=limit)
    if found.tell:
        await _tell(ctx, limit)
    if found.granted:
        return None
    if wanted.segments > limit:
        return float("inf")
    return max(found.again_in, SHORTEST_PAUSE) + random.uniform(0, SPREAD)


async def _tell(ctx: Context, limit: int) -> None:
    """Let a person know, by the log at once and by what `RINGBACK_NOTIFY` names."""
    ctx.log.error(HELD, advice=ADVICE, segments_per_hour=limit)
    if ctx.settings.notify is not None:
        text, mend = f"{ADVICE}: {limit} segments an hour are allowed", "ringback events list --handler sms_fallback"
        await ctx.notify(cause=HELD, text=text, mend=mend)
