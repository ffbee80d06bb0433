"""`POST /messages` and `POST /messages/schedule`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request, missing_parameter, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.messages import admission, lifecycle, text
from service.testing.simulator.messages.message import Message, MessageType
from service.testing.simulator.messages.payload import outbound_payload
from service.testing.simulator.phone_numbers import is_alphanumeric, is_sender
from service.testing.simulator.simulated_clock import read_iso

POOL_NUMBER = "+13125550000"
"""The number that a message from a number pool goes out from."""

EARLIEST_SCHEDULE, LATEST_SCHEDULE = 300, 5 * 86400
"""Seconds for which a message can be scheduled ahead. Source: Telnyx's page on scheduling messages."""

MOST_PARTS = 10
"""Parts of one SMS. Source: OpenAPI `OutboundMessagePayload`."""


def _is_date(value: str | None) -> str | None:
    if value is not None:
        read_iso(value)
    return value


Date = Annotated[str, AfterValidator(_is_date)]


class CreateMessageRequest(RequestBody):
    """The body of a send. Source: OpenAPI `CreateMessageRequest` and `CreateScheduledMessageRequest`."""

    to: str
    sender: str | None = Field(None, alias="from")
    messaging_profile_id: str | None = None
    text: str | None = None
    subject: str | None = None
    media_urls: list[WebAddress] = Field(default_factory=list)
    type: Literal["SMS", "MMS"] | None = None
    encoding: Literal["auto", "gsm7", "ucs2"] = "auto"
    auto_detect: bool = False
    webhook_url: WebAddress | None = None
    webhook_failover_url: WebAddress | None = None
    use_profile_webhooks: bool = True
    send_at: Date | None = None


def send(account: Account, call: OperationCall) -> Answer:
    """Accept an SMS or MMS, and let it go its way.

    Raises:
        ApiError: 400, a field is missing or does not fit; 403, the profile is disabled, the number opted out or the
        sender is
            not verified; 429, too fast or the queue is full.
    """
    request = call.read(CreateMessageRequest)
    _check_sender(request)
    _check_content(request)
    message = _message(account, request)
    headers = admission.admit(account, message)
    accepted = lifecycle.begin(account, message)
    return Answer({"data": outbound_payload(accepted)}, headers=headers)


def schedule(account: Account, call: OperationCall) -> Answer:
    """Accept an SMS or MMS for later; as `send`, but `send_at` is required.

    Raises:
        ApiError: as `send`.
    """
    if call.read(CreateMessageRequest).send_at is None:
        raise missing_parameter("/send_at")
    return send(account, call)


def _check_sender(request: CreateMessageRequest) -> None:
    if request.sender is None and not request.messaging_profile_id:
        raise missing_parameter("/from")
    if request.sender is not None and not is_sender(request.sender):
        raise refusal(400, "40305", "Invalid 'from' address", "The 'from' address cannot send messages.", "/from")
    if request.sender is not None and is_alphanumeric(request.sender) and not request.messaging_profile_id:
        raise missing_parameter("/messaging_profile_id")


def _check_content(request: CreateMessageRequest) -> None:
    content = request.text or ""
    if _type(request) == "MMS" and not request.media_urls:
        raise missing_parameter("/media_urls")
    if _type(request) == "SMS" and not content:
        raise missing_parameter("/text")
    if request.encoding == "gsm7" and text.encoding(content) != "GSM-7":
        raise bad_request("The text has characters that GSM-7 cannot encode.", "/text")
    if _type(request) == "SMS" and text.parts(content, _encoding(request)) > MOST_PARTS:
        raise refusal(400, "40302", "Message too large", "The message is split into too many parts.", "/text")


def _type(request: CreateMessageRequest) -> MessageType:
    return request.type or ("MMS" if request.media_urls else "SMS")


def _encoding(request: CreateMessageRequest) -> str:
    return "UCS-2" if request.encoding == "ucs2" else text.encoding(request.text or "")


def _message(account: Account, request: CreateMessageRequest) -> Message:
    sender, encoding = request.sender or POOL_NUMBER, _encoding(request)
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
        encoding=encoding,
        parts=min(MOST_PARTS, text.parts(request.text or "", encoding)),
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
