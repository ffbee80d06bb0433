"""Events: what Telnyx says happened, as a handler receives it, and the envelope in which it arrives.

Pure. Payload models are tolerant, since Telnyx adds fields and values without notice and its own samples leave some
out: unknown fields are kept, unknown values accepted, and what a sample misses is optional.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Payload = TypeVar("Payload")

_ID = re.compile(r"[\x20-\x7e]{1,128}")
_UNKNOWN = "unknown"


class InvalidBody(Exception):  # noqa: N818 - reads as a state
    """The body is signed, but no event; `reason` is safe to answer with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event(Generic[Payload]):
    """One thing that Telnyx (or Ringback itself) says happened.

    `occurred_at` is None where the event bears no time. `arrived_by` is `webhook`, `failover`, `emit` or `schedule`.
    """

    id: str
    type: str
    occurred_at: datetime | None
    payload: Payload
    arrived_by: str

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, type={self.type!r})"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the ingress needs to know of a body: which event it is, and of which type.

    `by_content` says that Telnyx gave no id, so that `identity` is a hash of what was said. `occurred_at` is None where
    the event bears no time.
    """

    identity: str
    type: str
    by_content: bool
    occurred_at: datetime | None = None


def read_envelope(body: bytes) -> Envelope:
    """Identify the event in a verified body.

    The id is `data.id`, where that is 1 to 128 printable ASCII characters; else `sha256:` of the whole object without
    `meta`, because `meta.attempt` differs between deliveries of one event (knowledge base, receiving webhooks).

    Raises:
        InvalidBody: the body is not a JSON object.
    """
    content = read_object(body)
    data = content.get("data")
    inner = data if isinstance(data, dict) else content
    identity = inner.get("id") if inner is data else None
    occurred_at = _time(inner.get("occurred_at"))
    if isinstance(identity, str) and _ID.fullmatch(identity):
        return Envelope(identity, _type_of(inner), by_content=False, occurred_at=occurred_at)
    return Envelope(_content_identity(content), _type_of(inner), by_content=True, occurred_at=occurred_at)


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a body strictly: NaN, lone surrogates, invalid UTF-8 and absurd nesting are refused.

    Raises:
        InvalidBody: the body is not a JSON object.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidBody("body is not valid JSON") from None
    if not isinstance(content, dict):
        raise InvalidBody("body is not a JSON object")
    return content


def read_event(event_id: str, event_type: str, body: bytes, arrived_by: str) -> Event[dict[str, Any]]:
    """The event in a stored body, its payload still a plain dict; a flat body is its own payload."""
    content = read_object(body)
    data = content.get("data")
    inner: dict[str, Any] = data if isinstance(data, dict) else content
    payload = inner.get("payload")
    return Event(
        id=event_id,
        type=event_type,
        occurred_at=_time(inner.get("occurred_at")),
        payload=payload if isinstance(payload, dict) else inner,
        arrived_by=arrived_by,
    )


def _type_of(inner: dict[str, Any]) -> str:
    for name in ("event_type", "record_type"):
        value = inner.get(name)
        if isinstance(value, str) and value:
            return value
    return _UNKNOWN


def _content_identity(content: dict[str, Any]) -> str:
    said = {name: value for name, value in content.items() if name != "meta"}
    return "sha256:" + hashlib.sha256(_canonical(said)).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    """UTF-8, sorted keys, no spaces; orjson writes less deeply than it reads, so the standard library steps in."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        pass
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except RecursionError:
        raise InvalidBody("body is nested too deeply") from None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _as_list(value: object) -> object:
    """Inbound `to` is a list, or a bare string in some events (SDK 4.189 for WhatsApp, telnyx-ruby's tests)."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"phone_number": value}]
    return value


def _as_party(value: object) -> object:
    return {"phone_number": value} if isinstance(value, str) else value


class TolerantModel(BaseModel):
    """Keeps unknown fields, and never prints what it was given when it does not fit."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    printable: ClassVar[frozenset[str]] = frozenset({"id", "direction", "type", "status", "code"})
    """The fields that may be seen in a log: never numbers, names or texts."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if name in self.printable]


class Party(TolerantModel):
    """A sender or recipient: a phone number, or for RCS an agent."""

    phone_number: str | None = None
    status: str | None = None
    carrier: str | None = None
    line_type: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None


class MessageError(TolerantModel):
    """One of a message's `errors`."""

    code: str | None = None
    title: str | None = None
    detail: str | None = None


class MessageBody(TolerantModel):
    """What an RCS message says; one of its kinds. Source: knowledge base, receiving RCS webhooks."""

    text: str | None = None
    user_file: dict[str, Any] | None = None
    location: dict[str, Any] | None = None
    suggestion_response: dict[str, Any] | None = None


class Message(TolerantModel):
    """The payload of `message.*`, for SMS, MMS and RCS, inbound and outbound."""

    id: str | None = None
    direction: str | None = None
    type: str | None = None
    messaging_profile_id: str | None = None
    from_: Annotated[Party, BeforeValidator(_as_party)] = Field(default_factory=Party, alias="from")
    to: Annotated[list[Party], BeforeValidator(_as_list)] = Field(default_factory=list)
    text: str | None = None
    body: MessageBody | None = None
    autoresponse_type: str | None = None
    errors: list[MessageError] = Field(default_factory=list)
    received_at: datetime | None = None
    sent_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def said(self) -> str | None:
        """The text, wherever this kind of message carries it; None for files, cards and places."""
        return self.text if self.text is not None else self.body.text if self.body else None
