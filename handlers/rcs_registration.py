"""RCS brands, agents and carriers' answers, followed by a poll. A notification has the reason of a rejection."""

from typing import Any

from telnyx import NotFoundError, PermissionDeniedError

from service import Context, Discard, Event, Retry, Router, clock
from service.events import RcsAgentStatusChanged, RcsBrandStatusChanged, RcsCarrierApprovalStatusChanged
from service.registrations.rcs_registration import AGENT, APPROVAL, BRAND, NEEDS_PERSON, follow_all, under_review
from service.security.masking import mask_numbers
from service.store.facts.remembered import acquire_throttle

OFTEN = 300.0
"""Seconds between two polls while something is under review."""
DAILY = 86400.0 - OFTEN
LONGEST_REASON = 200

router = Router()


@router.cron(minute=frozenset(range(4, 60, 5)), timeout=120)
async def rcs_registration_poll(event: Event[dict[str, object]], ctx: Context) -> None:
    """Look for changes: every five minutes while something is under review, else once a day."""
    if event.occurred_at and clock.now() - event.occurred_at.timestamp() > OFTEN:
        raise Discard("too_old")
    store = ctx.services.store
    if not await under_review(store) and not await acquire_throttle(store, "rcs_poll", event.id, seconds=DAILY):
        raise Discard("not_due")
    try:
        is_complete = await follow_all(ctx.telnyx, store)
    except (PermissionDeniedError, NotFoundError):
        # Registration by API is not there for every account.
        raise Discard("not_permitted") from None
    if not is_complete:
        raise Retry(after=0, reason="more_to_read")


@router.on(f"{BRAND}.status_changed")
async def rcs_brand_notice(event: Event[RcsBrandStatusChanged], ctx: Context) -> None:
    """Tell a person of a brand that was rejected."""
    _check(event)
    brand, mend = event.payload, f"ringback rcs brands {event.payload.id}"
    text = f"{brand.display_name or brand.id}: Telnyx's API gives no reason, ask its support. Fields stay locked"
    await ctx.notify(cause=f"an RCS brand is {brand.status}", text=text, mend=mend)


@router.on(f"{AGENT}.status_changed")
async def rcs_agent_notice(event: Event[RcsAgentStatusChanged], ctx: Context) -> None:
    """Tell a person of an agent that was rejected, or of a section of it."""
    agent = event.payload
    _check(event, urgent=bool(agent.reason))
    reason = f"rejected sections: {agent.reason}" if agent.reason else "no section was rejected, see the carriers"
    cause = (
        f"an RCS agent is {agent.status}" if agent.status in NEEDS_PERSON else "a section of an RCS agent is rejected"
    )
    await ctx.notify(cause=cause, text=f"{agent.display_name or agent.id}: {reason}", mend=_status(agent.id))


@router.on(f"{APPROVAL}.status_changed")
async def rcs_carrier_notice(event: Event[RcsCarrierApprovalStatusChanged], ctx: Context) -> None:
    """Tell a person of a carrier that rejected an agent, with its reason."""
    _check(event)
    answer, name = event.payload, event.payload.display_name or event.payload.agent_id or event.payload.id
    who = answer.carrier or f"a {answer.scope_type or 'carrier'}"
    reason = mask_numbers(answer.reason or "no reason was given")[:LONGEST_REASON]
    text = f"{name}: {who}: {reason}"
    await ctx.notify(cause="a carrier rejected an RCS agent", text=text, mend=_status(answer.agent_id or ""))


def _check(event: Event[Any], *, urgent: bool = False) -> None:
    if not event.is_raised_here:
        raise Discard("not_ours")
    if not urgent and event.payload.status not in NEEDS_PERSON:
        raise Discard("nothing_to_do")


def _status(agent_id: str) -> str:
    return f"ringback rcs status {agent_id}"
