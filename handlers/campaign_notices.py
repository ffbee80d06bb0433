"""Notifications of 10DLC registrations that need a person, loud where they stop SMS fallbacks."""

from typing import TypeVar

from service import Context, Discard, Event, Router, clock
from service.events import BrandStatusChanged, CampaignStatusChanged, NumberAssignmentStatusChanged
from service.registrations.ten_dlc import kinds, notices
from service.registrations.ten_dlc.blocks import numbers_stopped
from service.registrations.ten_dlc.following import TenDlc
from service.registrations.ten_dlc.senders import senders_of
from service.security.masking import mask_number
from service.store.facts.remembered import acquire_throttle

T = TypeVar("T", BrandStatusChanged, CampaignStatusChanged, NumberAssignmentStatusChanged)

router = Router()


@router.on(f"{kinds.BRAND}.status_changed")
async def brand_notice(event: Event[BrandStatusChanged], ctx: Context) -> None:
    """Tell a person what a brand needs."""
    await _notify(event, ctx, kinds.BRAND)


@router.on(f"{kinds.CAMPAIGN}.status_changed")
async def campaign_notice(event: Event[CampaignStatusChanged], ctx: Context) -> None:
    """Tell a person what a campaign needs, and that it works again."""
    await _notify(event, ctx, kinds.CAMPAIGN)


@router.on(f"{kinds.NUMBER}.status_changed")
async def number_assignment_notice(event: Event[NumberAssignmentStatusChanged], ctx: Context) -> None:
    """Tell a person what a number needs, and that it works again."""
    await _notify(event, ctx, kinds.NUMBER)


@router.cron(hour=9, minute=7)
async def campaign_ends(event: Event[dict[str, object]], ctx: Context) -> None:
    """Tell a person of each campaign that is about to expire, once."""
    store = ctx.services.store
    for campaign, known in (await TenDlc(ctx.telnyx, store).all_known(kinds.CAMPAIGN)).items():
        told = notices.told_of_end_date(campaign, known, clock.now())
        once = f"campaign_ends:{campaign}:{known.about.get('ends_at')}"
        if told and await acquire_throttle(store, once, event.id, seconds=2 * notices.WARNED_BEFORE):
            await ctx.notify(cause=told.cause, text=told.text, mend=told.mend)


async def _notify(event: Event[T], ctx: Context, kind: kinds.Kind) -> None:
    if not event.is_raised_here:
        raise Discard("not_ours")
    change = event.payload
    told = notices.told_of(kind, change, await _stopped_by(ctx, kind, change)) or notices.told_of_end(kind, change)
    if told is None:
        raise Discard("nothing_to_do")
    if told.loud:
        ctx.log.error(told.cause, told=told.text, advice=told.mend)
    await ctx.notify(cause=told.cause, text=told.text, mend=told.mend)


async def _stopped_by(ctx: Context, kind: kinds.Kind, change: notices.StatusChanged) -> notices.StoppedNumbers:
    """Return the numbers of fallbacks that a registration stops, masked."""
    if kind == kinds.BRAND or change.status not in kinds.NEEDS_PERSON[kind]:
        return notices.StoppedNumbers()
    ten_dlc, senders = TenDlc(ctx.telnyx, ctx.services.store), await senders_of(ctx.telnyx, ctx.settings)
    if isinstance(change, NumberAssignmentStatusChanged):
        numbers, wait = await numbers_stopped(ten_dlc, senders, number=change.phone_number)
    else:
        numbers, wait = await numbers_stopped(ten_dlc, senders, campaign=change.id)
    return notices.StoppedNumbers([mask_number(each) for each in numbers], wait)
