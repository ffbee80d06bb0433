"""`Idempotency-Key`, and what happens to those who do without."""

import threading
from typing import Any

import httpx
import pytest
import telnyx

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, refusal
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"
TEXT: Any = {"content_message": {"text": "Hello"}}
SMS: Any = {"to": TO, "from": FROM, "text": "Hi"}


async def test_the_same_request_under_the_same_key_is_answered_from_memory(
    client: Client, simulator: Simulator
) -> None:
    send: Any = client.messages.with_raw_response.send
    answers = [await answer(send(to=TO, from_=FROM, text="Hi", idempotency_key="rb:1-a_B")) for _ in range(3)]
    assert len({each.http_response.content for each in answers}) == 1
    assert [each.headers.get("idempotent-replayed") for each in answers] == [None, "true", "true"]
    assert len(simulator.account.messages) == 1
    assert [request.replayed for request in simulator.requests] == [False, True, True]
    assert {request.idempotency_key for request in simulator.requests} == {"rb:1-a_B"}


async def test_rcs_messages_honour_the_key_too(client: Client, simulator: Simulator) -> None:
    send = client.messages.rcs.send
    ids = set()
    for _ in range(2):
        sent = await answer(
            send(agent_id="a", to=TO, messaging_profile_id="p", agent_message=TEXT, idempotency_key="key")
        )
        ids.add(sent.data and sent.data.id)
    assert len(ids) == 1
    assert len(simulator.account.messages) == 1


async def test_another_request_under_the_same_key_is_refused(client: Client, simulator: Simulator) -> None:
    send = client.messages.send
    await answer(send(to=TO, from_=FROM, text="Hi", idempotency_key="key"))
    assert await refusal(lambda: send(to=TO, from_=FROM, text="Hi!", idempotency_key="key")) == (422, "10015")
    assert len(simulator.account.messages) == 1


def test_other_bytes_are_another_request_even_if_they_mean_the_same(http: httpx.Client) -> None:
    bodies = [b'{"to":"+13125550002","from":"+13125550001","text":"Hi"}', b'{"from":"+13125550001",']
    bodies[1] += b'"to":"+13125550002","text":"Hi"}'
    statuses = [
        http.post("/v2/messages", content=body, headers={"idempotency-key": "key"}).status_code for body in bodies
    ]
    assert statuses == [200, 422]


def test_another_query_is_another_request(http: httpx.Client) -> None:
    statuses = [
        http.post("/v2/messages", json=SMS, params=params, headers={"idempotency-key": "key"}).status_code
        for params in ({"a": "1"}, {"a": "1"}, {"a": "2"})
    ]
    assert statuses == [200, 200, 422]


async def test_another_path_is_another_scope(client: Client, simulator: Simulator) -> None:
    await answer(client.messages.send(to=TO, from_=FROM, text="Hi", idempotency_key="key"))
    rcs = client.messages.rcs.send
    await answer(rcs(agent_id="a", to=TO, messaging_profile_id="p", agent_message=TEXT, idempotency_key="key"))
    assert len(simulator.account.messages) == 2


def test_a_concurrent_request_under_the_same_key_is_a_conflict(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    simulator.add_fault(kind="slow", seconds=0.3)
    send = sync_client.messages.send
    sent: list[Any] = []
    first = threading.Thread(target=lambda: sent.append(send(to=TO, from_=FROM, text="Hi", idempotency_key="key").data))
    first.start()
    wait_for(lambda: len(simulator.requests) == 1)
    with pytest.raises(telnyx.ConflictError):
        send(to=TO, from_=FROM, text="Hi", idempotency_key="key")
    first.join()
    again = send(to=TO, from_=FROM, text="Hi", idempotency_key="key").data
    assert again is not None
    assert [message.id for message in sent] == [again.id]
    assert [request.status for request in simulator.requests] == [200, 409, 200]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 429}, id="429"),
        pytest.param({"kind": "reset"}, id="connection dropped"),
    ],
)
def test_a_failure_before_the_effect_leaves_the_key_free(
    sync_client: telnyx.Telnyx, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.add_fault(**fault)
    with pytest.raises(telnyx.APIError):
        sync_client.messages.send(to=TO, from_=FROM, text="Hi", idempotency_key="key")
    sent = sync_client.messages.with_raw_response.send(to=TO, from_=FROM, text="Hi", idempotency_key="key")
    assert "idempotent-replayed" not in sent.headers
    assert len(simulator.account.messages) == 1


async def test_a_refused_request_leaves_the_key_free(client: Client, simulator: Simulator) -> None:
    send = client.messages.send
    assert await refusal(lambda: send(to="312", from_=FROM, text="Hi", idempotency_key="key")) == (400, "40310")
    corrected = (await answer(send(to=TO, from_=FROM, text="Hi", idempotency_key="key"))).data
    assert corrected is not None
    assert corrected.to is not None
    assert len(simulator.account.messages) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "reset", "when": "after"}, id="answer lost"),
        pytest.param({"kind": "status", "when": "after", "status": 502}, id="502 from a gateway"),
        pytest.param({"kind": "garbled"}, id="answer garbled"),
    ],
)
def test_an_effect_whose_answer_was_lost_is_not_repeated(
    sync_client: telnyx.Telnyx, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.add_fault(**fault)
    with pytest.raises((telnyx.APIError, ValueError)):
        sync_client.messages.send(to=TO, from_=FROM, text="Hi", idempotency_key="key")
    again = sync_client.messages.send(to=TO, from_=FROM, text="Hi", idempotency_key="key").data
    assert again is not None
    assert [message.id for message in simulator.account.messages] == [again.id]
    assert [request.id for request in simulator.requests] == [again.id, again.id]


async def test_a_key_is_remembered_for_24_simulated_hours(client: Client, simulator: Simulator) -> None:
    send = client.messages.send
    ids = []
    for seconds in (0, 24 * 3600 - 60, 120):
        simulator.advance(seconds)
        sent = (await answer(send(to=TO, from_=FROM, text="Hi", idempotency_key="key"))).data
        ids.append(sent and sent.id)
    assert ids[0] == ids[1] != ids[2]
    assert len(simulator.account.messages) == 2


@pytest.mark.parametrize("key", ["a b", "ä", "a/b", "a" * 256, '"quoted"'])
def test_a_malformed_key_is_refused(http: httpx.Client, simulator: Simulator, key: str) -> None:
    response = http.post("/v2/messages", json=SMS, headers=[(b"idempotency-key", key.encode("latin-1"))])
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "10015")
    assert len(simulator.account.messages) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/messaging_hosted_number_orders", {"phone_numbers": [TO]}),
        ("/messages/schedule", SMS | {"send_at": "2030-01-02"}),
    ],
)
def test_operations_that_do_not_declare_the_key_ignore_it(
    http: httpx.Client, simulator: Simulator, path: str, body: dict[str, Any]
) -> None:
    http.post("/_simulator/clock", json={"now": "2030-01-01"})
    for _ in range(2):
        assert http.post(f"/v2{path}", json=body, headers={"idempotency-key": "key"}).status_code == 200
    assert len(simulator.account.hosted_orders) + len(simulator.account.messages) == 2


def test_a_naive_client_texts_twice_where_one_with_a_key_does_not(
    url: str, simulator: Simulator, receiver: Receiver
) -> None:
    with httpx.Client(trust_env=False, verify=False) as http:
        naive = telnyx.Telnyx(api_key="KEY", base_url=f"{url}/v2", max_retries=1, http_client=http)
        simulator.add_fault(kind="reset", when="after", times=1)
        naive.messages.send(to=TO, from_=FROM, text="Naive")
        simulator.add_fault(kind="reset", when="after", times=1)
        naive.messages.send(to=TO, from_=FROM, text="Careful", idempotency_key="key")
    texts = [message.text for message in simulator.account.messages]
    assert texts == ["Naive", "Naive", "Careful"]
    sent = [event.payload["text"] for event in receiver.take(6) if event.type == "message.sent"]
    assert sorted(sent) == ["Careful", "Naive", "Naive"]
