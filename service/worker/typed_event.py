"""The event in the form that a handler asks for."""

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from service.events import Event
from service.events.event import InvalidBody
from service.outcome import Dead
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.store.inbox.leases import Lease
from service.store.inbox.records import UNREADABLE, EventRecord
from service.subscription import Subscription
from service.worker.outcomes import UnfitPayload


def read_for(subscription: Subscription, lease: Lease, *, shared: bool = False) -> Event[Any]:
    """Return the event as the handler's annotation asks for it. A `shared` one is for readers only.

    Raises:
        Dead: its body cannot be read. One that was whole when it was accepted and is not now will not become so.
        UnfitPayload: the payload does not fit the model.
    """
    _refuse_sealed(lease.record)
    try:
        return _typed(lease, subscription, shared=shared)
    except InvalidBody as error:
        raise Dead(UNREADABLE, f"what Redis keeps of its body is damaged ({error})") from None


def _refuse_sealed(record: EventRecord) -> None:
    if record.sealed_under is not None:
        body = MissingEncryptionKey(record.sealed_under)
        raise Dead("sealed", f"its body is {body}, then retry the event: ringback dead retry {record.id}")
    if "body" in record.damaged:
        raise Dead(UNREADABLE, f"its body cannot be opened: {SealDamaged()}. Look at Telnyx what it said, then drop it")


def _typed(lease: Lease, subscription: Subscription, *, shared: bool) -> Event[Any]:
    if subscription.payload is None:
        # A dict of its own: no handler may see the changes that another makes.
        return lease.event if shared else lease.read_event()
    try:
        payload = lease.payload(subscription.payload)
    except ValidationError as error:
        raise UnfitPayload(error) from None
    return replace(lease.event, payload=payload)
