"""10DLC in every form that Telnyx publishes, and in forms that it does not: nothing is hidden by an odd field."""

from typing import Any

import httpx
import pytest
from telnyx import AsyncTelnyx
from telnyx.types.messaging_10dlc import PhoneNumberCampaign, TelnyxBrand, TelnyxCampaignCsp

from service.events import TenDlcUpdate, read_envelope
from service.outbound.carriers import carrier_of
from service.registrations.ten_dlc import kinds, readings
from service.registrations.ten_dlc.notices import REMEDIES, remedy_for
from service.registrations.ten_dlc.updates import Said, read_update, subjects

TCR = {"type": "TCR_EVENT", "campaignId": "c"}


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        ({**TCR, "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED"}, "suspended"),
        ({**TCR, "status": "MNO_CAMPAIGN_OPERATION_SUSPENDED"}, "suspended"),
        ({**TCR, "description": "MNO_CAMPAIGN_OPERATION_SUSPENDED by AT&T"}, "suspended"),
        ({**TCR, "description": "MNO_CAMPAIGN_OPERATION_SUSPENDED: AT&T"}, "suspended"),
        ({**TCR, "eventType": "MNO_CAMPAIGN_OPERATION_UNSUSPENDED"}, "resumed"),
        ({"tcrCampaignId": "C1", "type": "MNO_REVIEW", "status": "REJECTED"}, "rejected"),
        ({**TCR, "eventType": "CAMPAIGN_EXPIRED"}, "expired"),
        ({**TCR, "eventType": "CAMPAIGN_NUDGE"}, "nudged"),
        ({"campaignId": "C1", "type": "CAMPAIGN_NUDGE", "nudgeIntent": "REVIEW"}, "nudged"),
        ({"campaignId": "c", "type": "MNO_REVIEW", "status": "REJECTED"}, "rejected"),
        ({"campaignId": "c", "type": "REGISTRATION", "status": "failed", "reasons": ["no"]}, "rejected"),
        ({"campaignId": "c", "type": "TELNYX_EVENT", "status": "DORMANT"}, "dormant"),
        ({"campaignId": "c", "type": "VERIFIED"}, "verified"),
        ({"campaignId": "c", "type": "TELNYX_REVIEW", "status": "ACCEPTED", "description": "C1 approved"}, ""),
        ({"campaignId": "c", "type": "NUMBER_POOL_PROVISIONED", "status": "success"}, ""),
        ({"brandId": "b", "type": "ORDER_EXTERNAL_VETTING", "status": "failed"}, "vetting_failed"),
        ({"brandId": "b", "type": "ORDER_EXTERNAL_VETTING", "status": "success"}, "verified"),
        ({"campaignId": "c", "type": 7, "status": ["REJECTED"], "reasons": {"description": 3}}, ""),
    ],
)
def test_what_an_update_says_is_read_from_whichever_field_has_it(payload: dict[str, Any], meaning: str) -> None:
    assert read_update(TenDlcUpdate.model_validate(payload)).meaning == meaning


@pytest.mark.parametrize(
    ("payload", "event_type"),
    [
        ({"campaignId": "c", "brandId": "b", "type": "MNO_REVIEW"}, "10dlc.campaign.update"),
        ({"tcrCampaignId": "C1", "type": "TCR_EVENT"}, "10dlc.campaign.update"),
        ({"brandId": "b", "type": "REGISTRATION"}, "10dlc.brand.update"),
        ({"tcrBrandId": "B1", "type": "TCR_BRAND_UPDATE"}, "10dlc.brand.update"),
        ({"phoneNumber": "+16715455939", "campaignId": "c", "type": "DELETION"}, "10dlc.phone_number.update"),
        ({"phoneNumber": "+16715455939", "type": "Else"}, "unknown"),
    ],
)
def test_a_flat_update_has_the_type_of_one_in_an_envelope(payload: dict[str, Any], event_type: str) -> None:
    body = httpx.Request("POST", "http://x", json=payload).content
    assert read_envelope(body).type == event_type


@pytest.mark.parametrize(
    ("payload", "event_type", "named"),
    [
        ({"campaignId": "c", "brandId": "b"}, "10dlc.campaign.update", [("campaign", "c")]),
        ({"campaignId": "c", "brandId": "b"}, "10dlc.brand.update", [("brand", "b")]),
        ({"tcrCampaignId": "C1"}, "10dlc.campaign.update", [("campaign", "C1")]),
        ({"campaignId": "c", "phoneNumber": "+16715455939"}, "10dlc.x.update", [("number_assignment", "+16715455939")]),
        (
            {"campaignId": "c", "phoneNumber": "16715455939"},
            "10dlc.phone_number.update",
            [("number_assignment", "+16715455939")],
        ),
        ({"campaignId": "c"}, "10dlc.phone_number.update", [("campaign", "c")]),
        ({"campaignId": 17}, "10dlc.campaign.update", [("campaign", "17")]),
        ({"campaignId": None, "type": "x"}, "10dlc.campaign.update", []),
    ],
)
def test_an_update_is_about_one_registration(payload: dict[str, Any], event_type: str, named: list[Any]) -> None:
    assert subjects(TenDlcUpdate.model_validate(payload), event_type) == named


def campaign(**fields: Any) -> Any:
    return TelnyxCampaignCsp.construct(**{"campaignId": "c", "tcrCampaignId": "C1", **fields})


@pytest.mark.parametrize(
    ("fields", "suspended_by", "status", "reason"),
    [
        ({"campaignStatus": "MNO_PROVISIONED"}, [], "MNO_PROVISIONED", None),
        ({"campaignStatus": "MNO_PROVISIONED", "isTMobileSuspended": True}, [], "MNO_SUSPENDED", "T-Mobile"),
        ({"campaignStatus": "MNO_PROVISIONED"}, ["Verizon", "AT&T"], "MNO_SUSPENDED", "AT&T, Verizon"),
        ({"campaignStatus": "TCR_SUSPENDED", "isTMobileSuspended": True}, [], "TCR_SUSPENDED", None),
        ({"campaignStatus": "MNO_PROVISIONED", "status": "EXPIRED"}, [], "TCR_EXPIRED", None),
        ({"submissionStatus": "FAILED", "failureReasons": "No"}, [], "TCR_FAILED", "No"),
        ({"submissionStatus": "PENDING"}, [], "TCR_PENDING", None),
        ({"campaignStatus": "SOMETHING_NEW"}, [], "SOMETHING_NEW", None),
        ({"campaignStatus": 7, "failureReasons": [{"description": "One"}, "Two", None]}, [], "unknown", "One; Two"),
        ({}, [], "unknown", None),
    ],
)
def test_a_campaign_is_read_whatever_its_fields_hold(
    fields: dict[str, Any], suspended_by: list[str], status: str, reason: str | None
) -> None:
    [now] = readings.campaign_reading(campaign(**fields), suspended_by=suspended_by).history
    assert (now.status, now.reason) == (status, reason)


@pytest.mark.parametrize(
    ("fields", "status", "lost"),
    [
        ({"assignmentStatus": "ASSIGNED", "tmobileNumberMappingStatus": "ADDED"}, "ASSIGNED", []),
        ({"assignmentStatus": "ASSIGNED", "tmobileNumberMappingStatus": "FAILED"}, "CARRIER_FAILED", ["T-Mobile"]),
        (
            {"assignmentStatus": "ASSIGNED", "nonTmobileNumberMappingStatus": "Deleted"},
            "CARRIER_FAILED",
            ["others"],
        ),
        ({"assignmentStatus": "PENDING_ASSIGNMENT"}, "PENDING_ASSIGNMENT", []),
        ({}, "unknown", []),
    ],
)
def test_a_number_is_read_with_the_carriers_that_lost_it(fields: dict[str, Any], status: str, lost: list[str]) -> None:
    reading = readings.number_reading(PhoneNumberCampaign.construct(**fields))
    assert (reading.history[0].status, reading.details["carriers"]) == (status, lost)


def test_a_registered_brand_has_the_status_of_its_identity() -> None:
    def status(**fields: Any) -> str:
        return readings.brand_reading(TelnyxBrand.construct(**fields)).history[0].status

    assert status(status="OK", identityStatus="VERIFIED") == "VERIFIED"
    assert status(status="REGISTRATION_FAILED", identityStatus="UNVERIFIED") == "REGISTRATION_FAILED"
    assert (status(status="OK"), status()) == ("OK", "unknown")


NAMES = {"10017": {"mno": "AT&T"}, "10035": {"mno": "T-Mobile USA"}, "odd": 1}


@pytest.mark.parametrize(
    "answer",
    [
        {"10017": "SUSPENDED", "10035": "REGISTERED"},
        {"10017": {"status": "SUSPENDED"}, "10035": {"status": "APPROVED"}},
        {"AT&T": "Suspended", "T-Mobile": "Registered"},
        {"AT&T Mobility": {"operationStatus": "SUSPENDED"}},
        {"10035": "UNSUSPENDED", "10017": "MNO_SUSPENDED"},
    ],
)
async def test_the_suspending_carrier_is_found_in_any_form_of_the_answer(answer: Any) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer if request.url.path.endswith("operationStatus") else NAMES)

    transport = httpx.MockTransport(respond)
    async with AsyncTelnyx(
        api_key="K", base_url="http://t/v2", http_client=httpx.AsyncClient(transport=transport)
    ) as api:
        assert await readings.suspending_carriers(api, "c") == ["AT&T"]


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ("AT&T MOBILITY", "AT&T"),
        ("T-MOBILE USA, INC.", "T-Mobile"),
        ("CELLCO PARTNERSHIP DBA VERIZON WIRELESS", "Verizon"),
        ("U.S. Cellular", "US Cellular"),
        ("Ringo LLC", None),
        ("", None),
        (None, None),
    ],
)
def test_a_carrier_has_one_name(listed: str | None, name: str | None) -> None:
    assert carrier_of(listed) == name


def test_each_status_that_needs_a_person_has_a_remedy() -> None:
    needed = {(kind, status) for kind, statuses in kinds.NEEDS_PERSON.items() for status in statuses}
    assert needed == set(REMEDIES)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("The website has no privacy policy", "appeal"),
        ("Sample message does not contain required opt-out language", "update"),
        ("Try again", "Otherwise appeal"),
        (None, "Otherwise appeal"),
    ],
)
def test_the_remedy_of_a_rejection_depends_on_its_reason(reason: str | None, words: str) -> None:
    for status in kinds.APPEALABLE:
        remedy = remedy_for("campaign", status, reason)
        assert remedy is not None
        assert words in remedy.text
        shared = remedy_for("campaign", status, reason, shared=True)
        assert shared is not None
        assert "nudge" in shared.text


def test_an_event_is_confirmed_by_the_status_that_it_is_about() -> None:
    assert Said("suspended").confirmed_by("MNO_SUSPENDED")
    assert not Said("suspended").confirmed_by("MNO_PROVISIONED")
    assert Said("").confirmed_by("anything")
