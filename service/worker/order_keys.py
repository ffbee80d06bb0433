"""The key of an event for a handler that runs the events of one key in order. Pure."""

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from service.events import Event
from service.events.consent import user_id_of
from service.events.phone_number import canonical_number
from service.events.tolerant_model import list_of
from service.store.inbox.leases import Lease
from service.subscription import Subscription
from service.worker.outcomes import UnfitPayload

INBOUND = frozenset({"inbound", "incoming"})
MAX_KEY = 500


class NoKey(Exception):
    """The author's function gave no key for an event. Without one, its order cannot be kept."""


def order_key(lease: Lease, subscription: Subscription) -> str | None:
    """Return the key of a claimed event, or None if it needs no order.

    Raises:
        NoKey: the function raised, or returned no text.
        UnfitPayload: the payload does not fit the handler's model.
        service.events.InvalidBody: the body is damaged.
    """
    if subscription.ordered_by == "number":
        return number_of(lease.glance())
    event = lease.read_event()
    if subscription.payload is not None:
        try:
            event = replace(event, payload=lease.payload(subscription.payload))
        except ValidationError as error:
            raise UnfitPayload(error) from None
    try:
        key: object = subscription.ordered_by(event) if subscription.ordered_by else None
    except Exception as error:
        raise NoKey(f"ordered_by raised {type(error).__name__}") from error
    if key is None or (isinstance(key, str) and 0 < len(key) <= MAX_KEY):
        return key
    raise NoKey(f"ordered_by must return None or a text of 1 to {MAX_KEY} characters")


def number_of(event: Event[dict[str, Any]]) -> str | None:
    """Return the other party's number: the sender of an inbound message, else the first recipient or the number itself.

    A WhatsApp user without a number counts with the user's id.
    """
    payload = event.payload
    if event.type == "message.received" or payload.get("direction") in INBOUND:
        return _party(payload.get("from")) or user_id_of(payload)
    return _party(next(iter(list_of(payload.get("to"))), None)) or _party(payload)


def _party(value: Any) -> str | None:
    """Return the number of a party, which is an object or the number itself."""
    return canonical_number(value.get("phone_number") if isinstance(value, dict) else value)
