"""Toll-free verification requests."""

from functools import partial
from typing import Any

import pytest
import telnyx

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, everything, first_page, refusal
from tests.testing.simulator.submission import SUBMISSION

pytestmark = pytest.mark.anyio

NOBODY = "eaba9f52-164e-58e0-b002-4f668e18b7ed"


async def _submit(client: Client, **fields: Any) -> str:
    created = await answer(client.messaging_tollfree.verification.requests.create(**(SUBMISSION | fields)))
    return created.id


async def test_a_request_is_submitted_for_review(client: Client) -> None:
    create = client.messaging_tollfree.verification.requests.create
    request = await answer(create(**SUBMISSION, age_gated_content=True, entity_type="PRIVATE_PROFIT"))
    assert (request.verification_status, request.message_volume, request.use_case) == ("In Progress", "100,000", "2FA")
    assert [number.phone_number for number in request.phone_numbers] == ["+18775550001", "+18775550002"]
    assert [image.url for image in request.opt_in_workflow_image_urls] == ["https://acme.example/sign-up.png"]
    assert (request.verification_request_id, request.age_gated_content) == (request.id, True)
    assert request.entity_type == "PRIVATE_PROFIT"


@pytest.mark.parametrize("missing", sorted(SUBMISSION))
async def test_a_request_says_everything_that_is_required(sync_client: telnyx.Telnyx, missing: str) -> None:
    create: Any = sync_client.messaging_tollfree.verification.requests.create
    fields = SUBMISSION | {missing: telnyx.omit}
    assert await refusal(lambda: create(**fields)) == (400, "10004")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"business_state": "TX"}, id="state abbreviated"),
        pytest.param({"message_volume": "99"}, id="volume not in the list"),
        pytest.param({"phone_numbers": []}, id="no numbers"),
        pytest.param({"phone_numbers": [{"phone_number": "8775550001"}]}, id="number not E.164"),
        pytest.param({"use_case_summary": "x" * 501}, id="text too long"),
        pytest.param({"use_case": "Political"}, id="political without token"),
    ],
)
async def test_a_request_that_does_not_fit_is_refused(client: Client, fields: dict[str, Any]) -> None:
    create: Any = client.messaging_tollfree.verification.requests.create
    assert await refusal(lambda: create(**(SUBMISSION | fields))) == (400, "10015")


async def test_a_request_is_retrieved_with_the_reason_of_its_status(client: Client, simulator: Simulator) -> None:
    request_id = await _submit(client)
    simulator.decide(request_id, status="Waiting For Customer", reason="The website does not load")
    request = await answer(client.messaging_tollfree.verification.requests.retrieve(request_id))
    assert (request.verification_status, request.reason) == ("Waiting For Customer", "The website does not load")
    assert [number.phone_number for number in request.phone_numbers] == ["+18775550001", "+18775550002"]
    retrieve = client.messaging_tollfree.verification.requests.retrieve
    assert await refusal(lambda: retrieve(NOBODY)) == (404, "10005")


async def test_requests_are_listed_page_by_page(client: Client) -> None:
    ids = [await _submit(client, business_name=f"Acme {number}") for number in range(3)]
    requests = client.messaging_tollfree.verification.requests
    page = await first_page(requests.list(page=1, page_size=2))
    assert (len(page.records), page.total_records) == (2, 3)
    listed = await everything(requests.list(page=1, page_size=2))
    assert [request.id for request in listed] == ids
    assert {request.verification_status for request in listed} == {"In Progress"}


async def test_requests_are_found_by_status_number_and_name(client: Client, simulator: Simulator) -> None:
    ids = [
        await _submit(client, business_name=f"Acme {n}", phone_numbers=[{"phone_number": f"+1877555001{n}"}])
        for n in range(3)
    ]
    simulator.decide(ids[1], status="Rejected", reason="No")
    requests = client.messaging_tollfree.verification.requests
    filters: list[dict[str, Any]] = [
        {"status": "Rejected"},
        {"phone_number": "+18775550011"},
        {"business_name": "Acme 1"},
    ]
    for each in filters:
        assert [found.id for found in await everything(requests.list(page=1, page_size=2, **each))] == [ids[1]]
    later: Any = {"date_start": "2999-01-01T00:00:00Z"}
    assert await everything(requests.list(page=1, page_size=2, **later)) == []


async def test_a_list_of_requests_needs_its_page(client: Client) -> None:
    requests: Any = client.messaging_tollfree.verification.requests
    assert await refusal(lambda: requests.list(page=telnyx.omit, page_size=2)) == (400, "10015")
    assert await refusal(lambda: requests.list(page=1, page_size=0)) == (400, "10015")
    assert await refusal(lambda: requests.list(page=1, page_size=2, date_start="monday")) == (400, "10015")


async def test_a_change_replaces_everything_and_goes_back_into_review(client: Client, simulator: Simulator) -> None:
    request_id = await _submit(client, doing_business_as="Acme")
    simulator.decide(request_id, status="Verified")
    update = client.messaging_tollfree.verification.requests.update
    fields = SUBMISSION | {"business_city": "Dallas"}
    changed = await answer(update(request_id, **fields))
    assert (changed.verification_status, changed.business_city) == ("In Progress", "Dallas")
    assert changed.doing_business_as is None
    assert [number.phone_number for number in changed.phone_numbers] == ["+18775550001", "+18775550002"]


@pytest.mark.parametrize("missing", sorted(SUBMISSION))
async def test_a_change_says_everything_that_is_required(sync_client: telnyx.Telnyx, missing: str) -> None:
    request_id = await _submit(sync_client)
    update: Any = sync_client.messaging_tollfree.verification.requests.update
    assert await refusal(lambda: update(request_id, **(SUBMISSION | {missing: telnyx.omit}))) == (400, "10004")


async def test_only_a_request_that_exists_is_changed(client: Client) -> None:
    update = client.messaging_tollfree.verification.requests.update
    assert await refusal(lambda: update(NOBODY, **SUBMISSION)) == (404, "10005")


async def test_only_a_rejected_request_is_deleted_and_only_once(client: Client, simulator: Simulator) -> None:
    request_id = await _submit(client)
    requests = client.messaging_tollfree.verification.requests
    assert await refusal(lambda: requests.delete(request_id)) == (400, "10015")
    assert (await answer(requests.retrieve(request_id))).verification_status == "In Progress"
    simulator.decide(request_id, status="Rejected", reason="No")
    await answer(requests.delete(request_id))
    assert await refusal(lambda: requests.delete(request_id)) == (404, "10005")
    assert await refusal(lambda: requests.retrieve(request_id)) == (404, "10005")


async def test_the_history_of_a_request_is_listed_page_by_page(client: Client, simulator: Simulator) -> None:
    request_id = await _submit(client)
    simulator.decide(request_id, status="Waiting For Vendor")
    simulator.decide(request_id, status="Rejected", reason="No consent")
    history = client.messaging_tollfree.verification.requests.retrieve_status_history
    first = await answer(history(request_id, page_number=1, page_size=2))
    assert first.total_records == 3
    assert [(entry.verification_status, entry.reason) for entry in first.records] == [
        ("Rejected", "No consent"),
        ("Waiting For Vendor", None),
    ]
    second = await answer(history(request_id, page_number=2, page_size=2))
    assert [entry.verification_status for entry in second.records] == ["In Progress"]
    assert await refusal(lambda: history(NOBODY, page_number=1, page_size=2)) == (404, "10005")
    assert await refusal(lambda: history(request_id, page_number=0, page_size=2)) == (400, "10015")


async def test_submitting_a_verified_number_again_takes_the_place_of_the_old_request(
    client: Client, simulator: Simulator
) -> None:
    request_id = await _submit(client)
    simulator.decide(request_id, status="Verified")
    again = await answer(
        client.messaging_tollfree.verification.requests.create(**(SUBMISSION | {"business_name": "Acme Inc"}))
    )
    assert (again.id, again.verification_status, again.business_name) == (request_id, "In Progress", "Acme Inc")


async def test_a_number_under_review_cannot_send(client: Client, simulator: Simulator) -> None:
    request_id = await _submit(client)
    send = partial(client.messages.send, to="+13125550002", from_="+18775550001", text="Hi")
    assert await refusal(send) == (403, "40329")
    simulator.decide(request_id, status="Verified")
    sent = (await answer(send())).data
    assert sent is not None
    assert sent.type == "SMS"
