"""Hosted numbers: `GET|PATCH|DELETE /messaging_hosted_numbers`, and which numbers can be hosted."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, is_e164, is_toll_free, one_of
from service.testing.simulator.api.lists import equals, page
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder, send_order_event
from service.testing.simulator.messages.payload import ORGANIZATION_ID

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_STATUSES = """
ELIGIBLE NUMBER_CAN_NOT_BE_REPEATED NUMBER_CAN_NOT_BE_VALIDATED NUMBER_CAN_NOT_BE_WIRELESS
NUMBER_CAN_NOT_BE_ACTIVE_IN_YOUR_ACCOUNT NUMBER_CAN_NOT_HOSTED_WITH_A_TELNYX_SUBSCRIBER NUMBER_CAN_NOT_BE_IN_TELNYX
NUMBER_IS_NOT_A_US_NUMBER NUMBER_IS_NOT_A_VALID_ROUTING_NUMBER NUMBER_IS_NOT_IN_E164_FORMAT
BILLING_ACCOUNT_CHECK_FAILED BILLING_ACCOUNT_IS_ABOLISHED
"""
EligibleStatus = Annotated[str, one_of(_STATUSES.split())]
"""Source: OpenAPI `EligibilityNumberResponse`."""


class NumberUpdate(RequestBody):
    """The settings that PATCH changes. Source: OpenAPI `UpdatePhoneNumberMessagingSettingsRequest`."""

    messaging_profile_id: str | None = None
    messaging_product: str = ""
    tags: list[str] = Field(default_factory=list)


class EligibilityNumbersRequest(RequestBody):
    """The numbers to check. Here one of another form is an answer, not an error. Source: OpenAPI."""

    phone_numbers: list[str] = Field(min_length=1)


def list_numbers(account: "Account", call: OperationCall) -> Answer:
    """List the numbers of successful orders that fit the filters."""
    found = [number for order in account.hosted_orders for number in order.numbers if _fits(number, call)]
    if "sort[phone_number]" in call.query:
        found.sort(key=lambda number: number.phone_number, reverse=call.query["sort[phone_number]"] == "desc")
    return page(call, map(_shown, found))


def retrieve_number(account: "Account", call: OperationCall) -> Answer:
    """Show a number by its id or as phone number."""
    return Answer({"data": _shown(_hosted(account, call)[1])})


def update_number(account: "Account", call: OperationCall) -> Answer:
    """Change a number's settings, as far as they are given."""
    order, number = _hosted(account, call)
    changes = call.read(NumberUpdate).model_dump(exclude_unset=True)
    if "tags" in changes:
        changes["tags"] = tuple(changes["tags"])
    changed = replace(number, **changes, updated_at=account.clock.iso())
    _put(account, order, changed)
    return Answer({"data": _shown(changed)})


def delete_number(account: "Account", call: OperationCall) -> Answer:
    """Delete a number, and send the webhook about it. The answer is its order, in whatever state that is."""
    order, number = account.hosted_orders.of_number(call.parameters["id"])
    changed = _put(account, order, replace(number, status="deleted"))
    send_order_event(account, "updated", changed)
    return Answer({"data": changed.as_json()})


def check_eligibility(account: "Account", call: OperationCall) -> Answer:
    """Return for each number whether it can be hosted. The answer has no `data` around it."""
    numbers = call.read(EligibilityNumbersRequest).phone_numbers
    times = Counter(numbers)
    return Answer({"phone_numbers": [_row(number, _status(account, number, times[number])) for number in numbers]})


def _hosted(account: "Account", call: OperationCall) -> tuple[HostedNumberOrder, HostedNumber]:
    found = account.hosted_orders.of_number(call.parameters["id"])
    if found[1].status != "successful":
        raise not_found()
    return found


def _put(account: "Account", order: HostedNumberOrder, number: HostedNumber) -> HostedNumberOrder:
    changed = order.with_numbers(lambda other: number if other.id == number.id else other)
    account.hosted_orders.put(changed)
    return changed


def _fits(number: HostedNumber, call: OperationCall) -> bool:
    return (
        number.status == "successful"
        and equals(call, messaging_profile_id=number.messaging_profile_id, phone_number=number.phone_number)
        and call.query.get("filter[phone_number][contains]", "") in number.phone_number
    )


def _shown(number: HostedNumber) -> dict[str, Any]:
    two_way = {"domestic_two_way": True, "international_inbound": True, "international_outbound": True}
    of_number = {"id": number.id, "phone_number": number.phone_number, "organization_id": ORGANIZATION_ID}
    profile = {"messaging_profile_id": number.messaging_profile_id, "messaging_product": number.messaging_product}
    traffic = {"country_code": "US", "traffic_type": "A2P", "eligible_messaging_products": ["A2P"]}
    return {
        "record_type": "messaging_settings",
        "type": "tollfree" if is_toll_free(number.phone_number) else "longcode",
        **of_number,
        **profile,
        **traffic,
        "features": {"sms": two_way, "mms": None},
        "health": {"message_count": 0, "inbound_outbound_ratio": 0.0, "success_ratio": 0.0, "spam_ratio": 0.0},
        "tags": list(number.tags),
        "created_at": number.created_at,
        "updated_at": number.updated_at,
    }


def _status(account: "Account", number: str, times: int) -> EligibleStatus:
    if times > 1:
        return "NUMBER_CAN_NOT_BE_REPEATED"
    if not is_e164(number):
        return "NUMBER_IS_NOT_IN_E164_FORMAT"
    if not number.startswith("+1"):
        return "NUMBER_IS_NOT_A_US_NUMBER"
    if account.hosted_orders.find_number(number) is not None:
        return "NUMBER_CAN_NOT_BE_ACTIVE_IN_YOUR_ACCOUNT"
    return account.eligibility.get(number, "ELIGIBLE")


def _row(number: str, status: EligibleStatus) -> dict[str, Any]:
    detail = status.replace("_", " ").capitalize() + "."
    return {"phone_number": number, "eligible": status == "ELIGIBLE", "eligible_status": status, "detail": detail}
