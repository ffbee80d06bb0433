"""Hosted number orders and hosted numbers."""

import httpx
import pytest
from telnyx.types.messaging_hosted_number_order_validate_codes_params import VerificationCode

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, everything, first_page, refusal
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

pytestmark = pytest.mark.anyio

NUMBER, OTHER = "+13125550011", "+13125550012"
NOBODY = "86f58db9-0fe3-4adc-9d1f-46e66e6e9323"
PDF = ("paper.pdf", b"%PDF-1.7 paper", "application/pdf")
TEXT = ("paper.txt", b"paper", "text/plain")


async def _order(client: Client, *numbers: str) -> str:
    created = (await answer(client.messaging_hosted_number_orders.create(phone_numbers=list(numbers)))).data
    assert created is not None
    return str(created.id)


async def _host(client: Client, simulator: Simulator, *numbers: str) -> str:
    """Order the numbers, and let the order succeed."""
    order_id = await _order(client, *numbers)
    simulator.move_order(order_id, status="successful", number_status="successful")
    return order_id


async def test_an_order_is_created_and_announced(client: Client, simulator: Simulator, receiver: Receiver) -> None:
    profile = simulator.account.profiles.default_id
    create = client.messaging_hosted_number_orders.create
    order = (await answer(create(messaging_profile_id=profile, phone_numbers=[NUMBER, OTHER]))).data
    assert order is not None
    assert (order.status, order.messaging_profile_id) == ("pending", profile)
    assert [(n.phone_number, n.status) for n in order.phone_numbers or []] == [(NUMBER, "pending"), (OTHER, "pending")]
    (created,) = receiver.take()
    assert created.type == "messaging_hosted_numbers_orders.created"
    assert (created.payload["order_id"], created.payload["order_status"]) == (order.id, "pending")


async def test_an_order_needs_numbers_in_e164(client: Client) -> None:
    create = client.messaging_hosted_number_orders.create
    assert await refusal(lambda: create(phone_numbers=["3125550011"])) == (400, "10015")
    assert await refusal(create) == (400, "10004")


async def test_orders_are_listed_page_by_page(client: Client) -> None:
    ids = [await _order(client, f"+1312555002{number}") for number in range(3)]
    page = await first_page(client.messaging_hosted_number_orders.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    orders = await everything(client.messaging_hosted_number_orders.list(page_size=2))
    assert [order.id for order in orders] == ids
    assert {number.status for order in orders for number in order.phone_numbers or []} == {"pending"}
    assert await refusal(lambda: client.messaging_hosted_number_orders.list(page_size=0)) == (400, "10015")


async def test_an_order_is_retrieved(client: Client, simulator: Simulator) -> None:
    order_id = await _order(client, NUMBER)
    simulator.move_order(order_id, status="carrier_rejected", number_status="failed_carrier_rejected")
    order = (await answer(client.messaging_hosted_number_orders.retrieve(order_id))).data
    assert order is not None
    assert order.status == "carrier_rejected"
    assert [number.status for number in order.phone_numbers or []] == ["failed_carrier_rejected"]
    assert await refusal(lambda: client.messaging_hosted_number_orders.retrieve(NOBODY)) == (404, "10005")


async def test_an_order_is_deleted_with_its_numbers(client: Client, receiver: Receiver) -> None:
    order_id = await _order(client, NUMBER)
    deleted = (await answer(client.messaging_hosted_number_orders.delete(order_id))).data
    assert deleted is not None
    assert deleted.status == "deleted"
    assert [number.status for number in deleted.phone_numbers or []] == ["deleted"]
    assert receiver.take(2)[1].type == "messaging_hosted_numbers_orders.deleted"
    assert await refusal(lambda: client.messaging_hosted_number_orders.delete(order_id)) == (404, "10005")


async def test_both_documents_make_the_papers_complete(client: Client, receiver: Receiver) -> None:
    order_id = await _order(client, NUMBER)
    upload = client.messaging_hosted_number_orders.actions.upload_file
    first = (await answer(upload(order_id, loa=PDF))).data
    assert first is not None
    assert first.status == "incomplete_documentation"
    second = (await answer(upload(order_id, bill=PDF))).data
    assert second is not None
    assert second.status == "loa_file_successful"
    assert [number.phone_number for number in second.phone_numbers or []] == [NUMBER]
    told = [event.payload["order_status"] for event in receiver.take(3)]
    assert told == ["pending", "incomplete_documentation", "loa_file_successful"]


async def test_a_document_that_is_no_pdf_is_invalid(client: Client) -> None:
    order_id = await _order(client, NUMBER)
    upload = client.messaging_hosted_number_orders.actions.upload_file
    order = (await answer(upload(order_id, loa=TEXT, bill=PDF))).data
    assert order is not None
    assert order.status == "loa_file_invalid"
    assert await refusal(lambda: upload(NOBODY, loa=PDF)) == (404, "10005")


def test_an_upload_carries_files(http: httpx.Client) -> None:
    orders = "/v2/messaging_hosted_number_orders"
    order_id = http.post(orders, json={"phone_numbers": [NUMBER]}).json()["data"]["id"]
    path = f"{orders}/{order_id}/actions/file_upload"
    as_json = http.post(path, json={"loa": "paper"})
    assert (as_json.status_code, as_json.json()["errors"][0]["code"]) == (400, "10014")
    other = http.post(path, files={"photo": PDF})
    assert (other.status_code, other.json()["errors"][0]["code"]) == (400, "10015")


async def test_codes_are_sent_to_the_numbers_of_the_order(client: Client, simulator: Simulator) -> None:
    order_id = await _order(client, NUMBER)
    create = client.messaging_hosted_number_orders.create_verification_codes
    rows = (await answer(create(order_id, phone_numbers=[NUMBER, OTHER], verification_method="call"))).data
    assert [(row.phone_number, row.type) for row in rows] == [(NUMBER, "call"), (OTHER, None)]
    assert rows[0].verification_code_id is not None
    assert rows[1].error == "The phone number is not part of this order."
    assert [code.phone_number for code in simulator.account.ownership_codes.of_order(order_id)] == [NUMBER]


async def test_codes_are_sent_by_sms_or_call(client: Client) -> None:
    order_id = await _order(client, NUMBER)
    create = client.messaging_hosted_number_orders.create_verification_codes
    assert await refusal(
        lambda: create(order_id, phone_numbers=[NUMBER], verification_method="fax")  # type: ignore[arg-type]
    ) == (400, "10015")
    assert await refusal(lambda: create(NOBODY, phone_numbers=[NUMBER], verification_method="sms")) == (404, "10005")


async def test_a_code_proves_the_ownership_once(client: Client, simulator: Simulator, receiver: Receiver) -> None:
    order_id = await _order(client, NUMBER, OTHER)
    orders = client.messaging_hosted_number_orders
    await answer(orders.create_verification_codes(order_id, phone_numbers=[NUMBER], verification_method="sms"))
    (code,) = simulator.account.ownership_codes.of_order(order_id)
    given: list[VerificationCode]
    given = [{"phone_number": NUMBER, "code": code.code}, {"phone_number": OTHER, "code": "000000"}]
    for expected in (["verified", "rejected"], ["already_verified", "rejected"]):
        result = (await answer(orders.validate_codes(order_id, verification_codes=given))).data
        assert result is not None
        assert result.order_id == order_id
        assert [number.status for number in result.phone_numbers] == expected
    updated = receiver.take(2)[1]
    assert [number["status"] for number in updated.payload["numbers"]] == ["ownership_successful", "pending"]


async def test_codes_are_checked_for_an_order_that_exists(client: Client) -> None:
    validate = client.messaging_hosted_number_orders.validate_codes
    given: VerificationCode = {"phone_number": NUMBER, "code": "1"}
    assert await refusal(lambda: validate(NOBODY, verification_codes=[given])) == (404, "10005")
    order_id = await _order(client, NUMBER)
    assert await refusal(lambda: validate(order_id, verification_codes=[])) == (400, "10015")


async def test_an_order_succeeds_once_owned_and_documented(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    order_id = await _order(client, NUMBER)
    orders = client.messaging_hosted_number_orders
    await answer(orders.create_verification_codes(order_id, phone_numbers=[NUMBER], verification_method="sms"))
    (code,) = simulator.account.ownership_codes.of_order(order_id)
    given: VerificationCode = {"phone_number": NUMBER, "code": code.code}
    await answer(orders.validate_codes(order_id, verification_codes=[given]))
    await answer(orders.actions.upload_file(order_id, loa=PDF, bill=PDF))
    told = [event.payload["order_status"] for event in receiver.take(5)]
    assert told == ["pending", "pending", "loa_file_successful", "provisioning", "successful"]
    hosted = (await answer(client.messaging_hosted_numbers.retrieve(NUMBER))).data
    assert hosted is not None
    assert hosted.phone_number == NUMBER


async def test_the_eligibility_of_each_number_is_told(client: Client, simulator: Simulator) -> None:
    await _order(client, OTHER)
    simulator.account.eligibility["+13125550099"] = "NUMBER_CAN_NOT_BE_WIRELESS"
    check = client.messaging_hosted_number_orders.check_eligibility
    rows = (await answer(check(phone_numbers=[NUMBER, OTHER, "+13125550099", "+4930123456", "312"]))).phone_numbers
    assert rows is not None
    assert [row.eligible for row in rows] == [True, False, False, False, False]
    assert [row.eligible_status for row in rows] == [
        "ELIGIBLE",
        "NUMBER_CAN_NOT_BE_ACTIVE_IN_YOUR_ACCOUNT",
        "NUMBER_CAN_NOT_BE_WIRELESS",
        "NUMBER_IS_NOT_A_US_NUMBER",
        "NUMBER_IS_NOT_IN_E164_FORMAT",
    ]


async def test_a_number_given_twice_is_not_eligible(client: Client) -> None:
    check = client.messaging_hosted_number_orders.check_eligibility
    rows = (await answer(check(phone_numbers=[NUMBER, NUMBER]))).phone_numbers
    assert rows is not None
    assert {row.eligible_status for row in rows} == {"NUMBER_CAN_NOT_BE_REPEATED"}
    assert await refusal(lambda: check(phone_numbers=[])) == (400, "10015")


async def test_hosted_numbers_are_listed_page_by_page(client: Client, simulator: Simulator) -> None:
    await _host(client, simulator, "+13125550031", "+13125550033", "+13125550032")
    await _order(client, "+13125550034")
    numbers = client.messaging_hosted_numbers
    page = await first_page(numbers.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    listed = await everything(numbers.list(page_size=2, sort_phone_number="desc"))
    assert [number.phone_number for number in listed] == ["+13125550033", "+13125550032", "+13125550031"]
    assert {number.type for number in listed} == {"longcode"}
    found = await everything(numbers.list(filter_phone_number_contains="0032"))
    assert [number.phone_number for number in found] == ["+13125550032"]
    assert await refusal(lambda: numbers.list(page_number=0)) == (400, "10015")


async def test_a_hosted_number_is_retrieved_by_id_and_by_number(client: Client, simulator: Simulator) -> None:
    await _host(client, simulator, NUMBER)
    by_number = (await answer(client.messaging_hosted_numbers.retrieve(NUMBER))).data
    assert by_number is not None
    by_id = (await answer(client.messaging_hosted_numbers.retrieve(str(by_number.id)))).data
    assert by_id == by_number
    assert by_number.record_type == "messaging_settings"
    assert by_number.features is not None
    assert by_number.features.sms is not None
    assert by_number.features.sms.domestic_two_way
    assert await refusal(lambda: client.messaging_hosted_numbers.retrieve(OTHER)) == (404, "10005")


async def test_a_hosted_number_changes_only_in_what_is_given(client: Client, simulator: Simulator) -> None:
    await _host(client, simulator, NUMBER)
    update = client.messaging_hosted_numbers.update
    changed = (await answer(update(NUMBER, tags=["a", "b"]))).data
    assert changed is not None
    assert (changed.tags, changed.messaging_product) == (["a", "b"], "A2P")
    again = (await answer(update(NUMBER, messaging_product="P2P"))).data
    assert again is not None
    assert (again.tags, again.messaging_product) == (["a", "b"], "P2P")
    assert await refusal(lambda: update(OTHER, tags=[])) == (404, "10005")


async def test_a_hosted_number_is_deleted_from_its_order(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    order_id = await _host(client, simulator, NUMBER, OTHER)
    number = (await answer(client.messaging_hosted_numbers.retrieve(NUMBER))).data
    assert number is not None
    number_id = str(number.id)
    order = (await answer(client.messaging_hosted_numbers.delete(number_id))).data
    assert order is not None
    assert order.id == order_id
    assert [number.status for number in order.phone_numbers or []] == ["deleted", "successful"]
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 3)
    assert receiver.take_types(3)[2] == "messaging_hosted_numbers_orders.updated"
    assert await refusal(lambda: client.messaging_hosted_numbers.delete(number_id)) == (404, "10005")
