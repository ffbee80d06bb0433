"""`POST /messages/whatsapp`."""

from typing import Any, Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request, missing_parameter, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody, WebAddress
from service.testing.simulator.messages import admission, lifecycle
from service.testing.simulator.messages.message import Message
from service.testing.simulator.messages.payload import ORGANIZATION_ID, recipient
from service.testing.simulator.simulated_clock import iso

WINDOW = 24 * 3600
"""Simulated seconds after somebody wrote for which a text may answer. Source: SDK 4.189, `WhatsappMessageText`."""
LONGEST_TEXT = 4096
"""Characters of a text. Source: Meta's page on text messages."""
_CONTENTS = (
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
)


class WhatsappRequest(RequestBody):
    """The body of a WhatsApp send. Source: SDK 4.189, `MessageWhatsappParams`."""

    sender: PhoneNumber = Field(alias="from")
    to: str
    whatsapp_message: dict[str, Any]
    messaging_profile_id: str | None = None
    type: Literal["WHATSAPP"] = "WHATSAPP"
    webhook_url: WebAddress | None = None


def send_whatsapp(account: Account, call: OperationCall) -> Answer:
    """Accept a WhatsApp message, and let it go its way.

    Raises:
        ApiError: 400, a field is missing or does not fit, or nobody wrote within 24 hours and it is no template; 403,
            the profile is disabled or the recipient opted out; 429, too fast or the queue is full.
    """
    request = call.read(WhatsappRequest)
    _check_content(request.whatsapp_message)
    message = _message(account, request)
    headers = admission.admit(account, message)
    _check_window(account, message)
    return Answer({"data": _accepted(lifecycle.begin(account, message))}, headers=headers)


def _check_content(content: dict[str, Any]) -> None:
    kind = content.get("type") or next((name for name in _CONTENTS if name in content), None)
    if kind is None:
        raise missing_parameter("/whatsapp_message/type")
    if kind not in _CONTENTS:
        raise bad_request(f"A type is one of {', '.join(_CONTENTS)}.", "/whatsapp_message/type")
    if not content.get(kind):
        raise missing_parameter(f"/whatsapp_message/{kind}")
    if kind == "text":
        _check_text(content[kind])


def _check_text(text: object) -> None:
    body = text.get("body") if isinstance(text, dict) else None
    if not isinstance(body, str) or not body:
        raise missing_parameter("/whatsapp_message/text/body")
    if len(body) > LONGEST_TEXT:
        raise refusal(400, "40302", "Message too large", f"A text has at most {LONGEST_TEXT} characters.")


def _check_window(account: Account, message: Message) -> None:
    if "template" in message.content or any(_opens_window(each, message) for each in account.messages):
        return
    detail = "Only templates can be sent outside of the 24 hours after the recipient's last message."
    raise refusal(400, "41000", "WhatsApp error", detail, "/whatsapp_message")


def _opens_window(inbound: Message, message: Message) -> bool:
    return (
        (inbound.type, inbound.direction, inbound.to) == ("WHATSAPP", "inbound", message.sender)
        and message.to in (inbound.sender, inbound.user_id)
        and message.received_at - inbound.received_at <= WINDOW
    )


def _message(account: Account, request: WhatsappRequest) -> Message:
    return Message(
        id=account.identifiers.uuid("message"),
        type="WHATSAPP",
        sender=request.sender,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=request.messaging_profile_id or account.profiles.of_number(request.sender),
        content=request.whatsapp_message,
        encoding="utf-8",
        webhook_url=request.webhook_url,
    )


def _accepted(message: Message) -> dict[str, Any]:
    """Source: SDK 4.189, `MessageWhatsappResponse`."""
    return {
        "record_type": "message",
        "direction": "outbound",
        "id": message.id,
        "type": message.type,
        "organization_id": ORGANIZATION_ID,
        "messaging_profile_id": message.messaging_profile_id,
        "from": {"phone_number": message.sender, "carrier": "Telnyx", "line_type": "Wireless"},
        "to": [recipient(message)],
        "body": message.content,
        "encoding": message.encoding,
        "received_at": iso(message.received_at),
        "wait_seconds": message.wait_seconds,
    }
