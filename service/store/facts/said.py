"""Keep what events say of consent and of messages before any of the events is handled."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from service.events.consent import ConsentChange
from service.events.message import MessageStatus
from service.store.facts.consent import KeyMissing, record_consent
from service.store.facts.message_states import read_state
from service.store.store import Store


async def keep_said(
    store: Store, words: Sequence[ConsentChange], messages: Iterable[tuple[str, MessageStatus]], *, keep: float
) -> None:
    """Keep words, each with its time, and the statuses of messages (with their events' ids) for `keep` seconds.

    Raises:
        redis.exceptions.RedisError: it is not known what was kept. Doing it again is harmless.
    """
    await record_consent(store, words, now=0)
    await asyncio.gather(*(_keep_status(store, *each, keep=keep) for each in messages))


async def _keep_status(store: Store, event_id: str, said: MessageStatus, *, keep: float) -> None:
    # It is kept even where other recipients of the message are hidden under another key.
    with suppress(KeyMissing):
        await read_state(store, said.id, [], by=event_id, keep=keep, said=said)
