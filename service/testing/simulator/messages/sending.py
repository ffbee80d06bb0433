"""Sends of SMS and MMS, by requests and assistants. Messages are shown and cancelled."""

from typing import Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api import fields
from service.testing.simulator.api.api_error import bad_request, missing_parameter, not_found, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.messages.lifecycle import begin
from service.testing.simulator.messages.message import MOST_PARTS, Message, MessageType, encoding_of, parts_of
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.simulated_clock import read_iso

POOL_NUMBER = "+13125550000"
"""The number that a message from a number pool goes out from."""
EARLIEST_SCHEDULE, LATEST_SCHEDULE = 300, 5 * 86400
"""Seconds for which a message can be scheduled ahead. Source: Telnyx's page on scheduling messages."""
RETRIEVABLE_FOR = 10 * 86400
"""Simulated seconds for which a message can be retrieved. Source: OpenAPI `GetMessage`."""
CANCELLABLE_UNTIL = 60
"""Seconds before `send_at` up to which a scheduled message can be cancelled. Source: OpenAPI `CancelMessage`."""


class CreateMessageRequest(fields.RequestBody):
    """The body of a send. Source: OpenAPI `CreateMessageRequest` and `CreateScheduledMessageRequest`."""

    to: str
    sender: str | None = Field(None, alias="from")
    messaging_profile_id: str | None = None
    text: str | None = None
    subject: str | None = None
    media_urls: list[fields.WebAddress] = Field(default_factory=list)
    type: Literal["SMS", "MMS"] | None = None
    encoding: Literal["auto", "gsm7", "ucs2"] = "auto"
    auto_detect: bool = False
    webhook_url: fields.WebAddress | None = None
    webhook_failover_url: fields.WebAddress | None = None
    use_profile_webhooks: bool = True
    send_at: fields.Date | None = None


class AssistantSms(fields.RequestBody):
    """The body of an assistant's SMS. Source: SDK 4.189, `AssistantSendSMSParams`."""

    sender: fields.PhoneNumber = Field(alias="from")
    to: str
    text: str = "Hello"


class AssistantWhatsapp(fields.RequestBody):
    """The body of an assistant's WhatsApp message. Source: SDK 4.189, `AssistantWhatsappParams`."""

    sender: fields.PhoneNumber = Field(alias="from")
    to: str
    content: str


def admit(account: Account, message: Message) -> dict[str, str]:
    """Check the rules that SMS, MMS, RCS and WhatsApp share. Return the `x-ratelimit-*` headers of the answer.

    Raises:
        ApiError: 400, the recipient is no phone number. 403 (status not documented) with 40312 (profile disabled),
            40300 (STOP) or 40329 (toll-free number not verified). 429 with 10011, too many requests.
    """
    headers = account.rates.admit(message.type, account.clock.now())
    if not (fields.is_e164(message.to) or (message.type == "WHATSAPP" and fields.is_whatsapp_user_id(message.to))):
        raise refusal(400, "40310", "Invalid 'to' address", "The 'to' address must be in +E.164 format.", "/to")
    profile = account.profiles.find(message.messaging_profile_id)
    if profile is not None and not profile.enabled:
        raise refusal(403, "40312", "Messaging profile is disabled", "The messaging profile has been disabled.")
    account.opt_outs.check(message.messaging_profile_id, message.to)
    if account.verification_requests.is_unverified(message.sender):
        detail = "The toll-free number is not verified and cannot send messages."
        raise refusal(403, "40329", "Toll-free number not verified", detail, "/from")
    return headers


def send(account: Account, call: OperationCall) -> Answer:
    """Accept an SMS or MMS, and send it in the background."""
    return accept(account, call.read(CreateMessageRequest))


def accept(account: Account, request: CreateMessageRequest) -> Answer:
    """Check an SMS or MMS, and send it in the background.

    Raises:
        ApiError: it cannot be sent.
    """
    _check_sender(request)
    _check_content(request)
    message = _message(account, request)
    headers = admit(account, message)
    return Answer({"data": payload(begin(account, message))}, headers=headers)


def schedule(account: Account, call: OperationCall) -> Answer:
    """Accept an SMS or MMS for later. `send_at` is required."""
    if call.read(CreateMessageRequest).send_at is None:
        raise missing_parameter("/send_at")
    return send(account, call)


def _check_sender(request: CreateMessageRequest) -> None:
    if request.sender is None and not request.messaging_profile_id:
        raise missing_parameter("/from")
    if request.sender is not None and not fields.is_sender(request.sender):
        raise refusal(400, "40305", "Invalid 'from' address", "The 'from' address cannot send messages.", "/from")
    if request.sender is not None and fields.is_alphanumeric(request.sender) and not request.messaging_profile_id:
        raise missing_parameter("/messaging_profile_id")


def _check_content(request: CreateMessageRequest) -> None:
    content = request.text or ""
    if _type(request) == "MMS" and not request.media_urls:
        raise missing_parameter("/media_urls")
    if _type(request) == "SMS" and not content:
        raise missing_parameter("/text")
    if request.encoding == "gsm7" and encoding_of(content) != "GSM-7":
        raise bad_request("The text has characters that GSM-7 cannot encode.", "/text")
    encoding = "UCS-2" if request.encoding == "ucs2" else encoding_of(content)
    if _type(request) == "SMS" and parts_of(content, encoding) > MOST_PARTS:
        raise refusal(400, "40302", "Message too large", "The message is split into too many parts.", "/text")


def _type(request: CreateMessageRequest) -> MessageType:
    return request.type or ("MMS" if request.media_urls else "SMS")


def _message(account: Account, request: CreateMessageRequest) -> Message:
    sender = request.sender or POOL_NUMBER
    return Message(
        id=account.identifiers.uuid("message"),
        type=_type(request),
        sender=sender,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=request.messaging_profile_id or account.profiles.of_number(sender),
        text=request.text or "",
        subject=request.subject,
        media_urls=tuple(request.media_urls),
        unicode=request.encoding == "ucs2",
        webhook_url=request.webhook_url,
        webhook_failover_url=request.webhook_failover_url,
        use_profile_webhooks=request.use_profile_webhooks,
        send_at=_send_at(account, request),
        status="queued" if request.send_at is None else "scheduled",
    )


def _send_at(account: Account, request: CreateMessageRequest) -> float | None:
    if request.send_at is None:
        return None
    moment = read_iso(request.send_at)
    if not EARLIEST_SCHEDULE <= moment - account.clock.now() <= LATEST_SCHEDULE:
        raise bad_request("A message can be scheduled from five minutes to five days ahead.", "/send_at")
    return moment


def retrieve(account: Account, call: OperationCall) -> Answer:
    """Show a message that is at most ten days old."""
    return Answer({"data": payload(_known_message(account, call))})


def cancel(account: Account, call: OperationCall) -> Answer:
    """Cancel a message that goes out in more than a minute. The answer is the message itself, without `data`."""
    message = _known_message(account, call)
    if message.status != "scheduled" or (message.send_at or 0) - account.clock.now() <= CANCELLABLE_UNTIL:
        detail = "Only messages that are scheduled for more than a minute from now can be cancelled."
        raise refusal(403, "10010", "Authorization failed", detail)
    return Answer(payload(account.messages.change(message.id, status="cancelled")))


def _known_message(account: Account, call: OperationCall) -> Message:
    message = account.messages.find(call.parameters["id"])
    if message is None or account.clock.now() - message.received_at > RETRIEVABLE_FOR:
        raise not_found()
    return message


def send_assistant_sms(account: Account, call: OperationCall) -> Answer:
    """Let an assistant begin a conversation by SMS. The given text goes out unchanged."""
    request = call.read(AssistantSms)
    _begin_conversation(account, request, "SMS", request.text)
    return Answer({"conversation_id": account.identifiers.uuid("conversation")})


def send_assistant_whatsapp(account: Account, call: OperationCall) -> Answer:
    """Let an assistant begin a conversation by WhatsApp, with a template: no window has to be open."""
    request = call.read(AssistantWhatsapp)
    message_id = _begin_conversation(account, request, "WHATSAPP", request.content)
    return Answer({"conversation_id": account.identifiers.uuid("conversation"), "message_id": message_id})


def _begin_conversation(
    account: Account, request: AssistantSms | AssistantWhatsapp, kind: MessageType, text: str
) -> str:
    message = Message(
        id=account.identifiers.uuid("message"),
        type=kind,
        sender=request.sender,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=account.profiles.of_number(request.sender),
        text=text,
        content={"type": "template", "template": {"name": "assistant"}} if kind == "WHATSAPP" else {},
    )
    admit(account, message)
    return begin(account, message).id
