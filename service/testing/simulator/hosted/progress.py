"""How a hosted number order comes to its end, automatically or as scripted."""

from dataclasses import replace
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.hosted.order_events import EventName, Shape, tell
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder, NumberStatus, OrderStatus

APPROVAL_TIME = 72 * 3600
"""Seconds that the losing owner of an internal transfer has. Source: knowledge base, internal hosted SMS transfer."""

DOCUMENTS = frozenset({"loa", "bill"})


class OrderStep(BaseModel):
    """A step of the review: the order's new status, that of its numbers, and the form of the webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: OrderStatus
    number_status: NumberStatus | None = None
    shape: Shape = "current"


class TransferStep(BaseModel):
    """A step of a transfer from another Telnyx account; a request that nobody decides is approved in the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Literal["detected", "approval_requested", "approved", "rejected"]
    shape: Shape = "current"


def known_order(account: Account, order_id: str) -> HostedNumberOrder:
    """The order of that id.

    Raises:
        ApiError: 404, there is none.
    """
    order = account.hosted_orders.find(order_id)
    if order is None:
        raise not_found()
    return order


def move(account: Account, order_id: str, step: OrderStep) -> HostedNumberOrder:
    """Take `step`, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order.
    """
    order = _with_status(known_order(account, order_id), step.status, step.number_status)
    account.hosted_orders.put(order)
    tell(account, "updated", order, shape=step.shape)
    return order


def transfer(account: Account, order_id: str, step: TransferStep) -> HostedNumberOrder:
    """Take a step of an internal transfer, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order.
    """
    order = known_order(account, order_id)
    account.transfers[order_id] = step.step
    if step.step == "approval_requested":
        deadline = account.clock.now() + APPROVAL_TIME
        _tell_transfer(account, order, step, deadline)
        account.background.start(partial(_approve_in_the_end, account, order_id, step.shape, deadline))
    else:
        _tell_transfer(account, order, step, None)
    return order


def settle(account: Account, order_id: str) -> None:
    """Let the order succeed in the background once all its numbers are verified and both documents are there."""
    order = known_order(account, order_id)
    if order.documents >= DOCUMENTS and all(number.verified for number in order.numbers):
        account.background.start(partial(_succeed, account, order_id))


async def _succeed(account: Account, order_id: str) -> None:
    for step in (
        OrderStep(status="provisioning", number_status="provisioning"),
        OrderStep(status="successful", number_status="successful"),
    ):
        if account.hosted_orders.find(order_id) is not None:
            move(account, order_id, step)


async def _approve_in_the_end(account: Account, order_id: str, shape: Shape, deadline: float) -> None:
    await account.clock.until(deadline)
    order = account.hosted_orders.find(order_id)
    if order is not None and account.transfers.get(order_id) == "approval_requested":
        account.transfers[order_id] = "auto_approved"
        tell(
            account, "internal_transfer_auto_approved", order, shape=shape, decision="approved", approval_deadline=None
        )


def _tell_transfer(account: Account, order: HostedNumberOrder, step: TransferStep, deadline: float | None) -> None:
    names: dict[str, EventName] = {
        "detected": "internal_transfer_detected",
        "approval_requested": "internal_transfer_approval_requested",
        "approved": "internal_transfer_approved",
        "rejected": "internal_transfer_rejected",
    }
    decision = step.step if step.step in ("approved", "rejected") else "pending"
    approval_deadline = None if deadline is None else int(deadline)
    tell(account, names[step.step], order, shape=step.shape, decision=decision, approval_deadline=approval_deadline)


def _with_status(order: HostedNumberOrder, status: OrderStatus, number: NumberStatus | None) -> HostedNumberOrder:
    def changed(hosted: HostedNumber) -> HostedNumber:
        return hosted if number is None or hosted.status == "deleted" else replace(hosted, status=number)

    return replace(order, status=status).with_numbers(changed)
