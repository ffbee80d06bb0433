"""The samples of `ringback trigger` are events, and answered as their channel asks."""

import pytest

from service.events import Message
from service.messages.reply_address import Address, address_of
from service.testing.samples import OUR_NUMBER, SAMPLES, USER_ID

NUMBER = "+13125550107"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_fits_its_model(name: str) -> None:
    data = SAMPLES[name](NUMBER)["data"]
    message = Message.model_validate(data["payload"])
    assert (data["event_type"].startswith("message."), message.id is not None) == (True, True)


@pytest.mark.parametrize(
    ("name", "channel", "to"),
    [
        ("sms-received", "SMS", NUMBER),
        ("rcs-received", "RCS", NUMBER),
        ("whatsapp-received", "WHATSAPP", NUMBER),
        ("whatsapp-hidden-received", "WHATSAPP", USER_ID),
    ],
)
def test_a_sample_of_a_message_to_us_can_be_answered(name: str, channel: str, to: str) -> None:
    address = address_of(SAMPLES[name](NUMBER)["data"]["payload"])
    assert isinstance(address, Address)
    assert (address.channel, address.to) == (channel, to)
    assert address.sender in (OUR_NUMBER, "sample-agent")
