"""STOP and START, remembered across SMS and RCS."""

from service import Context, Discard, Event, Router, clock
from service.events import Message
from service.events.consent import word_of
from service.store.consent import hear
from service.store.keys import Keys

router = Router()


@router.on("message.received")
async def consent(event: Event[Message], ctx: Context) -> None:
    """Record an opt-out or opt-in; every other message says nothing about it.

    Telnyx's own words were kept when the event was accepted; to keep them again changes nothing.
    """
    word = word_of(event.payload, event.occurred_at)
    if word is None:
        raise Discard("nothing_said")
    await hear(ctx.redis, Keys.of(ctx.settings), [word], "message", now=clock.now())
    ctx.log.info("consent", said=word.said)
