"""Hosted number orders: numbers that stay with their carrier while Telnyx takes over their messages."""

import tomllib
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

from pydantic import Field
from telnyx import AsyncTelnyx, NotFoundError
from telnyx.types.shared import MessagingHostedNumberOrder, PhoneNumberWithMessagingSettings

from service.events import HostedNumber, HostedNumberOrder, TolerantModel
from service.outbound.list_pages import rows_of
from service.registrations.status_changes import Followed, Known, Reading, Status
from service.routing import Context
from service.store.facts.remembered import all_known

T = TypeVar("T")

KIND = "hosted_number_order"
CHANGED = f"{KIND}.status_changed"
GONE = "deleted"

_PROVEN = frozenset({"successful", "provisioning", "deleted"})
_FAILED = "failed"
"""The beginnings of the statuses of failed numbers. Source: OpenAPI `HostedNumber`."""


class OrderChange(TolerantModel):
    """The payload of `hosted_number_order.status_changed`. `reason` counts the numbers that failed."""

    id: str
    previous: str | None = None
    status: str
    reason: str | None = None
    messaging_profile_id: str | None = None
    phone_numbers: list[HostedNumber] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NextStep:
    """The step that a status asks of a person, and the command for it."""

    text: str
    mend: str


_STEPS = tomllib.loads((files(__package__) / "hosted_number_steps.toml").read_text("utf-8"))
NEXT_STEPS: Mapping[str, NextStep] = {status: NextStep(**step) for status, step in _STEPS.items()}
"""By the status of an order or, where it begins with `failed_`, of a number. Source: OpenAPI `HostedNumber`,
`MessagingHostedNumberOrder`. The steps are our reading: Telnyx publishes the names alone."""

NEEDS_PERSON = frozenset(NEXT_STEPS)


def next_step(change: OrderChange) -> NextStep | None:
    """Return the next step of a person: that of the status, else that of the failed numbers."""
    of_numbers = sorted({each.status for each in change.phone_numbers if each.status and _failed(each.status)})
    statuses = of_numbers if of_numbers and change.status == _FAILED else [change.status, *of_numbers]
    steps = (NEXT_STEPS.get(status) or (NEXT_STEPS[_FAILED] if _failed(status) else None) for status in statuses)
    step = next((step for step in steps if step is not None), None)
    return step and NextStep(step.text, step.mend.format(id=change.id))


def next_step_of(order: MessagingHostedNumberOrder) -> NextStep | None:
    """Return the next step of a person for the order's current status."""
    [status], details = reading_of(order).history, reading_of(order).details
    return next_step(OrderChange.model_validate({"id": order.id or "ID", "status": status.status, **details}))


def followed(ctx: Context) -> Followed:
    """Return the orders as a kind of registration whose changes become events."""
    return Followed(ctx.services.store, KIND, NEEDS_PERSON)


async def read_order(telnyx: AsyncTelnyx, order_id: str) -> Reading:
    """Return the order's current reading. An order that the API does not find was deleted."""
    return reading_of(await find(telnyx, order_id=order_id) or MessagingHostedNumberOrder(id=order_id, status=GONE))


def reading_of(order: MessagingHostedNumberOrder) -> Reading:
    """Return an order's status and details for events."""
    numbers = [{"phone_number": each.phone_number, "status": each.status} for each in numbers_of(order)]
    details = {"messaging_profile_id": order.messaging_profile_id, "phone_numbers": numbers}
    return Reading([_status(order)], details)


async def changed_orders(ctx: Context) -> list[str]:
    """Return the ids of the orders that have changed or are missing since the last poll."""
    known = {each: Known.parse(stored) for each, stored in (await all_known(ctx.services.store, KIND)).items()}
    listed = {order.id: _status(order) for order in await orders(ctx.telnyx) if order.id}
    changed = [each for each, status in listed.items() if each not in known or known[each].mark != status.mark]
    return changed + [each for each, before in known.items() if each not in listed and before.status != GONE]


def _status(order: MessagingHostedNumberOrder) -> Status:
    failures = Counter(each.status for each in numbers_of(order) if _failed(each.status))
    reason = ", ".join(f"{status} ({count})" for status, count in sorted(failures.items(), key=str))
    return Status(order.status or "unknown", reason or None, urgent=bool(failures))


def _failed(status: str | None) -> bool:
    return status is not None and status.startswith(_FAILED)


async def orders(telnyx: AsyncTelnyx) -> list[MessagingHostedNumberOrder]:
    """Return all orders, from all pages."""
    return [each async for each in rows_of(telnyx.messaging_hosted_number_orders.list(page_size=50), "orders")]


async def hosted_numbers(telnyx: AsyncTelnyx) -> list[PhoneNumberWithMessagingSettings]:
    """Return all hosted numbers, from all pages."""
    return [each async for each in rows_of(telnyx.messaging_hosted_numbers.list(page_size=50), "hosted numbers")]


async def find(telnyx: AsyncTelnyx, *, order_id: str) -> MessagingHostedNumberOrder | None:
    """Return the order of that id, or None where there is none."""
    answer = await none_if_missing(telnyx.messaging_hosted_number_orders.retrieve(order_id))
    return answer.data if answer else None


async def find_number(telnyx: AsyncTelnyx, *, number: str) -> PhoneNumberWithMessagingSettings | None:
    """Return the hosted number by number or id, or None where there is none."""
    answer = await none_if_missing(telnyx.messaging_hosted_numbers.retrieve(number))
    return answer.data if answer else None


def numbers_of(order: MessagingHostedNumberOrder) -> list[HostedNumber]:
    """Return the numbers of an order, each a text or an object. The SDK does not check the API's answer."""
    listed = order.to_dict(mode="python", warnings=False).get("phone_numbers")
    return HostedNumberOrder.model_validate({"numbers": listed}).numbers


async def unproven(telnyx: AsyncTelnyx, *, order_id: str) -> list[str]:
    """Return the numbers of an order whose ownership may yet have to be proven."""
    order = (await telnyx.messaging_hosted_number_orders.retrieve(order_id)).data or MessagingHostedNumberOrder()
    return [each.phone_number for each in numbers_of(order) if each.phone_number and each.status not in _PROVEN]


async def none_if_missing(answer: Awaitable[T]) -> T | None:
    """Await an answer of Telnyx. Return None for a 404."""
    try:
        return await answer
    except NotFoundError:
        return None
