from pathlib import Path

import pytest
from reminder import AGENT, remind
from telnyx import Telnyx

from handlers.sms_fallback import sms_fallback
from service.testing import make_event

POLICY = {"RINGBACK_POLICY": str(Path(__file__).with_name("policy.toml"))}
PROFILE = "4001781e-626f-4a41-a914-b1b682150f94"


def failed(agent):
    return make_event("rcs.failed", from_={"agent_id": agent, "agent_name": "Acme"}, text="See you at 9:30.")


def sends(ran):
    return [(each.body["from"], each.body["text"]) for each in ran.requests if each.method == "POST"]


def test_a_reminder_goes_out_by_rcs(local_telnyx, ringback_bench):
    client = Telnyx(api_key="KEY-for-tests", base_url=f"{ringback_bench.telnyx_url}/v2")
    assert remind(client, "+13125550142", "See you at 9:30.", messaging_profile_id=PROFILE)
    [request] = local_telnyx.requests
    assert (request.path, request.body["agent_id"]) == ("/messages/rcs", AGENT)
    assert "sms_fallback" not in request.body


def test_a_reminder_that_failed_becomes_an_sms_of_our_wording(run_handler):
    ran = run_handler(sms_fallback, failed(AGENT), settings=POLICY)
    assert sends(ran) == [("+13125550199", "Acme Dental: See you at 9:30. Reply STOP to opt out.")]


def test_an_agent_without_a_rule_has_no_fallback(run_handler):
    ran = run_handler(sms_fallback, failed("acme_newsletter"), settings=POLICY)
    assert (ran.reason, ran.requests) == ("no_rule", ())


@pytest.mark.parametrize("agent", ["acme_codes", "acme_promotions"])
def test_nothing_goes_to_a_number_that_said_stop(run_handler, agent):
    run_handler(sms_fallback, make_event("message.received", text="STOP"), settings=POLICY)
    ran = run_handler(sms_fallback, failed(agent), settings=POLICY)
    assert (ran.reason, sends(ran)) == ("opted_out", [])
