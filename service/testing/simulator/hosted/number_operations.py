"""`GET /messaging_hosted_numbers`, and `GET|PATCH|DELETE /messaging_hosted_numbers/{id}`."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody
from service.testing.simulator.api.pages import page
from service.testing.simulator.hosted.order_events import tell
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder
from service.testing.simulator.messages.payload import ORGANIZATION_ID
from service.testing.simulator.phone_numbers import is_toll_free


class NumberUpdate(RequestBody):
    """The settings that PATCH changes. Source: OpenAPI `UpdatePhoneNumberMessagingSettingsRequest`."""

    messaging_profile_id: str | None = None
    messaging_product: str = ""
    tags: list[str] = Field(default_factory=list)


def list_numbers(account: Account, call: OperationCall) -> Answer:
    """List the numbers of successful orders that fit the filters.

    Raises:
        ApiError: 400, a page is out of range.
    """
    found = [number for order in account.hosted_orders for number in order.numbers if _fits(number, call)]
    if "sort[phone_number]" in call.query:
        found.sort(key=lambda number: number.phone_number, reverse=call.query["sort[phone_number]"] == "desc")
    return page(call, [_shown(number) for number in found])


def retrieve_number(account: Account, call: OperationCall) -> Answer:
    """Show a number by its id or as phone number.

    Raises:
        ApiError: 404, there is no such hosted number.
    """
    return Answer({"data": _shown(_hosted(account, call)[1])})


def update_number(account: Account, call: OperationCall) -> Answer:
    """Change a number's settings, as far as they are given.

    Raises:
        ApiError: 404, there is no such hosted number; 400, a field does not fit.
    """
    order, number = _hosted(account, call)
    changes = call.read(NumberUpdate).model_dump(exclude_unset=True)
    if "tags" in changes:
        changes["tags"] = tuple(changes["tags"])
    changed = replace(number, **changes, updated_at=account.clock.iso())
    account.hosted_orders.put(order.with_numbers(lambda other: changed if other.id == number.id else other))
    return Answer({"data": _shown(changed)})


def delete_number(account: Account, call: OperationCall) -> Answer:
    """Delete a number, whatever the state of its order, which is the answer; send the webhook about it.

    Raises:
        ApiError: 404, there is no such number.
    """
    found = account.hosted_orders.of_number(call.parameters["id"])
    if found is None:
        raise not_found()
    order, number = found
    deleted = replace(number, status="deleted")
    changed = order.with_numbers(lambda other: deleted if other.id == number.id else other)
    account.hosted_orders.put(changed)
    tell(account, "updated", changed)
    return Answer({"data": changed.as_json()})


def _hosted(account: Account, call: OperationCall) -> tuple[HostedNumberOrder, HostedNumber]:
    found = account.hosted_orders.of_number(call.parameters["id"])
    if found is None or found[1].status != "successful":
        raise not_found()
    return found


def _fits(number: HostedNumber, call: OperationCall) -> bool:
    return (
        number.status == "successful"
        and call.query.get("filter[messaging_profile_id]") in (None, number.messaging_profile_id)
        and call.query.get("filter[phone_number]") in (None, number.phone_number)
        and call.query.get("filter[phone_number][contains]", "") in number.phone_number
    )


def _shown(number: HostedNumber) -> dict[str, Any]:
    two_way = {"domestic_two_way": True, "international_inbound": True, "international_outbound": True}
    return {
        "record_type": "messaging_settings",
        "id": number.id,
        "phone_number": number.phone_number,
        "type": "tollfree" if is_toll_free(number.phone_number) else "longcode",
        "country_code": "US",
        "messaging_profile_id": number.messaging_profile_id,
        "messaging_product": number.messaging_product,
        "traffic_type": "A2P",
        "eligible_messaging_products": ["A2P"],
        "organization_id": ORGANIZATION_ID,
        "features": {"sms": two_way, "mms": None},
        "health": {"message_count": 0, "inbound_outbound_ratio": 0.0, "success_ratio": 0.0, "spam_ratio": 0.0},
        "tags": list(number.tags),
        "created_at": number.created_at,
        "updated_at": number.updated_at,
    }
