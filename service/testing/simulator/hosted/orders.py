"""Hosted number orders: numbers that stay with their carrier while Telnyx takes over their messages.

Their progress is automatic or scripted. The webhooks about it go to the URLs of the order's messaging profile. Source:
OpenAPI `HostedNumberOrderEvent`. Older pages show internal transfers as `….updated` with `approval_decision`, and
bodies without id, time and `meta`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from service.testing.simulator.api.fields import ControlBody, one_of
from service.testing.simulator.resources import Resources, existing
from service.testing.simulator.webhooks.deliveries import USER_ID, WebhookEvent, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

ORDER_STATUSES = """
pending provisioning successful failed deleted carrier_rejected compliance_review_failed incomplete_documentation
incorrect_billing_information ineligible_carrier loa_file_invalid loa_file_successful
"""
NUMBER_STATUSES = """
pending provisioning successful deleted failed failed_activation failed_carrier_rejected failed_ineligible_carrier
failed_number_already_hosted failed_number_not_found failed_ownership_verification failed_timeout
"""
OrderStatus = Annotated[str, one_of(ORDER_STATUSES.split())]
NumberStatus = Annotated[str, one_of(NUMBER_STATUSES.split())]
"""Source: OpenAPI `MessagingHostedNumberOrder` and `HostedNumber`."""


@dataclass(frozen=True, slots=True)
class HostedNumber:
    """One number of an order. `verified` is true once its ownership code was given."""

    id: str
    phone_number: str
    status: NumberStatus = "pending"
    verified: bool = False
    messaging_profile_id: str | None = None
    messaging_product: str = "A2P"
    tags: tuple[str, ...] = ()
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class HostedNumberOrder:
    """One order with its numbers. `documents` are the names of the accepted files."""

    id: str
    messaging_profile_id: str | None
    numbers: tuple[HostedNumber, ...]
    status: OrderStatus = "pending"
    documents: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return the order as Telnyx shows it."""
        shown = {"record_type": "messaging_hosted_number"}
        numbers = [shown | {"id": x.id, "phone_number": x.phone_number, "status": x.status} for x in self.numbers]
        named = {"id": self.id, "messaging_profile_id": self.messaging_profile_id, "status": self.status}
        return {"record_type": "messaging_hosted_number_order", **named, "phone_numbers": numbers}

    def number(self, phone_number: str) -> HostedNumber | None:
        """Return the entry of that phone number, or None."""
        return next((number for number in self.numbers if number.phone_number == phone_number), None)

    def with_numbers(self, change: Callable[[HostedNumber], HostedNumber]) -> "HostedNumberOrder":
        """Return the order with `change` applied to each of its numbers."""
        return replace(self, numbers=tuple(change(number) for number in self.numbers))


class HostedNumberOrders(Resources[HostedNumberOrder]):
    """The orders by id. Deleted ones are gone."""

    def of_number(self, number: str) -> tuple[HostedNumberOrder, HostedNumber]:
        """Return the number of that id or phone number, and its order.

        Raises:
            ApiError: 404, there is none.
        """
        return existing(self.find_number(number))

    def find_number(self, number: str) -> tuple[HostedNumberOrder, HostedNumber] | None:
        """Return the number of that id or phone number, and its order. None where there is none."""
        for order in self:
            for hosted in order.numbers:
                if number in (hosted.id, hosted.phone_number) and hosted.status != "deleted":
                    return order, hosted
        return None


@dataclass(frozen=True, slots=True)
class OwnershipCode:
    """The latest code that was sent to a number of an order."""

    order_id: str
    phone_number: str
    code: str


class OwnershipCodes(Resources[OwnershipCode]):
    """The codes by which the owner of a number proves to be its owner."""

    def __init__(self) -> None:
        super().__init__(lambda code: (code.order_id, code.phone_number))

    def of_order(self, order_id: str) -> list[OwnershipCode]:
        """Return the codes of one order."""
        return [code for code in self if code.order_id == order_id]


PREFIX = "messaging_hosted_numbers_orders."
APPROVAL_TIME = 72 * 3600
"""Seconds that the losing owner of an internal transfer has. Source: knowledge base, internal hosted SMS transfer."""
DOCUMENTS = frozenset({"loa", "bill"})

Shape = Literal["current", "older"]


class OrderStep(ControlBody):
    """A step of the review: the order's new status, that of its numbers, and the form of the webhook."""

    status: OrderStatus
    number_status: NumberStatus | None = None
    shape: Shape = "current"


class TransferStep(ControlBody):
    """A step of a transfer from another Telnyx account. A request without a decision is approved in the end."""

    step: Literal["detected", "approval_requested", "approved", "rejected"]
    shape: Shape = "current"


def send_order_event(
    account: "Account",
    name: str,
    order: HostedNumberOrder,
    *,
    shape: Shape = "current",
    number_statuses: dict[str, str] | None = None,
    **transfer: Any,
) -> None:
    """Send an event in the background. `number_statuses` are shown in place of those of the order."""
    profile_id = order.messaging_profile_id or account.profiles.default_id
    statuses = {number.phone_number: number.status for number in order.numbers} | (number_statuses or {})
    payload = {
        "order_id": order.id,
        "order_status": order.status,
        "profile_id": profile_id,
        "user_id": USER_ID,
        "numbers": [{"value": each.phone_number, "status": statuses[each.phone_number]} for each in order.numbers],
        **transfer,
    }
    event = new_event(account.clock, account.identifiers, PREFIX + name, payload)
    account.courier.send(_older(event) if shape == "older" else event, account.profiles.destination(profile_id))


def move(account: "Account", order_id: str, step: OrderStep) -> HostedNumberOrder:
    """Take `step`, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order.
    """

    def changed(number: HostedNumber) -> HostedNumber:
        status = number.status if number.status == "deleted" else step.number_status or number.status
        return replace(number, status=status)

    order = replace(account.hosted_orders.known(order_id), status=step.status).with_numbers(changed)
    account.hosted_orders.put(order)
    send_order_event(account, "updated", order, shape=step.shape)
    return order


def transfer(account: "Account", order_id: str, step: TransferStep) -> HostedNumberOrder:
    """Take a step of an internal transfer, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order.
    """
    order = account.hosted_orders.known(order_id)
    account.transfers[order_id] = step.step
    decision = step.step if step.step in ("approved", "rejected") else "pending"
    due = account.clock.now() + APPROVAL_TIME if step.step == "approval_requested" else None
    told: dict[str, Any] = {"decision": decision, "approval_deadline": due and int(due)}
    send_order_event(account, f"internal_transfer_{step.step}", order, shape=step.shape, **told)
    if due is not None:
        account.background.start(partial(_approve_in_the_end, account, order_id, step.shape, due))
    return order


def complete(account: "Account", order_id: str) -> None:
    """Let the order succeed in the background once all its numbers are verified and both documents are there."""
    order = account.hosted_orders.known(order_id)
    if order.documents >= DOCUMENTS and all(number.verified for number in order.numbers):
        account.background.start(partial(_succeed, account, order_id))


async def _succeed(account: "Account", order_id: str) -> None:
    for step in (
        OrderStep(status="provisioning", number_status="provisioning"),
        OrderStep(status="successful", number_status="successful"),
    ):
        if account.hosted_orders.find(order_id) is not None:
            move(account, order_id, step)


async def _approve_in_the_end(account: "Account", order_id: str, shape: Shape, deadline: float) -> None:
    await account.clock.until(deadline)
    order = account.hosted_orders.find(order_id)
    if order is not None and account.transfers.get(order_id) == "approval_requested":
        account.transfers[order_id] = "auto_approved"
        told: dict[str, Any] = {"decision": "approved", "approval_deadline": None}
        send_order_event(account, "internal_transfer_auto_approved", order, shape=shape, **told)


def _older(event: WebhookEvent) -> WebhookEvent:
    payload, event_type = dict(event.data["payload"]), event.type
    if "decision" in payload:
        payload["approval_decision"] = payload.pop("decision")
        event_type = f"{PREFIX}updated"
    return WebhookEvent({"event_type": event_type, "payload": payload}, event.occurred_at, with_meta=False)
