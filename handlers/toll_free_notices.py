"""Notifications of toll-free verification requests that wait for a person, with reminders."""

from service import Context, Discard, Event, Router
from service.events import TollFreeStatusChanged
from service.registrations.toll_free import KIND, NEEDS_PERSON, WAITS, follow, followed
from service.registrations.toll_free_notices import reminder_delay, told_of

REMINDER = "ringback.toll_free_reminder"

router = Router()


class Reminder(TollFreeStatusChanged):
    """The payload of a reminder: the change that it is about, and the reminder's number."""

    number: int


@router.on(f"{KIND}.status_changed")
async def toll_free_notice(event: Event[TollFreeStatusChanged], ctx: Context) -> None:
    """Tell a person what to correct, and see to it that they are reminded."""
    if not event.is_raised_here:
        raise Discard("not_ours")
    if event.payload.status not in NEEDS_PERSON:
        raise Discard("nothing_to_do")
    await _notify(ctx, event.payload)
    if event.payload.status == WAITS:
        await _remind_later(ctx, event.payload, number=1)


@router.on(REMINDER)
async def toll_free_reminder(event: Event[Reminder], ctx: Context) -> None:
    """Tell once more of a request for which Telnyx still waits, and again later."""
    change = event.payload
    if await follow(ctx, change.id) is None:
        raise Discard("deleted")
    latest = await followed(ctx).last_known(change.id)
    if latest is None or latest.status != change.status or latest.at not in (None, change.changed_at):
        raise Discard("settled")
    await _notify(ctx, change)
    await _remind_later(ctx, change, number=change.number + 1)


async def _notify(ctx: Context, change: TollFreeStatusChanged) -> None:
    told = told_of(change)
    await ctx.notify(cause=told.cause, text=told.text, mend=told.mend)


async def _remind_later(ctx: Context, change: TollFreeStatusChanged, *, number: int) -> None:
    payload = {**change.model_dump(mode="json"), "number": number}
    since = int(change.changed_at.timestamp()) if change.changed_at else 0
    key = f"toll_free_reminder:{change.id}:{since}:{number}"
    await ctx.schedule(REMINDER, payload, after=reminder_delay(number), key=key)
