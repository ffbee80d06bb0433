"""Hosted number orders, followed by their webhooks and by a poll. A notification has the next step for a person."""

from functools import partial

from telnyx import PermissionDeniedError

from service import Context, Discard, Event, Router, clock
from service.events import HostedNumberOrder
from service.registrations.hosted_numbers import CHANGED, OrderChange, changed_orders, followed, next_step, read_order

POLL_MINUTES = frozenset({7, 22, 37, 52})
LATE = 900.0
"""Seconds after which a poll that had to wait is left to the next one."""

router = Router()


@router.on("messaging_hosted_numbers_orders.*")
async def hosted_numbers(event: Event[HostedNumberOrder], ctx: Context) -> None:
    """Read the order of a webhook. Webhooks come in any order, and the API has the present state."""
    if event.payload.order_id is None:
        raise Discard("no_order_id")
    await _raise_changes(ctx, event.payload.order_id)


@router.cron(minute=POLL_MINUTES, timeout=300)
async def hosted_numbers_poll(event: Event[dict[str, object]], ctx: Context) -> None:
    """Look for changes whose webhooks never came."""
    if event.occurred_at is not None and clock.now() - event.occurred_at.timestamp() > LATE:
        raise Discard("too_old")
    try:
        for order_id in await changed_orders(ctx):
            await _raise_changes(ctx, order_id)
    except PermissionDeniedError:
        raise Discard("not_permitted") from None


@router.on(CHANGED)
async def hosted_number_news(event: Event[OrderChange], ctx: Context) -> None:
    """Tell a person what an order now needs of them."""
    change = event.payload
    step = next_step(change)
    if step is None:
        raise Discard("needs_nobody")
    failures = f" ({change.reason})" if change.reason else ""
    await ctx.notify(
        cause=f"hosted number orders: {change.status}", text=f"order {change.id}{failures}: {step.text}", mend=step.mend
    )


async def _raise_changes(ctx: Context, order_id: str) -> None:
    orders = followed(ctx)
    for change in await orders.raise_changes(order_id, partial(read_order, ctx.telnyx, order_id)):
        ctx.log.info("hosted number order", order_id=order_id, status=change.now.status)
