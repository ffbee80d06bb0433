"""10DLC: each change is raised once, however it was learnt, and people hear what to do."""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import pytest
import telnyx

from handlers import campaign_notices, campaigns
from service import Router, clock
from service.events import (
    BrandStatusChanged,
    CampaignStatusChanged,
    NumberAssignmentStatusChanged,
    TolerantModel,
)
from service.registrations.ten_dlc import readings
from service.registrations.ten_dlc.following import share
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.inbox.erasure import erase
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from service.testing.samples import cases, payload_in, sample
from service.testing.simulator import Simulator
from tests.registrations.noted import arrive, noted
from tests.stack import SMS_FROM, Host, Stack, open_stack
from tests.telnyx_events import envelope
from tests.testing.simulator.ten_dlc import new_brand, provisioned, submit_campaign
from tests.waiting import wait_for

ROUTER = Router(campaigns.router, campaign_notices.router)
POLL = "ringback.cron.campaigns_poll"
BRAND, CAMPAIGN, NUMBER = (f"{each}.status_changed" for each in ("brand", "campaign", "number_assignment"))
OTHER = "+13125550188"


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def poll(stack: Stack, name: str) -> None:
    record = stack.ended(arrive(stack, POLL, name))
    assert record.state == "done", record


def changes(stack: Stack, kind: str) -> list[dict[str, Any]]:
    """The payloads of all changes of a kind that were raised, in their order."""

    async def raised(store: Store) -> list[dict[str, Any]]:
        found = await search(store, limit=100, wanted=EventFilter(type=kind))
        ids = sorted((each.id for each in found), key=lambda event_id: int(event_id.rpartition(":")[2]))
        records = [await accept.find(store, each) for each in ids]
        return [orjson.loads(record.body or b"{}")["data"]["payload"] for record in records if record]

    return stack.ask(raised)


def steps(stack: Stack, kind: str) -> list[tuple[str | None, str]]:
    return [(each["previous"], each["status"]) for each in changes(stack, kind)]


def told(stack: Stack, *wanted: str) -> str:
    """All notifications, once each of these words stands in one."""
    return wait_for(lambda: found if all(each in (found := noted(stack)) for each in wanted) else "")


def test_a_poll_follows_a_campaign_from_its_submission_to_suspension_and_back(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(ROUTER)
    campaign = submit_campaign(client, new_brand(client, stack.simulator))
    poll(stack, "first")
    for number, status in enumerate(["TCR_ACCEPTED", "MNO_PENDING", "MNO_PROVISIONED", "SUSPENDED", "UNSUSPENDED"]):
        stack.simulator.move_campaign(campaign, status=status, shape=None)
        for again in range(2):
            poll(stack, f"{number}-{again}")
    assert steps(stack, CAMPAIGN) == [
        ("TCR_PENDING", "TCR_ACCEPTED"),
        ("TCR_ACCEPTED", "MNO_PENDING"),
        ("MNO_PENDING", "MNO_PROVISIONED"),
        ("MNO_PROVISIONED", "TCR_SUSPENDED"),
        ("TCR_SUSPENDED", "MNO_PROVISIONED"),
    ]
    assert {each["id"] for each in changes(stack, CAMPAIGN)} == {campaign}
    assert stack.ask(audit).clean


def test_a_campaign_that_is_not_renewed_is_warned_of_once_before_its_end(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    ends = provisioned(client, stack.simulator, auto_renewal=False)
    renewed = provisioned(client, stack.simulator, OTHER, auto_renewal=True)
    expires = client.messaging_10dlc.campaign.retrieve(ends).next_renewal_or_expiration_date
    at = datetime.fromisoformat(str(expires)).timestamp()
    day = 86400

    def polled(name: str, before: float) -> str:
        with clock.moved(lambda: at - before):
            poll(stack, name)
            stack.ended(arrive(stack, "ringback.cron.campaign_ends", f"{name}-ends"))
            return noted(stack)

    assert ends not in polled("early", 20 * day)
    for number in range(3):
        assert polled(f"late-{number}", (10 - number) * day).count(f"{ends} expires on") == 1
    assert renewed not in noted(stack)


def webhooks(simulator: Simulator, campaign: str, brand: str) -> list[dict[str, Any]]:
    """A rejection in every form that Telnyx publishes, by each of the ids."""
    tcr_id = simulator.account.campaigns.known(campaign).tcr_id
    review = {"type": "MNO_REVIEW", "status": "REJECTED", "description": "No opt-out instructions"}
    registration = {
        "type": "REGISTRATION",
        "status": "failed",
        "reasons": [{"fields": ["sample1"], "description": "X"}],
    }
    of_registry = {"type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_REJECTED", "mnoName": "AT&T"}
    ids = [
        {"campaignId": campaign},
        {"campaignId": tcr_id},
        {"tcrCampaignId": tcr_id},
        {"campaignId": campaign, "brandId": brand},
    ]
    payloads = [{**said, **named} for said in (review, registration, of_registry) for named in ids]
    return [*(envelope("10dlc.campaign.update", each) for each in payloads), *payloads]


def test_a_change_is_raised_once_whatever_webhooks_and_polls_tell_of_it(stack: Stack, client: telnyx.Telnyx) -> None:
    for _ in range(2):
        stack.start_worker(ROUTER)
    brand = new_brand(client, stack.simulator)
    campaign = submit_campaign(client, brand)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, status="MNO_REJECTED", reason="No opt-out instructions", shape=None)
    events = [arrive(stack, POLL, f"poll-{number}") for number in range(3)]
    for body in webhooks(stack.simulator, campaign, brand):
        stack.deliver(body)
        events += [body["data"]["id"]] if "data" in body else []
    for event in events:
        assert stack.ended(event).state == "done"
    assert steps(stack, CAMPAIGN) == [("TCR_PENDING", "MNO_REJECTED")]
    assert changes(stack, CAMPAIGN)[0]["reason"] == "No opt-out instructions"


@pytest.mark.parametrize("number", [0, 5, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 2, 3, 4, 6, 7))])
def test_each_form_of_a_webhook_is_a_reason_to_read_the_campaign(
    stack: Stack, client: telnyx.Telnyx, number: int
) -> None:
    stack.start_worker(ROUTER)
    brand = new_brand(client, stack.simulator)
    campaign = submit_campaign(client, brand)
    stack.simulator.move_campaign(campaign, status="MNO_REJECTED", reason="No opt-out", shape=None)
    stack.deliver(webhooks(stack.simulator, campaign, brand)[number * 3])
    [change] = wait_for(lambda: changes(stack, CAMPAIGN))
    assert (change["id"], change["status"], change["brand_id"]) == (campaign, "MNO_REJECTED", brand)


def test_a_campaign_is_one_registration_by_either_of_its_ids(stack: Stack, client: telnyx.Telnyx) -> None:
    """A nudge bears the registry's id, everything else Telnyx's."""
    stack.start_worker(ROUTER)
    campaign = submit_campaign(client, new_brand(client, stack.simulator), webhook_url=f"{stack.host.url}/webhooks")
    stack.simulator.move_campaign(campaign, status="TELNYX_FAILED", reason="No privacy policy", shape=None)
    poll(stack, "first")
    tcr_id = stack.simulator.account.campaigns.known(campaign).tcr_id
    nudge = {"campaignId": tcr_id, "type": "CAMPAIGN_NUDGE", "nudgeIntent": "APPEAL_REJECTION"}
    stack.simulator.move_campaign(campaign, status="NUDGED", shape=None)
    stack.deliver(body := envelope("10dlc.campaign.update", nudge))
    stack.ended(body)
    assert steps(stack, CAMPAIGN) == [(None, "TELNYX_FAILED"), ("TELNYX_FAILED", "TCR_ACCEPTED")]
    assert "was nudged" in told(stack, "nudged")


def test_a_shared_campaign_is_followed_by_the_id_of_the_registry(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    shared = stack.simulator.share_campaign().id
    poll(stack, "first")
    stack.simulator.move_campaign(shared, status="TELNYX_FAILED", reason="The website is empty", shape=None)
    stack.deliver({"campaignId": shared, "type": "TELNYX_REVIEW", "status": "REJECTED"})
    [change] = wait_for(lambda: changes(stack, CAMPAIGN))
    assert (change["id"], change["tcr_id"], change["shared"]) == (shared, shared, True)
    assert "nudge Telnyx through the registry" in told(stack, "TELNYX_FAILED")


@pytest.mark.parametrize(
    "carrier",
    ["AT&T", *(pytest.param(each, marks=pytest.mark.slow) for each in ("T-Mobile", "Verizon", "US Cellular"))],
)
def test_a_suspension_by_one_carrier_is_read_and_named(stack: Stack, client: telnyx.Telnyx, carrier: str) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, OTHER)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, status="SUSPENDED", carrier=carrier, shape=None)
    suspended = {"campaignId": campaign, "type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED"}
    stack.deliver(body := envelope("10dlc.campaign.update", suspended))
    stack.ended(body)
    poll(stack, "second")
    [change] = changes(stack, CAMPAIGN)
    assert (change["status"], change["carriers"]) == ("MNO_SUSPENDED", [carrier])
    stack.simulator.move_campaign(campaign, status="UNSUSPENDED", carrier=carrier, shape=None)
    # The list shows nothing of most carriers: a campaign that one suspends is read by itself.
    poll(stack, "third")
    assert steps(stack, CAMPAIGN)[1:] == [("MNO_SUSPENDED", "MNO_PROVISIONED")]


def test_a_campaign_that_is_suspended_or_freed_while_it_is_read_changes_once(
    stack: Stack, client: telnyx.Telnyx, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = provisioned(client, stack.simulator, OTHER)
    read_carriers, moves = readings.suspending_carriers, ["SUSPENDED"]

    def move() -> None:
        for status in moves:
            stack.simulator.move_campaign(campaign, status=status, shape=None)
        moves.clear()

    async def suspended_meanwhile(asked: telnyx.AsyncTelnyx, campaign_id: str) -> list[str]:
        move()
        return await read_carriers(asked, campaign_id)

    async def freed_meanwhile(asked: telnyx.AsyncTelnyx, campaign_id: str) -> list[str]:
        carriers = await read_carriers(asked, campaign_id)
        move()
        return carriers

    stack.start_worker(ROUTER)
    poll(stack, "first")
    for each, told in ((suspended_meanwhile, 1), (freed_meanwhile, 2)):
        monkeypatch.setattr(readings, "suspending_carriers", each)
        for _ in range(told):
            stack.deliver(body := envelope("10dlc.campaign.update", {"campaignId": campaign, "type": "TCR_EVENT"}))
            stack.ended(body)
        moves.append("UNSUSPENDED")
    assert steps(stack, CAMPAIGN) == [("MNO_PROVISIONED", "TCR_SUSPENDED"), ("TCR_SUSPENDED", "MNO_PROVISIONED")]


def test_a_dormant_campaign_stays_dormant_until_a_number_is_assigned(stack: Stack, client: telnyx.Telnyx) -> None:
    """The API does not show it, so that a poll must not take it back."""
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator)
    poll(stack, "first")
    stack.simulator.move_campaign(campaign, status="DORMANT", shape=None)
    stack.deliver({"campaignId": campaign, "type": "TELNYX_EVENT", "status": "DORMANT", "description": "It is dormant"})
    wait_for(lambda: changes(stack, CAMPAIGN))
    poll(stack, "second")
    assert steps(stack, CAMPAIGN) == [("MNO_PROVISIONED", "DORMANT")]
    assert f"ringback campaigns assign {campaign} NUMBER" in told(stack, "twice")
    numbers = client.messaging_10dlc.phone_number_campaigns
    with pytest.raises(telnyx.BadRequestError):
        numbers.create(campaign_id=campaign, phone_number=OTHER)
    numbers.create(campaign_id=campaign, phone_number=OTHER)
    stack.simulator.move_campaign_number(OTHER, status="ASSIGNED", shape=None)
    poll(stack, "third")
    poll(stack, "fourth")
    assert steps(stack, CAMPAIGN)[1:] == [("DORMANT", "MNO_PROVISIONED")]


NUMBER_EVENTS: list[dict[str, Any]] = [
    {"type": "DELETION", "status": "success", "reasons": []},
    {"type": "STATUS_UPDATE", "status": "DELETED", "tcrCampaignId": "C1"},
]


@pytest.mark.parametrize("said", NUMBER_EVENTS)
@pytest.mark.parametrize("is_flat", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_number_that_loses_its_campaign_is_told_of_without_naming_it_whole(
    stack: Stack, client: telnyx.Telnyx, said: dict[str, Any], *, is_flat: bool
) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, OTHER)
    poll(stack, "first")
    stack.simulator.move_campaign_number(OTHER, status="DELETED", shape=None)
    payload = {"campaignId": campaign, "phoneNumber": OTHER, **said}
    stack.deliver(payload if is_flat else envelope("10dlc.phone_number.update", payload))
    [change] = wait_for(lambda: changes(stack, NUMBER))
    assert (change["previous"], change["status"], change["phone_number"]) == ("ASSIGNED", "UNASSIGNED", OTHER)
    assert change["campaign_id"] == campaign
    assert OTHER[1:] not in change["id"]
    assert OTHER[1:] not in told(stack, "40010", "UNASSIGNED")


def test_a_poll_finds_lost_numbers_and_failed_assignments(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    provisioned(client, stack.simulator, OTHER, SMS_FROM)
    poll(stack, "first")
    stack.simulator.move_campaign_number(OTHER, status="FAILED_ASSIGNMENT", reason="It is in use", shape=None)
    stack.simulator.move_campaign_number(SMS_FROM, status="FAILED", carrier="T-Mobile", shape=None)
    poll(stack, "second")
    found = {each["phone_number"]: each for each in changes(stack, NUMBER)}
    assert (found[OTHER]["status"], found[OTHER]["reason"]) == ("FAILED_ASSIGNMENT", "It is in use")
    assert (found[SMS_FROM]["status"], found[SMS_FROM]["carriers"]) == ("CARRIER_FAILED", ["T-Mobile"])
    stack.simulator.move_campaign_number(OTHER, status="DELETED", shape=None)
    for each in ("third", "fourth"):
        poll(stack, each)
    assert [each["status"] for each in changes(stack, NUMBER) if each["phone_number"] == OTHER][1:] == ["UNASSIGNED"]


@pytest.mark.parametrize(
    ("step", "payload", "mend"),
    [
        ("REGISTRATION_FAILED", {"type": "REGISTRATION", "status": "failed", "reasons": ["The EIN is wrong"]}, "show"),
        ("VETTING_FAILED", {"type": "ORDER_EXTERNAL_VETTING", "status": "failed"}, "brand vettings"),
        ("UNVERIFIED", {"type": "TCR_BRAND_UPDATE", "eventType": "BRAND_REVET", "status": "success"}, "brand revet"),
    ],
)
@pytest.mark.parametrize("is_flat", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_brand_that_needs_somebody_is_told_of_once(
    stack: Stack, client: telnyx.Telnyx, step: Any, payload: dict[str, Any], mend: str, *, is_flat: bool
) -> None:
    stack.start_worker(ROUTER)
    brand = new_brand(client, stack.simulator)
    poll(stack, "first")
    stack.simulator.move_brand(brand, status=step, shape=None)
    body = payload | {"brandId": brand}
    stack.deliver(body if is_flat else envelope("10dlc.brand.update", body))
    wait_for(lambda: changes(stack, BRAND))
    poll(stack, "second")
    assert steps(stack, BRAND) == [("VERIFIED", step)]
    assert f"ringback campaigns {mend} {brand}" in told(stack, step)


def test_an_event_that_names_nothing_that_exists_makes_all_be_read(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    campaign = submit_campaign(client, new_brand(client, stack.simulator))
    stack.simulator.move_campaign(campaign, status="TCR_FAILED", shape=None)
    for payload in ({}, {"campaignId": "C-unknown", "type": "MNO_REVIEW"}):
        stack.deliver(body := envelope("10dlc.campaign.update", payload))
        assert stack.ended(body).state == "done"
    assert steps(stack, CAMPAIGN) == [(None, "TCR_FAILED")]


def test_a_deactivated_campaign_and_a_deleted_brand_are_found(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    brand = new_brand(client, stack.simulator)
    campaign = submit_campaign(client, brand)
    poll(stack, "first")
    client.messaging_10dlc.campaign.deactivate(campaign)
    client.messaging_10dlc.brand.delete(brand)
    for each in ("second", "third"):
        poll(stack, each)
    assert steps(stack, CAMPAIGN) == [("TCR_PENDING", "DELETED")]
    assert steps(stack, BRAND) == [("VERIFIED", "DELETED")]


def test_an_event_that_the_api_does_not_confirm_is_looked_at_again_and_then_doubted(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator)
    poll(stack, "first")
    said = {
        "campaignId": campaign,
        "type": "TCR_EVENT",
        "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED",
        "mnoName": "AT&T",
    }
    stack.deliver(body := envelope("10dlc.campaign.update", said))
    stack.ended(body)

    async def scheduled(store: Store) -> list[str]:
        return [each.id for each in await search(store, limit=10, wanted=EventFilter(type="campaign.look_again"))]

    [look] = stack.ask(scheduled)
    assert look.startswith("schedule:campaign_look:")
    told_of: dict[str, Any] = {"kind": "campaign", "given": campaign, "meaning": "suspended", "carrier": "AT&T"}
    again = arrive(stack, "campaign.look_again", "look", **told_of)
    assert stack.ended(again).state == "done"
    assert "suspended by AT&T, and the API shows MNO_PROVISIONED" in told(stack, "not confirmed")
    assert changes(stack, CAMPAIGN) == []


def test_with_an_encryption_key_the_numbers_of_campaigns_are_kept_sealed(host: Host) -> None:
    with open_stack(host, encryption_key=base64.b64encode(bytes(range(32))).decode()) as stack:
        stack.start_worker(ROUTER)
        with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
            provisioned(client, stack.simulator, OTHER)
        poll(stack, "first")

        async def kept(store: Store) -> bytes:
            found: dict[bytes, bytes] = await store.redis.hgetall(store.keys.snapshot("number_assignment"))  # type: ignore[misc]
            return b"".join((*found, *found.values()))

        assert OTHER[1:].encode() not in stack.ask(kept)
        stack.simulator.move_campaign_number(OTHER, status="DELETED", shape=None)
        for each in ("second", "third"):
            poll(stack, each)
        assert [each["phone_number"] for each in changes(stack, NUMBER)] == [OTHER]
        assert stack.ask(lambda store: erase(store, OTHER)).remembered == 1
        assert stack.ask(kept) == b""


def test_a_long_list_is_read_in_shares_that_come_round() -> None:
    listed = [*range(250)]
    assert set().union(*(share(listed, turn) for turn in range(3))) == set(listed)
    assert sorted(share([1, 2, 3], 7)) == [1, 2, 3]
    assert share([], 7) == []


@pytest.mark.parametrize(
    ("prefix", "model"),
    [
        ("10dlc.brand-", BrandStatusChanged),
        ("10dlc.campaign-", CampaignStatusChanged),
        ("10dlc.number-", NumberAssignmentStatusChanged),
    ],
)
def test_the_samples_of_changes_have_the_fields_of_those_that_are_raised(
    prefix: str, model: type[TolerantModel]
) -> None:
    found = [payload_in(sample(name)) for name in cases() if name.startswith(prefix)]
    assert len(found) >= 2
    for each in found:
        assert set(each) == set(model.model_fields)
        model.model_validate(each)


def test_an_event_that_is_ahead_of_the_api_is_looked_at_again(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    campaign = provisioned(client, stack.simulator, OTHER)
    poll(stack, "first")
    payload = {"campaignId": campaign, "phoneNumber": OTHER, "type": "DELETION", "status": "success"}
    stack.deliver(body := envelope("10dlc.phone_number.update", payload))
    stack.ended(body)
    assert changes(stack, NUMBER) == []
    stack.simulator.move_campaign_number(OTHER, status="DELETED", shape=None)
    again = arrive(stack, "campaign.look_again", "look", kind="number_assignment", given=OTHER)
    assert stack.ended(again).handlers["campaign_second_look"].reason == "settled"
    assert [each["status"] for each in changes(stack, NUMBER)] == ["UNASSIGNED"]
