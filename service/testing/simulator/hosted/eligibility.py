"""`POST /messaging_hosted_number_orders/eligibility_numbers_check`: which numbers can be hosted."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody
from service.testing.simulator.phone_numbers import is_e164

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

EligibleStatus = Literal[
    "ELIGIBLE",
    "NUMBER_CAN_NOT_BE_REPEATED",
    "NUMBER_CAN_NOT_BE_VALIDATED",
    "NUMBER_CAN_NOT_BE_WIRELESS",
    "NUMBER_CAN_NOT_BE_ACTIVE_IN_YOUR_ACCOUNT",
    "NUMBER_CAN_NOT_HOSTED_WITH_A_TELNYX_SUBSCRIBER",
    "NUMBER_CAN_NOT_BE_IN_TELNYX",
    "NUMBER_IS_NOT_A_US_NUMBER",
    "NUMBER_IS_NOT_A_VALID_ROUTING_NUMBER",
    "NUMBER_IS_NOT_IN_E164_FORMAT",
    "BILLING_ACCOUNT_CHECK_FAILED",
    "BILLING_ACCOUNT_IS_ABOLISHED",
]
"""Source: OpenAPI `EligibilityNumberResponse`."""


class EligibilityNumbersRequest(RequestBody):
    """The numbers to check; here one of another form is an answer, not an error. Source: OpenAPI."""

    phone_numbers: list[str] = Field(min_length=1)


def check_eligibility(account: "Account", call: OperationCall) -> Answer:
    """Say of each number whether it can be hosted; the answer has no `data` around it.

    Raises:
        ApiError: 400, the numbers are missing.
    """
    numbers = call.read(EligibilityNumbersRequest).phone_numbers
    times = Counter(numbers)
    return Answer({"phone_numbers": [_row(number, _status(account, number, times[number])) for number in numbers]})


def _status(account: "Account", number: str, times: int) -> EligibleStatus:
    if times > 1:
        return "NUMBER_CAN_NOT_BE_REPEATED"
    if not is_e164(number):
        return "NUMBER_IS_NOT_IN_E164_FORMAT"
    if not number.startswith("+1"):
        return "NUMBER_IS_NOT_A_US_NUMBER"
    if account.hosted_orders.of_number(number) is not None:
        return "NUMBER_CAN_NOT_BE_ACTIVE_IN_YOUR_ACCOUNT"
    return account.eligibility.get(number, "ELIGIBLE")


def _row(number: str, status: EligibleStatus) -> dict[str, Any]:
    detail = status.replace("_", " ").capitalize() + "."
    return {"phone_number": number, "eligible": status == "ELIGIBLE", "eligible_status": status, "detail": detail}
