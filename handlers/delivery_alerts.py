"""Notify a person of messages that fail with one code, on any channel, with what to do."""

from service import Context, Discard, Event, Router, clock
from service.events import Message
from service.messages.delivery_alerts import count, failures_of
from service.settings import Settings

router = Router()


def types(settings: Settings) -> tuple[str, ...]:
    """Return no types where the alerts are off."""
    return ("message.finalized",) if settings.delivery_alerts else ()


def unless(event: Event[Message], settings: Settings) -> str | None:
    """Return a reason against a message that did not fail."""
    del settings
    return None if failures_of(event.payload) else "not_failed"


@router.on(types_from=types, unless=unless)
async def delivery_alerts(event: Event[Message], ctx: Context) -> None:
    """Count a failed message by code and sender."""
    failures, rate = failures_of(event.payload), ctx.settings.delivery_alerts
    if event.occurred_at is not None and event.occurred_at.timestamp() < clock.now() - rate.seconds:
        raise Discard("too_old")
    # All are counted before the first notification may fail.
    reached = [await count(ctx, event.id, each, rate) for each in failures]
    if not any(reached):
        raise Discard("below_rate")
