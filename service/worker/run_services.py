"""The services behind the methods of a `Context`, in one run of one handler."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telnyx import AsyncTelnyx

from service import clock
from service.events.nested_json import dump_json
from service.messages.rcs_capabilities import RcsCapabilities
from service.messages.reply import ReplyDecision
from service.monitoring.notifications import notify
from service.store.facts.consent import opted_out
from service.store.inbox.accept import NewEvent, accept, cancel
from service.store.store import Store

LONGEST_KEY = 200


@dataclass(frozen=True)
class DerivedEvents:
    """Raises events that are accepted, queued and remembered like Telnyx's; `remember` is seconds."""

    store: Store
    remember: float

    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None:
        """Raise an event now, once per key."""
        await self._accept("emit", event_type, payload, key, 0.0)

    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None:
        """Raise an event after `after` seconds, once per key."""
        await self._accept("schedule", event_type, payload, key, after)

    async def cancel(self, key: str) -> None:
        """Call off what is scheduled under `key`, or will be."""
        await cancel(self.store, _identity("schedule", key), remember=int(self.remember * 1000))

    async def _accept(self, how: str, event_type: str, payload: Mapping[str, Any], key: str, delay: float) -> None:
        identity = _identity(how, key)
        body = _body(identity, event_type, payload)
        await accept(self.store, [NewEvent(identity, event_type, body, how, delay=int(delay * 1000))])


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


@dataclass(frozen=True, slots=True)
class RunServices:
    """Replies, consent, derived events, notifications and capabilities: the `Services` of a worker."""

    telnyx: AsyncTelnyx
    store: Store
    replies: ReplyDecision
    derived: DerivedEvents

    async def reply(self, text: str) -> bool:
        """Answer the inbound message, where an answer may be sent."""
        return await self.replies.reply(text)

    async def opted_out(self, number: str, since: datetime | None) -> bool:
        """Return whether this number has said STOP."""
        return await opted_out(self.store, number, since)

    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None:
        """Raise an event now, once per key."""
        await self.derived.emit(event_type, payload, key)

    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None:
        """Raise an event after `after` seconds, once per key."""
        await self.derived.schedule(event_type, payload, after, key)

    async def cancel(self, key: str) -> None:
        """Call off what is scheduled under `key`, or will be."""
        await self.derived.cancel(key)

    async def notify(self, cause: str, text: str, mend: str) -> None:
        """Let a person know that something needs them."""
        await notify(self.store, cause=cause, text=text, mend=mend)

    async def rcs_capable(self, agent: str, number: str) -> bool:
        """Return whether this agent's messages can reach this number's phone by RCS."""
        return await RcsCapabilities(self.telnyx, self.store).capable(agent, number)
