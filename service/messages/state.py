"""What is known of a message, and the right to send an SMS in its place."""

from collections.abc import Mapping, Sequence

from prometheus_client import Counter

from service import clock
from service.events import Message
from service.labels import Labels
from service.outbound.effects import idempotency_key
from service.outbound.operations import name_of_key
from service.routing import Context
from service.store.keys import Keys
from service.store.message_states import Purpose, RecipientState, Said, merge

REACHED = frozenset({"delivered", "read"})
"""Statuses of a message that its recipient has. Source: OpenAPI, `to[].status`; for `read` the SDK."""
DOUBLE_DELIVERIES = Counter(
    "ringback_double_deliveries",
    "RCS messages that were delivered although an SMS had been sent in their place.",
    ["carrier"],
    registry=None,
)
"""Of this process; a worker's registry takes it in."""

_AT_LEAST_KEPT = 48 * 3600.0
_CARRIERS = Labels(r"[^\x00-\x1f]{1,60}", most=100)
_TYPES = frozenset({"SMS", "MMS", "RCS"})


async def note(ctx: Context, message: Message, *, by: str = "") -> dict[str, RecipientState]:
    """Merge what an event says of a message into its state; answers it by recipient, as the event `by` sees it."""
    return await _merge(ctx, message, _said(message), by=by)


async def hold(ctx: Context, message: Message, number: str, *, by: str) -> RecipientState:
    """Remember since when the SMS to a recipient waits: what waits on purpose does not grow too old meanwhile."""
    return await _of_one(ctx, message, number, "hold", by)


async def take_right(ctx: Context, message: Message, number: str, *, by: str) -> RecipientState:
    """Take the right to send to a recipient for the event `by`, unless the message is known to have been delivered."""
    return await _of_one(ctx, message, number, "take", by)


async def note_sent(ctx: Context, message: Message, number: str, *, by: str) -> None:
    """Remember that an SMS went out, so that a delivery of the message itself can be told to be the second."""
    if not ctx.settings.dry_run:
        await _of_one(ctx, message, number, "sent", by)


def reason_against(state: RecipientState) -> str | None:
    """Why no SMS may go out in a message's place, by what is known of it; None: it may, or has perhaps gone already."""
    if state.begun and state.right == "granted":
        return None
    if state.status in REACHED:
        return "already_delivered"
    if state.right == "taken":
        return "already_sent"
    return "native_fallback" if state.native else None


def effect_key(message: Message, number: str) -> str:
    """The key of the SMS in place of a message to a number: two events of one message share it."""
    return idempotency_key("sms_fallback", str(message.id), number)


async def _of_one(ctx: Context, message: Message, number: str, purpose: Purpose, by: str) -> RecipientState:
    said = [Said(number, effect=name_of_key(effect_key(message, number)))]
    return (await _merge(ctx, message, said, purpose=purpose, by=by))[number]


async def _merge(
    ctx: Context, message: Message, said: Sequence[Said], *, purpose: Purpose = "note", by: str = ""
) -> dict[str, RecipientState]:
    if not message.id or not said:
        return {}
    states = await merge(
        ctx.redis,
        Keys.of(ctx.settings),
        message.id,
        said,
        keep=max(ctx.settings.retention, _AT_LEAST_KEPT),
        purpose=purpose,
        by=by,
        at=clock.now(),
        message_type=message.type if message.type in _TYPES else "",
    )
    _count_doubled(ctx, message, states)
    return states


def _count_doubled(ctx: Context, message: Message, states: Mapping[str, RecipientState]) -> None:
    for state in states.values():
        if state.doubled:
            carrier = _CARRIERS.of(state.doubled)
            DOUBLE_DELIVERIES.labels(carrier).inc()
            ctx.log.warning("delivered after the SMS in its place", message_id=message.id, carrier=carrier)


def _said(message: Message) -> list[Said]:
    return [
        Said(number, to.status or "", to.carrier or "", name_of_key(effect_key(message, number)))
        for to in message.to
        if (number := to.phone_number)
    ]
