"""An event: its body parsed, its identity and type, and the form that a handler receives. Pure.

The ingress and the workers parse a body by the same function, so both see the same event.
"""

import hashlib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, NamedTuple

import orjson
from typing_extensions import TypeVar

from service import clock
from service.events.consent import ConsentChange, words_of
from service.events.message import MessageStatus, read_message_status
from service.events.nested_json import dump_json
from service.events.tolerant_model import read_time
from service.security.masking import shown_type

PROBE_TYPE = "ringback.probe"
"""The type of a probe: asks whether Ringback answers at a URL, and is never stored."""

Payload = TypeVar("Payload", default=dict[str, Any])
"""The payload's type: a plain dict where `Event` stands alone."""

_ID = re.compile(r"[\x20-\x7e]{1,128}")
_UNKNOWN = "unknown"
_OF_A_NUMBER = frozenset({"ASSIGNMENT", "DELETION", "STATUS_UPDATE"})
"""The types of a number's updates. Source: knowledge base, 10DLC event notifications."""
_FLAT_UPDATES = (
    ("campaignId", "10dlc.campaign.update"),
    ("tcrCampaignId", "10dlc.campaign.update"),
    ("brandId", "10dlc.brand.update"),
    ("tcrBrandId", "10dlc.brand.update"),
)
"""The field by which another flat update of 10DLC is known, that of a campaign first."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*+"?|-?(?:0|[1-9]\d*+)(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair, which is one character
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"
_LARGEST = b"1.7976931348623157e308"


TRIGGER = "trigger"
"""How samples of what Ringback itself raises arrive: signed with the development key."""


@dataclass(frozen=True, slots=True)
class Event(Generic[Payload]):
    """One event of Telnyx's, or of Ringback's own.

    `occurred_at` is None where the event bears no time. `arrived_by` is `webhook`, `failover`, `healed`, `emit`,
    `schedule` or `cron`, or `trigger` for a sample of what Ringback itself raises. `delivered_to` is the URL of the
    first delivery. Some events lack it (OpenAPI, `HostedNumberOrderEvent`).
    """

    id: str
    type: str
    occurred_at: datetime | None
    payload: Payload
    arrived_by: str
    delivered_to: str | None = None

    @property
    def is_raised_here(self) -> bool:
        """Whether Ringback itself raised the event, or the owner of its development key in its place."""
        return self.arrived_by in ("emit", TRIGGER)

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, type={self.type!r})"


class Envelope(NamedTuple):
    """The facts about a body that the ingress needs: identity and type of its event.

    `by_content` is true where Telnyx gave no id, so `identity` is a hash of the content. `words` are the changes of
    consent, `message` is the state of the message. Both hold from the moment at which the event is accepted.
    `occurred_at` is None where the event bears no time. `payload` is parsed.
    """

    identity: str
    type: str
    by_content: bool
    words: tuple[ConsentChange, ...] = ()
    message: MessageStatus | None = None
    occurred_at: datetime | None = None
    payload: Mapping[str, Any] = MappingProxyType({})


class InvalidBody(Exception):
    """The body is signed, but no event. `reason` is safe to answer with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_event(event_id: str, event_type: str, body: bytes, arrived_by: str) -> Event[dict[str, Any]]:
    """Return the event in a stored body. Its payload is a plain dict. A flat body is its own payload."""
    content = read_object(body)
    inner, meta = _inner(content), content.get("meta")
    url = meta.get("delivered_to") if isinstance(meta, dict) else None
    return Event(
        id=event_id,
        type=event_type,
        occurred_at=read_time(inner.get("occurred_at")),
        payload=_payload_of(inner),
        arrived_by=arrived_by,
        delivered_to=url if isinstance(url, str) and url else None,
    )


def read_envelope(body: bytes, opt_out_words: Collection[str] = ()) -> Envelope:
    """Identify the event in a verified body. `opt_out_words` are those of a policy, in normal form.

    The id is `data.id` where that is 1 to 128 printable ASCII characters. Else it is `sha256:` of the whole object
    without `meta`. `meta.attempt` differs between deliveries of one event (knowledge base, receiving webhooks).
    The type is at most 128 printable characters, since it stands in ids, logs and tables.

    Raises:
        InvalidBody: the body is not a JSON object.
    """
    content = read_object(body)
    inner = _inner(content)
    identity = None if inner is content else inner.get("id")
    by_content = not (isinstance(identity, str) and _ID.fullmatch(identity))
    event_type, payload, occurred_at = _type_of(inner), _payload_of(inner), read_time(inner.get("occurred_at"))
    return Envelope(
        identity=_content_identity(content) if by_content else str(identity),
        type=event_type,
        by_content=by_content,
        words=words_of(event_type, payload, occurred_at, opt_out_words, now=clock.now()),
        message=read_message_status(event_type, payload, occurred_at),
        occurred_at=occurred_at,
        payload=payload,
    )


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a body, as `parse_json` does.

    Raises:
        InvalidBody: the body is not a JSON object.
    """
    try:
        content = parse_json(body)
    except ValueError:
        raise InvalidBody("body is not valid JSON") from None
    if not isinstance(content, dict):
        raise InvalidBody("body is not a JSON object")
    return content


def parse_json(body: bytes) -> Any:
    """Parse a body as JSON: strict about grammar, lenient about the content of strings and numbers.

    A byte order mark is skipped. A lone surrogate is grammatical (RFC 8259, 8.2): it becomes U+FFFD, in keys too. A
    number beyond a double becomes the largest double. NaN, Infinity, invalid UTF-8 and over 1024 levels are refused.

    Raises:
        ValueError: the body is not JSON.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.loads(_STRING_OR_NUMBER.sub(_readable, text))


def _inner(content: dict[str, Any]) -> dict[str, Any]:
    data = content.get("data")
    return data if isinstance(data, dict) else content


def _payload_of(inner: dict[str, Any]) -> dict[str, Any]:
    payload = inner.get("payload")
    return payload if isinstance(payload, dict) else inner


def _type_of(inner: dict[str, Any]) -> str:
    for name in ("event_type", "record_type"):
        value = inner.get(name)
        if isinstance(value, str) and value:
            return shown_type(value)
    # The OpenAPI document has flat campaign updates, and the knowledge base has all of 10DLC in an envelope.
    kind = inner.get("type")
    if "phoneNumber" in inner and isinstance(kind, str) and kind in _OF_A_NUMBER:
        return "10dlc.phone_number.update"
    return next((update for name, update in _FLAT_UPDATES if name in inner), _UNKNOWN)


def _content_identity(content: dict[str, Any]) -> str:
    """Hash the canonical JSON: UTF-8, sorted keys, no spaces."""
    said = {name: value for name, value in content.items() if name != "meta"}
    return "sha256:" + hashlib.sha256(dump_json(said, sort_keys=True)).hexdigest()


def _readable(token: re.Match[bytes]) -> bytes:
    """Return a string or number in a form that orjson reads."""
    text = token[0]
    if text.startswith(b'"'):
        return _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["lone"] else escape[0], text)
    if not math.isinf(float(text)):
        return text
    return b"-" + _LARGEST if text.startswith(b"-") else _LARGEST
