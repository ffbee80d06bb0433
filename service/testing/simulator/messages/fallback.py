"""Telnyx's own fallback: what becomes of an RCS message with `sms_fallback` or `mms_fallback`.

How a fallback shows in webhooks is not documented. Here a message to a phone without RCS turns into an SMS under its
own id, as the answer's type may be RCS or SMS; one that fails later ends as failed, and the SMS is a message of its
own.
"""

from dataclasses import replace

from service.testing.simulator.account import Account
from service.testing.simulator.messages import text
from service.testing.simulator.messages.message import Fallback, Message


def without_rcs(account: Account, message: Message) -> Message:
    """`message` as it goes out: its fallback instead, if the phone has no RCS."""
    if message.type != "RCS" or message.fallback is None or account.capabilities.of(message.to) != "none":
        return message
    return _turned(message, message.fallback)


def after_failure(account: Account, message: Message) -> Message | None:
    """The message that Telnyx sends now that `message` has failed, if it bears a fallback."""
    if message.type != "RCS" or message.fallback is None:
        return None
    turned = _turned(message, message.fallback)
    return replace(turned, id=account.identifiers.uuid("message"), received_at=account.clock.now(), status="queued")


def _turned(message: Message, fallback: Fallback) -> Message:
    encoding = text.encoding(fallback.text)
    return replace(
        message,
        type=fallback.type,
        sender=fallback.sender,
        text=fallback.text,
        subject=fallback.subject,
        media_urls=fallback.media_urls,
        encoding=encoding,
        parts=text.parts(fallback.text, encoding),
        content={},
        fallback=None,
        sent_at=None,
        completed_at=None,
        errors=(),
    )
