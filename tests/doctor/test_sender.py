"""The numbers that fallbacks send from."""

from pathlib import Path
from typing import Any

import pytest
import telnyx

from tests.doctor.looking import look
from tests.stack import SMS_FROM, Stack
from tests.testing.simulator.submission import SUBMISSION
from tests.testing.simulator.ten_dlc import provisioned

ABROAD = "+447700900123"
TOLL_FREE = "+18885550100"
SHORT_CODE = "88811"


def change_profiles(stack: Stack, **changes: Any) -> None:
    profiles = stack.simulator.account.profiles
    for each in profiles:
        profiles.put(each.model_copy(update=changes))


def test_a_number_of_a_profile_may_send(stack: Stack) -> None:
    found = look(stack, "fallback sender", sms_from=ABROAD)
    assert found.status == "ok", found
    assert ABROAD not in found.told
    assert look(stack, "fallback sender", sms_from=None).told == "the SMS fallback is off"


def test_a_number_without_a_profile_and_a_foreign_short_code_are_named(stack: Stack) -> None:
    stack.simulator.account.profiles.unassign(ABROAD)
    found = look(stack, "fallback sender", sms_from=ABROAD)
    assert (found.status, "belongs to no messaging profile" in found.told) == ("failed", True)
    found = look(stack, "fallback sender", sms_from=SHORT_CODE)
    assert (found.status, "no number of this account" in found.told) == ("failed", True)
    stack.simulator.account.profiles.assign(SHORT_CODE, stack.simulator.account.profiles.default_id)
    assert look(stack, "fallback sender", sms_from=SHORT_CODE).status == "ok"


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"redaction_enabled": True}, "failed", "redacts numbers"),
        ({"enabled": False}, "failed", "40312"),
        ({"features": {"ai_opt_out_detection_enabled": False}}, "warning", "AI opt-out detection"),
        ({"features": {"ai_opt_out_detection_enabled": True}}, "ok", ""),
    ],
)
def test_the_profile_must_be_fit_for_fallbacks(stack: Stack, changes: dict[str, Any], status: str, told: str) -> None:
    change_profiles(stack, **changes)
    found = look(stack, "fallback sender", sms_from=ABROAD)
    assert found.status == status
    assert told in found.told


def test_a_pool_must_have_numbers(stack: Stack) -> None:
    profiles = stack.simulator.account.profiles
    found = look(stack, "fallback sender", sms_from="profile")
    assert (found.status, "40321" in found.told) == ("failed", True)
    change_profiles(stack, number_pool_settings={"toll_free_weight": 1, "long_code_weight": 1})
    assert look(stack, "fallback sender", sms_from="profile").status == "failed"
    profiles.assign(ABROAD, profiles.default_id)
    assert look(stack, "fallback sender", sms_from="profile").status == "ok"


def test_senders_of_the_policy_are_checked_too(stack: Stack, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[rules]]\nname = "all"\nfrom = "{SHORT_CODE}"\n')
    found = look(stack, "fallback sender", policy=policy)
    assert (found.status, "no number of this account" in found.told) == ("failed", True)


def test_a_toll_free_number_must_be_verified(stack: Stack) -> None:
    found = look(stack, "fallback sender", sms_from=TOLL_FREE)
    assert (found.status, "40329" in found.told) == ("failed", True)
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        numbers: Any = [{"phone_number": TOLL_FREE}]
        request = client.messaging_tollfree.verification.requests.create(**{**SUBMISSION, "phone_numbers": numbers})
    found = look(stack, "fallback sender", sms_from=TOLL_FREE)
    assert (found.status, "In Progress" in found.told) == ("failed", True)
    stack.simulator.decide(str(request.id), status="Verified", reason=None, shape=None)
    assert look(stack, "fallback sender", sms_from=TOLL_FREE).status == "ok"


def test_a_number_of_the_us_needs_a_campaign(stack: Stack) -> None:
    found = look(stack, "fallback sender")
    assert (found.status, "40010" in found.told) == ("failed", True)
    assert SMS_FROM not in found.told
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        campaign = provisioned(client, stack.simulator, SMS_FROM)
        assert look(stack, "fallback sender").status == "ok"
        client.messaging_10dlc.phone_number_campaigns.delete(SMS_FROM)
        client.messaging_10dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=SMS_FROM)
    found = look(stack, "fallback sender")
    assert (found.status, "still being assigned" in found.told) == ("warning", True)


@pytest.mark.parametrize(
    ("step", "status", "told"),
    [
        ({"status": "FAILED_ASSIGNMENT"}, "failed", "FAILED_ASSIGNMENT"),
        ({"status": "FAILED", "carrier": "T-Mobile"}, "warning", "a carrier does not know"),
    ],
)
def test_a_campaign_that_lost_its_number_is_named(stack: Stack, step: dict[str, Any], status: str, told: str) -> None:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        provisioned(client, stack.simulator, SMS_FROM)
    stack.simulator.move_campaign_number(SMS_FROM, shape=None, **step)
    found = look(stack, "fallback sender")
    assert (found.status, told in found.told) == (status, True)
