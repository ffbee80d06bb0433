"""The messages of the account, and what has become of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MessageType = Literal["SMS", "MMS", "RCS", "WHATSAPP"]
Status = Literal[
    "scheduled",
    "queued",
    "sending",
    "sent",
    "delivered",
    "read",
    "delivery_failed",
    "sending_failed",
    "delivery_unconfirmed",
    "expired",
    "cancelled",
    "received",
]
"""`to[].status`. Source: OpenAPI `OutboundMessagePayload` and `OutboundMessagePayloadCancelled`; for `read` the SDK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The SMS or MMS that Telnyx itself sends where an RCS message cannot be delivered."""

    type: Literal["SMS", "MMS"]
    sender: str
    text: str = ""
    subject: str | None = None
    media_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to or from one number; times are simulated seconds since 1970.

    `sender` is a number, a short code or an alphanumeric sender ID, and for RCS the agent's id. `content` is what RCS
    and WhatsApp carry: the `agent_message` or `whatsapp_message` of a send, the `body` of an inbound message. The
    `user_id` is that of a WhatsApp user, whose number may be hidden: `sender` is empty then.
    """

    id: str
    type: MessageType
    sender: str
    to: str
    received_at: float
    status: Status = "queued"
    direction: Literal["outbound", "inbound"] = "outbound"
    messaging_profile_id: str = ""
    text: str = ""
    subject: str | None = None
    media_urls: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)
    agent_name: str | None = None
    encoding: str = "GSM-7"
    parts: int = 1
    fallback: Fallback | None = None
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    use_profile_webhooks: bool = True
    wait_seconds: float = 0.0
    send_at: float | None = None
    sent_at: float | None = None
    completed_at: float | None = None
    errors: tuple[dict[str, Any], ...] = ()
    autoresponse_type: str | None = None
    user_id: str | None = None


class Messages:
    """Holds every message by its id, in the order in which they came."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._messages.values()))

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Keep a new message."""
        self._messages[message.id] = message

    def find(self, message_id: str) -> Message | None:
        """The message of that id."""
        return self._messages.get(message_id)

    def known(self, message_id: str) -> Message:
        """The message of that id, which is known to be there."""
        return self._messages[message_id]

    def change(self, message_id: str, **changes: Any) -> Message:
        """Change the message of that id, and return it as it now is."""
        self._messages[message_id] = replace(self._messages[message_id], **changes)
        return self._messages[message_id]
