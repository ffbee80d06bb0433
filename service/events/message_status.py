"""The state of a message as one event tells it: its id, its recipients and their statuses, each read on its own. Pure.

No model reads them: a field elsewhere that fits no model must not hide a delivery.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.events.phone_number import canonical_number

MAX_LENGTH = 200
"""Characters of an id, a status or a carrier; a longer text is none of Telnyx's."""
_TYPES = frozenset({"SMS", "MMS", "RCS"})
_FAMILY = "message."
_INBOUND = "message.received"


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """One recipient of a message; `number` is None where it cannot be read, as after redaction."""

    number: str | None
    status: str = ""
    carrier: str = ""

    def __repr__(self) -> str:
        return f"RecipientStatus(status={self.status!r})"


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """All recipients of a message that one event names; `type` is SMS, MMS, RCS or empty."""

    id: str
    type: str
    recipients: tuple[RecipientStatus, ...]


def read_message_status(event_type: str, payload: object) -> MessageStatus | None:
    """Read the payload of an outbound `message.*` event; None where it names no message or no recipient."""
    if not event_type.startswith(_FAMILY) or event_type == _INBOUND or not isinstance(payload, Mapping):
        return None
    message_id, kind = _text(payload.get("id")), _text(payload.get("type"))
    recipients = tuple(_recipients(payload.get("to")))
    if not message_id or not recipients:
        return None
    return MessageStatus(message_id, kind if kind in _TYPES else "", recipients)


def _recipients(to: object) -> Iterator[RecipientStatus]:
    for each in to if isinstance(to, list) else [to]:
        if isinstance(each, Mapping):
            yield _recipient(each)
        elif isinstance(each, str):
            yield RecipientStatus(canonical_number(each))


def _recipient(party: Mapping[str, Any]) -> RecipientStatus:
    number = canonical_number(party.get("phone_number"))
    return RecipientStatus(number, _text(party.get("status")), _text(party.get("carrier")))


def _text(value: object) -> str:
    """A short text as it can be stored; empty where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).encode(errors="replace").decode()
    return text if len(text) <= MAX_LENGTH else ""
