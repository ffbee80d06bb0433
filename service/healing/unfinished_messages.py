"""Messages whose end never came: read at Telnyx, and their end raised as an event.

The scripts that merge the state of a message note when Telnyx is to be asked for it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from telnyx import APIError, AsyncTelnyx

from service import clock
from service.events import read_envelope
from service.events.nested_json import dump_json
from service.events.opt_out_words import opt_out_words
from service.events.tolerant_model import list_of, read_time
from service.healing.deliveries import ARRIVED_BY
from service.healing.feed import Feed
from service.healing.report import Healed, HealReport, Unhealed
from service.messages.fallback_sending import read_message_at_telnyx
from service.outbound.errors import classify_error
from service.outbound.list_pages import PAUSE
from service.settings import Settings
from service.store.inbox.accept import NewEvent
from service.store.inbox.healing import MissedEvent, ask_again, is_message_known, messages_due, stop_asking
from service.store.store import Store

EVENT_TYPE = "message.finalized"
UNDER_WAY = frozenset({"queued", "sending", "sent", "scheduled"})
"""Statuses that end no message. Source: OpenAPI `OutboundMessagePayload`, `to[].status`."""
MOST = 500
"""Messages that one turn asks for, about a minute."""
SHORTEST, LONGEST = 900.0, 86_400.0
"""Seconds until a message under way is asked for again: its age, within these limits."""
SHOWN_FOR = 10 * 86_400.0
"""Seconds for which Telnyx shows a message. Source: OpenAPI, `GET /messages/{id}`."""


@dataclass(frozen=True)
class UnfinishedMessages:
    """The messages that have been under way for too long, and the way of their ends into the inbox."""

    telnyx: AsyncTelnyx
    store: Store
    settings: Settings
    feed: Feed

    async def heal(self, report: HealReport) -> None:
        """Ask Telnyx for each message that is due, at most `MOST`.

        Raises:
            telnyx.APIError: Telnyx refuses the account, or cannot be reached.
            redis.exceptions.RedisError: Redis cannot be reached.
        """
        for message_id in await messages_due(self.store, clock.now(), limit=MOST):
            # An erased message must not come back.
            if not await is_message_known(self.store, message_id):
                await self._stop(message_id)
                continue
            try:
                await self._resolve(message_id, report)
            except APIError as error:
                refusal = classify_error(error)
                if refusal.kind != "hopeless":
                    raise
                report.failed.append(Unhealed(message_id, refusal.detail))
                await self._again(message_id, clock.now() + LONGEST)
            report.messages += 1
            await asyncio.sleep(PAUSE)

    async def _resolve(self, message_id: str, report: HealReport) -> None:
        payload = await read_message_at_telnyx(self.telnyx, message_id)
        if payload is None:
            await self._stop(message_id)
            return
        statuses = statuses_of(payload)
        if not statuses or not UNDER_WAY.isdisjoint(statuses):
            await self._ask_later(message_id, payload)
            return
        if statuses != {"cancelled"}:
            await self._raise_end(message_id, payload, "+".join(sorted(statuses)), report)
        await self._stop(message_id)

    async def _raise_end(self, message_id: str, payload: Mapping[str, Any], statuses: str, report: HealReport) -> None:
        # Telnyx's own event has an id that nobody knows. The same end is the same event.
        identity, at = f"{ARRIVED_BY}:{message_id}:{statuses}"[:128], payload.get("completed_at")
        data = {"record_type": "event", "id": identity, "event_type": EVENT_TYPE, "occurred_at": at, "payload": payload}
        body = dump_json({"data": data})
        envelope = read_envelope(body, opt_out_words(self.settings.policy))
        event = NewEvent.from_envelope(envelope, body, ARRIVED_BY, keep=self.settings.retention)
        if event.message is not None:
            event = event._replace(message=replace(event.message, is_reading=True))
        now = int(clock.now() * 1000)
        [(verdict, event_id)] = await self.feed.put([MissedEvent(event, now, now)])
        if verdict == "healed":
            report.healed.append(Healed(event_id, EVENT_TYPE, "unfinished", message_id))

    async def _ask_later(self, message_id: str, payload: Mapping[str, Any]) -> None:
        sent = next(filter(None, map(read_time, (payload.get("sent_at"), payload.get("received_at")))), None)
        age = 0.0 if sent is None else clock.now() - sent.timestamp()
        if age > SHOWN_FOR:
            await self._stop(message_id)
        else:
            await self._again(message_id, clock.now() + min(max(age, SHORTEST), LONGEST))

    async def _stop(self, message_id: str) -> None:
        if self.feed.act:
            await stop_asking(self.store, message_id)

    async def _again(self, message_id: str, at: float) -> None:
        if self.feed.act:
            await ask_again(self.store, message_id, at)


def statuses_of(payload: Mapping[str, Any]) -> set[str]:
    """Return the statuses of a message's recipients, as `GET /messages/{id}` shows them."""
    return {str(each["status"]) for each in list_of(payload.get("to")) if isinstance(each, dict) and each.get("status")}
