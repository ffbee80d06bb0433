"""The payload of `message.*`: a model for handlers, and the state of the message, each field read separately. Pure.

No model reads the state: a field elsewhere that fits no model must not hide a delivery.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from service.events.phone_number import canonical_number
from service.events.tolerant_model import ForgivingModel, Moment, list_of, read_time

REACHED = frozenset({"delivered", "read"})
"""Statuses of a message that its recipient has. Source: OpenAPI, `to[].status`, for `read` the SDK."""
MAX_LENGTH = 200
"""Characters of an id, a status or a carrier. Telnyx sends no longer ones."""
MAX_RECIPIENTS = 100
"""Recipients of a message whose state is kept. Redis compares each with all others while nobody else is served."""
_CHANNELS = frozenset({"SMS", "MMS", "RCS"})
_FAMILY = "message."
_INBOUND = "message.received"
_RECEIPT = "message.read"


def _party(value: object) -> object:
    """Wrap a bare number or null as a party (SDK 4.189 for WhatsApp, telnyx-ruby's tests)."""
    if value is None:
        return {}
    return {"phone_number": value} if isinstance(value, str) else value


def _error(value: object) -> object:
    """Wrap a bare code or text as an error."""
    if isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal()):
        return {"code": value}
    return {"detail": value} if isinstance(value, str) else value


def _errors(values: list[object]) -> list[object]:
    return [_error(each) for each in values if each is not None]


def _body(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _texts(values: list[object]) -> list[object]:
    return [each for each in values if isinstance(each, str)]


def _text(value: object) -> object:
    """Unwrap a text of WhatsApp: `{"body": "…"}` (SDK 4.189, `BodyTextBody`)."""
    return value.get("body") if isinstance(value, dict) else value


class Party(ForgivingModel):
    """A sender or recipient: a phone number, or for RCS an agent."""

    essential: ClassVar[frozenset[str]] = frozenset({"status"})

    phone_number: str | None = None
    status: str | None = None
    carrier: str | None = None
    line_type: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None


class MessageError(ForgivingModel):
    """One of a message's `errors`."""

    code: str | None = None
    title: str | None = None
    detail: str | None = None


class Media(ForgivingModel):
    """One of an MMS's files. Links to inbound ones expire after 30 days (knowledge base, receiving webhooks)."""

    url: str | None = None
    content_type: str | None = None
    size: int | None = None


class MessageBody(ForgivingModel):
    """The content of an RCS message, one of its kinds. Source: knowledge base, receiving RCS webhooks."""

    text: Annotated[str | None, BeforeValidator(_text)] = None
    user_file: dict[str, Any] | None = None
    location: dict[str, Any] | None = None
    suggestion_response: dict[str, Any] | None = None


class Message(ForgivingModel):
    """The payload of `message.*`, inbound and outbound. Source: OpenAPI and SDK 4.189, message payloads.

    Id, direction, channel and parties must fit. All other fields may be absent.
    """

    essential: ClassVar[frozenset[str]] = frozenset({"id", "direction", "type", "from_", "to"})

    id: str | None = None
    direction: str | None = None
    type: str | None = None
    messaging_profile_id: str | None = None
    from_: Annotated[Party, BeforeValidator(_party)] = Field(default_factory=Party, alias="from")
    to: Annotated[list[Annotated[Party, BeforeValidator(_party)]], BeforeValidator(list_of)] = Field(
        default_factory=list
    )
    text: Annotated[str | None, BeforeValidator(_text)] = None
    subject: str | None = None
    media: Annotated[list[Media], BeforeValidator(list_of)] = Field(default_factory=list)
    body: Annotated[MessageBody | None, BeforeValidator(_body)] = None
    autoresponse_type: str | None = None
    errors: Annotated[list[MessageError], BeforeValidator(_errors), BeforeValidator(list_of)] = Field(
        default_factory=list
    )
    tags: Annotated[list[str], BeforeValidator(_texts), BeforeValidator(list_of)] = Field(default_factory=list)
    received_at: Moment = None
    sent_at: Moment = None
    completed_at: Moment = None

    @property
    def said(self) -> str | None:
        """The text, in any place of this kind of message. None for files, cards and places."""
        return self.text if self.text is not None else self.body.text if self.body else None


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """One recipient of a message. `number` is None if it cannot be read, as after redaction."""

    number: str | None
    status: str = ""
    carrier: str = ""

    def __repr__(self) -> str:
        return f"RecipientStatus(status={self.status!r})"


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """All recipients of a message that one event names. `type` is SMS, MMS, RCS or empty.

    `at` is when it was so (seconds since 1970), None without a time. `is_reading` says that Telnyx showed the message
    to a reading of ours.
    """

    id: str
    type: str
    recipients: tuple[RecipientStatus, ...]
    at: float | None = None
    is_reading: bool = False


def read_message_status(event_type: str, payload: object, occurred_at: object = None) -> MessageStatus | None:
    """Read the payload of an outbound `message.*` event. Return None without a message or a recipient.

    A status counts in any spelling. A receipt says by its type that its only recipient has read the message.
    """
    if not event_type.startswith(_FAMILY) or event_type == _INBOUND or not isinstance(payload, Mapping):
        return None
    message_id, kind = _short_text(payload.get("id")), _short_text(payload.get("type")).strip().upper()
    recipients = tuple(islice(_recipients(payload.get("to")), MAX_RECIPIENTS))
    if not message_id or not recipients:
        return None
    if event_type == _RECEIPT and len(recipients) == 1 and not recipients[0].status:
        recipients = (replace(recipients[0], status="read"),)
    moment = read_time(occurred_at)
    at = None if moment is None else max(0.0, moment.timestamp())
    return MessageStatus(message_id, kind if kind in _CHANNELS else "", recipients, at)


def _recipients(to: object) -> Iterator[RecipientStatus]:
    for each in to if isinstance(to, list) else [to]:
        if isinstance(each, Mapping):
            yield _recipient(each)
        elif isinstance(each, str):
            yield RecipientStatus(canonical_number(each))


def _recipient(party: Mapping[str, Any]) -> RecipientStatus:
    number = canonical_number(party.get("phone_number"))
    status = _short_text(party.get("status")).strip().lower()
    return RecipientStatus(number, status, _short_text(party.get("carrier")))


def _short_text(value: object) -> str:
    """Return a short text as it can be stored, empty for any other value."""
    if isinstance(value, str) and value.isascii():
        return value if len(value) <= MAX_LENGTH else ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).encode(errors="replace").decode()
    return text if len(text) <= MAX_LENGTH else ""
