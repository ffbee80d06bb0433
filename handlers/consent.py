"""STOP and START, remembered across SMS and RCS."""

from typing import Any

from service import Context, Discard, Event, Router, clock
from service.events.consent import words_of
from service.events.opt_out_words import opt_out_words
from service.store.facts.consent import record_consent

router = Router()


@router.on("message.received")
async def consent(event: Event[dict[str, Any]], ctx: Context) -> None:
    """Record an opt-out or opt-in. Every other message says nothing about it.

    It was recorded when the event was accepted, too: to record it again changes nothing. The payload is a plain dict,
    so that a field that fits no model hides no STOP.
    """
    now = clock.now()
    words = words_of(event.type, event.payload, event.occurred_at, opt_out_words(ctx.settings.policy), now=now)
    if not words:
        raise Discard("nothing_said")
    await record_consent(ctx.services.store, words, now=now)
    ctx.log.info("consent", said=words[0].said)
