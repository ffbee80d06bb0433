"""Notifications of a transfer of hosted numbers between Telnyx accounts: at once, and before its deadline."""

from datetime import UTC, datetime

from service import Context, Discard, Event, Router, clock
from service.events import HostedNumberOrder
from service.registrations import hosted_transfers as transfers

router = Router()


@router.on("messaging_hosted_numbers_orders.*")
async def hosted_transfers(event: Event[HostedNumberOrder], ctx: Context) -> None:
    """Remember the state of a transfer, notify of it, and schedule the warnings before its deadline."""
    order_id, transfer = event.payload.order_id, transfers.transfer_of(event)
    if transfer is None or order_id is None:
        raise Discard("no_transfer")
    if not await transfers.remember(ctx, order_id, transfer):
        raise Discard("older_than_known")
    if transfer.deadline is not None:
        await _warn_before(ctx, order_id, transfer.deadline)
    await _notify(ctx, order_id, _describe(transfer))


@router.on(transfers.APPROVAL_DUE)
async def hosted_transfer_due(event: Event[transfers.ApprovalDue], ctx: Context) -> None:
    """Warn, unless the transfer was decided meanwhile, or has another deadline by now."""
    due = event.payload
    transfer = await transfers.current(ctx, due.order_id)
    if transfer is None or not transfer.is_open or transfer.deadline != due.approval_deadline:
        raise Discard("decided")
    if due.approval_deadline.timestamp() <= clock.now():
        raise Discard("too_late")
    await _notify(ctx, due.order_id, f"less than {due.hours} hours left: {_describe(transfer)}")


async def _warn_before(ctx: Context, order_id: str, deadline: datetime) -> None:
    for hours in transfers.HOURS_BEFORE:
        after = deadline.timestamp() - hours * 3600 - clock.now()
        if after > 0:
            due = {"order_id": order_id, "approval_deadline": deadline.isoformat(), "hours": hours}
            key = f"hosted_transfer:{order_id}:{deadline.timestamp():.0f}:{hours}h"
            await ctx.schedule(transfers.APPROVAL_DUE, due, after=after, key=key)


def _describe(transfer: transfers.Transfer) -> str:
    if transfer.deadline is not None:
        until = f"{transfer.deadline.astimezone(UTC):%Y-%m-%d %H:%M}"
        return f"Telnyx approves it at {until} UTC unless it is decided in Mission Control before"
    if transfer.decision.startswith("approved"):
        return f"{transfer.decision}: it ends the numbers' assignment to 10DLC campaigns, so assign them again"
    return "its numbers are on another Telnyx account" if transfer.decision == "pending" else transfer.decision


async def _notify(ctx: Context, order_id: str, text: str) -> None:
    await ctx.notify(
        cause="hosted numbers move between Telnyx accounts",
        text=f"transfer of order {order_id}: {text}",
        mend=f"ringback hosted show {order_id}",
    )
