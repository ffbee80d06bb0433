"""Hosted number orders: list, create, retrieve, delete, and upload of their documents."""

from dataclasses import replace

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.api.pages import page
from service.testing.simulator.api.uploaded_files import uploaded_files
from service.testing.simulator.hosted.order_events import tell
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder, OrderStatus
from service.testing.simulator.hosted.progress import DOCUMENTS, known_order, settle

_PDF = b"%PDF"


class CreateOrderRequest(RequestBody):
    """The body of an order. Source: OpenAPI `CreateMessagingHostedNumberOrderRequest`."""

    messaging_profile_id: str | None = None
    phone_numbers: list[PhoneNumber] = Field(min_length=1)


def list_orders(account: Account, call: OperationCall) -> Answer:
    """List the orders.

    Raises:
        ApiError: 400, a page is out of range.
    """
    return page(call, [order.as_json() for order in account.hosted_orders])


def create_order(account: Account, call: OperationCall) -> Answer:
    """Order that these numbers be hosted, and send the webhook about it.

    Raises:
        ApiError: 400, a field is missing or a number is not E.164.
    """
    request = call.read(CreateOrderRequest)
    numbers = tuple(_number(account, request, number) for number in request.phone_numbers)
    order = HostedNumberOrder(account.identifiers.uuid("hosted order"), request.messaging_profile_id, numbers)
    account.hosted_orders.put(order)
    tell(account, "created", order)
    return Answer({"data": order.as_json()})


def retrieve_order(account: Account, call: OperationCall) -> Answer:
    """Show one order.

    Raises:
        ApiError: 404, there is no such order.
    """
    return Answer({"data": known_order(account, call.parameters["id"]).as_json()})


def delete_order(account: Account, call: OperationCall) -> Answer:
    """Delete an order and its numbers, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order.
    """
    order = known_order(account, call.parameters["id"])
    deleted = replace(order, status="deleted").with_numbers(lambda number: replace(number, status="deleted"))
    account.hosted_orders.remove(order.id)
    tell(account, "deleted", deleted)
    return Answer({"data": deleted.as_json()})


def upload_file(account: Account, call: OperationCall) -> Answer:
    """Take the letter of authorization and the bill, both PDF, and send the webhook about it.

    Raises:
        ApiError: 404, there is no such order; 400, the request carries neither of the two files.
    """
    order = known_order(account, call.parameters["id"])
    files = {name: content for name, content in uploaded_files(call).items() if name in DOCUMENTS}
    if not files:
        raise bad_request("The request needs a file named loa or bill.")
    accepted = {name for name, content in files.items() if content.startswith(_PDF)}
    uploaded = replace(order, documents=order.documents | accepted)
    reviewed = replace(uploaded, status=_reviewed(uploaded, invalid=len(accepted) < len(files)))
    account.hosted_orders.put(reviewed)
    tell(account, "updated", reviewed)
    settle(account, reviewed.id)
    return Answer({"data": reviewed.as_json()})


def _reviewed(order: HostedNumberOrder, *, invalid: bool) -> OrderStatus:
    if invalid:
        return "loa_file_invalid"
    return "loa_file_successful" if order.documents >= DOCUMENTS else "incomplete_documentation"


def _number(account: Account, request: CreateOrderRequest, phone_number: str) -> HostedNumber:
    now = account.clock.iso()
    return HostedNumber(
        id=account.identifiers.uuid("hosted number"),
        phone_number=phone_number,
        messaging_profile_id=request.messaging_profile_id,
        created_at=now,
        updated_at=now,
    )
