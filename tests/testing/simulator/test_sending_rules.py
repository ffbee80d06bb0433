"""Who may send to whom, and how fast."""

from typing import Any

import httpx
import pytest
import telnyx

from service.testing.simulator import Simulator
from service.testing.simulator.api.api_error import ApiError
from service.testing.simulator.api.rates import DEFAULT_RATES, RateTable
from service.testing.simulator.messages.message import MessageType
from tests.testing.simulator.asking import Client, answer, refusal
from tests.testing.simulator.receiver import Receiver

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"
TEXT: Any = {"content_message": {"text": "Hello"}}


async def test_stop_blocks_one_messaging_profile_only(client: Client, simulator: Simulator) -> None:
    marketing, alerts = [profile.id for profile in simulator.account.profiles][:2]
    simulator.receive(sender=TO, to=FROM, text=" stop ")
    send = client.messages.send
    assert await refusal(lambda: send(to=TO, from_=FROM, text="Hi")) == (403, "40300")
    assert await refusal(lambda: send(to=TO, messaging_profile_id=marketing, text="Hi")) == (403, "40300")
    other = (await answer(send(to=TO, messaging_profile_id=alerts, text="Hi"))).data
    assert other is not None
    assert other.messaging_profile_id == alerts


async def test_stop_blocks_rcs_of_that_profile_too(client: Client, simulator: Simulator) -> None:
    marketing, alerts = [profile.id for profile in simulator.account.profiles][:2]
    simulator.receive(sender=TO, to="acme_agent", type="RCS", text="UNSUBSCRIBE")
    send = client.messages.rcs.send

    def ask(profile_id: str) -> Any:
        return send(agent_id="acme_agent", to=TO, messaging_profile_id=profile_id, agent_message=TEXT)

    assert await refusal(lambda: ask(marketing)) == (403, "40300")
    assert (await answer(ask(alerts))).data is not None


@pytest.mark.parametrize("word", ["START", "unstop"])
async def test_start_lifts_the_block(client: Client, simulator: Simulator, word: str) -> None:
    simulator.receive(sender=TO, to=FROM, text="STOP")
    simulator.receive(sender=TO, to=FROM, text=word)
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data
    assert sent is not None
    assert sent.to is not None
    assert sent.to[0].status == "queued"


async def test_a_stop_within_a_sentence_blocks_nothing(client: Client, simulator: Simulator) -> None:
    simulator.receive(sender=TO, to=FROM, text="Please stop by on Monday")
    assert (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data is not None


async def test_a_disabled_profile_sends_nothing(client: Client, simulator: Simulator) -> None:
    profile_id = simulator.account.profiles.default_id
    await answer(client.messaging_profiles.update(profile_id, enabled=False))
    assert await refusal(lambda: client.messages.send(to=TO, from_=FROM, text="Hi")) == (403, "40312")


async def test_requests_beyond_the_limit_are_refused_until_the_second_is_over(
    client: Client, simulator: Simulator
) -> None:
    simulator.account.rates.change("SMS", requests_per_second=2)
    simulator.clock.set(1_800_000_000.0)
    send: Any = client.messages.with_raw_response.send
    headers = [(await answer(send(to=TO, from_=FROM, text="Hi"))).headers for _ in range(2)]
    assert [each["x-ratelimit-limit"] for each in headers] == ["2", "2"]
    assert [each["x-ratelimit-remaining"] for each in headers] == ["1", "0"]
    with pytest.raises(telnyx.RateLimitError) as caught:
        await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))
    refused = caught.value.response
    assert refused.json()["errors"][0]["code"] == "10011"
    assert (refused.headers["x-ratelimit-remaining"], refused.headers["x-ratelimit-reset"]) == ("0", "1")
    simulator.advance(1)
    assert (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data is not None


async def test_each_product_has_a_limit_of_its_own(client: Client, simulator: Simulator) -> None:
    simulator.account.rates.change("SMS", requests_per_second=1)
    simulator.clock.set(1_800_000_000.0)
    send = client.messages.send
    await answer(send(to=TO, from_=FROM, text="Hi"))
    assert await refusal(lambda: send(to=TO, from_=FROM, text="Hi")) == (429, "10011")
    mms = (await answer(send(to=TO, from_=FROM, media_urls=["https://example.com/cat.jpg"]))).data
    assert mms is not None
    assert mms.type == "MMS"


async def test_messages_beyond_the_throughput_wait_for_their_turn(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    send, profile_id = client.messages.rcs.send, simulator.account.profiles.default_id
    waits = []
    for number in range(3):
        message: Any = {"content_message": {"text": str(number)}}
        sent = await answer(send(agent_id="acme_agent", to=TO, messaging_profile_id=profile_id, agent_message=message))
        assert sent.data is not None
        waits.append(sent.data.wait_seconds)
    assert waits == pytest.approx([0, 1, 2], abs=0.5)
    assert {event.payload["body"]["text"] for event in receiver.take(2)} == {"0"}
    simulator.advance(10)
    assert sorted(event.payload["body"]["text"] for event in receiver.take(4)) == ["1", "1", "2", "2"]


async def test_a_full_queue_takes_no_more(client: Client, simulator: Simulator) -> None:
    simulator.account.rates.change("SMS", per_second=0.001, queue_length=1)
    send = client.messages.send
    for _ in range(2):
        assert (await answer(send(to=TO, from_=FROM, text="Hi"))).data is not None
    assert await refusal(lambda: send(to=TO, from_=FROM, text="Hi")) == (429, "40318")
    assert len(simulator.account.messages) == 2


def test_an_account_sends_as_fast_as_telnyx_says() -> None:
    rates = RateTable()
    speeds: list[tuple[MessageType, int]] = [("SMS", 50), ("MMS", 15), ("RCS", 1)]
    for product, at_once in speeds:
        waits = [rates.queue(product, 1000.0) for _ in range(at_once + 1)]
        assert waits[:-1] == [0.0] * at_once
        assert waits[-1] == pytest.approx(1 / at_once, abs=0.001)
    assert {rate.queue_length / rate.per_second for rate in DEFAULT_RATES.values()} == {4 * 3600}


def test_the_queue_drains_with_time() -> None:
    rates = RateTable()
    assert [rates.queue("RCS", 0.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert rates.queue("RCS", 3.0) == 0.0


def test_a_limit_counts_each_second_anew() -> None:
    rates = RateTable()
    rates.change("RCS", requests_per_second=1)
    assert rates.admit("RCS", 7.25)["x-ratelimit-reset"] == "1"
    with pytest.raises(ApiError):
        rates.admit("RCS", 7.75)
    assert rates.admit("RCS", 8.0)["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param("Bearer anything", 200, id="any token"),
        pytest.param("bearer anything", 200, id="scheme in lower case"),
        pytest.param("Bearer", 401, id="no token"),
        pytest.param("Basic YTpi", 401, id="another scheme"),
        pytest.param("", 401, id="nothing"),
    ],
)
def test_a_request_needs_a_bearer_token(http: httpx.Client, authorization: str, status: int) -> None:
    response = http.get("/v2/messaging_profiles", headers={"authorization": authorization})
    assert response.status_code == status
    assert status == 200 or response.json()["errors"][0]["code"] == "10009"


def test_an_unknown_path_is_not_found_in_telnyx_words(http: httpx.Client, simulator: Simulator) -> None:
    response = http.post("/v2/messages/telegram", json={"to": TO})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "10005")
    assert [entry.path for entry in simulator.requests] == ["/messages/telegram"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, simulator: Simulator, body: bytes) -> None:
    response = http.post("/v2/messages", content=body)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "10015")
    assert len(simulator.account.messages) == 0


def test_an_error_does_not_repeat_what_was_sent(http: httpx.Client) -> None:
    response = http.post("/v2/messages", json={"to": TO, "from": FROM, "text": ["secret words"]})
    assert response.status_code == 400
    assert "secret" not in response.text
    assert response.json()["errors"][0]["source"]["pointer"] == "/text"
