"""10DLC updates that come late, registrations that are new, and numbers that move: Ringback tells what is so, once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import telnyx

from service.store.inbox.search import EventFilter, search
from tests.registrations.noted import noted
from tests.registrations.test_ten_dlc import BRAND, CAMPAIGN, NUMBER, OTHER, ROUTER, changes, poll, steps
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.testing.simulator.ten_dlc import new_brand, provisioned, submit_campaign


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def deliver(stack: Stack, campaign: str, said: dict[str, str], *, ago: timedelta) -> None:
    body = envelope("10dlc.campaign.update", {"campaignId": campaign, **said})
    body["data"]["occurred_at"] = (datetime.now(UTC) - ago).isoformat()
    stack.deliver(body)
    assert stack.ended(body).state == "done"


def test_a_dormancy_that_a_later_assignment_has_ended_is_not_told(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, OTHER)
    poll(stack, "first")
    for ago in (timedelta(hours=2), timedelta(minutes=1)):
        deliver(stack, campaign, {"type": "TELNYX_EVENT", "status": "DORMANT"}, ago=ago)
    poll(stack, "second")
    assert steps(stack, CAMPAIGN) == []
    assert noted(stack) == ""
    deliver(stack, campaign, {"type": "TELNYX_EVENT", "status": "DORMANT"}, ago=timedelta(seconds=-5))
    assert steps(stack, CAMPAIGN) == [("MNO_PROVISIONED", "DORMANT")]


def test_a_number_that_moves_to_another_campaign_is_told_once(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    provisioned(client, stack.simulator, OTHER)
    other = provisioned(client, stack.simulator)
    poll(stack, "first")
    client.messaging_10dlc.phone_number_campaigns.create(campaign_id=other, phone_number=OTHER)
    stack.simulator.move_campaign_number(OTHER, status="ASSIGNED", shape=None)
    for each in ("second", "third"):
        poll(stack, each)
    [change] = changes(stack, NUMBER)
    assert (change["previous"], change["status"], change["campaign_id"]) == ("ASSIGNED", "ASSIGNED", other)
    assert noted(stack) == ""


def test_an_update_of_long_ago_is_no_reason_to_doubt_the_api(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator)
    poll(stack, "first")
    suspended = {"type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED", "mnoName": "AT&T"}
    deliver(stack, campaign, suspended, ago=timedelta(hours=1))
    looks = EventFilter(type="campaign.look_again")
    assert stack.ask(lambda store: search(store, limit=1, wanted=looks)) == []
    deliver(stack, campaign, suspended, ago=timedelta(seconds=5))
    assert len(stack.ask(lambda store: search(store, limit=2, wanted=looks))) == 1


def test_what_appears_after_the_first_poll_is_told_from_its_first_change(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    known = provisioned(client, stack.simulator)
    poll(stack, "first")
    brand = new_brand(client, stack.simulator)
    campaign = submit_campaign(client, brand)
    stack.simulator.move_campaign(campaign, status="TCR_ACCEPTED", shape=None)
    deliver(stack, campaign, {"type": "REGISTRATION", "status": "ACCEPTED"}, ago=timedelta(0))
    poll(stack, "second")
    submit_campaign(client, brand, usecase="MIXED")
    poll(stack, "third")
    assert {each["id"] for each in changes(stack, CAMPAIGN)} == {campaign} - {known}
    assert steps(stack, CAMPAIGN) == [(None, "TCR_ACCEPTED")]
    assert steps(stack, BRAND) == [(None, "VERIFIED")]
    assert noted(stack) == ""
