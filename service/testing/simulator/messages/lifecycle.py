"""The way of an outbound message from its acceptance to its end, and the webhooks that it sends back.

Telnyx does not document how its own fallback shows in webhooks. Here a message to a phone without RCS becomes an SMS
under its own id. The answer's type may be RCS or SMS. One that fails later ends as failed. Its SMS is a message
of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from service.testing.simulator.api.fields import ControlBody
from service.testing.simulator.messages.message import Message, MessageType, NativeFallback, OutcomeStatus, Status
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.rcs import features_of
from service.testing.simulator.simulated_clock import read_iso
from service.testing.simulator.ten_dlc.numbers import NOT_REGISTERED, refuses
from service.testing.simulator.webhooks.deliveries import WebhookTarget, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_FAILED: tuple[Status, ...] = ("delivery_failed", "sending_failed", "expired")
_ERRORS = {
    "delivery_failed": ("40008", "Undeliverable", "The recipient carrier did not accept the message."),
    "sending_failed": ("40001", "Not routable", "The destination number cannot receive messages."),
    "expired": ("40005", "Message expired", "The message expired before it could be delivered."),
}
"""Codes of SMS and MMS. Source: Telnyx's page on messaging error codes. Those of RCS are not published."""
_NO_RCS = ("40301", "Unsupported message type for the 'to' address", "The recipient cannot receive RCS messages.")


class MessageOutcome(ControlBody):
    """The end of the messages to a recipient (`*`: to anybody else).

    `type` confines it to SMS, MMS, RCS or WHATSAPP. With `sent` or `queued` they never get further than that. The last
    status comes `after` so many simulated seconds. With None it comes at once, for an expired RCS message after its
    `ttl`. `errors` take the place of those that Telnyx would give.
    """

    recipient: str
    status: OutcomeStatus
    type: MessageType | None = None
    after: float | None = Field(None, ge=0)
    errors: Sequence[dict[str, Any]] | None = None

    def reported_errors(self) -> Sequence[dict[str, Any]]:
        """Return the entries of `errors` of a message that ends so."""
        if self.errors is not None:
            return self.errors
        return [_error(*_ERRORS[self.status])] if self.status in _ERRORS else []


class Outcomes:
    """The scripted outcomes. The latest for a recipient holds."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, MessageType | None], MessageOutcome] = {}

    def set(self, outcome: MessageOutcome) -> None:
        """Let messages end so from now on."""
        self._outcomes[outcome.recipient, outcome.type] = outcome

    def of(self, message: Message) -> MessageOutcome:
        """Return how `message` ends: by recipient before `*`, by type before any type."""
        keys = [(recipient, kind) for recipient in (message.to, "*") for kind in (message.type, None)]
        found = next((self._outcomes[key] for key in keys if key in self._outcomes), None)
        return found or MessageOutcome(recipient="*", status="delivered")


def begin(account: "Account", message: Message) -> Message:
    """Put `message` in the queue, send it in the background, and return its first form.

    Raises:
        ApiError: code 40318, the queue is full.
    """
    if message.fallback is not None and _lacks_rcs(account, message):
        message = _turned(message, message.fallback)
    wait = account.rates.queue(message.type, message.received_at)
    accepted = replace(message, wait_seconds=wait, carrier=account.carriers.listed(message.to))
    account.messages.put(accepted)
    account.background.start(partial(_go, account, accepted.id))
    return accepted


async def _go(account: "Account", message_id: str) -> None:
    message = account.messages.known(message_id)
    due = (message.send_at or message.received_at) + message.wait_seconds
    await account.clock.until(due)
    if account.messages.known(message_id).status == "cancelled":
        return
    outcome = _outcome(account, message)
    if outcome.status == "queued":
        account.messages.change(message_id, status="queued")
        return
    if outcome.status != "sending_failed":
        sent = account.messages.change(message_id, status="sent", sent_at=account.clock.now())
        await _deliver(account, "message.sent", sent)
    if outcome.status != "sent":
        await _end(account, message_id, outcome, due)


async def _end(account: "Account", message_id: str, outcome: MessageOutcome, due: float) -> None:
    message = account.messages.known(message_id)
    await account.clock.until((message.sent_at or due) + _time_left(message, outcome))
    ended = account.messages.change(
        message_id,
        status="delivered" if outcome.status == "read" else outcome.status,
        completed_at=account.clock.now(),
        errors=tuple(outcome.reported_errors()),
    )
    await _deliver(account, "message.finalized", ended)
    if outcome.status == "read":
        await _deliver(account, "message.read", account.messages.change(message_id, status="read"))
    if ended.status in _FAILED and ended.type == "RCS" and ended.fallback is not None:
        fresh: dict[str, Any] = {"id": account.identifiers.uuid("message"), "received_at": account.clock.now()}
        begin(account, replace(_turned(ended, ended.fallback), **fresh, status="queued"))


def _lacks_rcs(account: "Account", message: Message) -> bool:
    return message.type == "RCS" and features_of(account, message.sender, message.to) is None


def _outcome(account: "Account", message: Message) -> MessageOutcome:
    if _lacks_rcs(account, message):
        return MessageOutcome(recipient=message.to, status="sending_failed", errors=[_error(*_NO_RCS)])
    if message.type in ("SMS", "MMS") and refuses(account, message.sender, message.to):
        return MessageOutcome(recipient=message.to, status="sending_failed", errors=[_error(*NOT_REGISTERED)])
    return account.outcomes.of(message)


def _time_left(message: Message, outcome: MessageOutcome) -> float:
    if outcome.after is not None:
        return outcome.after
    ttl, expire_time = message.content.get("ttl"), message.content.get("expire_time")
    if outcome.status != "expired":
        return 0.0
    if isinstance(ttl, str):
        return float(ttl.removesuffix("s"))
    return max(0.0, read_iso(expire_time) - message.received_at) if isinstance(expire_time, str) else 0.0


async def _deliver(account: "Account", event_type: str, message: Message) -> None:
    """Send a webhook about `message` to its own URLs, or to those of its profile."""
    of_profile = account.profiles.destination(message.messaging_profile_id)
    if not message.use_profile_webhooks:
        of_profile = WebhookTarget()
    urls = (message.webhook_url or of_profile.url, message.webhook_failover_url or of_profile.failover_url)
    event = new_event(account.clock, account.identifiers, event_type, payload(message))
    await account.courier.deliver(event, WebhookTarget(*urls))


def _turned(message: Message, fallback: NativeFallback) -> Message:
    said: dict[str, Any] = {**dict(fallback), "type": fallback.type, "media_urls": tuple(fallback.media_urls)}
    return replace(message, **said, content={}, fallback=None, sent_at=None, completed_at=None, errors=())


def _error(code: str, title: str, detail: str) -> dict[str, Any]:
    return {"code": code, "title": title, "detail": detail, "source": {"pointer": "/to/0"}}
