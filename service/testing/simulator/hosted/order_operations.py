"""Hosted number orders: list, create, retrieve, delete, upload of their documents, and proof of ownership."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall, uploaded_files
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.api.lists import page
from service.testing.simulator.hosted import orders

CODE_LENGTH = 6
_PDF = b"%PDF"


class CreateOrderRequest(RequestBody):
    """The body of an order. Source: OpenAPI `CreateMessagingHostedNumberOrderRequest`."""

    messaging_profile_id: str | None = None
    phone_numbers: list[PhoneNumber] = Field(min_length=1)


class VerificationCodesRequest(RequestBody):
    """The numbers to send codes to, and the channel. Source: OpenAPI `VerificationCodesRequest`."""

    phone_numbers: list[PhoneNumber] = Field(min_length=1)
    verification_method: Literal["sms", "call"]


class GivenCode(RequestBody):
    """A code that somebody typed in."""

    phone_number: PhoneNumber
    code: str


class ValidationCodesRequest(RequestBody):
    """The codes to check. Source: OpenAPI `ValidationCodesRequest`."""

    verification_codes: list[GivenCode] = Field(min_length=1)


def list_orders(account: Account, call: OperationCall) -> Answer:
    """List the orders."""
    return page(call, [order.as_json() for order in account.hosted_orders])


def create_order(account: Account, call: OperationCall) -> Answer:
    """Order that these numbers be hosted, and send the webhook about it."""
    request = call.read(CreateOrderRequest)
    numbers = tuple(_number(account, request, number) for number in request.phone_numbers)
    order = orders.HostedNumberOrder(account.identifiers.uuid("hosted order"), request.messaging_profile_id, numbers)
    account.hosted_orders.put(order)
    orders.send_order_event(account, "created", order)
    return Answer({"data": order.as_json()})


def retrieve_order(account: Account, call: OperationCall) -> Answer:
    """Show one order."""
    return Answer({"data": _known(account, call).as_json()})


def delete_order(account: Account, call: OperationCall) -> Answer:
    """Delete an order and its numbers, and send the webhook about it."""
    order = _known(account, call)
    deleted = replace(order, status="deleted").with_numbers(lambda number: replace(number, status="deleted"))
    account.hosted_orders.remove(order.id)
    orders.send_order_event(account, "deleted", deleted)
    return Answer({"data": deleted.as_json()})


def upload_file(account: Account, call: OperationCall) -> Answer:
    """Take the letter of authorization and the bill, both PDF, and send the webhook about it."""
    order = _known(account, call)
    files = {name: content for name, content in uploaded_files(call).items() if name in orders.DOCUMENTS}
    if not files:
        raise bad_request("The request needs a file named loa or bill.")
    accepted = {name for name, content in files.items() if content.startswith(_PDF)}
    uploaded = replace(order, documents=order.documents | accepted)
    reviewed = replace(uploaded, status=_reviewed(uploaded, invalid=len(accepted) < len(files)))
    account.hosted_orders.put(reviewed)
    orders.send_order_event(account, "updated", reviewed)
    orders.complete(account, reviewed.id)
    return Answer({"data": reviewed.as_json()})


def create_verification_codes(account: Account, call: OperationCall) -> Answer:
    """Send a code to each number of the order. One that is not in the order gets an `error` instead."""
    order = _known(account, call)
    request = call.read(VerificationCodesRequest)
    rows = [_sent(account, order, number, request.verification_method) for number in request.phone_numbers]
    return Answer({"data": rows})


def validate_codes(account: Account, call: OperationCall) -> Answer:
    """Check the codes. Each number is then `verified`, `rejected` or `already_verified`."""
    order = _known(account, call)
    request = call.read(ValidationCodesRequest)
    results = {given.phone_number: _result(account, order, given) for given in request.verification_codes}
    if "verified" in results.values():
        _verify(account, order, {number for number, result in results.items() if result == "verified"})
    rows = [{"phone_number": number, "status": result} for number, result in results.items()]
    return Answer({"data": {"order_id": order.id, "phone_numbers": rows}})


def _known(account: Account, call: OperationCall) -> orders.HostedNumberOrder:
    return account.hosted_orders.known(call.parameters["id"])


def _number(account: Account, request: CreateOrderRequest, phone_number: str) -> orders.HostedNumber:
    now = account.clock.iso()
    return orders.HostedNumber(
        id=account.identifiers.uuid("hosted number"),
        phone_number=phone_number,
        messaging_profile_id=request.messaging_profile_id,
        created_at=now,
        updated_at=now,
    )


def _reviewed(order: orders.HostedNumberOrder, *, invalid: bool) -> orders.OrderStatus:
    if invalid:
        return "loa_file_invalid"
    return "loa_file_successful" if order.documents >= orders.DOCUMENTS else "incomplete_documentation"


def _sent(account: Account, order: orders.HostedNumberOrder, phone_number: str, method: str) -> dict[str, Any]:
    if order.number(phone_number) is None:
        return {"phone_number": phone_number, "error": "The phone number is not part of this order."}
    code = account.identifiers.digits("ownership code", CODE_LENGTH)
    account.ownership_codes.put(orders.OwnershipCode(order.id, phone_number, code))
    code_id = account.identifiers.uuid("ownership code")
    return {"phone_number": phone_number, "type": method, "verification_code_id": code_id}


def _result(account: Account, order: orders.HostedNumberOrder, given: GivenCode) -> str:
    number = order.number(given.phone_number)
    if number is not None and number.verified:
        return "already_verified"
    sent = account.ownership_codes.find((order.id, given.phone_number))
    return "verified" if number is not None and sent is not None and sent.code == given.code else "rejected"


def _verify(account: Account, order: orders.HostedNumberOrder, phone_numbers: set[str]) -> None:
    changed = order.with_numbers(
        lambda number: replace(number, verified=number.verified or number.phone_number in phone_numbers)
    )
    account.hosted_orders.put(changed)
    statuses = dict.fromkeys(phone_numbers, "ownership_successful")
    orders.send_order_event(account, "updated", changed, number_statuses=statuses)
    orders.complete(account, changed.id)
