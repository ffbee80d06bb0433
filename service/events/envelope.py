"""The envelope of an event: identity and type of a verified body. Pure."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service import clock
from service.events.consent import ConsentChange, words_of
from service.events.json_body import parse_json
from service.events.message_status import MessageStatus, read_message_status
from service.events.nested_json import dump_json
from service.events.tolerant_model import read_time
from service.security.printable import shown_type

_ID = re.compile(r"[\x20-\x7e]{1,128}")
_UNKNOWN = "unknown"

PROBE_TYPE = "ringback.probe"
"""The type of the events that ask whether we answer; they are never stored."""

_CAMPAIGN_UPDATE = "10dlc.campaign.update"


class InvalidBody(Exception):  # noqa: N818 - reads as a state
    """The body is signed, but no event; `reason` is safe to answer with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """The facts about a body that the ingress needs: identity and type of its event.

    `by_content` says that Telnyx gave no id, so that `identity` is a hash of what was said. `words` are what the event
    says about consent, `message` the state of the message that it tells of: both hold from the moment at which the
    event is accepted. `occurred_at` is None where the event bears no time.
    """

    identity: str
    type: str
    by_content: bool
    words: tuple[ConsentChange, ...] = ()
    message: MessageStatus | None = None
    occurred_at: datetime | None = None


def read_envelope(body: bytes, opt_out_words: Collection[str] = ()) -> Envelope:
    """Identify the event in a verified body; `opt_out_words` are those that a policy adds, in normal form.

    The id is `data.id`, where that is 1 to 128 printable ASCII characters; else `sha256:` of the whole object without
    `meta`, because `meta.attempt` differs between deliveries of one event (knowledge base, receiving webhooks). The
    type is at most 128 printable characters, since it stands in ids, logs and tables.

    Raises:
        InvalidBody: the body is not a JSON object.
    """
    content = read_object(body)
    data = content.get("data")
    inner = data if isinstance(data, dict) else content
    identity = inner.get("id") if inner is data else None
    by_content = not (isinstance(identity, str) and _ID.fullmatch(identity))
    event_type, payload = _type_of(inner), _payload_of(inner)
    return Envelope(
        identity=_content_identity(content) if by_content else str(identity),
        type=event_type,
        by_content=by_content,
        words=words_of(event_type, payload, inner.get("occurred_at"), opt_out_words, now=clock.now()),
        message=read_message_status(event_type, payload),
        occurred_at=read_time(inner.get("occurred_at")),
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


def _type_of(inner: dict[str, Any]) -> str:
    for name in ("event_type", "record_type"):
        value = inner.get(name)
        if isinstance(value, str) and value:
            return shown_type(value)
    # The OpenAPI document has campaign updates flat, without an envelope; the knowledge base has them in one.
    return _CAMPAIGN_UPDATE if "campaignId" in inner else _UNKNOWN


def _payload_of(inner: dict[str, Any]) -> dict[str, Any]:
    """The payload; a body without one is its own payload, as `read_event` has it."""
    payload = inner.get("payload")
    return payload if isinstance(payload, dict) else inner


def _content_identity(content: dict[str, Any]) -> str:
    said = {name: value for name, value in content.items() if name != "meta"}
    return "sha256:" + hashlib.sha256(_canonical(said)).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    """UTF-8, sorted keys, no spaces."""
    return dump_json(content, sort_keys=True)
