"""Sends by a number, a short code, a pool or a name, group MMS, and the window of WhatsApp."""

from collections.abc import Callable
from typing import Any

import pytest

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, refusal

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"
PICTURE = "https://example.com/cat.jpg"
Send = Callable[[Client, str], Any]
SENDS: dict[str, tuple[Send, str, str]] = {
    "long_code": (
        lambda client, key: client.messages.send_long_code(from_=FROM, to=TO, text="Hi", idempotency_key=key),
        FROM,
        "SMS",
    ),
    "short_code": (
        lambda client, key: client.messages.send_short_code(from_="36180", to=TO, text="Hi", idempotency_key=key),
        "36180",
        "SMS",
    ),
    "number_pool": (
        lambda client, key: client.messages.send_number_pool(
            messaging_profile_id="p-1", to=TO, media_urls=[PICTURE], idempotency_key=key
        ),
        "+13125550000",
        "MMS",
    ),
    "alphanumeric_sender_id": (
        lambda client, key: client.messages.send_with_alphanumeric_sender(
            from_="Diner", to=TO, text="Hi", messaging_profile_id="p-1", idempotency_key=key
        ),
        "Diner",
        "SMS",
    ),
}


@pytest.mark.parametrize("kind", SENDS)
async def test_a_send_by_its_kind_is_sent_once(client: Client, simulator: Simulator, kind: str) -> None:
    send, sender, form = SENDS[kind]
    first = (await answer(send(client, "key-1"))).data
    again = (await answer(send(client, "key-1"))).data
    assert (first.type, first.from_.phone_number, again.id) == (form, sender, first.id)
    shown = (await answer(client.messages.retrieve(first.id))).data
    assert shown is not None
    assert [each.path for each in simulator.requests[:2]] == [f"/messages/{kind}"] * 2
    assert len(simulator.account.messages) == 1


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda client: client.messages.send_long_code(from_="Diner", to=TO, text="Hi"), "10015"),
        (lambda client: client.messages.send_long_code(from_=FROM, to=TO), "10004"),
        (lambda client: client.messages.send_short_code(from_="Diner", to=TO, text="Hi"), "10015"),
        (lambda client: client.messages.send_number_pool(messaging_profile_id="p", to="nobody", text="Hi"), "40310"),
        (
            lambda client: client.messages.send_with_alphanumeric_sender(
                from_=FROM, to=TO, text="Hi", messaging_profile_id="p"
            ),
            "10015",
        ),
        (lambda client: client.messages.send_group_mms(from_=FROM, to=[TO] * 9, text="Hi"), "10015"),
        (lambda client: client.messages.send_group_mms(from_=FROM, to=[TO]), "10004"),
    ],
)
async def test_a_sender_of_another_kind_is_refused(
    client: Client, simulator: Simulator, send: Callable[[Client], Any], code: str
) -> None:
    assert await refusal(lambda: send(client)) == (400, code)
    assert len(simulator.account.messages) == 0


async def test_a_group_gets_an_mms_each(client: Client, simulator: Simulator) -> None:
    others = ["+13125550003", "+13125550004"]
    sent = (await answer(client.messages.send_group_mms(from_=FROM, to=others, text="Hi", media_urls=[PICTURE]))).data
    assert sent is not None
    assert [each.phone_number for each in sent.to or []] == others
    listed = (await answer(client.messages.retrieve_group_messages(str(sent.id)))).data or []
    assert [(each.type, each.to and each.to[0].phone_number) for each in listed] == [("MMS", each) for each in others]
    assert await refusal(lambda: client.messages.retrieve_group_messages("nobody")) == (404, "10005")


async def test_the_window_is_open_for_a_day_after_the_last_message(client: Client, simulator: Simulator) -> None:
    async def window() -> Any:
        ask = client.whatsapp.phone_numbers.retrieve_conversation_window
        return (await answer(ask(FROM, destination_number=TO))).data

    assert (await window()).window_active is False
    simulator.receive(sender=TO, to=FROM, type="WHATSAPP", text="Hi")
    opened = await window()
    assert (opened.window_active, opened.window_type) == (True, "24h")
    assert (opened.window_expires_at - opened.last_user_message_at).total_seconds() == 86400
    simulator.advance(86401)
    assert (await window()).window_active is False
