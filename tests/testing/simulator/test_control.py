"""The controls under `/_simulator`."""

from typing import Any

import httpx
import pytest

from service.testing.simulator import Simulator, running
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

FROM, TO = "+13125550001", "+13125550002"
SMS = {"to": TO, "from": FROM, "text": "Hi"}


def _post(http: httpx.Client, path: str, body: Any) -> Any:
    response = http.post(f"/_simulator{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def _get(http: httpx.Client, path: str) -> Any:
    response = http.get(f"/_simulator{path}")
    assert response.status_code == 200, response.text
    return response.json()


def test_the_log_shows_every_request_and_no_key(http: httpx.Client, simulator: Simulator) -> None:
    sent = http.post("/v2/messages", json=SMS, headers={"idempotency-key": "key"}).json()["data"]
    http.get("/v2/messaging_profiles", params={"page[size]": 2})
    http.delete(f"/v2/messages/{sent['id']}")
    log = _get(http, "/requests")
    assert [(entry["method"], entry["path"], entry["status"]) for entry in log] == [
        ("POST", "/messages", 200),
        ("GET", "/messaging_profiles", 200),
        ("DELETE", f"/messages/{sent['id']}", 403),
    ]
    first = log[0]
    assert (first["body"], first["idempotency_key"], first["id"]) == (SMS, "key", sent["id"])
    assert log[1]["query"] == {"page[size]": "2"}
    assert "KEY0123" not in str(log)
    assert [entry.path for entry in simulator.requests] == [entry["path"] for entry in log]


def test_the_log_is_read_by_method_and_path(http: httpx.Client) -> None:
    http.post("/v2/messages", json=SMS)
    http.get("/v2/messaging_profiles")
    assert len(_get(http, "/requests?path=/messages&method=POST")) == 1
    assert _get(http, "/requests?path=/messages&method=GET") == []
    assert len(_get(http, "/requests?method=GET")) == 1


def test_a_request_is_in_the_log_while_it_is_served(http: httpx.Client) -> None:
    _post(http, "/faults", {"kind": "slow", "seconds": 0.3})
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v2/messages", json=SMS, timeout=0.1)
    assert [entry["status"] for entry in _get(http, "/requests")] == [None]
    wait_for(lambda: [entry["status"] for entry in _get(http, "/requests")] == [200])


def test_faults_are_scripted_and_called_off(http: httpx.Client) -> None:
    fault = {"status": 429, "times": None, "recipient": TO, "headers": {"retry-after": "3"}}
    assert _post(http, "/faults", fault)["faults"] == 1
    refused = http.post("/v2/messages", json=SMS)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert http.delete("/_simulator/faults").json()["faults"] == 0
    assert http.post("/v2/messages", json=SMS).status_code == 200


def test_faults_of_webhooks_are_scripted(http: httpx.Client, receiver: Receiver) -> None:
    _post(http, "/webhook_faults", {"kind": "lost", "event_type": "message.sent"})
    http.post("/v2/messages", json=SMS)
    assert receiver.take_types(1) == ["message.finalized"]


def test_outcomes_are_scripted(http: httpx.Client, receiver: Receiver) -> None:
    _post(http, "/outcomes", {"recipient": TO, "status": "delivery_unconfirmed", "type": "SMS"})
    http.post("/v2/messages", json=SMS)
    assert receiver.take(2)[1].payload["to"][0]["status"] == "delivery_unconfirmed"


def test_the_clock_is_moved_and_set(http: httpx.Client) -> None:
    assert _post(http, "/clock", {"now": "2030-01-01T00:00:00Z"})["now"].startswith("2030-01-01T00:00")
    assert _post(http, "/advance", {"seconds": 86400})["now"].startswith("2030-01-02T00:00")
    sent = http.post("/v2/messages", json=SMS).json()["data"]
    assert sent["received_at"].startswith("2030-01-02T00:00")


def test_capabilities_are_scripted(http: httpx.Client) -> None:
    _post(http, "/capabilities", {"phone_number": TO, "capability": "none"})
    shown = http.get(f"/v2/messaging/rcs/capabilities/acme_agent/{TO}").json()["data"]
    assert shown["features"] is None
    assert shown["status"] == "RCS is disabled or agent is not provisioned for the carrier"


def test_eligibility_is_scripted(http: httpx.Client) -> None:
    _post(http, "/eligibility", {"phone_number": TO, "eligible_status": "NUMBER_CAN_NOT_BE_IN_TELNYX"})
    path = "/v2/messaging_hosted_number_orders/eligibility_numbers_check"
    (row,) = http.post(path, json={"phone_numbers": [TO]}).json()["phone_numbers"]
    assert (row["eligible"], row["eligible_status"]) == (False, "NUMBER_CAN_NOT_BE_IN_TELNYX")


def test_numbers_are_assigned_to_profiles(http: httpx.Client, simulator: Simulator) -> None:
    support = list(simulator.account.profiles)[2].id
    _post(http, "/numbers", {"phone_number": FROM, "messaging_profile_id": support})
    assert http.post("/v2/messages", json=SMS).json()["data"]["messaging_profile_id"] == support


def test_a_number_is_assigned_to_a_profile_that_exists(http: httpx.Client) -> None:
    response = http.post("/_simulator/numbers", json={"phone_number": FROM, "messaging_profile_id": "nobody"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "10005")


@pytest.mark.parametrize("headers", [{"a b": "1"}, {"retry-after": "3\r\n"}, {"retry-after": "drei…"}])
def test_a_fault_has_headers_that_http_can_carry(http: httpx.Client, headers: dict[str, str]) -> None:
    assert http.post("/_simulator/faults", json={"status": 429, "headers": headers}).status_code == 400
    assert http.post("/v2/messages", json=SMS).status_code == 200


def test_rates_are_scripted(http: httpx.Client) -> None:
    _post(http, "/clock", {"now": "2030-01-01T00:00:00Z"})
    _post(http, "/rates", {"product": "SMS", "requests_per_second": 1})
    _post(http, "/rates", {"product": "MMS", "per_second": 0.001, "queue_length": 0})
    headers = http.post("/v2/messages", json=SMS).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("1", "0")
    mms = {"to": TO, "from": FROM, "media_urls": ["https://example.com/cat.jpg"]}
    answers = [http.post("/v2/messages", json=mms) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["errors"][0]["code"] == "40318"


def test_somebody_sends_a_message(http: httpx.Client, receiver: Receiver) -> None:
    message = _post(http, "/inbound", {"sender": TO, "to": FROM, "text": "STOP"})["data"]
    (received,) = receiver.take()
    assert (received.payload["id"], received.payload["autoresponse_type"]) == (message["id"], "STOP")


def test_hosted_orders_take_steps(http: httpx.Client, receiver: Receiver) -> None:
    orders = "/v2/messaging_hosted_number_orders"
    order_id = http.post(orders, json={"phone_numbers": [FROM]}).json()["data"]["id"]
    step = {"status": "ineligible_carrier", "number_status": "failed_ineligible_carrier"}
    moved = _post(http, f"/hosted_number_orders/{order_id}/steps", step)["data"]
    assert (moved["status"], moved["phone_numbers"][0]["status"]) == tuple(step.values())
    _post(http, f"/hosted_number_orders/{order_id}/transfer", {"step": "rejected"})
    assert receiver.take(3)[2].payload["decision"] == "rejected"
    numbers = {"phone_numbers": [FROM], "verification_method": "sms"}
    http.post(f"{orders}/{order_id}/verification_codes", json=numbers)
    (code,) = _get(http, f"/hosted_number_orders/{order_id}/ownership_codes")
    assert (code["phone_number"], len(code["code"])) == (FROM, 6)


def test_verification_requests_are_decided(http: httpx.Client, simulator: Simulator) -> None:
    unknown = http.post("/_simulator/verification_requests/nobody/decisions", json={"status": "Verified"})
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (404, "10005")
    assert len(simulator.account.webhook_deliveries) == 0


def test_the_public_key_and_the_state_are_told(http: httpx.Client, simulator: Simulator) -> None:
    assert _get(http, "/public_key") == {"public_key": simulator.public_key}
    http.post("/v2/messages", json=SMS)
    state = _get(http, "/state")
    assert (state["requests"], state["messages"], state["faults"]) == (1, 1, 0)


def test_a_reset_forgets_everything(http: httpx.Client, simulator: Simulator) -> None:
    http.post("/v2/messages", json=SMS)
    _post(http, "/faults", {"times": None})
    _post(http, "/advance", {"seconds": 3600})
    key = simulator.public_key
    state = _post(http, "/reset", {})
    assert (state["requests"], state["messages"], state["faults"]) == (0, 0, 0)
    assert simulator.public_key == key
    assert http.post("/v2/messages", json=SMS).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/faults", {"kind": "fire"}, "/kind"),
        ("/faults", {"stauts": 500}, "/stauts"),
        ("/webhook_faults", {}, "/kind"),
        ("/outcomes", {"recipient": TO, "status": "eaten"}, "/status"),
        ("/advance", {"seconds": "soon"}, "/seconds"),
        ("/advance", {"seconds": 1e300}, "/seconds"),
        ("/advance", {"seconds": "nan"}, "/seconds"),
        ("/clock", {"now": "noon"}, "/now"),
        ("/clock", {"now": "1969-12-31"}, "/now"),
        ("/clock", {"time": "2030-01-01"}, "/now"),
        ("/numbers", {"phone_number": "312", "messaging_profile_id": "any"}, "/phone_number"),
        ("/capabilities", {"phone_number": TO, "capability": "some"}, "/capability"),
        ("/rates", {"product": "FAX"}, "/product"),
        ("/inbound", {"to": FROM}, "/sender"),
        ("/hosted_number_orders/nobody/steps", {"status": "done"}, "/status"),
    ],
)
def test_a_script_that_does_not_fit_is_refused_with_the_field_named(
    http: httpx.Client, path: str, body: Any, pointer: str
) -> None:
    response = http.post(f"/_simulator{path}", json=body)
    assert (response.status_code, response.json()["errors"][0]["source"]["pointer"]) == (400, pointer)
    assert _get(http, "/state")["faults"] == 0


def test_a_script_that_is_no_json_is_refused(http: httpx.Client) -> None:
    response = http.post("/_simulator/faults", content=b"{", headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "10015")


def test_unknown_controls_are_not_found(http: httpx.Client) -> None:
    assert http.get("/_simulator/nothing").status_code == 404
    assert http.get("/elsewhere").status_code == 404


INBOUND = b'{"sender": "+13125550102", "to": "+13125550101", "text": "Hi"}'
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"content-type": "text/plain"}, 415, id="a form's content type"),
        pytest.param({"content-type": "application/x-www-form-urlencoded"}, 415, id="curl -d"),
        pytest.param({"content-type": "text/plain; x=application/json"}, 415, id="a parameter"),
        pytest.param({}, 415, id="a blob without a type"),
        pytest.param({**JSON, "host": "attacker.example"}, 403, id="a name that resolves to loopback"),
        pytest.param({**JSON, "host": "127.0.0.1.attacker.example:12111"}, 403, id="a name like an address"),
        pytest.param({**JSON, "host": "attacker.example@127.0.0.1"}, 403, id="a user before the host"),
        pytest.param({**JSON, "host": ""}, 403, id="no host"),
        pytest.param({**JSON, "origin": "https://attacker.example"}, 403, id="another site"),
        pytest.param({**JSON, "origin": "null"}, 403, id="a page without an origin"),
        pytest.param({**JSON, "origin": "http://localhost:3000"}, 403, id="another port"),
        pytest.param({**JSON, "sec-fetch-site": "cross-site"}, 403, id="a browser's word"),
    ],
)
def test_a_web_page_cannot_use_the_controls(
    http: httpx.Client, simulator: Simulator, headers: dict[str, str], status: int
) -> None:
    for method, path, body in (
        ("POST", "/inbound", INBOUND),
        ("POST", "/reset", INBOUND),
        ("DELETE", "/faults", b"{}"),
    ):
        answer = http.request(method, f"/_simulator{path}", content=body, headers=headers)
        assert answer.status_code == status, (path, answer.text)


@pytest.mark.parametrize("path", ["/state", "/public_key", "/requests"])
def test_a_page_that_rebinds_its_name_reads_nothing(http: httpx.Client, path: str) -> None:
    assert http.get(f"/_simulator{path}", headers={"host": "attacker.example:12111"}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:8", "[::1]:5", "telnyx-simulator:12111"])
def test_programs_of_this_machine_and_named_hosts_use_the_controls(host: str) -> None:
    with running(Simulator(control_hosts=["Telnyx-Simulator"])) as url:
        headers = {"host": host, "origin": f"http://{host}", "content-type": "application/json; charset=utf-8"}
        answer = httpx.post(f"{url}/_simulator/inbound", content=INBOUND, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text
        assert httpx.post(f"{url}/_simulator/reset", headers={"host": host}, trust_env=False).status_code == 200
