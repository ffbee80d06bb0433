"""The key of an event for a handler that runs the events of one key in order. Pure."""

from dataclasses import replace

from pydantic import ValidationError

from service.events.other_party import other_number
from service.store.inbox.leases import Lease
from service.subscription import Subscription
from service.worker.outcomes import UnfitPayload

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
        return other_number(lease.record.type, lease.glance().payload)
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
