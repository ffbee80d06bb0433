"""Messages that people send: they are kept, heeded where they say STOP or START, and sent on as webhooks."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.testing.simulator.account import Account
from service.testing.simulator.messages import text
from service.testing.simulator.messages.message import Message, MessageType
from service.testing.simulator.messages.opt_outs import ReceivedOptOut, autoresponse_type
from service.testing.simulator.messages.payload import inbound_payload
from service.testing.simulator.messages.whatsapp_inbound import whatsapp_body
from service.testing.simulator.webhooks.events import WebhookTarget, new_event


class InboundMessage(BaseModel):
    """A message to the account: `to` is a number, or for RCS the id of an agent.

    An RCS message may carry a `body` other than a text: `user_file`, `location` or `suggestion_response`. For WhatsApp
    `body` adds to what Telnyx tells, such as an `edit`; there `user_id` may name who writes, and an empty `sender` is
    one who hides the number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: str
    to: str
    text: str = ""
    type: MessageType = "SMS"
    media_urls: list[str] = Field(default_factory=list)
    body: dict[str, Any] | None = None
    user_id: str | None = None


def receive(account: Account, inbound: InboundMessage) -> Message:
    """Take in a message, and send `message.received` in the background."""
    message = _message(account, inbound)
    account.messages.add(message)
    _heed(account, message)
    event = new_event(account.clock, account.identifiers, "message.received", inbound_payload(message))
    account.courier.send(event, WebhookTarget(message.webhook_url, message.webhook_failover_url))
    return message


def _message(account: Account, inbound: InboundMessage) -> Message:
    agent = account.agents.find(inbound.to) if inbound.type == "RCS" else None
    profile_id = (agent.profile_id if agent else None) or account.profiles.of_number(inbound.to)
    destination = agent.destination if agent else account.profiles.destination(profile_id)
    encoding = text.encoding(inbound.text)
    return Message(
        id=account.identifiers.uuid("message"),
        direction="inbound",
        status="received",
        type=inbound.type,
        sender=inbound.sender,
        to=inbound.to,
        agent_name=agent.agent_name if agent else None,
        received_at=account.clock.now(),
        messaging_profile_id=profile_id,
        text=inbound.text,
        media_urls=tuple(inbound.media_urls),
        content=_content(account, inbound),
        user_id=inbound.user_id,
        encoding=encoding,
        parts=min(10, text.parts(inbound.text, encoding)),
        webhook_url=destination.url,
        webhook_failover_url=destination.failover_url,
        autoresponse_type=None if inbound.type == "WHATSAPP" else autoresponse_type(_said(inbound)),
    )


def _content(account: Account, inbound: InboundMessage) -> dict[str, Any]:
    if inbound.type == "WHATSAPP":
        return whatsapp_body(account, inbound.sender, inbound.user_id, inbound.text) | (inbound.body or {})
    return inbound.body or {"text": inbound.text}


def _said(inbound: InboundMessage) -> str:
    return str((inbound.body or {}).get("text", inbound.text))


def _heed(account: Account, message: Message) -> None:
    profile_id = message.messaging_profile_id
    if message.autoresponse_type == "STOP":
        keyword = _keyword(message)
        account.opt_outs.add(ReceivedOptOut(message.to, message.sender, keyword, profile_id, account.clock.now()))
    if message.autoresponse_type == "START":
        account.opt_outs.lift(profile_id, message.sender)


def _keyword(message: Message) -> str:
    return str(message.content.get("text", "")).strip().upper()
