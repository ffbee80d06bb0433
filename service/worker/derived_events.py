"""Events of Ringback's own, raised by handlers: `ctx.emit`, `ctx.schedule` and `ctx.cancel`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from service import clock
from service.events.nested_json import dump_json
from service.store.inbox.accept import NewEvent, accept, cancel
from service.store.keys import Keys

LONGEST_KEY = 200


@dataclass(frozen=True)
class DerivedEvents:
    """Raises events that are accepted, queued and remembered like Telnyx's; `remember` is seconds."""

    redis: "Redis"
    keys: Keys
    remember: float

    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None:
        """Raise an event now, once per key."""
        await self._accept("emit", event_type, payload, key, 0.0)

    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None:
        """Raise an event after `after` seconds, once per key."""
        await self._accept("schedule", event_type, payload, key, after)

    async def cancel(self, key: str) -> None:
        """Call off what is scheduled under `key`, or will be."""
        await cancel(self.redis, self.keys, _identity("schedule", key), remember=int(self.remember * 1000))

    async def _accept(self, how: str, event_type: str, payload: Mapping[str, Any], key: str, delay: float) -> None:
        identity = _identity(how, key)
        body = _body(identity, event_type, payload)
        await accept(self.redis, self.keys, [NewEvent(identity, event_type, body, how, delay=int(delay * 1000))])


def _identity(how: str, key: str) -> str:
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise ValueError(f"key= takes 1 to {LONGEST_KEY} printable characters")
    return f"{how}:{key}"


def _body(identity: str, event_type: str, payload: Mapping[str, Any]) -> bytes:
    occurred_at = datetime.fromtimestamp(clock.now(), UTC).isoformat()
    data = {
        "record_type": "event",
        "id": identity,
        "event_type": event_type,
        "occurred_at": occurred_at,
        "payload": dict(payload),
    }
    return dump_json({"data": data})
