"""Storing events of elsewhere, as ended or as just arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis

from service.events import InvalidBody, read_envelope
from service.events.message_status import MessageStatus
from service.store.inbox import FROM_TELNYX
from service.store.keys import Keys
from service.store.marks import marks
from service.store.message_states import state_argument
from service.store.records import HandlerRecord
from service.store.scripts import Argument, run, script

IMPORT = script("import", above=("message_state", "note", "minute"), when_full=False)

STEP = 50


@dataclass(frozen=True, slots=True)
class Foreign:
    """An event of elsewhere, how far its handlers came with it, and when (ms) it arrived there."""

    id: str
    type: str
    body: bytes | None = field(repr=False)
    arrived_by: str
    received_at: int
    deliveries: int
    handlers: Mapping[str, HandlerRecord]


async def store(
    redis: "Redis", keys: Keys, events: Sequence[Foreign], *, run_them: bool, keep: float
) -> list[Literal["imported", "known"]]:
    """Store events (at most `STEP`) as ended, or with `run_them` as just arrived; known ones are left as they are.

    What they tell of the state of a message is kept for `keep` seconds, of known ones too.

    Raises:
        redis.exceptions.RedisError: it is not known which are stored; storing them again is harmless.
    """
    args: list[Argument] = [keys.namespace, int(run_them)]
    for event in events:
        body = event.body or b""
        args += (
            event.id,
            event.type,
            keys.sealer.seal(body) if body else b"",
            event.arrived_by,
            event.received_at,
            event.deliveries,
            marks(event.type, body, keys.sealer),
            state_argument(_message(event), keys, keep=keep),
        )
        args.append(len(event.handlers))
        for name, record in event.handlers.items():
            args += (name, record.told_by(keys.sealer.seal_text).to_json())
    return [answer.decode() for answer in await run(redis, IMPORT, *args)]


def _message(event: Foreign) -> MessageStatus | None:
    """The state of a message that an event of Telnyx tells of; a derived event tells none."""
    if event.body is None or event.arrived_by not in FROM_TELNYX:
        return None
    try:
        return read_envelope(event.body).message
    except InvalidBody:
        return None
