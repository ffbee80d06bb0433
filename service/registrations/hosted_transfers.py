"""Transfers of hosted numbers from one Telnyx account to another, which the account that loses them may refuse.

It has 72 hours. Then Telnyx approves the transfer. Source: knowledge base, internal hosted SMS transfer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from pydantic import TypeAdapter

from service import clock
from service.events import Event, HostedNumberOrder, TolerantModel
from service.routing import Context
from service.store.facts.remembered import compare_and_set, snapshot

KIND = "hosted_number_transfer"
APPROVAL_DUE = f"{KIND}.approval_due"
"""The event that warns before the deadline of a transfer."""
PENDING = "pending"
HOURS_BEFORE = (24, 2)

_TRANSFER = "messaging_hosted_numbers_orders.internal_transfer_"
_DECISIONS = {
    "approval_requested": PENDING,
    "approved": "approved",
    "rejected": "rejected",
    "auto_approved": "approved automatically",
}
"""By the event's type, which says more than its fields do."""


class ApprovalDue(TolerantModel):
    """The payload of `hosted_number_transfer.approval_due`."""

    order_id: str
    approval_deadline: datetime
    hours: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """The state of a transfer. `heard_at` is when Telnyx said so, `deadline` None where no decision is awaited."""

    decision: str
    deadline: datetime | None
    heard_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether somebody may still refuse."""
        return self.decision == PENDING and self.deadline is not None

    @classmethod
    def parse(cls, stored: bytes) -> "Transfer":
        """Read the stored form."""
        return TypeAdapter(cls).validate_json(stored)


def transfer_of(event: Event[HostedNumberOrder]) -> Transfer | None:
    """Return the transfer that an event reports, or None where it is about none.

    Older pages show transfers as `….updated` with `approval_decision`, and events without a time.
    """
    order, (_, is_transfer, step) = event.payload, event.type.partition(_TRANSFER)
    if not is_transfer and order.decision is None and order.approval_deadline is None:
        return None
    decision = _DECISIONS.get(step) or (order.decision or PENDING).lower()
    heard_at = event.occurred_at or datetime.fromtimestamp(clock.now(), UTC)
    return Transfer(decision, order.approval_deadline if decision == PENDING else None, heard_at)


async def current(ctx: Context, order_id: str) -> Transfer | None:
    """Return the last known state of an order's transfer."""
    stored = await snapshot(ctx.services.store, KIND, order_id)
    return Transfer.parse(stored) if stored else None


async def remember(ctx: Context, order_id: str, heard: Transfer) -> bool:
    """Replace the known state by a later one. Return False where the known one is newer."""
    while True:
        stored = await snapshot(ctx.services.store, KIND, order_id)
        if stored and Transfer.parse(stored).heard_at > heard.heard_at:
            return False
        if await compare_and_set(ctx.services.store, KIND, order_id, before=stored, after=orjson.dumps(heard)):
            return True
