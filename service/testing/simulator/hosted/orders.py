"""Hosted number orders: numbers that stay with their carrier while Telnyx takes over their messages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

OrderStatus = Literal[
    "pending",
    "provisioning",
    "successful",
    "failed",
    "deleted",
    "carrier_rejected",
    "compliance_review_failed",
    "incomplete_documentation",
    "incorrect_billing_information",
    "ineligible_carrier",
    "loa_file_invalid",
    "loa_file_successful",
]
NumberStatus = Literal[
    "pending",
    "provisioning",
    "successful",
    "deleted",
    "failed",
    "failed_activation",
    "failed_carrier_rejected",
    "failed_ineligible_carrier",
    "failed_number_already_hosted",
    "failed_number_not_found",
    "failed_ownership_verification",
    "failed_timeout",
]
"""Source: OpenAPI `MessagingHostedNumberOrder` and `HostedNumber`."""


@dataclass(frozen=True, slots=True)
class HostedNumber:
    """One number of an order; `verified`: its ownership code was given; the settings hold once it is hosted."""

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
    """One order with its numbers; `documents` are the names of the files that were uploaded and accepted."""

    id: str
    messaging_profile_id: str | None
    numbers: tuple[HostedNumber, ...]
    status: OrderStatus = "pending"
    documents: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """The order as Telnyx shows it."""
        return {
            "record_type": "messaging_hosted_number_order",
            "id": self.id,
            "messaging_profile_id": self.messaging_profile_id,
            "status": self.status,
            "phone_numbers": [
                {
                    "record_type": "messaging_hosted_number",
                    "id": number.id,
                    "phone_number": number.phone_number,
                    "status": number.status,
                }
                for number in self.numbers
            ],
        }

    def number(self, phone_number: str) -> HostedNumber | None:
        """The entry of that phone number."""
        return next((number for number in self.numbers if number.phone_number == phone_number), None)

    def with_numbers(self, change: Callable[[HostedNumber], HostedNumber]) -> "HostedNumberOrder":
        """The order with `change` applied to each of its numbers."""
        return replace(self, numbers=tuple(change(number) for number in self.numbers))


class HostedNumberOrders:
    """The orders by id; deleted ones are gone."""

    def __init__(self) -> None:
        self._orders: dict[str, HostedNumberOrder] = {}

    def __iter__(self) -> Iterator[HostedNumberOrder]:
        return iter(list(self._orders.values()))

    def __len__(self) -> int:
        return len(self._orders)

    def put(self, order: HostedNumberOrder) -> None:
        """Add an order, or replace the one of that id."""
        self._orders[order.id] = order

    def remove(self, order_id: str) -> None:
        """Forget the order of that id."""
        self._orders.pop(order_id, None)

    def find(self, order_id: str) -> HostedNumberOrder | None:
        """The order of that id."""
        return self._orders.get(order_id)

    def of_number(self, number: str) -> tuple[HostedNumberOrder, HostedNumber] | None:
        """The number that has that id or is that phone number, and its order."""
        for order in self:
            for hosted in order.numbers:
                if number in (hosted.id, hosted.phone_number) and hosted.status != "deleted":
                    return order, hosted
        return None
