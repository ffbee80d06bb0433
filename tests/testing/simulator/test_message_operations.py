"""`POST /messages`, `POST /messages/schedule`, `GET|DELETE /messages/{id}`."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import telnyx

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, refusal
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"


def _in(**time: float) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


@pytest.fixture
def lenient(client: Client) -> Client:
    """The SDK's types know the status `scheduled` in cancellations only, Telnyx's page on scheduling everywhere."""
    client._strict_response_validation = False
    return client


async def test_an_sms_is_accepted(client: Client) -> None:
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Grüße €5"))).data
    assert sent is not None
    assert sent.type == "SMS"
    assert [(to.phone_number, to.status) for to in sent.to or []] == [(TO, "queued")]
    assert sent.from_ is not None
    assert sent.from_.phone_number == FROM
    assert (sent.encoding, sent.parts, sent.text) == ("GSM-7", 1, "Grüße €5")


async def test_an_sms_with_other_characters_is_split_sooner(client: Client) -> None:
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="ж" * 71))).data
    assert sent is not None
    assert (sent.encoding, sent.parts, sent.num_chars) == ("UCS-2", 2, 71)


async def test_an_mms_is_told_from_its_media(client: Client) -> None:
    picture = "https://example.com/cat.jpg"
    sent = (await answer(client.messages.send(to=TO, from_=FROM, media_urls=[picture], subject="Cat"))).data
    assert sent is not None
    assert (sent.type, sent.subject) == ("MMS", "Cat")
    assert [medium.url for medium in sent.media or []] == [picture]


async def test_a_number_pool_sends_where_no_sender_is_given(client: Client, simulator: Simulator) -> None:
    profile = simulator.account.profiles.default_id
    sent = (await answer(client.messages.send(to=TO, messaging_profile_id=profile, text="Hi"))).data
    assert sent is not None
    assert sent.messaging_profile_id == profile
    assert sent.from_ is not None
    assert sent.from_.phone_number == "+13125550000"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"to": "3125550002"}, "40310", id="recipient not E.164"),
        pytest.param({"from_": "not a sender!"}, "40305", id="sender"),
        pytest.param({"from_": "ACME"}, "10004", id="alphanumeric sender without profile"),
        pytest.param({"from_": telnyx.omit}, "10004", id="no sender and no profile"),
        pytest.param({"text": telnyx.omit}, "10004", id="no text"),
        pytest.param({"type": "MMS"}, "10004", id="MMS without media"),
        pytest.param({"media_urls": ["cat.jpg"]}, "10015", id="media that is no URL"),
        pytest.param({"text": "ж", "encoding": "gsm7"}, "10015", id="text beyond GSM-7"),
        pytest.param({"text": "x" * 1531}, "40302", id="more than ten parts"),
    ],
)
async def test_a_message_that_does_not_fit_is_refused(client: Client, fields: dict[str, str], code: str) -> None:
    message = {"to": TO, "from_": FROM, "text": "Hi"} | fields
    assert await refusal(lambda: client.messages.send(**message)) == (400, code)  # type: ignore[arg-type]


async def test_a_message_is_retrieved_with_what_became_of_it(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.set_outcome(TO, "delivery_failed")
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data
    assert sent is not None
    receiver.take(2)
    kept = (await answer(client.messages.retrieve(str(sent.id)))).data
    assert isinstance(kept, telnyx.types.OutboundMessagePayload)
    assert [to.status for to in kept.to or []] == ["delivery_failed"]
    assert [error.code for error in kept.errors or []] == ["40008"]
    assert kept.completed_at is not None


async def test_an_inbound_message_is_retrieved_too(client: Client, simulator: Simulator) -> None:
    message = simulator.receive(sender=TO, to=FROM, text="Hello", media_urls=["https://example.com/a.jpg"], type="MMS")
    kept = (await answer(client.messages.retrieve(message.id))).data
    assert kept is not None
    assert (kept.direction, kept.type, kept.text) == ("inbound", "MMS", "Hello")
    assert [medium.url for medium in kept.media or []] == ["https://example.com/a.jpg"]


async def test_an_unknown_message_cannot_be_retrieved(client: Client) -> None:
    assert await refusal(lambda: client.messages.retrieve("40385f64-5717-4562-b3fc-2c963f66afa6")) == (404, "10005")


async def test_a_message_can_be_retrieved_for_ten_days(client: Client, simulator: Simulator) -> None:
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data
    assert sent is not None
    simulator.advance(10 * 86400 - 60)
    assert (await answer(client.messages.retrieve(str(sent.id)))).data is not None
    simulator.advance(120)
    assert await refusal(lambda: client.messages.retrieve(str(sent.id))) == (404, "10005")


async def test_a_scheduled_message_goes_out_at_its_time(
    lenient: Client, simulator: Simulator, receiver: Receiver
) -> None:
    sent = (await answer(lenient.messages.schedule(to=TO, from_=FROM, text="Hi", send_at=_in(hours=1)))).data
    assert sent is not None
    assert [to.status for to in sent.to or []] == ["scheduled"]
    assert receiver.arrived.empty()
    simulator.advance(3600)
    assert receiver.take_types(2) == ["message.sent", "message.finalized"]


async def test_a_message_is_scheduled_from_five_minutes_to_five_days_ahead(client: Client) -> None:
    for when in (_in(minutes=4, seconds=50), _in(days=5, minutes=1)):
        ask = partial(client.messages.schedule, to=TO, from_=FROM, text="Hi", send_at=when)
        assert await refusal(ask) == (400, "10015")
    assert await refusal(lambda: client.messages.schedule(to=TO, from_=FROM, text="Hi")) == (400, "10004")


async def test_a_scheduled_message_is_cancelled_and_never_sent(
    lenient: Client, simulator: Simulator, receiver: Receiver
) -> None:
    sent = (await answer(lenient.messages.send(to=TO, from_=FROM, text="Hi", send_at=_in(hours=1)))).data
    assert sent is not None
    cancelled = await answer(lenient.messages.cancel_scheduled(str(sent.id)))
    assert cancelled.id == sent.id
    assert [to.status for to in cancelled.to or []] == ["cancelled"]
    simulator.advance(7200)
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()


async def test_only_a_message_that_waits_for_more_than_a_minute_is_cancelled(
    lenient: Client, simulator: Simulator
) -> None:
    client = lenient
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data
    soon = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi", send_at=_in(minutes=6)))).data
    assert sent is not None
    assert soon is not None
    simulator.advance(301)
    assert await refusal(lambda: client.messages.cancel_scheduled(str(sent.id))) == (403, "10010")
    assert await refusal(lambda: client.messages.cancel_scheduled(str(soon.id))) == (403, "10010")
    unknown = "40385f64-5717-4562-b3fc-2c963f66afa6"
    assert await refusal(lambda: client.messages.cancel_scheduled(unknown)) == (404, "10005")


async def test_the_same_seed_gives_the_same_ids(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    ids = []
    for _ in range(2):
        simulator.reset()
        first = sync_client.messages.send(to=TO, from_=FROM, text="Hi").data
        wait_for(lambda: len(simulator.account.webhook_deliveries) == 2)
        second = sync_client.messages.send(to=TO, from_=FROM, text="Hi").data
        ids.append([message and message.id for message in (first, second)])
    assert ids[0] == ids[1]
    assert ids[0][0] != ids[0][1]
