"""The way of an outbound message from its acceptance to its end, and the webhooks that it sends back."""

from dataclasses import replace
from functools import partial

from service.testing.simulator.account import Account
from service.testing.simulator.messages import fallback
from service.testing.simulator.messages.message import Message, Status
from service.testing.simulator.messages.outcomes import MessageOutcome
from service.testing.simulator.messages.payload import outbound_payload
from service.testing.simulator.simulated_clock import read_iso
from service.testing.simulator.webhooks.events import WebhookTarget, new_event

_NO_RCS = (
    {
        "code": "40301",
        "title": "Unsupported message type for the 'to' address",
        "detail": "The recipient cannot receive RCS messages.",
        "source": {"pointer": "/to/0"},
    },
)
_FAILED: tuple[Status, ...] = ("delivery_failed", "sending_failed", "expired")


def begin(account: Account, message: Message) -> Message:
    """Put `message` in the queue, and let it go its way in the background; returns its first form.

    Raises:
        ApiError: code 40318, the queue is full.
    """
    sent_as = fallback.without_rcs(account, message)
    wait = account.rates.queue(sent_as.type, sent_as.received_at)
    accepted = replace(sent_as, wait_seconds=wait)
    account.messages.add(accepted)
    account.background.start(partial(_go, account, accepted.id))
    return accepted


async def _go(account: Account, message_id: str) -> None:
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
        await _tell(account, "message.sent", sent)
    if outcome.status != "sent":
        await _end(account, message_id, outcome, due)


async def _end(account: Account, message_id: str, outcome: MessageOutcome, due: float) -> None:
    message = account.messages.known(message_id)
    await account.clock.until((message.sent_at or due) + _time_left(message, outcome))
    ended = account.messages.change(
        message_id,
        status="delivered" if outcome.status == "read" else outcome.status,
        completed_at=account.clock.now(),
        errors=outcome.reported_errors(),
    )
    await _tell(account, "message.finalized", ended)
    if outcome.status == "read":
        await _tell(account, "message.read", account.messages.change(message_id, status="read"))
    instead = fallback.after_failure(account, ended) if ended.status in _FAILED else None
    if instead is not None:
        begin(account, instead)


def _outcome(account: Account, message: Message) -> MessageOutcome:
    if message.type == "RCS" and account.capabilities.of(message.to) == "none":
        return MessageOutcome(recipient=message.to, status="sending_failed", errors=_NO_RCS)
    return account.outcomes.of(message)


def _time_left(message: Message, outcome: MessageOutcome) -> float:
    if outcome.after is not None:
        return outcome.after
    return _lifetime(message) if outcome.status == "expired" else 0.0


def _lifetime(message: Message) -> float:
    ttl, expire_time = message.content.get("ttl"), message.content.get("expire_time")
    if isinstance(ttl, str):
        return float(ttl.removesuffix("s"))
    return max(0.0, read_iso(expire_time) - message.received_at) if isinstance(expire_time, str) else 0.0


async def _tell(account: Account, event_type: str, message: Message) -> None:
    event = new_event(account.clock, account.identifiers, event_type, outbound_payload(message))
    await account.courier.deliver(event, _destination(account, message))


def _destination(account: Account, message: Message) -> WebhookTarget:
    """Where the webhooks about `message` go: to its own URLs, or those of its profile."""
    of_profile = account.profiles.destination(message.messaging_profile_id)
    if not message.use_profile_webhooks:
        of_profile = WebhookTarget()
    return WebhookTarget(message.webhook_url or of_profile.url, message.webhook_failover_url or of_profile.failover_url)
