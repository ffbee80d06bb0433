"""What is read at Telnyx is read whatever shape its numbers have."""

import asyncio
from typing import Any

import httpx
import pytest
from telnyx import AsyncTelnyx

from service.registrations.hosted_numbers import read_order
from service.registrations.status_changes import Reading
from service.registrations.toll_free import read_request

NUMBER = "+18775550001"


def reading(answer: dict[str, Any], *, hosted: bool) -> Reading:
    """What is made of this answer of the API's."""

    def respond(request: httpx.Request) -> httpx.Response:
        history = request.url.path.endswith("status_history")
        return httpx.Response(200, json={"records": [], "total_records": 0} if history else answer)

    async def read() -> Reading:
        http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
        async with AsyncTelnyx(api_key="KEY", base_url="http://telnyx/v2", http_client=http) as telnyx:
            return await (read_order(telnyx, "o-1") if hosted else read_request(telnyx, "r-1"))

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("numbers", "read"),
    [
        ([{"phoneNumber": NUMBER}], [NUMBER]),
        ([NUMBER], [NUMBER]),
        ([NUMBER, None, {"phoneNumber": None}, {}], [NUMBER]),
        (None, []),
        (NUMBER, []),
        ({NUMBER: "x"}, []),
    ],
    ids=repr,
)
def test_a_toll_free_request_is_read_whatever_its_numbers_look_like(numbers: Any, read: list[str]) -> None:
    told = reading({"id": "r-1", "verificationStatus": "Verified", "phoneNumbers": numbers}, hosted=False)
    assert told.details["phone_numbers"] == read
    assert [each.status for each in told.history] == ["Verified"]


@pytest.mark.parametrize(
    "numbers",
    [[NUMBER], [{"phone_number": NUMBER, "status": "pending"}], {NUMBER: "pending"}, NUMBER, [NUMBER, None]],
    ids=repr,
)
def test_a_hosted_order_is_read_whatever_its_numbers_look_like(numbers: Any) -> None:
    told = reading({"data": {"id": "o-1", "status": "successful", "phone_numbers": numbers}}, hosted=True)
    assert [each["phone_number"] for each in told.details["phone_numbers"]] == [NUMBER]
    assert [each.status for each in told.history] == ["successful"]
