"""STOP and START, remembered across SMS and RCS."""

from service import Context, Discard, Event, Router, clock
from service.events import Message
from service.messages.consent import said_about_consent
from service.store.consent import record
from service.store.keys import Keys

router = Router()


@router.on("message.received")
async def consent(event: Event[Message], ctx: Context) -> None:
    """Record an opt-out or opt-in; every other message says nothing about it."""
    said = said_about_consent(event.payload)
    number = event.payload.from_.phone_number
    if said is None or number is None:
        raise Discard("nothing_said")
    at = event.occurred_at.timestamp() if event.occurred_at else clock.now()
    await record(ctx.redis, Keys(ctx.settings.namespace), number, said, at=at)
    ctx.log.info("consent", said=said)
