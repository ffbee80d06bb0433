"""`ctx.reply`: an answer to an inbound message, on the channel it came by."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter
from telnyx import APIError, AsyncTelnyx, omit

from service import clock
from service.events import Event, read_time
from service.events.consent import is_keyword, names_of
from service.messages.reply_address import Address, address_of
from service.messages.reply_countries import ReplyCountries
from service.monitoring.notifications import notify
from service.outbound.api_call import idempotency_key
from service.outbound.effect_rules import as_reply, not_sent_reason
from service.outbound.phone_numbers import one_spelling
from service.settings import Settings
from service.store.facts.consent import opted_out, reason_against_answer, take_back_answer
from service.store.facts.snapshots import acquire_throttle
from service.store.store import Store

log = structlog.get_logger(__name__)

MOST_ANSWERS = 10
"""Answers to one number within `WINDOW`: a person rarely gets so many, two machines talking to each other soon do."""
WINDOW = 3600.0
WHATSAPP_WINDOW = 24 * 3600.0 - 60
"""Seconds after a WhatsApp message for which it may be answered, but for a minute in which an answer may be on its way.

Source: SDK 4.189, `WhatsappMessageText`.
"""


REASONS = frozenset(
    {"unknown_channel", "no_number", "no_sender", "keyword", "opted_out", "window_closed", "loop"}
    | {"abroad", "over_budget"}
)
"""The reasons against a reply, as label values."""
REPLIES_REFUSED = Counter(
    "ringback_replies_refused", "Replies of handlers that were not sent, by reason.", ["reason"], registry=None
)


@dataclass(frozen=True, slots=True)
class _Cause:
    """A notification that is sent once an hour."""

    name: str
    advice: str


_CAUSES = {
    "over_budget": _Cause(
        "replies are not sent: RINGBACK_REPLIES_PER_HOUR is reached",
        "Find out who writes so much, or raise it",
    ),
    "abroad": _Cause(
        "replies are not sent: they would go abroad",
        "Find out who writes from there. RINGBACK_REPLY_COUNTRIES lists the countries that replies may go to",
    ),
}


@dataclass(frozen=True)
class ReplyDecision:
    """The decision on a reply, from facts of the event and the handler; `accepted_at` is seconds since 1970."""

    event: Event[dict[str, Any]]
    effect_key: str
    telnyx: AsyncTelnyx
    store: Store
    accepted_at: float
    settings: Settings
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
            await self._refused(str(reason))
            return False
        try:
            with as_reply(replies_per_hour=self.settings.replies_per_hour):
                await self._send(address, text, idempotency_key("reply", self.effect_key))
        except APIError as error:
            await take_back_answer(self.store, one_spelling(address.to), effect_key=self.effect_key)
            if (reason := not_sent_reason(error)) is None:
                raise
            await self._refused(reason)
            return False
        return True

    async def _refused(self, reason: str) -> None:
        """Count why there is no reply, and once an hour tell a person of what is theirs to decide."""
        log.info("no reply", event_id=self.event.id, reason=reason)
        REPLIES_REFUSED.labels(reason if reason in REASONS else "other").inc()
        cause = _CAUSES.get(reason)
        if cause is None or not await acquire_throttle(
            self.store, f"reply_{reason}", secrets.token_hex(8), seconds=WINDOW
        ):
            return
        log.error(cause.name, advice=cause.advice, event_id=self.event.id)
        if self.settings.notify is not None:
            mend = "ringback events list --type message.received"
            await notify(self.store, cause=cause.name, text=cause.advice, mend=mend)

    async def _reason_against(self, address: Address) -> str | None:
        if is_keyword(self.event.payload, self.opt_out_words):
            return "keyword"
        if any([await opted_out(self.store, name) for name in names_of(self.event.payload)]):
            return "opted_out"
        if address.channel == "WHATSAPP" and clock.now() - self._written_at() > WHATSAPP_WINDOW:
            return "window_closed"
        if await ReplyCountries(self.telnyx, self.store, self.settings).is_abroad(address):
            return "abroad"
        return await reason_against_answer(
            self.store,
            one_spelling(address.to),
            effect_key=self.effect_key,
            limit=MOST_ANSWERS,
            budget=self.settings.replies_per_hour,
            window=WINDOW,
        )

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
        """Send to the user id of a hidden number. Source: SDK 4.189, `MessagingInboundMessagePayload.body`."""
        await self.telnyx.messages.whatsapp(
            to=address.to,
            from_=address.sender,
            whatsapp_message={"type": "text", "text": {"body": text}},
            messaging_profile_id=address.messaging_profile_id or omit,
            type="WHATSAPP",
            idempotency_key=key,
        )
