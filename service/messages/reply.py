"""`ctx.reply`: an answer to an inbound message, on the channel it came by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from telnyx import APIError, AsyncTelnyx, omit

from service import clock
from service.events import Event, read_time
from service.events.consent import is_keyword, names_of
from service.messages.reply_address import Address, address_of
from service.outbound.effects import idempotency_key
from service.outbound.send_conditions import not_sent_reason
from service.store.consent import may_answer, opted_out
from service.store.keys import Keys

log = structlog.get_logger(__name__)

MOST_ANSWERS = 10
"""Answers to one number within `WINDOW`: a person rarely gets so many, two machines talking to each other soon do."""
WINDOW = 3600.0
WHATSAPP_WINDOW = 24 * 3600.0 - 60
"""Seconds after a WhatsApp message for which it may be answered, but for a minute in which an answer may be on its way.

Source: SDK 4.189, `WhatsappMessageText`.
"""


@dataclass(frozen=True)
class Answer:
    """What `ctx.reply` needs to know of the event, the handler and the world; `accepted_at` is seconds since 1970."""

    event: Event[dict[str, Any]]
    effect_key: str
    telnyx: AsyncTelnyx
    redis: "Redis"
    keys: Keys
    accepted_at: float
    opt_out_words: frozenset[str] = frozenset()

    async def reply(self, text: str) -> bool:
        """Send `text` back to where the message came from; False where no answer may or can be.

        Raises:
            ValueError: the event is no inbound message.
            telnyx.APIError: Telnyx refused, or could not be reached; left to the worker, it is tried again.
        """
        if self.event.type != "message.received":
            raise ValueError(f"ctx.reply answers message.received, not {self.event.type}")
        address = address_of(self.event.payload)
        reason = address if isinstance(address, str) else await self._reason_against(address)
        if reason is not None or isinstance(address, str):
            log.info("no reply", event_id=self.event.id, reason=reason)
            return False
        try:
            await self._send(address, text, idempotency_key("reply", self.effect_key))
        except APIError as error:
            if not_sent_reason(error) is None:
                raise
            return False
        return True

    async def _reason_against(self, address: Address) -> str | None:
        if is_keyword(self.event.payload, self.opt_out_words):
            return "keyword"
        if any([await opted_out(self.redis, self.keys, name) for name in names_of(self.event.payload)]):
            return "opted_out"
        if address.channel == "WHATSAPP" and clock.now() - self._written_at() > WHATSAPP_WINDOW:
            return "window_closed"
        allowed = await may_answer(
            self.redis, self.keys, address.to, effect_key=self.effect_key, limit=MOST_ANSWERS, window=WINDOW
        )
        return None if allowed else "loop"

    def _written_at(self) -> float:
        """The earliest time that is known of the message, as nobody tells when the window began."""
        body = self.event.payload.get("body")
        stamp = body.get("timestamp") if isinstance(body, Mapping) else None
        times = [self.event.occurred_at, read_time(self.event.payload.get("received_at"))]
        known = [each.timestamp() for each in times if each is not None]
        if isinstance(stamp, str) and stamp.isdecimal() and len(stamp) == 10:
            known.append(float(stamp))
        return min(known, default=self.accepted_at)

    async def _send(self, address: Address, text: str, key: str) -> None:
        if address.channel == "RCS":
            await self._by_rcs(address, text, key)
        elif address.channel == "WHATSAPP":
            await self._by_whatsapp(address, text, key)
        else:
            await self._by_sms(address, text, key)

    async def _by_sms(self, address: Address, text: str, key: str) -> None:
        await self.telnyx.messages.send(
            to=address.to,
            from_=address.sender,
            text=text,
            messaging_profile_id=address.messaging_profile_id or omit,
            idempotency_key=key,
        )

    async def _by_rcs(self, address: Address, text: str, key: str) -> None:
        """An inbound RCS message names the agent that it went to, and no number. Source: SDK, RCS webhooks."""
        await self.telnyx.messages.rcs.send(
            agent_id=address.sender,
            to=address.to,
            messaging_profile_id=address.messaging_profile_id or "",
            agent_message={"content_message": {"text": text}},
            idempotency_key=key,
        )

    async def _by_whatsapp(self, address: Address, text: str, key: str) -> None:
        """Who hides the number is answered by user id. Source: SDK 4.189, `MessagingInboundMessagePayload.body`."""
        await self.telnyx.messages.whatsapp(
            to=address.to,
            from_=address.sender,
            whatsapp_message={"type": "text", "text": {"body": text}},
            messaging_profile_id=address.messaging_profile_id or omit,
            type="WHATSAPP",
            idempotency_key=key,
        )
