"""STOP and START, remembered across SMS and RCS."""

from typing import Any

from service import Context, Discard, Event, Router
from service.messages.consent import record_words

router = Router()


@router.on("message.received")
async def consent(event: Event[dict[str, Any]], ctx: Context) -> None:
    """Record an opt-out or opt-in. Every other message says nothing about it.

    It was recorded when the event was accepted, too: to record it again changes nothing. The payload is a plain dict,
    so that a field that fits no model hides no STOP.
    """
    words = await record_words(ctx, event.type, event.payload, event.occurred_at)
    if not words:
        raise Discard("nothing_said")
    ctx.log.info("consent", said=words[0].said)
