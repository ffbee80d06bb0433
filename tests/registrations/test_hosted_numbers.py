"""Hosted number orders: each change is raised once, whichever way it was learnt, and tells what to do next."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from telnyx import Telnyx

from handlers import hosted_numbers, hosted_transfers
from service import Router
from service.registrations.hosted_numbers import NEXT_STEPS, OrderChange, next_step
from service.store.inbox.audit import audit
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from service.testing.samples import sample
from service.testing.simulator.hosted.orders import NUMBER_STATUSES, ORDER_STATUSES
from tests.notifications import noted
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

NUMBERS = ["+13125550301", "+13125550302"]
EVENT = "messaging_hosted_numbers_orders."
CHANGED = "hosted_number_order.status_changed"
DUE = "hosted_number_transfer.approval_due"

ROUTER = Router(hosted_numbers.router, hosted_transfers.router)


def telnyx(stack: Stack) -> Telnyx:
    return Telnyx(api_key="KEY", base_url=stack.settings.base_url)


def order(stack: Stack) -> str:
    """An order at the local Telnyx."""
    created = telnyx(stack).messaging_hosted_number_orders.create(phone_numbers=NUMBERS).data
    assert created is not None
    assert created.id is not None
    return created.id


def events(stack: Stack, event_type: str) -> list[EventRecord]:
    found = stack.ask(lambda store: search(store, limit=100, wanted=EventFilter(type=event_type)))
    records = [stack.record(each.id) for each in reversed(found)]
    return [record for record in records if record is not None]


def payloads(stack: Stack, event_type: str) -> list[Any]:
    return [orjson.loads(record.body or b"")["data"]["payload"] for record in events(stack, event_type)]


def changes(stack: Stack) -> list[tuple[str | None, str]]:
    return [(payload["previous"], payload["status"]) for payload in payloads(stack, CHANGED)]


def told(stack: Stack, cause: str) -> tuple[str, str]:
    [entry] = wait_for(lambda: noted(stack).get(cause))
    return entry


def tell(stack: Stack, order_id: str, name: str = "updated") -> EventRecord:
    """Deliver a webhook about an order, and wait for its end."""
    event = envelope(EVENT + name, {"order_id": order_id, "order_status": "whatever it was then", "numbers": []})
    assert stack.deliver(event).status_code == 200
    return stack.ended(event)


def poll(stack: Stack, *, at: float | None = None) -> EventRecord:
    """The event that arq's cron raises at its time."""
    event = envelope("ringback.cron.hosted_numbers_poll", {})
    event["data"]["occurred_at"] = datetime.fromtimestamp(at or time.time(), UTC).isoformat()
    stack.deliver(event)
    return stack.ended(event)


def test_the_webhooks_of_an_order_become_its_changes(calling_stack: Stack) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    order_id = order(stack)
    wait_for(lambda: [each for each in events(stack, f"{EVENT}created") if each.state == "done"])
    assert changes(stack) == []

    stack.simulator.move_order(order_id, status="loa_file_invalid")
    assert told(stack, "hosted number orders: loa_file_invalid") == (
        (
            f"order {order_id}: the letter of authorisation was not accepted:"
            " sign a new one that names every number of the order"
        ),
        f"ringback hosted upload {order_id} --loa LOA.pdf --bill BILL.pdf",
    )
    stack.simulator.move_order(order_id, status="successful", number_status="successful")
    wait_for(lambda: len(changes(stack)) == 2)
    assert changes(stack) == [("pending", "loa_file_invalid"), ("loa_file_invalid", "successful")]
    payload = payloads(stack, CHANGED)[-1]
    assert payload["id"] == order_id
    assert payload["phone_numbers"] == [{"phone_number": number, "status": "successful"} for number in NUMBERS]
    assert set(noted(stack)) == {"hosted number orders: loa_file_invalid"}


def test_a_change_is_raised_once_however_it_is_learnt(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    order_id = order(stack)
    poll(stack)
    stack.simulator.move_order(order_id, status="incomplete_documentation")
    for _ in range(2):
        poll(stack)
        tell(stack, order_id)
    assert changes(stack) == [("pending", "incomplete_documentation")]
    wait_for(lambda: all(each.state == "done" for each in events(stack, CHANGED)))
    assert stack.ask(audit).clean


def test_a_poll_without_permission_is_no_dead_event(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    stack.simulator.add_fault(status=403, code="10010")
    record = poll(stack)
    assert (record.state, record.handlers["hosted_numbers_poll"].reason) == ("done", "not_permitted")


def test_a_poll_without_changes_reads_the_list_alone(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    for _ in range(60):
        order(stack)
    poll(stack)
    before = len(stack.simulator.requests)
    poll(stack)
    asked = [(each.method, each.path) for each in stack.simulator.requests[before:]]
    assert asked == [("GET", "/messaging_hosted_number_orders")] * 2


def test_a_poll_that_had_to_wait_long_is_left_to_the_next(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    assert poll(stack, at=time.time() - 1000).handlers["hosted_numbers_poll"].reason == "too_old"
    assert stack.simulator.requests == []


def test_the_first_sight_of_an_order_raises_only_what_needs_a_person(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    well, rejected, half = order(stack), order(stack), order(stack)
    stack.simulator.move_order(well, status="provisioning")
    stack.simulator.move_order(rejected, status="carrier_rejected")
    stack.simulator.move_order(half, status="pending", number_status="failed_ownership_verification")
    poll(stack)
    assert sorted(changes(stack), key=str) == [(None, "carrier_rejected"), (None, "pending")]
    assert told(stack, "hosted number orders: pending") == (
        (
            f"order {half} (failed_ownership_verification (2)): a number's ownership was not proven:"
            " have a new code sent to it"
        ),
        f"ringback hosted codes {half}",
    )


def test_numbers_that_fail_are_a_change_though_the_order_goes_on(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    order_id = order(stack)
    tell(stack, order_id)
    stack.simulator.move_order(order_id, status="pending", number_status="failed_carrier_rejected")
    tell(stack, order_id)
    [payload] = payloads(stack, CHANGED)
    assert (payload["previous"], payload["status"], payload["reason"]) == (
        "pending",
        "pending",
        "failed_carrier_rejected (2)",
    )


@pytest.mark.parametrize("way", ["webhook", "poll"])
def test_a_deleted_order_is_a_change_too_and_only_once(stack: Stack, way: str) -> None:
    stack.start_worker(ROUTER)
    order_id = order(stack)
    poll(stack)
    telnyx(stack).messaging_hosted_number_orders.delete(order_id)
    for _ in range(2):
        if way == "webhook":
            tell(stack, order_id, "deleted")
        else:
            poll(stack)
    assert changes(stack) == [("pending", "deleted")]


def test_a_webhook_without_an_order_changes_nothing(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    event = sample("hosted.without-order", set={"data.id": str(uuid.uuid4())})
    stack.deliver(event)
    assert stack.ended(event).handlers["hosted_numbers"].reason == "no_order_id"
    assert stack.simulator.requests == []


def test_every_status_that_needs_a_person_says_what_to_do() -> None:
    fine = {"pending", "provisioning", "successful", "deleted", "loa_file_successful"}
    statuses = {*ORDER_STATUSES.split(), *NUMBER_STATUSES.split()}
    assert set(NEXT_STEPS) == statuses - fine
    assert all(next_step(OrderChange(id="1", status=status)) is None for status in fine)
    failed = OrderChange(id="1", status="failed_in_a_way_of_next_year")
    assert next_step(failed) == next_step(OrderChange(id="1", status="failed"))


def transfer(order_id: str, name: str, **fields: Any) -> Any:
    return envelope(EVENT + name, {"order_id": order_id, "order_status": "pending", "numbers": [], **fields})


def waits(stack: Stack) -> list[tuple[int, int]]:
    """The warnings that wait, by their hours before the deadline, with the hours until they come."""
    found = [(payload["hours"], _hours_until(stack, record)) for record, payload in _open_warnings(stack)]
    return sorted(found)


def _open_warnings(stack: Stack) -> list[tuple[EventRecord, Any]]:
    records = [each for each in events(stack, DUE) if each.state == "open"]
    return [(record, orjson.loads(record.body or b"")["data"]["payload"]) for record in records]


def _hours_until(stack: Stack, record: EventRecord) -> int:
    async def score(store: Store) -> float:
        return float(await store.redis.zscore(store.keys.queue, store.keys.job_id(record.id)) or 0)

    return round((stack.ask(score) / 1000 - time.time()) / 3600)


@pytest.mark.parametrize("shape", ["current", "older"])
def test_a_transfer_that_waits_for_approval_is_told_at_once_and_warned_of_twice(
    calling_stack: Stack, shape: str
) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    order_id = order(stack)
    stack.simulator.transfer_order(order_id, step="approval_requested", shape=shape)
    text, mend = told(stack, "hosted numbers move between Telnyx accounts")
    deadline = datetime.now(UTC) + timedelta(hours=72)
    assert text.startswith(f"transfer of order {order_id}: Telnyx approves it at {deadline:%Y-%m-%d} ")
    assert mend == f"ringback hosted show {order_id}"
    assert waits(stack) == [(2, 70), (24, 48)]


def bring_forward(stack: Stack, deadline: int, hours: int = 24) -> EventRecord:
    """Let a warning's time have come, and wait for its end."""
    event_id = f"schedule:hosted_transfer:o-1:{deadline}:{hours}h"

    async def due_now(store: Store) -> None:
        await pending(store.redis.hset(store.keys.event(event_id), "due", "0"))
        await store.redis.zadd(store.keys.queue, {store.keys.job_id(event_id): 0})

    stack.ask(due_now)
    return stack.ended(event_id)


def in_30_hours() -> int:
    return int(time.time()) + 30 * 3600


def test_a_warning_comes_before_the_deadline(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    deadline = in_30_hours()
    event = transfer("o-1", "internal_transfer_approval_requested", decision="pending", approval_deadline=deadline)
    stack.deliver(event)
    stack.ended(event)
    assert waits(stack) == [(2, 28), (24, 6)]
    bring_forward(stack, deadline)
    texts = [each for each in _told_of_transfers(stack) if "less than" in each]
    moment = datetime.fromtimestamp(deadline, UTC)
    approved = f"Telnyx approves it at {moment:%Y-%m-%d %H:%M} UTC unless it is decided in Mission Control before"
    assert texts == [f"transfer of order o-1: less than 24 hours left: {approved}"]


def test_of_a_late_webhook_only_the_warnings_that_are_still_to_come_are_set(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    for order_id, hours in (("o-1", 10), ("o-2", 1), ("o-3", -1)):
        deadline = int(time.time()) + hours * 3600
        event = transfer(order_id, "internal_transfer_approval_requested", approval_deadline=deadline)
        stack.deliver(event)
        stack.ended(event)
    assert waits(stack) == [(2, 8)]


@pytest.mark.parametrize("late", [False, True], ids=["in order", "decision first"])
@pytest.mark.parametrize("name", ["internal_transfer_approved", "internal_transfer_rejected"])
def test_a_transfer_that_was_decided_is_not_warned_of(stack: Stack, *, late: bool, name: str) -> None:
    stack.start_worker(ROUTER)
    deadline = in_30_hours()
    asked = transfer("o-1", "internal_transfer_approval_requested", decision="pending", approval_deadline=deadline)
    decided = transfer("o-1", name, decision=name.rpartition("_")[2], approval_deadline=None)
    for event in [decided, asked] if late else [asked, decided]:
        event["data"]["occurred_at"] = f"2026-11-22T10:0{1 if event is decided else 0}:00Z"
        stack.deliver(event)
        stack.ended(event)
    if late:
        assert stack.ended(asked).handlers["hosted_transfers"].reason == "older_than_known"
        assert events(stack, DUE) == []
    else:
        assert bring_forward(stack, deadline).handlers["hosted_transfer_due"].reason == "decided"
    assert [each for each in _told_of_transfers(stack) if "less than" in each] == []


def test_a_deadline_that_was_put_off_is_warned_of_anew(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    soon = in_30_hours()
    for deadline in (soon, soon + 3600):
        event = transfer("o-1", "internal_transfer_approval_requested", decision="pending", approval_deadline=deadline)
        stack.deliver(event)
        stack.ended(event)
    assert bring_forward(stack, soon).handlers["hosted_transfer_due"].reason == "decided"
    assert bring_forward(stack, soon + 3600).handlers["hosted_transfer_due"].reason is None
    assert waits(stack) == [(2, 28), (2, 29)]


def _told_of_transfers(stack: Stack) -> list[str]:
    return [text for text, _ in noted(stack).get("hosted numbers move between Telnyx accounts", [])]
