"""The state of a message, and the right to send an SMS in its place."""

import time
from collections.abc import Mapping

from prometheus_client import Counter

from service import clock
from service.monitoring.labels import Labels
from service.outbound.api_call import name_of_key
from service.outbound.handler_run_state import CLEAR_FOR, current_run
from service.outbound.idempotency_keys import idempotency_key
from service.routing import Context
from service.store.facts.message_states import Prospect, Purpose, Recipient, RecipientState, ask
from service.store.keys import Keys

REACHED = frozenset({"delivered", "read"})
"""Statuses of a message that its recipient has. Source: OpenAPI, `to[].status`; for `read` the SDK."""
DOUBLE_DELIVERIES = Counter(
    "ringback_double_deliveries",
    "RCS messages that were delivered although an SMS had been sent in their place.",
    ["carrier"],
    registry=None,
)
"""Of this process; a worker's registry takes it in."""

_CARRIERS = Labels(r"[^\x00-\x1f]{1,60}", most=100)


async def look(
    ctx: Context, message_id: str, prospects: Mapping[str, Prospect | None], *, by: str
) -> Mapping[str, RecipientState]:
    """Return what is known of a message by recipient, and whether what would be sent can go, as the event `by` sees it.

    Raises:
        KeyMissing: recipients are hidden under an encryption key that is not here.
    """
    states = await _ask(ctx, message_id, prospects, "look", by)
    if (run := current_run.get()) is not None:
        outlooks = {number: each.outlook for number, each in states.items() if each.outlook is not None}
        run.absent |= {effect_name(message_id, number) for number, each in outlooks.items() if not each.known}
        if any(each.clear for each in outlooks.values()):
            run.clear_until = time.monotonic() + CLEAR_FOR
    return states


async def hold(ctx: Context, message_id: str, number: str, *, by: str) -> None:
    """Remember since when the SMS to a recipient waits: what waits on purpose does not grow too old meanwhile."""
    await _ask(ctx, message_id, {number: None}, "hold", by)


def remark_holder(ctx: Context, known: RecipientState) -> None:
    """Tell in the event's story and in the log which event holds the right to send, though it has not sent."""
    remark = f"event {known.right} holds the right to send this SMS: ringback events show {known.right}"
    ctx.log.info("right held", holder=known.right)
    if (run := current_run.get()) is not None:
        run.remarks.append(remark)


async def note_sent(ctx: Context, message_id: str, number: str, *, by: str) -> None:
    """Remember that an SMS went out, so that a delivery of the message itself can be told to be the second."""
    if not ctx.settings.dry_run:
        await _ask(ctx, message_id, {number: None}, "sent", by)


def effect_key(message_id: str, number: str) -> str:
    """Return the key of the SMS in place of a message to a number: two events of one message share it."""
    return idempotency_key("sms_fallback", message_id, number)


def effect_name(message_id: str, number: str) -> str:
    """Return the name in the ledger of the SMS in place of a message to a number."""
    return name_of_key(effect_key(message_id, number))


async def _ask(
    ctx: Context, message_id: str, prospects: Mapping[str, Prospect | None], purpose: Purpose, by: str
) -> Mapping[str, RecipientState]:
    state = await ask(
        ctx.redis,
        Keys.of(ctx.settings),
        message_id,
        [Recipient(number, effect_name(message_id, number), each) for number, each in prospects.items()],
        by=by,
        keep=ctx.settings.retention,
        purpose=purpose,
        at=clock.now(),
    )
    for carrier in map(_CARRIERS.of, state.doubled):
        DOUBLE_DELIVERIES.labels(carrier).inc()
        ctx.log.warning("delivered after the SMS in its place", message_id=message_id, carrier=carrier)
    return state.recipients
