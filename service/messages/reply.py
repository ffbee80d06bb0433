"""`ctx.reply`: an answer to an inbound message, on the channel it came by."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter
from telnyx import APIError, AsyncTelnyx, omit

from service import clock
from service.events import Event, read_time
from service.events.consent import is_keyword, names_of
from service.events.opt_out_words import opt_out_words
from service.messages.fallback import says_window_closed
from service.messages.reply_address import Address, address_of
from service.messages.reply_countries import ReplyCountries
from service.monitoring.notifications import notify
from service.outbound.api_call import idempotency_key
from service.outbound.effect_rules import as_reply, not_sent_reason
from service.outbound.phone_numbers import one_spelling
from service.settings import Settings
from service.store.facts.consent import opted_out
from service.store.facts.remembered import acquire_throttle
from service.store.facts.replies import reason_against_answer, take_back_answer
from service.store.store import Store

log = structlog.get_logger(__name__)

MAX_ANSWERS = 10
"""Answers to one number within `WINDOW`: a person rarely gets so many, two machines talking to each other soon do."""
WINDOW = 3600.0
WHATSAPP_WINDOW = 24 * 3600.0 - 60
"""Seconds after a WhatsApp message for which it may be answered, less a minute for an answer on its way.

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


_NOTICES = {
    "over_budget": (
        "replies are not sent: RINGBACK_REPLIES_PER_HOUR is reached",
        "Find out who writes so much, or raise it",
    ),
    "abroad": (
        "replies are not sent: they would go abroad",
        "Find out who writes from there. RINGBACK_REPLY_COUNTRIES lists the countries that replies may go to",
    ),
}
"""Notifications that are sent once an hour: cause and advice, by reason."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The replies of one run of a handler to its event. `accepted_at` is seconds since 1970.

    `read_event` returns the event as it came, without the handler's changes to its own copy.
    """

    telnyx: AsyncTelnyx
    store: Store
    settings: Settings
    read_event: Callable[[], Event[dict[str, Any]]]
    effect_key: str
    accepted_at: float

    @property
    def event(self) -> Event[dict[str, Any]]:
        """The event, which is read when it is first needed."""
        return self.read_event()

    async def reply(self, text: str) -> bool:
        """Send `text` back to the sender of a message, or False where no answer may or can be sent.

        Raises:
            ValueError: the event is no inbound message.
            telnyx.APIError: Telnyx refused, or could not be reached. Left to the worker, it is tried again.
        """
        if self.event.type != "message.received":
            raise ValueError(f"ctx.reply answers message.received, not {self.event.type}")
        address = address_of(self.event.payload)
        if isinstance(address, str):
            reason: str | None = address
        elif (reason := await self._reason_against(address)) is None:
            try:
                writer = names_of(self.event.payload)
                with as_reply(replies_per_hour=self.settings.replies_per_hour, to=writer):
                    await _send(self.telnyx, address, text, idempotency_key("reply", self.effect_key))
            except APIError as error:
                await take_back_answer(self.store, one_spelling(address.to), effect_key=self.effect_key)
                # The window may have closed since, or have begun at another message than this one.
                is_closed = address.channel == "WHATSAPP" and says_window_closed(error.body)
                reason = "window_closed" if is_closed else not_sent_reason(error)
                if reason is None:
                    raise
        if reason is not None:
            await self._report_refusal(reason)
        return reason is None

    async def _report_refusal(self, reason: str) -> None:
        """Count a reply that was refused, and notify a person once an hour where they can decide."""
        log.info("no reply", event_id=self.event.id, reason=reason)
        REPLIES_REFUSED.labels(reason if reason in REASONS else "other").inc()
        ticket = secrets.token_hex(8)
        if reason not in _NOTICES or not await acquire_throttle(self.store, f"reply_{reason}", ticket, seconds=WINDOW):
            return
        cause, advice = _NOTICES[reason]
        log.error(cause, advice=advice, event_id=self.event.id)
        if self.settings.notify is not None:
            await notify(self.store, cause=cause, text=advice, mend="ringback events list --type message.received")

    async def _reason_against(self, address: Address) -> str | None:
        if is_keyword(self.event.payload, opt_out_words(self.settings.policy)):
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
            limit=MAX_ANSWERS,
            budget=self.settings.replies_per_hour,
            window=WINDOW,
        )

    def _written_at(self) -> float:
        """Return the earliest time that is known of the message, since no field says when the window began."""
        body = self.event.payload.get("body")
        stamp = body.get("timestamp") if isinstance(body, Mapping) else None
        times = [self.event.occurred_at, read_time(self.event.payload.get("received_at"))]
        known = [each.timestamp() for each in times if each is not None]
        if isinstance(stamp, str) and stamp.isdecimal() and len(stamp) == 10:
            known.append(float(stamp))
        return min(known, default=self.accepted_at)


async def _send(telnyx: AsyncTelnyx, address: Address, text: str, key: str) -> None:
    profile = address.messaging_profile_id
    if address.channel == "RCS":
        # An inbound RCS message names the agent that it went to, and no number. Source: SDK, RCS webhooks.
        await telnyx.messages.rcs.send(
            agent_id=address.sender,
            to=address.to,
            messaging_profile_id=profile or "",
            agent_message={"content_message": {"text": text}},
            idempotency_key=key,
        )
    elif address.channel == "WHATSAPP":
        # The user id of a hidden number. Source: SDK 4.189, `MessagingInboundMessagePayload.body`.
        await telnyx.messages.whatsapp(
            to=address.to,
            from_=address.sender,
            whatsapp_message={"type": "text", "text": {"body": text}},
            messaging_profile_id=profile or omit,
            type="WHATSAPP",
            idempotency_key=key,
        )
    else:
        await telnyx.messages.send(
            to=address.to, from_=address.sender, text=text, messaging_profile_id=profile or omit, idempotency_key=key
        )
