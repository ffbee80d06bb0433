"""The services behind the methods of a `Context`, in one run of one handler."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from telnyx import AsyncTelnyx

from service.messages.rcs_capabilities import RcsCapabilities
from service.messages.reply import ReplyDecision
from service.monitoring.notifications import notify
from service.store.facts.consent import opted_out
from service.store.keys import Keys
from service.worker.derived_events import DerivedEvents


@dataclass(frozen=True, slots=True)
class RunServices:
    """Replies, consent, derived events, notifications and capabilities: the `Services` of a worker."""

    telnyx: AsyncTelnyx
    redis: "Redis"
    keys: Keys
    replies: ReplyDecision
    derived: DerivedEvents

    async def reply(self, text: str) -> bool:
        """Answer the inbound message, where an answer may be sent."""
        return await self.replies.reply(text)

    async def opted_out(self, number: str, since: datetime | None) -> bool:
        """Return whether this number has said STOP."""
        return await opted_out(self.redis, self.keys, number, since)

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
        await notify(self.redis, self.keys, cause=cause, text=text, mend=mend)

    async def rcs_capable(self, agent: str, number: str) -> bool:
        """Return whether this agent's messages can reach this number's phone by RCS."""
        return await RcsCapabilities(self.telnyx, self.redis, self.keys).capable(agent, number)
