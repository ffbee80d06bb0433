"""10DLC at the simulator: brands and campaigns go through their reviews, and carriers refuse what is not registered."""

from typing import Any

import pytest
import telnyx
from telnyx.types.campaign_status_update import CampaignStatusUpdate

from service.testing.simulator import Simulator
from tests.testing.simulator.openapi_document import DOCUMENT
from tests.testing.simulator.receiver import Receiver
from tests.testing.simulator.ten_dlc import BRAND, NUMBER, new_brand, provisioned, submit_campaign
from tests.waiting import wait_for

DAY = 86400


def status_of(client: telnyx.Telnyx, campaign: str) -> str | None:
    return client.messaging_10dlc.campaign.retrieve(campaign).campaign_status


def told(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """The payloads of the next webhooks of 10DLC."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        [received] = receiver.take()
        data = received.json.get("data", {"event_type": "10dlc.", "payload": received.json})
        found += [data["payload"]] if data["event_type"].startswith("10dlc.") else []
    return found


def test_a_brand_is_verified_after_a_while(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    brands = sync_client.messaging_10dlc.brand
    brand = brands.create(**BRAND, webhook_url=receiver.url)
    assert (brand.status, brand.identity_status) == ("REGISTRATION_PENDING", "UNVERIFIED")
    simulator.advance(60)
    [said] = told(receiver, 1)
    assert (said["brandId"], said["type"]) == (brand.brand_id, "TCR_BRAND_UPDATE")
    by_id, by_tcr = brands.retrieve(str(brand.brand_id)), brands.retrieve(str(brand.tcr_brand_id))
    assert by_id.identity_status == by_tcr.identity_status == "VERIFIED"
    assert [each.brand_id for each in brands.list().records] == [brand.brand_id]


def test_a_brand_that_fails_tells_why(sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver) -> None:
    brand = str(sync_client.messaging_10dlc.brand.create(**BRAND, webhook_url=receiver.url).brand_id)
    simulator.move_brand(brand, status="REGISTRATION_FAILED", reason="The EIN is not nine digits")
    [said] = told(receiver, 1)
    assert said["reasons"] == [{"fields": ["ein"], "description": "The EIN is not nine digits"}]
    feedback = sync_client.messaging_10dlc.brand.get_feedback(brand)
    assert feedback.category[0].description == "The EIN is not nine digits"
    with pytest.raises(telnyx.BadRequestError):
        submit_campaign(sync_client, brand)


def test_a_brand_is_updated_and_deleted_without_campaigns(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    brand = new_brand(sync_client, simulator)
    changed = sync_client.messaging_10dlc.brand.update(brand, **BRAND, webhook_url="https://hooks.example.com/x")
    assert changed.webhook_url == "https://hooks.example.com/x"
    submit_campaign(sync_client, brand)
    with pytest.raises(telnyx.BadRequestError):
        sync_client.messaging_10dlc.brand.delete(brand)


def test_a_campaign_goes_through_its_reviews_by_the_clock(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    campaign = submit_campaign(sync_client, new_brand(sync_client, simulator), webhook_url=receiver.url)
    assert status_of(sync_client, campaign) == "TCR_PENDING"
    simulator.advance(4 * DAY)
    types = [each["type"] for each in told(receiver, 4)]
    assert types == ["TCR_EVENT", "TELNYX_REVIEW", "TCR_EVENT", "VERIFIED"]
    assert status_of(sync_client, campaign) == "MNO_PROVISIONED"
    simulator.advance(15 * DAY)
    assert told(receiver, 1)[0]["status"] == "DORMANT"


def test_a_decision_ends_the_review_and_an_appeal_begins_it_again(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    campaign = submit_campaign(sync_client, new_brand(sync_client, simulator), webhook_url=receiver.url)
    campaigns = sync_client.messaging_10dlc.campaign
    with pytest.raises(telnyx.BadRequestError):
        campaigns.submit_appeal(campaign, appeal_reason="It is fine")
    simulator.move_campaign(campaign, status="TELNYX_FAILED", reason="The website has no privacy policy")
    assert told(receiver, 1)[0]["status"] == "REJECTED"
    assert campaigns.retrieve(campaign).failure_reasons == "The website has no privacy policy"
    assert campaigns.submit_appeal(campaign, appeal_reason="It has one now").appealed_at is not None
    assert status_of(sync_client, campaign) == "TCR_ACCEPTED"
    simulator.advance(4 * DAY)
    wait_for(lambda: status_of(sync_client, campaign) == "MNO_PROVISIONED")


def test_an_update_sends_only_a_rejected_campaign_back_into_review(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    campaign, campaigns = provisioned(sync_client, simulator), sync_client.messaging_10dlc.campaign
    campaigns.update(campaign, sample1="Hello")
    assert status_of(sync_client, campaign) == "MNO_PROVISIONED"
    simulator.move_campaign(campaign, status="MNO_REJECTED", reason="No opt-out", shape=None)
    campaigns.update(campaign, webhook_url="https://hooks.example.com/x")
    assert status_of(sync_client, campaign) == "TCR_ACCEPTED"


@pytest.mark.parametrize("carrier", ["AT&T", "T-Mobile"])
def test_a_carrier_suspends_a_campaign_and_messages_to_its_phones_fail(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, carrier: str
) -> None:
    campaign = provisioned(sync_client, simulator, NUMBER, webhook_url=receiver.url)
    simulator.set_carrier("+13125550102", carrier)
    simulator.set_carrier("+13125550103", "Verizon")
    simulator.move_campaign(campaign, status="SUSPENDED", carrier=carrier, seconds=3600)
    assert told(receiver, 1)[0] | {"description": ""} == {
        "campaignId": campaign,
        "brandId": sync_client.messaging_10dlc.campaign.retrieve(campaign).brand_id,
        "type": "TCR_EVENT",
        "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED",
        "mnoName": carrier,
        "mnoId": {"AT&T": 10017, "T-Mobile": 10035}[carrier],
        "description": "",
    }
    assert sync_client.messaging_10dlc.campaign.retrieve(campaign).is_t_mobile_suspended is (carrier == "T-Mobile")
    assert list(sync_client.messaging_10dlc.campaign.get_operation_status(campaign).values()).count("SUSPENDED") == 1

    def sent(to: str) -> str:
        answer = sync_client.messages.send(to=to, from_=NUMBER, text="Hi").data
        assert answer is not None
        message_id = str(answer.id)
        wait_for(lambda: simulator.account.messages.known(message_id).status in {"sending_failed", "delivered"})
        return simulator.account.messages.known(message_id).status

    assert [sent("+13125550102"), sent("+13125550103")] == ["sending_failed", "delivered"]
    simulator.advance(3600)
    assert told(receiver, 1)[0]["eventType"] == "MNO_CAMPAIGN_OPERATION_UNSUSPENDED"
    assert sent("+13125550102") == "delivered"


def test_a_dormant_campaign_takes_a_number_at_the_second_attempt(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    campaign = provisioned(sync_client, simulator, webhook_url=receiver.url)
    simulator.move_campaign(campaign, status="DORMANT", shape=None)
    numbers = sync_client.messaging_10dlc.phone_number_campaigns
    with pytest.raises(telnyx.BadRequestError):
        numbers.create(campaign_id=campaign, phone_number=NUMBER)
    assert numbers.create(campaign_id=campaign, phone_number=NUMBER).assignment_status == "PENDING_ASSIGNMENT"
    simulator.advance(60)
    assert told(receiver, 1)[0]["type"] == "ASSIGNMENT"
    assert numbers.retrieve(NUMBER).assignment_status == "ASSIGNED"
    assert [each.phone_number for each in numbers.list(filter={"telnyx_campaign_id": campaign}).records] == [NUMBER]


def test_a_number_that_lost_its_campaign_cannot_send(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    provisioned(sync_client, simulator, NUMBER, webhook_url=receiver.url)
    sync_client.messaging_10dlc.phone_number_campaigns.delete(NUMBER)
    assert told(receiver, 1)[0]["type"] == "DELETION"
    with pytest.raises(telnyx.NotFoundError):
        sync_client.messaging_10dlc.phone_number_campaigns.retrieve(NUMBER)
    answer = sync_client.messages.send(to="+13125550102", from_=NUMBER, text="Hi").data
    assert answer is not None
    message_id = str(answer.id)
    failed = wait_for(lambda: each if (each := simulator.account.messages.known(message_id)).errors else None)
    assert failed.errors[0]["code"] == "40010"


def test_a_nudge_names_the_campaign_by_its_id_in_the_registry(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    campaign = provisioned(sync_client, simulator, webhook_url=receiver.url)
    simulator.move_campaign(campaign, status="TELNYX_FAILED", shape=None)
    simulator.move_campaign(campaign, status="NUDGED")
    tcr_id = sync_client.messaging_10dlc.campaign.retrieve(campaign).tcr_campaign_id
    assert told(receiver, 1)[0]["campaignId"] == tcr_id != campaign
    assert status_of(sync_client, campaign) == "TCR_ACCEPTED"


def test_a_shared_campaign_is_known_by_the_id_of_the_registry_alone(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    shared, partners = simulator.share_campaign().id, sync_client.messaging_10dlc.partner_campaigns
    assert [each.tcr_campaign_id for each in partners.list().records] == [shared]
    partners.update(shared, webhook_url="https://hooks.example.com/x")
    assert partners.retrieve(shared).webhook_url == "https://hooks.example.com/x"
    with pytest.raises(telnyx.NotFoundError):
        sync_client.messaging_10dlc.campaign.retrieve(shared)
    assigned = sync_client.messaging_10dlc.phone_number_campaigns.create(campaign_id=shared, phone_number=NUMBER)
    assert (assigned.campaign_id, assigned.telnyx_campaign_id) == (shared, None)


def test_a_deactivated_campaign_is_gone_with_its_numbers(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    campaign = provisioned(sync_client, simulator, NUMBER)
    assert "10017" in sync_client.messaging_10dlc.campaign.get_mno_metadata(campaign).to_dict()
    assert sync_client.messaging_10dlc.campaign.deactivate(campaign).time > 0
    with pytest.raises(telnyx.NotFoundError):
        status_of(sync_client, campaign)
    assert sync_client.messaging_10dlc.phone_number_campaigns.list().records == []


STEPS = ["TCR_ACCEPTED", "TELNYX_FAILED", "MNO_REJECTED", "MNO_PROVISIONED", "DORMANT"]


@pytest.mark.parametrize("status", STEPS)
def test_a_flat_webhook_is_that_of_the_sdk(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, status: Any
) -> None:
    campaign = provisioned(sync_client, simulator, webhook_url=receiver.url)
    simulator.move_campaign(campaign, status=status, shape="flat")
    [received] = receiver.take()
    body = received.json
    assert "data" not in body
    assert CampaignStatusUpdate.model_validate(body, strict=True).campaign_id == campaign
    assert DOCUMENT is None or DOCUMENT.webhook_findings("campaignStatusUpdate", body) == []
