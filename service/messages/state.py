"""What is known of a message, and the right to send an SMS in its place."""

from service.events import Message
from service.routing import Context
from service.store.keys import Keys
from service.store.message_states import RecipientState, merge

FAILED = frozenset({"delivery_failed", "sending_failed", "expired"})
"""Statuses in which an outbound message has ended without reaching its recipient. Source: OpenAPI, `to[].status`."""
REACHED = frozenset({"delivered", "read"})

_AT_LEAST_KEPT = 48 * 3600.0


async def note(ctx: Context, message: Message) -> dict[str, RecipientState]:
    """Merge what an event says of a message into its state; answers that state by recipient."""
    return await _merge(ctx, message, "")


async def note_and_take_right(ctx: Context, message: Message, event_id: str) -> dict[str, RecipientState]:
    """Merge, and take the right to send in the message's place for this event, where nobody was reached."""
    return await _merge(ctx, message, event_id)


async def _merge(ctx: Context, message: Message, asked_by: str) -> dict[str, RecipientState]:
    statuses = {to.phone_number: to.status for to in message.to if to.phone_number and to.status}
    if message.id is None or not statuses:
        return {}
    keep = max(ctx.settings.retention, _AT_LEAST_KEPT)
    return await merge(ctx.redis, Keys(ctx.settings.namespace), message.id, statuses, keep=keep, asked_by=asked_by)
