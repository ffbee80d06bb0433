"""Every operation of the SDK for messaging is at the simulator, or the simulator says that it is not."""

from typing import Any

import httpx
import pytest
import telnyx

from service.testing.simulator import Simulator
from service.testing.simulator.api.operations import OPERATIONS, absent_operations
from tests.testing.simulator.receiver import Receiver
from tests.testing.simulator.sdk_operations import sdk_operations, shape
from tests.testing.simulator.ten_dlc import BRAND, new_brand
from tests.waiting import wait_for

OURS, THEIRS = "+13125550001", "+13125550002"


def test_each_operation_of_the_sdk_is_there_or_named_as_absent() -> None:
    here = {shape((each.method, path)) for each in OPERATIONS for path in each.paths}
    absent = {shape((each.method, each.path)) for each in absent_operations()}
    wanted = {shape(each) for each in sdk_operations()}
    assert len(wanted) > 100
    assert wanted - here - absent == set()
    assert (here & absent, absent - wanted) == (set(), set())


def test_an_absent_operation_says_so(http: httpx.Client) -> None:
    for each in absent_operations():
        path = shape((each.method, each.path))[1].replace("{}", "one")
        answer = http.request(each.method, f"/v2{path}")
        assert answer.status_code == 405, path
        assert "The simulator does not have" in answer.json()["errors"][0]["detail"]


def test_a_webhook_of_10dlc_is_tried_five_times(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    brand = sync_client.messaging_10dlc.brand.create(**BRAND, webhook_url=receiver.url)
    receiver.answers["/webhooks"].extend([500] * 5)
    simulator.move_brand(str(brand.brand_id), status="VERIFIED")

    def arrives() -> bool:
        simulator.advance(30)
        return not receiver.arrived.empty()

    for _ in range(5):
        wait_for(arrives)
        receiver.take()
    simulator.advance(3600)
    assert receiver.arrived.empty()


def test_a_brand_is_vetted_again_and_by_a_provider(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    brands = sync_client.messaging_10dlc.brand
    brand = new_brand(sync_client, simulator, webhook_url=receiver.url)
    assert brands.revet(brand).identity_status == "UNVERIFIED"
    ordered = brands.external_vetting.order(brand, evp_id="AEGIS", vetting_class="STANDARD")
    assert ordered.vetted_date is None
    simulator.advance(60)
    told = sorted(each.payload["type"] for each in receiver.take(2))
    assert told == ["ORDER_EXTERNAL_VETTING", "REVET"]
    assert brands.retrieve(brand).identity_status == "VERIFIED"
    brands.external_vetting.imports(brand, evp_id="AEGIS", vetting_id="v-1")
    assert [each.vetting_score for each in brands.external_vetting.list(brand)] == [75, 75]


def test_a_sole_proprietor_gets_a_code(sync_client: telnyx.Telnyx) -> None:
    brands = sync_client.messaging_10dlc.brand
    sole: dict[str, Any] = {**BRAND, "entity_type": "SOLE_PROPRIETOR", "mobile_phone": THEIRS}
    brand = str(brands.create(**sole).brand_id)
    texts: dict[str, Any] = {"pin_sms": "Your code is @OTP_PIN@", "success_sms": "Thank you"}
    with pytest.raises(telnyx.NotFoundError):
        brands.retrieve_sms_otp_status(brand)
    with pytest.raises(telnyx.BadRequestError):
        brands.trigger_sms_otp(brand, **{**texts, "pin_sms": "no code"})
    reference = brands.trigger_sms_otp(brand, **texts).reference_id
    with pytest.raises(telnyx.BadRequestError):
        brands.verify_sms_otp(brand, otp_pin="000000")
    assert brands.get_sms_otp_by_reference(reference).verify_date is None
    brands.verify_sms_otp(brand, otp_pin="123456")
    assert brands.retrieve_sms_otp_status(brand).verify_date is not None
    assert brands.retrieve(brand).identity_status == "VERIFIED"
    company = str(brands.create(**BRAND).brand_id)
    with pytest.raises(telnyx.BadRequestError):
        brands.trigger_sms_otp(company, **texts)
    brands.resend_2fa_email(company)


def test_a_whatsapp_number_is_shown_changed_verified_and_deleted(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    numbers = sync_client.whatsapp.phone_numbers
    with pytest.raises(telnyx.NotFoundError):
        numbers.retrieve_phone_number(OURS)
    simulator.receive(sender=THEIRS, to=OURS, type="WHATSAPP", text="Hi")
    assert [each.phone_number for each in numbers.list()] == [OURS]
    shown = numbers.retrieve_phone_number(OURS).data
    assert shown is not None
    assert (shown.status, shown.quality_rating, shown.calling_enabled) == ("CONNECTED", "GREEN", False)
    numbers.profile.update(OURS, display_name="Acme Support", about="We answer by day")
    profile = numbers.profile.retrieve(OURS).data
    assert profile is not None
    assert (profile.display_name, profile.about) == ("Acme Support", "We answer by day")
    numbers.calling_settings.update(OURS, enabled=True)
    numbers.resend_verification(OURS, verification_method="sms")
    with pytest.raises(telnyx.BadRequestError):
        numbers.verify(OURS, code="000000")
    numbers.verify(OURS, code="123456")
    assert [each.calling_enabled for each in numbers.list()] == [True]
    numbers.delete(OURS)
    assert list(numbers.list()) == []
