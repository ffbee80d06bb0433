"""`ctx.reply`: an answer to an inbound message, on the channel it came by."""

from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from telnyx import AsyncTelnyx, omit

from service.events import Event, Message
from service.events.consent import answered_by_telnyx
from service.outbound.effects import idempotency_key
from service.store.consent import may_answer, opted_out
from service.store.keys import Keys

log = structlog.get_logger(__name__)

MOST_ANSWERS = 10
"""Answers to one number within `WINDOW`: a person rarely gets so many, two machines talking to each other soon do."""
WINDOW = 3600.0


@dataclass(frozen=True)
class Answer:
    """What `ctx.reply` needs to know of the event, the handler and the world."""

    event: Event[dict[str, Any]]
    effect_key: str
    telnyx: AsyncTelnyx
    redis: "Redis"
    keys: Keys

    async def reply(self, text: str) -> bool:
        """Send `text` back to where the message came from; False where no answer may be.

        Raises:
            ValueError: the event is no inbound message, or bears no number to answer to.
            telnyx.APIError: Telnyx refused, or could not be reached; left to the worker, it is tried again.
        """
        message, number = self._inbound()
        reason = await self._reason_against(message, number)
        if reason is not None:
            log.info("no reply", event_id=self.event.id, reason=reason)
            return False
        key = idempotency_key("reply", self.effect_key)
        if message.type == "RCS":
            await self._by_rcs(message, number, text, key)
        else:
            await self._by_sms(message, number, text, key)
        return True

    def _inbound(self) -> tuple[Message, str]:
        if self.event.type != "message.received":
            raise ValueError(f"ctx.reply answers message.received, not {self.event.type}")
        message = Message.model_validate(self.event.payload)
        if message.from_.phone_number is None or not message.to:
            raise ValueError("this message bears no number to answer to, or none to answer from")
        return message, message.from_.phone_number

    async def _reason_against(self, message: Message, number: str) -> str | None:
        if answered_by_telnyx(message):
            return "keyword"
        if await opted_out(self.redis, self.keys, number):
            return "opted_out"
        allowed = await may_answer(
            self.redis, self.keys, number, effect_key=self.effect_key, limit=MOST_ANSWERS, window=WINDOW
        )
        return None if allowed else "loop"

    async def _by_sms(self, message: Message, number: str, text: str, key: str) -> None:
        sender = message.to[0].phone_number
        if sender is None:
            raise ValueError("this message bears no number to answer from")
        await self.telnyx.messages.send(
            to=number,
            from_=sender,
            text=text,
            messaging_profile_id=message.messaging_profile_id or omit,
            idempotency_key=key,
        )

    async def _by_rcs(self, message: Message, number: str, text: str, key: str) -> None:
        """An inbound RCS message names the agent that it went to, and no number. Source: SDK, RCS webhooks."""
        agent_id = message.to[0].agent_id
        if agent_id is None or message.messaging_profile_id is None:
            raise ValueError("this RCS message names no agent or no messaging profile to answer by")
        await self.telnyx.messages.rcs.send(
            agent_id=agent_id,
            to=number,
            messaging_profile_id=message.messaging_profile_id,
            agent_message={"content_message": {"text": text}},
            idempotency_key=key,
        )
