"""Faults of API requests on demand."""

import time
from typing import Any

import httpx
import pytest
import telnyx
from pydantic import ValidationError

from service.testing.simulator import Simulator, create_app
from tests.testing.simulator.asking import Client, answer, refusal

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"


def _send(client: telnyx.Telnyx, **fields: Any) -> Any:
    return client.messages.send(**({"to": TO, "from_": FROM, "text": "Hi"} | fields)).data


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "10009"), (403, "10010"), (429, "10011"), (500, "10007"), (502, "10007"), (503, "10007")],
)
async def test_a_status_is_answered_and_nothing_is_done(
    client: Client, simulator: Simulator, status: int, code: str
) -> None:
    simulator.add_fault(status=status, method="POST", path="/messages")
    assert await refusal(lambda: client.messages.send(to=TO, from_=FROM, text="Hi")) == (status, code)
    assert len(simulator.account.messages) == 0
    sent = (await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))).data
    assert sent is not None
    assert [(request.status, request.fault) for request in simulator.requests] == [(status, "status"), (200, None)]


def test_an_error_has_the_code_text_and_headers_that_were_scripted(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    headers = {"retry-after": "7", "x-ratelimit-limit": "50", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"}
    simulator.add_fault(status=429, code="40333", title="Spending limit", detail="Too much", headers=headers)
    with pytest.raises(telnyx.RateLimitError) as caught:
        _send(sync_client)
    response = caught.value.response
    assert response.json() == {"errors": [{"code": "40333", "title": "Spending limit", "detail": "Too much"}]}
    assert {name: response.headers[name] for name in headers} == headers


def test_a_connection_is_reset_before_the_effect(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="reset")
    with pytest.raises(telnyx.APIConnectionError):
        _send(sync_client)
    assert len(simulator.account.messages) == 0
    assert [(request.status, request.id) for request in simulator.requests] == [(None, None)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_dropped_connection_is_reset_and_not_merely_closed(
    http: httpx.Client, simulator: Simulator, when: Any
) -> None:
    simulator.add_fault(kind="reset", when=when)
    with pytest.raises(httpx.ReadError):
        http.get("/v2/messaging_profiles")


def test_a_connection_is_reset_after_the_effect(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="reset", when="after")
    with pytest.raises(telnyx.APIConnectionError):
        _send(sync_client)
    (message,) = simulator.account.messages
    assert [(request.status, request.id) for request in simulator.requests] == [(None, message.id)]


def test_a_time_out_can_come_after_the_work_was_done(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="slow", when="after", seconds=1)
    with pytest.raises(telnyx.APITimeoutError):
        _send(sync_client, timeout=0.1)
    assert len(simulator.account.messages) == 1


def test_a_time_out_can_come_before_the_work_is_done(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="slow", seconds=1)
    with pytest.raises(telnyx.APITimeoutError):
        _send(sync_client, timeout=0.1)
    assert len(simulator.account.messages) == 0


def test_an_answer_can_be_garbled(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="garbled")
    with pytest.raises(ValueError, match="Expecting value"):
        _send(sync_client)
    assert len(simulator.account.messages) == 1


def test_a_body_can_take_its_time(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.add_fault(kind="slow_body", seconds=0.2)
    began = time.monotonic()
    assert _send(sync_client).to[0].phone_number == TO
    assert time.monotonic() - began > 0.2
    simulator.add_fault(kind="slow_body", seconds=2)
    with pytest.raises(telnyx.APITimeoutError):
        _send(sync_client, timeout=0.1)


def test_a_fault_strikes_as_often_as_scripted_and_only_what_it_matches(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    simulator.add_fault(status=503, times=2, method="POST", path="/messages*", recipient=TO)
    assert _send(sync_client, to="+13125550003").type == "SMS"
    assert len(sync_client.messaging_profiles.list().data) == 3
    for _ in range(2):
        with pytest.raises(telnyx.InternalServerError):
            _send(sync_client)
    assert _send(sync_client).type == "SMS"


def test_a_fault_without_an_end_strikes_until_it_is_called_off(
    sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    simulator.add_fault(status=500, times=None)
    for _ in range(5):
        with pytest.raises(telnyx.InternalServerError):
            _send(sync_client)
    simulator.clear_faults()
    assert _send(sync_client).type == "SMS"


def test_a_rate_of_faults_is_the_same_for_the_same_seed(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    runs = []
    for _ in range(2):
        simulator.reset()
        simulator.add_fault(status=500, times=None, rate=0.5, path="/messaging_profiles")
        for _ in range(20):
            sync_client.with_options(max_retries=0).messaging_url_domains.list()
            try:
                sync_client.messaging_profiles.list()
            except telnyx.InternalServerError:
                continue
        runs.append([request.status for request in simulator.requests if request.path == "/messaging_profiles"])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize("fields", [{"kind": "fire"}, {"status": 200}, {"rate": 2}, {"times": 0}, {"color": "red"}])
def test_a_fault_that_does_not_fit_is_refused(simulator: Simulator, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        simulator.add_fault(**fields)


def test_latency_slows_every_request(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.latency = 0.2
    began = time.monotonic()
    assert _send(sync_client).type == "SMS"
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize("latency", [-1.0, float("inf"), float("nan")])
def test_latency_is_a_number_of_seconds(latency: float) -> None:
    with pytest.raises(ValueError, match="latency"):
        Simulator(latency=latency)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://" + "a" * 2000])
def test_the_url_of_webhooks_is_a_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="webhook_url"):
        Simulator(webhook_url=url)


async def test_without_a_server_a_dropped_connection_is_an_error() -> None:
    simulator = Simulator()
    simulator.add_fault(kind="reset")
    transport = httpx.ASGITransport(create_app(simulator))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        with pytest.raises(ConnectionResetError):
            await http.get("/v2/messaging_profiles", headers={"authorization": "Bearer KEY"})
