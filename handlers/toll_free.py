"""Toll-free verification requests, followed by webhooks of whatever shape and by a poll, to their end."""

from telnyx import PermissionDeniedError

from service import Context, Discard, Event, Router, clock
from service.events import TollFreeStatusChanged
from service.notify import notify
from service.registrations.toll_free import (
    KIND,
    NEEDS_PERSON,
    WAITS,
    follow,
    follow_all,
    followed,
    named_requests,
    speaks_of_verification,
)
from service.registrations.toll_free_notices import reminder_delay, told_of
from service.store.keys import Keys

UNTIL_NEXT_POLL = 900.0
REMINDER = "ringback.toll_free_reminder"
TYPES = (KIND, f"{KIND}.*", "verification_request", "verification_request.*", f"messaging_profile.{KIND}.*", "unknown")
"""Telnyx publishes none; these are in its own sample and in public code."""

router = Router()


class Reminder(TollFreeStatusChanged):
    """The payload of a reminder: the change that it is about, and how many there were before."""

    number: int


@router.on(*TYPES, timeout=120)
async def toll_free(event: Event[dict[str, object]], ctx: Context) -> None:
    """Read the request that a webhook names; where it names none that exists, read all."""
    if event.arrived_by not in {"webhook", "failover"}:
        raise Discard("our_own")
    if event.type == "unknown" and not speaks_of_verification(event.payload):
        raise Discard("not_about_us")
    keys = Keys(ctx.settings.namespace)
    for each in named_requests(event.payload):
        if await follow(ctx.telnyx, ctx.redis, keys, each) is not None:
            return
    await follow_all(ctx.telnyx, ctx.redis, keys)


@router.cron(minute={0, 15, 30, 45}, timeout=600)
async def toll_free_poll(event: Event[dict[str, object]], ctx: Context) -> None:
    """Find the changes that no webhook told of."""
    if event.occurred_at and clock.now() - event.occurred_at.timestamp() > UNTIL_NEXT_POLL:
        raise Discard("too_old")
    try:
        await follow_all(ctx.telnyx, ctx.redis, Keys(ctx.settings.namespace))
    except PermissionDeniedError:
        raise Discard("not_permitted") from None


@router.on(f"{KIND}.status_changed")
async def toll_free_notice(event: Event[TollFreeStatusChanged], ctx: Context) -> None:
    """Tell a person what to correct, and see to it that they are reminded."""
    if event.arrived_by != "emit":
        raise Discard("not_ours")
    if event.payload.status not in NEEDS_PERSON:
        raise Discard("nothing_to_do")
    await _tell(ctx, event.payload)
    if event.payload.status == WAITS:
        await _remind_later(ctx, event.payload, number=1)


@router.on(REMINDER)
async def toll_free_reminder(event: Event[Reminder], ctx: Context) -> None:
    """Tell once more of a request for which Telnyx still waits, and again later."""
    change = event.payload
    keys = Keys(ctx.settings.namespace)
    if await follow(ctx.telnyx, ctx.redis, keys, change.id) is None:
        raise Discard("deleted")
    latest = await followed(ctx.redis, keys).known(change.id)
    if latest is None or latest.status != change.status or latest.at not in (None, change.changed_at):
        raise Discard("settled")
    await _tell(ctx, change)
    await _remind_later(ctx, change, number=change.number + 1)


async def _tell(ctx: Context, change: TollFreeStatusChanged) -> None:
    told = told_of(change)
    await notify(ctx.redis, Keys(ctx.settings.namespace), cause=told.cause, text=told.text, mend=told.mend)


async def _remind_later(ctx: Context, change: TollFreeStatusChanged, *, number: int) -> None:
    payload = {**change.model_dump(mode="json"), "number": number}
    key = f"toll_free_reminder:{change.id}:{change.changed_at}:{number}"
    await ctx.schedule(REMINDER, payload, after=reminder_delay(number), key=key)
