"""What became of a 10DLC call without an answer is found at Telnyx, and never guessed."""

import pytest
import telnyx

from service import Context, Event, Router
from service.outbound.api_call import Call
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.testing.simulator.ten_dlc import provisioned

NUMBER = "+13125550188"


def caller() -> Router:
    router = Router()

    @router.on("test.call")
    async def call(event: Event, ctx: Context) -> None:
        ten_dlc, campaign = ctx.telnyx.messaging_10dlc, event.payload["campaign"]
        if event.payload["what"] == "assign":
            await ten_dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=NUMBER)
        elif event.payload["what"] == "appeal":
            await ten_dlc.campaign.submit_appeal(campaign, appeal_reason="It is corrected")
        else:
            await ten_dlc.campaign.update(campaign, sample1="Hello")

    return router


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
@pytest.mark.parametrize("path", ["/10dlc/brand/b", "/10dlc/campaign/c", "/10dlc/partner_campaigns/c"])
def test_only_setting_fields_may_be_done_twice(method: str, path: str) -> None:
    assert Call(method, path).repeatable is (method != "POST")
    assert not Call(method, f"{path}/appeal").repeatable


@pytest.mark.parametrize("what", ["assign", "appeal", "update"])
def test_a_call_whose_answer_was_lost_is_resolved_by_a_look(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("service.outbound.effect_rules.SHOWS_AT_TELNYX", 0)
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        campaign = provisioned(client, stack.simulator)
    if what == "appeal":
        stack.simulator.move_campaign(campaign, status="TELNYX_FAILED", shape=None)
    stack.start_worker(caller())
    before = len(stack.simulator.requests)
    stack.simulator.add_fault(kind="reset", when="after", path="/10dlc/*")
    stack.deliver(body := envelope("test.call", {"campaign": campaign, "what": what}))
    assert stack.ended(body).state == "done"
    made = [each for each in stack.simulator.requests[before:] if each.method != "GET"]
    assert [each.fault for each in made] == (["reset", None] if what == "update" else ["reset"])


def test_an_appeal_that_shows_nowhere_is_for_a_person_to_resolve(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.outbound.effect_rules.SHOWS_AT_TELNYX", 0)
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        campaign = provisioned(client, stack.simulator)
    stack.simulator.move_campaign(campaign, status="TELNYX_FAILED", shape=None)
    stack.start_worker(caller())
    stack.simulator.add_fault(kind="reset", when="before", path="/10dlc/*/appeal")
    stack.deliver(body := envelope("test.call", {"campaign": campaign, "what": "appeal"}))
    record = stack.ended(body)
    assert (record.state, record.handlers["call"].reason) == ("dead", "ambiguous")
