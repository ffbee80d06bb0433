"""Toll-free verification requests, followed by webhooks of whatever shape and by a poll, to their end."""

from telnyx import PermissionDeniedError

from service import Context, Discard, Event, Retry, Router, clock
from service.registrations.toll_free import KIND, follow, follow_all, named_requests, speaks_of_verification

UNTIL_NEXT_POLL = 900.0
TYPES = (KIND, f"{KIND}.*", "verification_request", "verification_request.*", f"messaging_profile.{KIND}.*", "unknown")
"""Telnyx publishes none. These are in its own sample and in public code."""

router = Router()


@router.on(*TYPES)
async def toll_free(event: Event[dict[str, object]], ctx: Context) -> None:
    """Read the request that a webhook names. Where it names none that exists, read all."""
    if event.arrived_by not in {"webhook", "failover", "healed"}:
        raise Discard("our_own")
    if event.type == "unknown" and not speaks_of_verification(event.payload):
        raise Discard("not_about_us")
    for each in named_requests(event.payload):
        if await follow(ctx, each) is not None:
            return
    await _follow_all(ctx)


@router.cron(minute={0, 15, 30, 45})
async def toll_free_poll(event: Event[dict[str, object]], ctx: Context) -> None:
    """Find the changes that no webhook reported."""
    if event.occurred_at and clock.now() - event.occurred_at.timestamp() > UNTIL_NEXT_POLL:
        raise Discard("too_old")
    try:
        await _follow_all(ctx)
    except PermissionDeniedError:
        raise Discard("not_permitted") from None


async def _follow_all(ctx: Context) -> None:
    if not await follow_all(ctx):
        raise Retry(after=0, reason="more_to_read")
