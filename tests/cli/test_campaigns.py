"""`ringback campaigns`, on the local Telnyx."""

import json
from collections.abc import Iterator

import pytest
import telnyx

from handlers import campaigns
from tests.cli.at_stack import asked, run_at
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.testing.simulator.ten_dlc import new_brand, provisioned, submit_campaign

NUMBER, OTHER = "+13125550301", "+13125550302"
MASKED = "+1312•••0301"


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def test_brands_and_campaigns_are_listed_with_what_they_need(stack: Stack, client: telnyx.Telnyx) -> None:
    campaign = provisioned(client, stack.simulator, NUMBER)
    shared = stack.simulator.share_campaign().id
    stack.simulator.move_campaign(
        campaign, status="MNO_REJECTED", reason="The website has no privacy policy", shape=None
    )
    ran = run_at(stack, "campaigns", "list")
    assert ran.code == 0
    assert all(each in ran.stdout for each in (campaign, shared, "VERIFIED", "MNO_PROVISIONED", "MNO_REJECTED"))
    assert f"→ ringback campaigns appeal {campaign} --reason TEXT" in ran.stdout
    rows = json.loads(run_at(stack, "campaigns", "list", "--json").stdout)
    assert [(each["kind"], each["status"], each["shared"]) for each in rows] == [
        ("brand", "VERIFIED", False),
        ("campaign", "MNO_REJECTED", False),
        ("campaign", "MNO_PROVISIONED", True),
    ]
    assert [each["numbers"] for each in rows] == [None, 1, None]
    only = json.loads(run_at(stack, "campaigns", "list", "--json", "--status", "MNO_REJECTED").stdout)
    assert [each["id"] for each in only] == [campaign]


def test_a_campaign_is_shown_by_either_id_with_its_carriers_and_numbers_masked(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    campaign = provisioned(client, stack.simulator, NUMBER, webhook_url="https://me:secret@hooks.example.com/webhooks")
    stack.simulator.move_campaign(campaign, status="SUSPENDED", carrier="AT&T", shape=None)
    tcr_id = stack.simulator.account.campaigns.known(campaign).tcr_id
    for each in (campaign, tcr_id):
        ran = run_at(stack, "campaigns", "show", each)
        assert ran.code == 0, ran.stderr
        assert all(text in ran.stdout for text in ("AT&T: SUSPENDED", "Verizon: REGISTERED", MASKED, "MNO_SUSPENDED"))
        assert NUMBER not in ran.stdout
        assert "secret" not in ran.stdout
    told = json.loads(run_at(stack, "campaigns", "show", campaign, "--json", "--reveal").stdout)
    assert told["webhook_url"] == "https://•••@hooks.example.com/webhooks", "a login is no number to reveal"
    assert (told["carriers"]["AT&T"], told["numbers"][0]["phoneNumber"]) == ("SUSPENDED", NUMBER)
    assert run_at(stack, "campaigns", "show", "C-unknown").code == 1


def test_the_feedback_on_a_brand_is_shown(stack: Stack, client: telnyx.Telnyx) -> None:
    brand = new_brand(client, stack.simulator)
    assert "nothing against" in run_at(stack, "campaigns", "show", brand).stdout
    stack.simulator.move_brand(brand, status="REGISTRATION_FAILED", reason="The EIN is not nine digits", shape=None)
    assert "The EIN is not nine digits (ein)" in run_at(stack, "campaigns", "show", brand).stdout


def test_an_appeal_is_asked_about_and_sends_the_campaign_back_into_review(stack: Stack, client: telnyx.Telnyx) -> None:
    campaign = submit_campaign(client, new_brand(client, stack.simulator))
    why = ("--reason", "The website has a privacy policy now")
    assert run_at(stack, "campaigns", "appeal", campaign, *why, "--yes").code == 1
    stack.simulator.move_campaign(campaign, status="TELNYX_FAILED", reason="No privacy policy", shape=None)
    assert run_at(stack, "campaigns", "appeal", campaign, "--reason", " ").code == 2
    assert run_at(stack, "campaigns", "appeal", campaign, *why, answer="n\n").code == 1
    assert run_at(stack, "campaigns", "appeal", campaign, *why, "--yes", RINGBACK_DRY_RUN="true").code == 1
    assert not [each for each in asked(stack, "POST") if each.path.endswith("/appeal")]
    ran = run_at(stack, "campaigns", "appeal", campaign, *why, "--yes")
    assert (ran.code, f"appealed: {campaign}" in ran.stdout) == (0, True)
    assert stack.simulator.account.campaigns.known(campaign).status == "TCR_ACCEPTED"


def test_an_appeal_for_another_providers_campaign_is_refused(stack: Stack) -> None:
    shared = stack.simulator.share_campaign().id
    stack.simulator.move_campaign(shared, status="TELNYX_FAILED", shape=None)
    ran = run_at(stack, "campaigns", "appeal", shared, "--reason", "Done", "--yes")
    assert (ran.code, "nudge" in ran.stderr) == (1, True)


def test_a_number_is_assigned_at_the_second_attempt_to_a_dormant_campaign(stack: Stack, client: telnyx.Telnyx) -> None:
    campaign = provisioned(client, stack.simulator)
    stack.simulator.move_campaign(campaign, status="DORMANT", shape=None)
    assert run_at(stack, "campaigns", "assign", campaign, NUMBER, answer="n\n").code == 1
    ran = run_at(stack, "campaigns", "assign", campaign, NUMBER, OTHER, "--yes")
    assert ran.code == 0, ran.stderr
    assert f"{MASKED}: PENDING_ASSIGNMENT" in ran.stdout
    assert "Trying once more" in ran.stderr
    assert NUMBER not in ran.stdout + ran.stderr
    assert len([each for each in asked(stack, "POST") if each.path.endswith("phone_number_campaigns")]) == 3


def test_a_number_that_telnyx_refuses_twice_is_an_error(stack: Stack, client: telnyx.Telnyx) -> None:
    campaign = submit_campaign(client, new_brand(client, stack.simulator))
    assert run_at(stack, "campaigns", "assign", campaign, NUMBER, "--yes").code == 1
    assert run_at(stack, "campaigns", "assign", "C-unknown", NUMBER, "--yes").code == 1
    assert run_at(stack, "campaigns", "assign", campaign, "312-555", "--yes").code == 2


def test_what_only_ringback_knows_is_listed_while_telnyx_shows_no_other_state(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(campaigns.router)
    suspended, dormant = provisioned(client, stack.simulator), provisioned(client, stack.simulator)
    stack.simulator.move_campaign(suspended, status="SUSPENDED", carrier="AT&T", shape=None)
    for said in (
        {"campaignId": suspended, "type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED"},
        {"campaignId": dormant, "type": "TELNYX_EVENT", "status": "DORMANT"},
    ):
        stack.deliver(body := envelope("10dlc.campaign.update", said))
        stack.ended(body)

    def listed() -> dict[str, tuple[str, str | None]]:
        rows = json.loads(run_at(stack, "campaigns", "list", "--json").stdout)
        return {each["id"]: (each["status"], each["reason"]) for each in rows if each["kind"] == "campaign"}

    assert listed() == {suspended: ("MNO_SUSPENDED", "AT&T"), dormant: ("DORMANT", None)}
    assert "assign a number twice" in run_at(stack, "campaigns", "show", dormant).stdout
    stack.simulator.move_campaign(dormant, status="TCR_EXPIRED", shape=None)
    assert listed()[dormant][0] == "TCR_EXPIRED"
