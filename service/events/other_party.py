"""The number of the other party of an event. Pure."""

from collections.abc import Mapping
from typing import Any

from service.events.consent import user_id_of
from service.events.phone_number import canonical_number
from service.events.tolerant_model import list_of

INBOUND = frozenset({"inbound", "incoming"})


def other_number(event_type: str, payload: Mapping[str, Any]) -> str | None:
    """Return the other party's number: the sender of an inbound message, else the first recipient or the number itself.

    A WhatsApp user without a number counts with the user's id.
    """
    direction = payload.get("direction")
    if event_type == "message.received" or (isinstance(direction, str) and direction in INBOUND):
        return _party(payload.get("from")) or user_id_of(payload)
    return _party(next(iter(list_of(payload.get("to"))), None)) or _party(payload)


def _party(value: Any) -> str | None:
    """Return the number of a party, which is an object or the number itself."""
    return canonical_number(value.get("phone_number") if isinstance(value, Mapping) else value)
