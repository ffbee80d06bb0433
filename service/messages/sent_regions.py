"""Where messages of ours went, noted from what Telnyx tells of them: replies may go there too."""

import time
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.events import Event
from service.events.message import read_message_status
from service.outbound.phone_numbers import country_of
from service.store.inbox.accept import FROM_TELNYX
from service.store.keys import Keys
from service.store.sent_regions import note_sent

_TYPES = frozenset({"message.sent", "message.finalized"})
_PAUSE = 3600.0
"""Seconds for which a process does not note a region again: the retention is many times as long."""
_noted: dict[tuple[str, str], float] = {}


async def note_regions_of(redis: "Redis", keys: Keys, event: Event[dict[str, Any]]) -> None:
    """Note the regions of the recipients, if the event tells of a message of ours."""
    if event.type not in _TYPES or event.arrived_by not in FROM_TELNYX:
        return
    message = read_message_status(event.type, event.payload)
    # WhatsApp answers go anywhere, so that they open no country for others.
    if message is None or not message.type:
        return
    countries = {country_of(each.number) for each in message.recipients if each.number is not None}
    now = time.monotonic()
    latest = {each: _noted.get((keys.namespace, each)) for each in countries if each is not None}
    regions = [each for each, at in latest.items() if at is None or at < now - _PAUSE]
    # Where Redis is away, the next message notes them.
    with suppress(RedisError, OSError):
        await note_sent(redis, keys, regions)
        _noted.update({(keys.namespace, each): now for each in regions})
