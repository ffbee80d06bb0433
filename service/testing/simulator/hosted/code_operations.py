"""Proof of ownership: `POST …/{id}/verification_codes` sends codes, `POST …/{id}/validation_codes` takes them back."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.hosted.order_events import tell
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder
from service.testing.simulator.hosted.ownership_codes import OwnershipCode
from service.testing.simulator.hosted.progress import known_order, settle

CODE_LENGTH = 6


class VerificationCodesRequest(RequestBody):
    """Which numbers are to be sent codes, and how. Source: OpenAPI `VerificationCodesRequest`."""

    phone_numbers: list[PhoneNumber] = Field(min_length=1)
    verification_method: Literal["sms", "call"]


class GivenCode(RequestBody):
    """A code that somebody typed in."""

    phone_number: PhoneNumber
    code: str


class ValidationCodesRequest(RequestBody):
    """The codes to check. Source: OpenAPI `ValidationCodesRequest`."""

    verification_codes: list[GivenCode] = Field(min_length=1)


def create_verification_codes(account: Account, call: OperationCall) -> Answer:
    """Send a code to each number of the order; one that is not in the order gets an `error` instead.

    Raises:
        ApiError: 404, there is no such order; 400, a field is missing or does not fit.
    """
    order = known_order(account, call.parameters["id"])
    request = call.read(VerificationCodesRequest)
    rows = [_sent(account, order, number, request.verification_method) for number in request.phone_numbers]
    return Answer({"data": rows})


def validate_codes(account: Account, call: OperationCall) -> Answer:
    """Check the codes; each number is then `verified`, `rejected` or `already_verified`.

    Raises:
        ApiError: 404, there is no such order; 400, a field is missing or does not fit.
    """
    order = known_order(account, call.parameters["id"])
    request = call.read(ValidationCodesRequest)
    results = {given.phone_number: _result(account, order, given) for given in request.verification_codes}
    if "verified" in results.values():
        _verify(account, order, {number for number, result in results.items() if result == "verified"})
    rows = [{"phone_number": number, "status": result} for number, result in results.items()]
    return Answer({"data": {"order_id": order.id, "phone_numbers": rows}})


def _sent(account: Account, order: HostedNumberOrder, phone_number: str, method: str) -> dict[str, Any]:
    if order.number(phone_number) is None:
        return {"phone_number": phone_number, "error": "The phone number is not part of this order."}
    account.ownership_codes.put(
        OwnershipCode(order.id, phone_number, account.identifiers.digits("ownership code", CODE_LENGTH))
    )
    return {
        "phone_number": phone_number,
        "type": method,
        "verification_code_id": account.identifiers.uuid("ownership code"),
    }


def _result(account: Account, order: HostedNumberOrder, given: GivenCode) -> str:
    number = order.number(given.phone_number)
    if number is not None and number.verified:
        return "already_verified"
    fits = number is not None and account.ownership_codes.fits(order.id, given.phone_number, given.code)
    return "verified" if fits else "rejected"


def _verify(account: Account, order: HostedNumberOrder, phone_numbers: set[str]) -> None:
    def verified(number: HostedNumber) -> HostedNumber:
        return replace(number, verified=True) if number.phone_number in phone_numbers else number

    changed = order.with_numbers(verified)
    account.hosted_orders.put(changed)
    tell(account, "updated", changed, number_statuses=dict.fromkeys(phone_numbers, "ownership_successful"))
    settle(account, changed.id)
