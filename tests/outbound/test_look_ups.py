"""What a look-up finds at Telnyx, row by row: it resolves an effect only by what this effect created."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import anyio
import orjson
import pytest

from service.outbound.api_call import Call
from service.outbound.errors import TelnyxResponse
from service.outbound.lookups import look_up_for
from tests.outbound.test_fate import NOW, entry

FIRST, OTHER = "+13125550001", "+13125550002"
SENT = NOW / 1000
TOLL_FREE = "/messaging_tollfree/verification/requests"
HOSTED = "/messaging_hosted_number_orders"
BRAND = {"display_name": "a", "legal_name": "b", "website_url": "c", "organization_type": "d", "legal_entity_type": "e"}
NUMBER = {"phoneNumber": FIRST, "campaignId": "c-1"}
MESSAGE = {"to": FIRST, "from": OTHER}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(SENT + seconds, UTC).isoformat()


@dataclass(frozen=True)
class Api:
    """Telnyx, as far as a look-up reads it: what each path answers."""

    answers: Mapping[str, Any]

    async def get(self, path: str) -> TelnyxResponse:
        answer = self.answers[path]
        return TelnyxResponse(answer) if isinstance(answer, int) else TelnyxResponse(200, {}, orjson.dumps(answer))


def found(method: str, path: str, sent: Any, answers: Mapping[str, Any], *, last: float = 0) -> Any:
    """Return what the look-up of a call finds: a body, or None."""
    call = Call(method, path, orjson.dumps(sent))
    look_up = look_up_for(call)
    assert look_up is not None
    known = entry(sent=NOW, last_at=NOW + int(last * 1000), body=call.body)
    answer = anyio.run(look_up, call, known, Api(answers).get)
    if answer is None:
        return None
    assert answer.status == 200
    return orjson.loads(answer.body)


def toll_free_row(*numbers: str, created: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"phoneNumbers": [{"phoneNumber": each} for each in numbers], "createdAt": created or at(0), **fields}


TWO_ASKED = {"phoneNumbers": [{"phoneNumber": OTHER}, {"phoneNumber": FIRST}]}
TWO = f"{TOLL_FREE}?page=1&page_size=100&phone_number={quote(FIRST)}"


@pytest.mark.parametrize(
    ("records", "place"),
    [
        ([toll_free_row(FIRST, OTHER)], 0),
        ([toll_free_row(FIRST), toll_free_row(OTHER, FIRST)], 1),
        ([toll_free_row(FIRST, OTHER, created=at(-60))], 0),
        ([toll_free_row(FIRST, OTHER, created=at(-61))], None),
        ([toll_free_row(FIRST, OTHER, created=at(-61)), toll_free_row(FIRST, OTHER, created=at(99))], 1),
        ([toll_free_row(FIRST, OTHER, created="no time")], None),
        ([toll_free_row(FIRST)], None),
        ([toll_free_row(FIRST, OTHER, "+13125550003")], None),
        (["no row", None, {"phoneNumbers": [FIRST, {"phone_number": OTHER}], "createdAt": at(0)}], 2),
        ("no list", None),
        ([], None),
    ],
)
def test_a_toll_free_request_is_found_by_its_numbers_and_time(records: Any, place: int | None) -> None:
    expected = None if place is None else records[place]
    assert found("POST", TOLL_FREE, TWO_ASKED, {TWO: {"records": records}}) == expected


def test_a_toll_free_request_without_numbers_or_an_answer_is_not_found() -> None:
    assert found("POST", TOLL_FREE, {"phoneNumbers": []}, {}) is None
    assert found("POST", TOLL_FREE, TWO_ASKED, {TWO: 404}) is None


def order_row(*numbers: str, profile: str | None = "p", status: str = "pending") -> dict[str, Any]:
    rows = [{"phone_number": each} for each in numbers]
    return {"phone_numbers": rows, "messaging_profile_id": profile, "status": status}


def hosted_page(number: int) -> str:
    return f"{HOSTED}?page[number]={number}&page[size]=250"


ORDERED = {"phone_numbers": [FIRST, OTHER], "messaging_profile_id": "p"}
FULL = [order_row(FIRST)] * 250


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([order_row(OTHER, FIRST)], 0),
        ([order_row(FIRST), order_row(FIRST, OTHER, status="failed"), order_row(FIRST, OTHER)], 2),
        ([order_row(FIRST, OTHER, status="deleted")], None),
        ([order_row(FIRST, OTHER, profile="q")], None),
        ([order_row(FIRST, OTHER, profile=None)], None),
        ([order_row(FIRST)], None),
        (FULL[1:], None),
    ],
)
def test_a_hosted_order_is_found_by_its_numbers_and_profile(rows: Any, place: int | None) -> None:
    expected = None if place is None else {"data": rows[place]}
    assert found("POST", HOSTED, ORDERED, {hosted_page(1): {"data": rows}}) == expected


def test_all_pages_of_hosted_orders_are_read_but_no_more_than_twenty() -> None:
    match = order_row(FIRST, OTHER)
    full = {hosted_page(number): {"data": FULL} for number in range(1, 20)}
    assert found("POST", HOSTED, ORDERED, full | {hosted_page(20): {"data": [*FULL[1:], match]}}) == {"data": match}
    assert found("POST", HOSTED, ORDERED, full | {hosted_page(20): {"data": FULL}}) is None
    assert found("POST", HOSTED, {"messaging_profile_id": None}, {hosted_page(1): {"data": [order_row()]}}) is None


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([{**BRAND, "id": "b-1"}], 0),
        ([None, {**BRAND, "website_url": "x"}, {**BRAND, "status": "REJECTED"}, {**BRAND, "status": "DRAFT"}], 3),
        ([{**BRAND, "status": "FAILED"}], None),
        (BRAND, None),
        (404, None),
    ],
)
def test_a_brand_is_found_by_its_fields(rows: Any, place: int | None) -> None:
    expected = None if place is None else rows[place]
    assert found("POST", "/rcs/brands", BRAND, {"/rcs/brands": rows}) == expected
    assert found("POST", "/rcs/brands", {}, {"/rcs/brands": [{}]}) is None


@pytest.mark.parametrize(
    ("stored", "is_found"),
    [
        ({"name": "a", "number": 1, "more": 2}, True),
        ({"data": {"name": "a", "number": 1}}, True),
        ({"name": "a", "number": 1, "data": "no object"}, True),
        ({"name": "a"}, False),
        ({"name": "a", "number": 2}, False),
        (404, False),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", f"{TOLL_FREE}/r"), ("PUT", "/10dlc/brand/b"), ("PATCH", "/10dlc/partner_campaigns/c")],
)
def test_a_change_is_found_where_all_its_values_are(method: str, path: str, stored: Any, *, is_found: bool) -> None:
    assert found(method, path, {"name": "a", "number": 1}, {path: stored}) == (stored if is_found else None)
    assert found(method, path, {}, {path: {}}) is None


def record(created: float, **changes: Any) -> dict[str, Any]:
    return {"cld": FIRST, "cli": OTHER, "created_at": at(created), "uuid": f"m{created}", **changes}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([record(0)], "m0"),
        ([record(-60)], "m-60"),
        ([record(-61), record(5)], "m5"),
        ([record(65)], "m65"),
        ([record(66)], None),
        ([record(0, cld=OTHER), record(0, cli=FIRST), record(0, created_at=None)], None),
        ([], None),
    ],
)
def test_a_message_is_found_by_its_sender_recipient_and_time(rows: Any, message: str | None) -> None:
    path = f"/detail_records?filter[record_type]=messaging&filter[cld]={quote(FIRST)}&page[size]=50"
    answer = found("POST", "/messages/long_code", MESSAGE, {path: {"data": rows}}, last=5)
    assert answer == (None if message is None else {"data": {"id": message}})


@pytest.mark.parametrize("sent", [{"from": OTHER}, {"to": FIRST}, {"to": [FIRST], "from": OTHER}])
def test_a_message_without_a_sender_or_one_recipient_is_not_looked_for(sent: Any) -> None:
    assert found("POST", "/messages", sent, {}) is None


@pytest.mark.parametrize(
    ("row", "is_found"),
    [
        (NUMBER, True),
        ({"phoneNumber": FIRST, "telnyxCampaignId": "c-1"}, True),
        ({"phoneNumber": FIRST, "tcrCampaignId": "c-1", "campaignId": "x"}, True),
        ({"phoneNumber": FIRST, "campaignId": "c-2"}, False),
        ({"phoneNumber": OTHER, "campaignId": "c-1"}, False),
        (404, False),
    ],
)
def test_the_assignment_of_a_number_is_found_by_its_campaign(row: Any, *, is_found: bool) -> None:
    path = f"/10dlc/phone_number_campaigns/{quote(FIRST)}"
    assert found("POST", "/10dlc/phone_number_campaigns", NUMBER, {path: row}) == (row if is_found else None)
    for part in ({"phoneNumber": FIRST}, {"campaignId": "c-1"}):
        assert found("POST", "/10dlc/phone_number_campaigns", part, {path: {"phoneNumber": FIRST}}) is None


@pytest.mark.parametrize(
    ("answer", "is_found"),
    [
        ({"campaignStatus": "MNO_PENDING"}, True),
        ({"campaignStatus": "TELNYX_FAILED"}, False),
        ({"campaignStatus": "MNO_REJECTED"}, False),
        ({}, False),
        (500, False),
    ],
)
def test_an_appeal_is_found_by_the_state_of_its_campaign(answer: Any, *, is_found: bool) -> None:
    expected = {"appealed_at": None} if is_found else None
    assert found("POST", "/10dlc/campaign/c/appeal", {}, {"/10dlc/campaign/c": answer}) == expected


@pytest.mark.parametrize("path", ["/messaging_hosted_numbers/n", f"{TOLL_FREE}/n", "/10dlc/campaign/n"])
def test_what_is_gone_was_deleted(path: str) -> None:
    assert found("DELETE", path, None, {path: 404}) == {"data": {"id": "n"}}
    assert found("DELETE", path, None, {path: {}}) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TOLL_FREE),
        ("POST", HOSTED),
        ("POST", "/rcs/brands"),
        ("POST", "/messages"),
        ("PATCH", f"{TOLL_FREE}/r"),
        ("POST", "/10dlc/phone_number_campaigns"),
    ],
)
def test_nothing_is_found_for_a_request_whose_bytes_were_too_many_to_keep(method: str, path: str) -> None:
    async def get(_: str) -> TelnyxResponse:
        return TelnyxResponse(200, {}, b"{}")

    look_up = look_up_for(Call(method, path))
    assert look_up is not None
    assert anyio.run(look_up, Call(method, path), entry(body=None), get) is None


@pytest.mark.parametrize(("method", "path"), [("POST", "/rcs/agents"), ("PUT", TOLL_FREE), ("POST", f"{TOLL_FREE}/x")])
def test_nothing_else_is_looked_for(method: str, path: str) -> None:
    assert look_up_for(Call(method, path)) is None
