"""STOP and START, remembered across SMS and RCS."""

from dataclasses import replace
from typing import Any

from service import Context, Discard, Event, Router, clock
from service.events.consent import AHEAD, ConsentChange, words_of
from service.events.opt_out_words import opt_out_words
from service.settings import Settings
from service.store.facts.consent import record_consent

router = Router()


def unless(event: Event[dict[str, Any]], settings: Settings) -> str | None:
    """Return a reason against a message that says nothing about consent."""
    return None if _words_of(event, settings, clock.now()) else "nothing_said"


@router.on("message.received", unless=unless)
async def consent(event: Event[dict[str, Any]], ctx: Context) -> None:
    """Record an opt-out or opt-in. Every other message says nothing about it.

    It was recorded when the event was accepted, too: to record it again changes nothing. The payload is a plain dict,
    so that a field that fits no model hides no STOP.
    """
    # By the time of its acceptance, however late it is handled: then a time from the future is still none.
    accepted_at = ctx.services.accepted_at
    words = _words_of(event, ctx.settings, accepted_at)
    if not words:
        raise Discard("nothing_said")
    # By Redis's clock, as at the acceptance. The clock of an ingress may be far behind, and decides nothing.
    latest = accepted_at + AHEAD
    words = tuple(replace(each, at=None if each.at is None else min(each.at, latest)) for each in words)
    await record_consent(ctx.services.store, words, now=accepted_at)
    ctx.log.info("consent", said=words[0].said)


def _words_of(event: Event[dict[str, Any]], settings: Settings, now: float) -> tuple[ConsentChange, ...]:
    return words_of(event.type, event.payload, event.occurred_at, opt_out_words(settings.policy), now=now)
