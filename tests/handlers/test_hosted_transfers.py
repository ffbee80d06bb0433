"""The notice of a transfer goes out, whatever shape the numbers of its order have."""

from typing import Any

import pytest

from handlers import hosted_numbers, hosted_transfers
from service import Router
from service.testing.samples import sample
from tests.notifications import noted
from tests.stack import Stack

ROUTER = Router(hosted_numbers.router, hosted_transfers.router)
NUMBER = "+13125550112"


def transfer() -> Any:
    """A request for a transfer whose approval is due in 2033."""
    deadline = {"data.payload.approval_deadline": 1999999999}
    return sample("hosted.internal-transfer-numbers-as-texts", number=NUMBER, set=deadline)


def told(stack: Stack, event: Any) -> list[str]:
    """The notices that an event leads to, once its handlers have ended well."""
    stack.start_worker(ROUTER)
    assert stack.deliver(event).status_code == 200
    record = stack.ended(event)
    assert {name: each.state for name, each in record.handlers.items()} == dict.fromkeys(record.handlers, "done")
    return [text for text, _ in noted(stack).get("hosted numbers move between Telnyx accounts", [])]


@pytest.mark.parametrize(
    "numbers",
    [
        [NUMBER],
        [{"value": NUMBER}],
        [{"phone_number": NUMBER, "status": None}],
        {NUMBER: "pending"},
        {"phone_number": NUMBER},
        NUMBER,
        13125550112,
        [None, [NUMBER], 5],
        None,
        [],
        [{"phone_number": {"e164": NUMBER}}],
    ],
    ids=repr,
)
def test_numbers_of_any_shape_do_not_keep_the_notice_back(stack: Stack, numbers: Any) -> None:
    event = transfer()
    event["data"]["payload"]["numbers"] = numbers
    order_id = event["data"]["payload"]["order_id"]
    [text] = told(stack, event)
    assert text.startswith(f"transfer of order {order_id}: Telnyx approves it at 2033-05-18 03:33 UTC")


def test_an_order_without_numbers_is_told_of_too(stack: Stack) -> None:
    event = transfer()
    del event["data"]["payload"]["numbers"]
    assert len(told(stack, event)) == 1


@pytest.mark.parametrize("field", ["decision", "profile_id", "user_id", "order_status", "status", "unknown"])
@pytest.mark.parametrize("odd", [{"name": "pending"}, ["pending"], 5, None], ids=repr)
def test_no_other_field_keeps_the_notice_back(stack: Stack, field: str, odd: Any) -> None:
    event = transfer()
    event["data"]["payload"][field] = odd
    assert len([each for each in told(stack, event) if "2033-05-18" in each]) == 1


@pytest.mark.parametrize("deadline", ["1999999999", 1999999999000, "2033-05-18T03:33:19Z"], ids=repr)
def test_the_deadline_is_read_in_any_form(stack: Stack, deadline: Any) -> None:
    event = transfer()
    event["data"]["payload"]["approval_deadline"] = deadline
    assert len([each for each in told(stack, event) if "2033-05-18" in each]) == 1
