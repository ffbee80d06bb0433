"""Records the consent in a message, for a handler."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service import clock
from service.events.consent import ConsentChange, words_of
from service.events.opt_out_words import opt_out_words
from service.routing import Context
from service.store.facts.consent import record_consent


async def record_words(
    ctx: Context, event_type: str, payload: dict[str, Any], occurred_at: datetime | None
) -> Sequence[ConsentChange]:
    """Record what an event says about consent, and return it.

    Raises:
        redis.exceptions.RedisError: it is not known what was kept. Doing it again is harmless.
    """
    now = clock.now()
    changes = words_of(event_type, payload, occurred_at, opt_out_words(ctx.settings.policy), now=now)
    if changes:
        await record_consent(ctx.services.store, changes, now=now)
    return changes
