"""The messages of the account, and the encoding of their texts."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from service.messages.sms_text import is_gsm7, segments
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.resources import Resources
from service.testing.simulator.ten_dlc.carriers import LISTED

MessageType = Literal["SMS", "MMS", "RCS", "WHATSAPP"]
OutcomeStatus = Literal[
    "delivered", "read", "delivery_failed", "sending_failed", "delivery_unconfirmed", "expired", "sent", "queued"
]
"""The statuses that a message can end in or stay in."""
Status = Literal[OutcomeStatus, "scheduled", "sending", "cancelled", "received"]
"""`to[].status`. Source: OpenAPI `OutboundMessagePayload` and `OutboundMessagePayloadCancelled`. For `read` the SDK."""

MOST_PARTS = 10
"""Parts of one SMS. Source: OpenAPI `OutboundMessagePayload`."""


class NativeFallback(RequestBody):
    """The SMS or MMS that Telnyx sends where an RCS message fails. Source: OpenAPI `SMSFallback`, `MMSFallback`."""

    type: ClassVar[MessageType] = "MMS"
    sender: str = Field(alias="from")
    text: str = ""
    subject: str | None = None
    media_urls: list[WebAddress] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to or from one number. Times are simulated seconds since 1970.

    `sender` is a number, a short code or an alphanumeric sender ID, and for RCS the agent's id. `content` is what RCS
    and WhatsApp carry: the `agent_message` or `whatsapp_message` of a send, the `body` of an inbound message. The
    `user_id` is that of a WhatsApp user, whose number may be hidden: `sender` is empty then. `unicode` asks for UCS-2.
    `group_id` is the id of the group MMS that it is a part of.
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
    unicode: bool = False
    fallback: NativeFallback | None = None
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
    carrier: str = LISTED["T-Mobile"]
    group_id: str | None = None

    @property
    def encoding(self) -> str:
        """The encoding of the text."""
        if self.type in ("RCS", "WHATSAPP"):
            return "utf-8"
        return "UCS-2" if self.unicode else encoding_of(self.text)

    @property
    def parts(self) -> int:
        """The number of SMS that carry the text."""
        return min(MOST_PARTS, parts_of(self.text, self.encoding))


class Messages(Resources[Message]):
    """The messages by id."""

    def change(self, message_id: str, **changes: Any) -> Message:
        """Change the message of that id, and return its new form."""
        changed = replace(self.known(message_id), **changes)
        self.put(changed)
        return changed


def encoding_of(text: str) -> str:
    """Return `GSM-7` if every character of `text` is in that alphabet, else `UCS-2`."""
    return "GSM-7" if is_gsm7(text) else "UCS-2"


def parts_of(text: str, encoding: str) -> int:
    """Return the number of SMS for `text`: 160 septets or 70 UTF-16 units each, of several 153 or 67."""
    return max(1, segments(text, gsm7=encoding == "GSM-7"))
