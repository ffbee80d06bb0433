"""Toll-free verification: each change is raised once, however it was learnt, and people hear what to correct."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import telnyx

from handlers import toll_free, toll_free_notices
from service import Context, Event, Router
from service.events import TollFreeStatusChanged
from service.registrations.toll_free import named_requests, speaks_of_verification
from service.registrations.toll_free_notices import corrections
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from service.testing.simulator.tollfree.requests import StatusChange, VerificationStatus
from tests.registrations.noted import arrive, noted
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.testing.simulator.submission import SUBMISSION
from tests.waiting import wait_for

ROUTER = Router(toll_free.router, toll_free_notices.router)

POLL = "ringback.cron.toll_free_poll"
CHANGED = "toll_free_verification.status_changed"
SHAPES = [
    "toll_free_verification.status_update",
    "verification_request.status_updated",
    "toll_free_verification.updated",
    "messaging_profile.toll_free_verification.updated",
]


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def submit(client: telnyx.Telnyx, **changes: Any) -> str:
    return str(client.messaging_tollfree.verification.requests.create(**{**SUBMISSION, **changes}).id)


def decide(stack: Stack, request_id: str, status: VerificationStatus, reason: str | None = None) -> None:
    stack.simulator.decide(request_id, status=status, reason=reason, shape=None)


def poll(stack: Stack, name: str) -> None:
    record = stack.ended(arrive(stack, POLL, name))
    assert record.state == "done", record


def changes(stack: Stack) -> list[dict[str, Any]]:
    """The payloads of all changes that were raised, in their order."""

    async def raised(store: Store) -> list[dict[str, Any]]:
        found = await search(store, limit=100, wanted=EventFilter(type=CHANGED))
        ids = sorted((each.id for each in found), key=lambda event_id: int(event_id.rpartition(":")[2]))
        records = [await accept.find(store, each) for each in ids]
        return [orjson.loads(record.body or b"{}")["data"]["payload"] for record in records if record]

    return stack.ask(raised)


def test_a_poll_raises_each_step_once_in_its_order(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    poll(stack, "first")
    assert changes(stack) == []
    decide(stack, request, "Waiting For Telnyx")
    decide(stack, request, "Waiting For Customer", "Message samples do not match the use case")
    decide(stack, request, "Verified")
    poll(stack, "second")
    poll(stack, "third")
    raised = changes(stack)
    assert [(each["previous"], each["status"]) for each in raised] == [
        ("In Progress", "Waiting For Telnyx"),
        ("Waiting For Telnyx", "Waiting For Customer"),
        ("Waiting For Customer", "Verified"),
    ]
    assert raised[1]["reason"] == "Message samples do not match the use case"
    assert raised[0]["id"] == request
    assert raised[0]["business_name"] == "Acme LLC"
    assert raised[0]["phone_numbers"] == ["+18775550001", "+18775550002"]
    assert stack.ask(audit).clean


@pytest.mark.parametrize("shape", SHAPES)
def test_a_webhook_of_any_shape_is_a_reason_to_read_the_request(
    stack: Stack, client: telnyx.Telnyx, shape: Any
) -> None:
    """The simulator sends the webhook itself, so that its shape is none of this test's making."""
    stack.start_worker(ROUTER)
    request = submit(client, webhook_url=f"{stack.host.url}/webhooks")
    poll(stack, "first")
    with webhooks_signed_for(stack):
        stack.simulator.decide(request, status="Rejected", reason="No consent", shape=shape)
        wait_for(lambda: changes(stack))
    [change] = changes(stack)
    assert (change["previous"], change["status"], change["reason"]) == ("In Progress", "Rejected", "No consent")


def test_the_same_change_by_webhooks_and_polls_is_raised_once(stack: Stack, client: telnyx.Telnyx) -> None:
    for _ in range(2):
        stack.start_worker(ROUTER)
    request = submit(client)
    poll(stack, "first")
    decide(stack, request, "Rejected", "No consent")
    events = [arrive(stack, POLL, f"poll-{number}") for number in range(5)]
    for number in range(5):
        body = envelope(SHAPES[number % len(SHAPES)], {"verificationRequestId": request})
        stack.deliver(body)
        events.append(body["data"]["id"])
    for event in events:
        assert stack.ended(event).state == "done"
    assert len(changes(stack)) == 1


@pytest.mark.parametrize("payload", [{}, {"id": "8ac1a5f5-0000-4000-8000-000000000000"}, {"number": "+18775550001"}])
def test_an_event_that_names_no_request_that_exists_makes_all_be_read(
    stack: Stack, client: telnyx.Telnyx, payload: dict[str, Any]
) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    decide(stack, request, "Rejected")
    stack.deliver(body := envelope("toll_free_verification.changed", payload))
    assert stack.ended(body).state == "done"
    assert [each["id"] for each in changes(stack)] == [request]


def test_a_flat_event_without_a_type_is_read_only_if_it_speaks_of_verification(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    decide(stack, request, "Rejected")
    seen = len(stack.simulator.requests)
    stack.deliver({"campaignId": request, "status": "ACCEPTED"})
    stack.deliver({"verificationRequestId": request, "verificationStatus": "Rejected"})
    wait_for(lambda: changes(stack))
    read = [each.path for each in stack.simulator.requests[seen:]]
    assert [path for path in read if not path.endswith(("status_history", request))] == []


def test_what_did_not_change_is_not_read_again(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    for _ in range(3):
        submit(client)
    poll(stack, "first")
    seen = len(stack.simulator.requests)
    poll(stack, "second")
    read = [each.path.rpartition("/")[2] for each in stack.simulator.requests[seen:]]
    assert set(read) == {"requests"}


def test_all_pages_of_the_list_and_of_the_history_are_read(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    requests = [submit(client) for _ in range(103)]
    poll(stack, "first")
    kept = stack.simulator.account.verification_requests
    last = kept.find(requests[-1])
    assert last is not None
    for number in range(230):
        status: VerificationStatus = "Waiting For Vendor" if number % 2 else "Waiting For Telnyx"
        last = last.with_status(StatusChange(status, last.history[-1].at + 1))
    kept.put(last)
    poll(stack, "second")

    async def raised(store: Store) -> int:
        return len(await search(store, limit=1000, wanted=EventFilter(type=CHANGED)))

    assert stack.ask(raised) == 230


def test_a_deleted_request_disturbs_no_poll(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    poll(stack, "first")
    stack.simulator.account.verification_requests.remove(request)
    poll(stack, "second")
    stack.deliver(body := envelope("toll_free_verification.updated", {"id": request}))
    assert stack.ended(body).state == "done"


def test_an_account_without_permission_is_not_asked_in_vain_for_a_dead_event(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    stack.simulator.add_fault(status=403, code="10010")
    record = stack.ended(arrive(stack, POLL, "poll"))
    assert record.handlers["toll_free_poll"].reason == "not_permitted"


def test_a_poll_that_comes_late_leaves_the_work_to_the_next(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    record = stack.ended(arrive(stack, POLL, "poll", occurred_at=long_ago))
    assert record.handlers["toll_free_poll"].reason == "too_old"
    assert stack.simulator.requests == []


def test_an_outage_in_the_middle_of_a_poll_loses_and_repeats_nothing(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    requests = [submit(client) for _ in range(4)]
    poll(stack, "first")
    for request in requests:
        decide(stack, request, "Rejected")
    stack.simulator.add_fault(status=503, path=f"*/{requests[2]}", times=1)
    poll(stack, "second")
    assert sorted(each["id"] for each in changes(stack)) == sorted(requests)


def test_a_person_hears_of_what_needs_them_with_what_to_correct(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    decide(stack, request, "Rejected", "Opt-in is required, call +18005550100")
    poll(stack, "first")
    wait_for(lambda: "opt-in must be optional" in noted(stack))
    told = noted(stack)
    assert "toll-free verification is Rejected" in told
    assert f"ringback tollfree resubmit {request} --set" in told
    assert "+18005550100" not in told
    assert "+18775550001" not in told
    decide(stack, request, "Verified")
    poll(stack, "second")
    assert "Verified" not in noted(stack)


def test_reminders_go_on_for_as_long_as_telnyx_waits(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    request = submit(client)
    decide(stack, request, "Waiting For Customer", "Add STOP language")
    poll(stack, "first")
    [change] = changes(stack)
    since = int(datetime.fromisoformat(change["changed_at"]).timestamp())
    key = f"schedule:toll_free_reminder:{request}:{since}"
    wait_for(lambda: stack.record(f"{key}:1"))
    first = stack.record(f"{key}:1")
    assert first is not None
    assert first.state == "open"

    stack.ended(arrive(stack, "ringback.toll_free_reminder", "due", **change, number=1))
    assert stack.record(f"{key}:2") is not None
    decide(stack, request, "Verified")
    record = stack.ended(arrive(stack, "ringback.toll_free_reminder", "settled", **change, number=2))
    assert record.handlers["toll_free_reminder"].reason == "settled"
    assert stack.record(f"{key}:3") is None
    assert [each["status"] for each in changes(stack)] == ["Waiting For Customer", "Verified"]
    stack.simulator.account.verification_requests.remove(request)
    record = stack.ended(arrive(stack, "ringback.toll_free_reminder", "gone", **change, number=2))
    assert record.handlers["toll_free_reminder"].reason == "deleted"


def test_nobody_is_told_by_an_event_that_only_claims_to_be_ours(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    stack.deliver(body := envelope(CHANGED, {"id": "x", "status": "Rejected"}))
    assert stack.ended(body).handlers["toll_free_notice"].reason == "not_ours"
    assert noted(stack) == ""


def test_a_handler_of_a_user_gets_the_change_as_a_model(stack: Stack, client: telnyx.Telnyx) -> None:
    router, seen = Router(ROUTER), list[TollFreeStatusChanged]()

    @router.on(CHANGED)
    async def mine(event: Event[TollFreeStatusChanged], ctx: Context) -> None:
        seen.append(event.payload)

    stack.start_worker(router)
    decide(stack, submit(client), "Rejected", "No consent")
    poll(stack, "first")
    wait_for(lambda: seen)
    assert (seen[0].status, seen[0].reason) == ("Rejected", "No consent")
    assert seen[0].changed_at is not None
    assert "+1877" not in repr(seen[0])


ID = "8ac1a5f5-1111-4111-8111-000000000001"


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({"id": ID}, [ID]),
        ({"verificationRequestId": ID, "id": ID[:-1] + "2"}, [ID, ID[:-1] + "2"]),
        ({"verification_request": {"id": ID}}, [ID]),
        ({"requests": [{"request_id": ID}, {"id": 3}]}, [ID]),
        ({"id": "../../messages"}, []),
        ({"a": {"b": {"c": {"d": {"id": ID}}}}}, []),
    ],
    ids=["plain", "both ids", "nested", "in a list", "no uuid", "too deep"],
)
def test_requests_are_found_in_payloads_of_any_shape(payload: dict[str, Any], named: list[str]) -> None:
    assert named_requests(payload) == named


def test_only_verification_speaks_of_verification() -> None:
    assert speaks_of_verification({"data": {"verificationStatus": "Rejected"}})
    assert not speaks_of_verification({"id": ID, "status": "Rejected", "campaignId": "C1"})


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Opt-in must be optional and not required for service", "opt-in must be optional"),
        ("More than 5 numbers requested without justification", "more than five"),
        ("Email domain does not match the website", "businessContactEmail"),
        ("Business details could not be found on the website", "corporateWebsite"),
        ("The EIN does not match the legal name", "do not resubmit"),
        ("Consent is bundled with terms and conditions", "bundled"),
        ("Missing STOP language in the sample", "Reply STOP"),
        ("Message samples do not match the use case", "useCase"),
    ],
)
def test_frequent_reasons_bring_what_to_correct(reason: str, advice: str) -> None:
    [correction] = corrections(reason)
    assert advice in correction.advice


@pytest.mark.parametrize("reason", [None, "", "Duplicate request", "Please wait"])
def test_other_reasons_bring_no_advice(reason: str | None) -> None:
    assert corrections(reason) == []


def webhooks_signed_for(stack: Stack) -> Any:
    """An ingress that takes what the simulator signs, in place of the stack's own."""
    from service.ingress.app import create_app

    settings = stack.settings.model_copy(update={"public_key": stack.simulator.public_key})
    return stack.host.serving(create_app(settings))
