"""Hosted number orders: numbers that stay with their carrier while Telnyx takes over their messages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from service.testing.simulator.api.fields import one_of
from service.testing.simulator.resources import Resources, existing

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
        return {
            "record_type": "messaging_hosted_number_order",
            "id": self.id,
            "messaging_profile_id": self.messaging_profile_id,
            "status": self.status,
            "phone_numbers": numbers,
        }

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
