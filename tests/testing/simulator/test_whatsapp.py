"""`POST /messages/whatsapp`, what becomes of it, and WhatsApp messages to us; the SDK's types judge the shapes."""

import base64
from typing import Any

import pytest
from telnyx.types.messaging_inbound_message_payload import MessagingInboundMessagePayload
from telnyx.types.outbound_message_payload import OutboundMessagePayload

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, refusal
from tests.testing.simulator.receiver import Receiver

pytestmark = pytest.mark.anyio

FROM, TO, USER = "+13125550001", "+13125550002", "US.13491208655302741918"
TEXT: Any = {"type": "text", "text": {"body": "Hello"}}
TEMPLATE: Any = {"type": "template", "template": {"name": "welcome", "language": {"code": "en_US"}}}


def send(client: Client, **fields: Any) -> Any:
    message = {"from_": FROM, "to": TO, "whatsapp_message": TEXT, **fields}
    return client.messages.whatsapp(**message)


def wrote(simulator: Simulator, sender: str = TO, **fields: Any) -> None:
    simulator.receive(sender=sender, to=FROM, type="WHATSAPP", text="Hi", **fields)


async def test_a_text_answers_who_wrote_within_24_hours(client: Client, simulator: Simulator) -> None:
    assert await refusal(lambda: send(client)) == (400, "41000")
    wrote(simulator)
    sent = (await answer(send(client))).data
    assert (sent.type, sent.direction, sent.from_.phone_number) == ("WHATSAPP", "outbound", FROM)
    assert [(to.phone_number, to.status) for to in sent.to] == [(TO, "queued")]
    assert sent.body.text.body == "Hello"
    simulator.advance(24 * 3600 - 60)
    await answer(send(client))
    simulator.advance(120)
    assert await refusal(lambda: send(client)) == (400, "41000")


async def test_the_window_is_that_of_the_number_that_was_written_to(client: Client, simulator: Simulator) -> None:
    simulator.receive(sender=TO, to=FROM, type="SMS", text="Hi")
    simulator.receive(sender=TO, to="+13125550009", type="WHATSAPP", text="Hi")
    assert await refusal(lambda: send(client)) == (400, "41000")


async def test_a_template_goes_out_at_any_time(client: Client) -> None:
    assert (await answer(send(client, whatsapp_message=TEMPLATE))).data.body.template.name == "welcome"


async def test_who_hides_the_number_is_written_to_by_id(client: Client, simulator: Simulator) -> None:
    wrote(simulator, "", user_id=USER)
    assert (await answer(send(client, to=USER))).data.to[0].phone_number == USER
    assert await refusal(lambda: send(client, to="US.2")) == (400, "41000")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"to": "somebody"}, "40310", id="recipient neither number nor id"),
        pytest.param({"to": ""}, "40310", id="no recipient"),
        pytest.param({"from_": "MYBANK"}, "10015", id="sender no number"),
        pytest.param({"whatsapp_message": {}}, "10004", id="nothing to send"),
        pytest.param({"whatsapp_message": {"type": "telegram"}}, "10015", id="kind that is none"),
        pytest.param({"whatsapp_message": {"type": "text"}}, "10004", id="text without text"),
        pytest.param({"whatsapp_message": {"type": "text", "text": {"body": ""}}}, "10004", id="empty text"),
        pytest.param({"whatsapp_message": {"type": "text", "text": {"body": "x" * 4097}}}, "40302", id="too long"),
        pytest.param({"webhook_url": "example.com"}, "10015", id="webhook that is no URL"),
        pytest.param({"type": "SMS"}, "10015", id="another channel"),
    ],
)
async def test_a_whatsapp_message_that_does_not_fit_is_refused(
    client: Client, simulator: Simulator, fields: dict[str, Any], code: str
) -> None:
    wrote(simulator)
    assert await refusal(lambda: send(client, **fields)) == (400, code)
    assert [each for each in simulator.account.messages if each.direction == "outbound"] == []


async def test_a_repeated_key_sends_once(client: Client, simulator: Simulator) -> None:
    wrote(simulator)
    sent = [(await answer(send(client, idempotency_key="hi-1"))).data.id for _ in range(2)]
    assert len(set(sent)) == 1
    other = {"type": "text", "text": {"body": "Bye"}}
    assert await refusal(lambda: send(client, idempotency_key="hi-1", whatsapp_message=other)) == (422, "10015")


async def test_it_is_sent_delivered_and_read_as_webhooks_tell(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    wrote(simulator)
    simulator.set_outcome(TO, "read")
    sent = (await answer(send(client))).data
    events = receiver.take(4)
    told = {each.type: each.payload for each in events if each.payload["id"] == sent.id}
    statuses = {name: payload["to"][0]["status"] for name, payload in told.items()}
    assert statuses == {"message.sent": "sent", "message.finalized": "delivered", "message.read": "read"}
    for payload in told.values():
        read = OutboundMessagePayload.model_validate(payload)
        assert read.type == "WHATSAPP"
        assert payload["body"] == {"whatsapp_message": TEXT}


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_message_to_us_has_the_shape_of_the_sdk(
    simulator: Simulator, receiver: Receiver, *, hidden: bool
) -> None:
    wrote(simulator, "" if hidden else TO, user_id=USER if hidden else None)
    [event] = receiver.take()
    payload = event.payload
    read = MessagingInboundMessagePayload.model_validate(payload)
    assert (read.type, read.to, read.body and read.body.type) == ("WHATSAPP", FROM, "text")
    body = payload["body"]
    assert (body["from"], body.get("from_user_id")) == (("", USER) if hidden else (TO[1:], None))
    held = base64.b64decode(body["foreign_id"].removeprefix("wamid."))
    assert (TO[1:].encode() in held) is not hidden
