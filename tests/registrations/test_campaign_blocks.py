"""Fallbacks of a number whose 10DLC campaign is stopped wait, and nothing of them is lost."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import telnyx

from handlers import campaign_notices, campaign_probes, campaigns, sms_fallback
from service import Router
from service.outbound import gate
from service.store.effects.blocks import Block, open_blocks
from service.store.inbox.records import EventRecord
from tests.registrations.noted import arrive
from tests.registrations.test_ten_dlc import CAMPAIGN, POLL, changes, poll, told
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs
from tests.testing.simulator.ten_dlc import provisioned
from tests.waiting import wait_for

ROUTER = Router(campaigns.router, campaign_notices.router, campaign_probes.router, sms_fallback.router)
POOL = ("+13125550177", "+13125550178")
_numbers = itertools.count(1000)


@pytest.fixture
def client(calling_stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=calling_stack.settings.base_url) as client:
        yield client


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is half a second."""
    monkeypatch.setattr(gate, "ACCOUNT_PROBE", 0.5)


def phone(stack: Stack, carrier: str = "T-Mobile") -> str:
    """A phone with this carrier."""
    number = f"+1646555{next(_numbers):04}"
    stack.simulator.set_carrier(number, carrier)
    return number


def failure(stack: Stack, number: str, **changes: Any) -> dict[str, Any]:
    """A failed RCS message to a phone, whose carrier is listed as Telnyx lists it."""
    listed = stack.simulator.account.carriers.listed(number)
    to = [{"phone_number": number, "status": "delivery_failed", "carrier": listed}]
    payload = finalized_rcs("delivery_failed", number, **{"to": to, **changes})
    return envelope("message.finalized", payload)


def fall_back(stack: Stack, number: str, **changes: Any) -> dict[str, Any]:
    stack.deliver(event := failure(stack, number, **changes))
    return event


def is_parked(record: EventRecord) -> bool:
    handler = record.handlers.get("sms_fallback")
    return handler is not None and handler.state == "parked"


def held(stack: Stack) -> list[Block]:
    return [each for each in stack.ask(open_blocks) if each.kind == "campaign"]


def statuses(stack: Stack, number: str) -> list[str]:
    return [each.status for each in stack.simulator.account.messages if each.to == number and each.type == "SMS"]


STOPS: list[Any] = [
    {"status": "TCR_EXPIRED"},
    *(
        pytest.param(each, marks=pytest.mark.slow)
        for each in ({"status": "SUSPENDED"}, {"status": "MNO_REJECTED", "reason": "No opt-out"}, {"status": "DORMANT"})
    ),
]


@pytest.mark.parametrize("step", STOPS)
def test_fallbacks_of_a_stopped_campaign_wait_and_go_out_once_when_it_works_again(
    calling_stack: Stack, client: telnyx.Telnyx, step: dict[str, Any]
) -> None:
    stack, hook = calling_stack, f"{calling_stack.host.url}/webhooks"
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM, webhook_url=hook)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, **step)
    wait_for(lambda: held(stack))
    assert SMS_FROM[1:] not in told(stack, "SMS fallbacks are stopped: 10DLC campaign", "wait for it")
    number = phone(stack)
    event = fall_back(stack, number)
    handler = stack.when(event, is_parked).handlers["sms_fallback"]
    assert (handler.reason, handler.attempts) == ("campaign", 0)
    assert statuses(stack, number) == []
    stack.simulator.move_campaign(campaign, status="MNO_PROVISIONED")
    assert stack.ended(event).state == "done"
    wait_for(lambda: statuses(stack, number) == ["delivered"])
    assert held(stack) == []
    assert "10DLC campaign: can send" in told(stack, "can send")


def test_a_lost_number_parks_its_fallbacks_and_an_assignment_frees_them(
    calling_stack: Stack, client: telnyx.Telnyx
) -> None:
    stack, hook = calling_stack, f"{calling_stack.host.url}/webhooks"
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM, webhook_url=hook)
    poll(stack, "first")
    client.messaging_10dlc.phone_number_campaigns.delete(SMS_FROM)
    wait_for(lambda: held(stack))
    event = fall_back(stack, number := phone(stack))
    stack.when(event, is_parked)
    client.messaging_10dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=SMS_FROM)
    stack.simulator.move_campaign_number(SMS_FROM, status="ASSIGNED")
    assert stack.ended(event).state == "done"
    wait_for(lambda: statuses(stack, number) == ["delivered"])


@pytest.mark.parametrize("carrier", ["AT&T", pytest.param("T-Mobile", marks=pytest.mark.slow)])
def test_a_suspension_by_one_carrier_parks_only_what_goes_to_its_phones(
    calling_stack: Stack, client: telnyx.Telnyx, carrier: str
) -> None:
    stack, hook = calling_stack, f"{calling_stack.host.url}/webhooks"
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM, webhook_url=hook)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, status="SUSPENDED", carrier=carrier)
    wait_for(lambda: held(stack))
    theirs, other = phone(stack, carrier), phone(stack, "Verizon")
    parked, sent = fall_back(stack, theirs), fall_back(stack, other)
    stack.when(parked, is_parked)
    assert stack.ended(sent).state == "done"
    wait_for(lambda: statuses(stack, other) == ["delivered"])
    assert statuses(stack, theirs) == []
    stack.simulator.move_campaign(campaign, status="UNSUSPENDED", carrier=carrier, shape=None)
    poll(stack, "second")
    assert stack.ended(parked).state == "done"
    wait_for(lambda: statuses(stack, theirs) == ["delivered"])


def test_a_number_lost_at_all_but_one_carrier_parks_what_goes_to_the_others(
    calling_stack: Stack, client: telnyx.Telnyx
) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    provisioned(client, stack.simulator, SMS_FROM)
    stack.simulator.move_campaign_number(SMS_FROM, status="FAILED", carrier="Verizon", shape=None)
    poll(stack, "first")
    parked = fall_back(stack, phone(stack, "US Cellular"))
    stack.when(parked, is_parked)
    assert stack.ended(fall_back(stack, phone(stack, "T-Mobile"))).state == "done"


def test_an_event_that_the_api_does_not_confirm_parks_nothing(calling_stack: Stack, client: telnyx.Telnyx) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM)
    poll(stack, "first")
    said = {"campaignId": campaign, "type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED"}
    stack.deliver(body := envelope("10dlc.campaign.update", said))
    stack.ended(body)
    assert held(stack) == []
    assert stack.ended(fall_back(stack, phone(stack))).state == "done"


def test_one_send_at_a_time_probes_and_its_acceptance_alone_frees_nothing(
    calling_stack: Stack, client: telnyx.Telnyx, quick_probes: None
) -> None:
    """Telnyx accepts it, and the carrier refuses it later: the others have to wait on."""
    stack = calling_stack
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, status="SUSPENDED", shape=None)
    poll(stack, "second")
    numbers = [phone(stack) for _ in range(4)]
    for event in [fall_back(stack, each) for each in numbers]:
        stack.when(event, lambda record: is_parked(record) or record.state == "done")
    wait_for(lambda: [status for each in numbers for status in statuses(stack, each)] == ["sending_failed"])
    assert [each.held for each in held(stack)] == [True]
    # The suspension ends, and no webhook says so: the next probe makes the campaign be read.
    stack.simulator.move_campaign(campaign, status="MNO_PROVISIONED", shape=None)
    wait_for(lambda: sum(statuses(stack, each) == ["delivered"] for each in numbers) >= 2)
    wait_for(lambda: all(statuses(stack, each) for each in numbers))
    assert held(stack) == []


@pytest.mark.slow
def test_a_delivered_probe_frees_the_others_though_the_api_shows_no_change(
    calling_stack: Stack, client: telnyx.Telnyx, quick_probes: None
) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, SMS_FROM)
    poll(stack, "first")
    # Only the reading says so, as these phones have another carrier than the messages say.
    stack.simulator.move_campaign(campaign, status="SUSPENDED", carrier="AT&T", shape=None)
    poll(stack, "second")
    numbers = [phone(stack, "AT&T") for _ in range(3)]
    events = [failure(stack, each) for each in numbers]
    for event, number in zip(events, numbers, strict=True):
        stack.simulator.set_carrier(number, "T-Mobile")
        stack.deliver(event)
    for event in events:
        assert stack.ended(event).state == "done"
    assert [each["status"] for each in changes(stack, CAMPAIGN)] == ["MNO_SUSPENDED"]


def test_a_refusal_by_the_number_parks_it_too_and_the_next_success_frees_it(
    calling_stack: Stack, quick_probes: None
) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER)
    stack.simulator.add_fault(method="POST", path="/messages", status=400, code="40010")
    event = fall_back(stack, number := phone(stack))
    assert stack.ended(event).state == "done"
    wait_for(lambda: statuses(stack, number) == ["delivered"])


def test_a_pool_waits_only_while_none_of_its_numbers_can_send(calling_stack: Stack, client: telnyx.Telnyx) -> None:
    stack = calling_stack
    stack.start_worker(ROUTER, sms_from="profile")
    profile = stack.simulator.account.profiles.default_id
    for each in POOL:
        stack.simulator.account.profiles.assign(each, profile)
    campaign = provisioned(client, stack.simulator, *POOL)
    stack.simulator.move_campaign_number(POOL[0], status="DELETED", shape=None)
    arrive(stack, POLL, "lost")
    payload = {"campaignId": campaign, "phoneNumber": POOL[0], "type": "DELETION", "status": "success"}
    stack.deliver(body := envelope("10dlc.phone_number.update", payload))
    stack.ended(body)
    assert "its other numbers still send" in told(stack, "number pool")
    assert stack.ended(fall_back(stack, phone(stack), messaging_profile_id=profile)).state == "done"
    stack.simulator.move_campaign(campaign, status="SUSPENDED", shape=None)
    poll(stack, "suspended")
    stack.when(fall_back(stack, phone(stack), messaging_profile_id=profile), is_parked)


def test_a_failure_for_lack_of_a_campaign_makes_the_sender_be_read(calling_stack: Stack, client: telnyx.Telnyx) -> None:
    """No webhook tells of it, and the next poll is minutes away."""
    stack = calling_stack
    stack.start_worker(ROUTER)
    provisioned(client, stack.simulator, SMS_FROM)
    poll(stack, "first")
    stack.simulator.move_campaign_number(SMS_FROM, status="DELETED", shape=None)
    assert stack.ended(fall_back(stack, phone(stack))).state == "done"
    wait_for(lambda: held(stack))
    stack.when(fall_back(stack, phone(stack)), is_parked)
