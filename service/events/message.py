"""The payload of `message.*`, for SMS, MMS, RCS and what else comes by that name."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from service.events.tolerant_model import ForgivingModel, Moment, list_of


def _party(value: object) -> object:
    """A bare number where a party is expected (SDK 4.189 for WhatsApp, telnyx-ruby's tests), or null."""
    if value is None:
        return {}
    return {"phone_number": value} if isinstance(value, str) else value


def _parties(value: object) -> object:
    parties = list_of(value)
    return [_party(each) for each in parties] if isinstance(parties, list) else parties


def _error(value: object) -> object:
    """A bare code or text where an error is expected."""
    if isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal()):
        return {"code": value}
    return {"detail": value} if isinstance(value, str) else value


def _errors(value: object) -> object:
    errors = list_of(value)
    return [_error(each) for each in errors if each is not None] if isinstance(errors, list) else errors


def _body(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _texts(value: object) -> object:
    texts = list_of(value)
    return [each for each in texts if isinstance(each, str)] if isinstance(texts, list) else texts


def _text(value: object) -> object:
    """WhatsApp wraps its texts: `{"body": "…"}` (SDK 4.189, `BodyTextBody`)."""
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
    """One of an MMS's files; links to inbound ones expire after 30 days (knowledge base, receiving webhooks)."""

    url: str | None = None
    content_type: str | None = None
    size: int | None = None


class MessageBody(ForgivingModel):
    """The content of an RCS message; one of its kinds. Source: knowledge base, receiving RCS webhooks."""

    text: Annotated[str | None, BeforeValidator(_text)] = None
    user_file: dict[str, Any] | None = None
    location: dict[str, Any] | None = None
    suggestion_response: dict[str, Any] | None = None


class Message(ForgivingModel):
    """The payload of `message.*`, inbound and outbound. Source: OpenAPI and SDK 4.189, message payloads.

    Which message it is, whose and on what channel must fit; all else may be absent.
    """

    essential: ClassVar[frozenset[str]] = frozenset({"id", "direction", "type", "from_", "to"})

    id: str | None = None
    direction: str | None = None
    type: str | None = None
    messaging_profile_id: str | None = None
    from_: Annotated[Party, BeforeValidator(_party)] = Field(default_factory=Party, alias="from")
    to: Annotated[list[Party], BeforeValidator(_parties)] = Field(default_factory=list)
    text: Annotated[str | None, BeforeValidator(_text)] = None
    subject: str | None = None
    media: Annotated[list[Media], BeforeValidator(list_of)] = Field(default_factory=list)
    body: Annotated[MessageBody | None, BeforeValidator(_body)] = None
    autoresponse_type: str | None = None
    errors: Annotated[list[MessageError], BeforeValidator(_errors)] = Field(default_factory=list)
    tags: Annotated[list[str], BeforeValidator(_texts)] = Field(default_factory=list)
    received_at: Moment = None
    sent_at: Moment = None
    completed_at: Moment = None

    @property
    def said(self) -> str | None:
        """The text, wherever this kind of message carries it; None for files, cards and places."""
        return self.text if self.text is not None else self.body.text if self.body else None
