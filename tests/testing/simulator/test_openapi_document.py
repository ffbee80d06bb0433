"""Every operation, and every kind of webhook, held against Telnyx's OpenAPI document.

The SDK that the other tests use checks each response in the same way; here each operation of the document is asked once
with success and once with an error.
"""

from typing import Any

import httpx
import pytest

from service.testing.simulator import Simulator
from service.testing.simulator.api.operations import OPERATIONS
from tests.testing.simulator.openapi_document import ABSENT, DOCUMENT, REASON, Document
from tests.testing.simulator.receiver import Receiver
from tests.testing.simulator.submission import SUBMISSION

FROM, TO = "+13125550001", "+13125550002"
UNKNOWN = "40385f64-5717-4562-b3fc-2c963f66afa6"
ORDERS, NUMBERS = "/messaging_hosted_number_orders", "/messaging_hosted_numbers"
REQUESTS, AGENTS = "/messaging_tollfree/verification/requests", "/messaging/rcs/agents"

needs_document = pytest.mark.skipif(ABSENT, reason=REASON)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join("URLs" if part == "urls" else part.capitalize() for part in rest)


SUBMITTED = {_camel(name): value for name, value in SUBMISSION.items()}
SUBMITTED["phoneNumbers"] = [{"phoneNumber": "+18775550001"}]
SMS = {"to": TO, "from": FROM, "text": "Hi"}
RCS = {
    "agent_id": "acme_agent",
    "to": TO,
    "messaging_profile_id": UNKNOWN,
    "agent_message": {"content_message": {"text": "Hello"}},
}
PAPERS = {"loa": ("loa.pdf", b"%PDF-1.7", "application/pdf")}
PAGE = {"page[number]": "1", "page[size]": "1"}

Asked = tuple[str, str, dict[str, Any]]


class Asking:
    """Asks the simulator, and keeps what the document finds."""

    def __init__(self, http: httpx.Client, document: Document) -> None:
        self.http = http
        self.document = document
        self.asked: set[tuple[str, str, bool]] = set()
        self.findings: list[str] = []

    def __call__(self, method: str, template: str, status: int, values: dict[str, str], **request: Any) -> Any:
        path = template.format(**values)
        response = self.http.request(method, f"/v2{path}", **request)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        body = response.json() if response.content else None
        found = self.document.findings(method, path, status, body) if response.content else []
        self.findings += [f"{method} {template} {status}: {finding}" for finding in found]
        self.asked.add((method, template, status < 400))
        return body


@needs_document
def test_every_operation_agrees_with_the_document(http: httpx.Client, simulator: Simulator) -> None:
    assert DOCUMENT is not None
    ask = Asking(http, DOCUMENT)
    _ask_about_messages(ask)
    _ask_about_rcs(ask)
    _ask_about_hosted_numbers(ask, simulator)
    _ask_about_toll_free(ask, simulator)
    _ask_about_records(ask, simulator)
    assert ask.findings == []
    missing = {(*operation, success) for operation in DOCUMENT.operations for success in (True, False)} - ask.asked
    assert missing == set()


@needs_document
def test_the_simulator_has_every_operation_of_the_document() -> None:
    assert DOCUMENT is not None
    assert DOCUMENT.operations <= {(each.method, path) for each in OPERATIONS for path in each.paths}


def _ask_about_messages(ask: Asking) -> None:
    later = {"send_at": "2030-01-01T12:00:00Z"}
    ask.http.post("/_simulator/clock", json={"now": "2030-01-01T00:00:00Z"})
    sent = ask("POST", "/messages", 200, {}, json=SMS)["data"]
    ask("POST", "/messages", 400, {}, json={})
    scheduled = ask("POST", "/messages/schedule", 200, {}, json=SMS | later)["data"]
    ask("POST", "/messages/schedule", 400, {}, json=SMS)
    ask("GET", "/messages/{id}", 200, sent)
    ask("GET", "/messages/{id}", 404, {"id": UNKNOWN})
    ask("DELETE", "/messages/{id}", 200, scheduled)
    ask("DELETE", "/messages/{id}", 403, sent)
    ask("DELETE", "/messages/{id}", 404, {"id": UNKNOWN})
    inbound = ask.http.post("/_simulator/inbound", json={"sender": TO, "to": FROM, "text": "Hello"}).json()["data"]
    ask("GET", "/messages/{id}", 200, inbound)


def _ask_about_rcs(ask: Asking) -> None:
    agent, nobody = {"agent_id": "acme_agent", "id": "acme_agent"}, {"agent_id": "nobody", "id": "nobody"}
    sent = ask("POST", "/messages/rcs", 200, {}, json=RCS)["data"]
    ask("POST", "/messages/rcs", 400, {}, json=RCS | {"to": "312"})
    ask("GET", "/messages/{id}", 200, sent)
    for template in ("/messages/rcs/deeplinks/{agent_id}", f"{AGENTS}/{{id}}"):
        ask("GET", template, 200, agent)
        ask("GET", template, 404, nobody)
    ask("GET", AGENTS, 200, {}, params=PAGE)
    ask("GET", AGENTS, 400, {}, params={"page[size]": "0"})
    ask("PATCH", f"{AGENTS}/{{id}}", 200, agent, json={"webhook_url": "https://example.com"})
    ask("PATCH", f"{AGENTS}/{{id}}", 404, nobody, json={})
    bulk = "/messaging/rcs/bulk_capabilities"
    ask("POST", bulk, 200, {}, json={"agent_id": "acme_agent", "phone_numbers": [TO]})
    ask("POST", bulk, 400, {}, json={"agent_id": "acme_agent"})
    for method, template in (
        ("GET", "/messaging/rcs/capabilities/{agent_id}/{phone_number}"),
        ("PUT", "/messaging/rcs/test_number_invite/{id}/{phone_number}"),
    ):
        ask(method, template, 200, agent | {"phone_number": TO})
        ask(method, template, 404, nobody | {"phone_number": TO})


def _ask_about_hosted_numbers(ask: Asking, simulator: Simulator) -> None:
    order = ask("POST", ORDERS, 200, {}, json={"phone_numbers": [FROM]})["data"]
    number, nobody = {"id": order["phone_numbers"][0]["id"]}, {"id": UNKNOWN}
    ask("POST", ORDERS, 400, {}, json={})
    ask("GET", ORDERS, 200, {}, params=PAGE)
    ask("GET", ORDERS, 400, {}, params={"page[size]": "0"})
    ask("POST", f"{ORDERS}/eligibility_numbers_check", 200, {}, json={"phone_numbers": [FROM, TO]})
    ask("POST", f"{ORDERS}/eligibility_numbers_check", 400, {}, json={})
    ask("GET", f"{ORDERS}/{{id}}", 200, order)
    ask("GET", f"{ORDERS}/{{id}}", 404, nobody)
    ask("POST", f"{ORDERS}/{{id}}/actions/file_upload", 200, order, files=PAPERS)
    ask("POST", f"{ORDERS}/{{id}}/actions/file_upload", 400, order, json={})
    codes = {"phone_numbers": [FROM, TO], "verification_method": "sms"}
    ask("POST", f"{ORDERS}/{{id}}/verification_codes", 200, order, json=codes)
    ask("POST", f"{ORDERS}/{{id}}/verification_codes", 404, nobody, json=codes)
    given = {"verification_codes": [{"phone_number": FROM, "code": "1"}]}
    ask("POST", f"{ORDERS}/{{id}}/validation_codes", 200, order, json=given)
    ask("POST", f"{ORDERS}/{{id}}/validation_codes", 400, order, json={})
    simulator.move_order(order["id"], status="successful", number_status="successful")
    ask("GET", NUMBERS, 200, {})
    ask("GET", NUMBERS, 401, {}, headers={"authorization": ""})
    for method, request in (("GET", {}), ("PATCH", {"json": {"tags": ["a"]}}), ("DELETE", {})):
        ask(method, f"{NUMBERS}/{{id}}", 200, number, **request)
        ask(method, f"{NUMBERS}/{{id}}", 404, nobody, **request)
    ask("DELETE", f"{ORDERS}/{{id}}", 200, order)
    ask("DELETE", f"{ORDERS}/{{id}}", 404, order)


def _ask_about_toll_free(ask: Asking, simulator: Simulator) -> None:
    request, nobody = ask("POST", REQUESTS, 200, {}, json=SUBMITTED), {"id": UNKNOWN}
    ask("POST", REQUESTS, 400, {}, json={})
    ask("PATCH", f"{REQUESTS}/{{id}}", 200, request, json=SUBMITTED)
    ask("PATCH", f"{REQUESTS}/{{id}}", 400, request, json={"businessName": "Acme"})
    simulator.decide(request["id"], status="Rejected", reason="No consent")
    ask("GET", REQUESTS, 200, {}, params={"page": "1", "page_size": "1"})
    ask("GET", REQUESTS, 400, {})
    ask("GET", f"{REQUESTS}/{{id}}", 200, request)
    ask("GET", f"{REQUESTS}/{{id}}", 404, nobody)
    ask("GET", f"{REQUESTS}/{{id}}/status_history", 200, request, params=PAGE)
    ask("GET", f"{REQUESTS}/{{id}}/status_history", 400, request)
    ask("DELETE", f"{REQUESTS}/{{id}}", 200, request)
    ask("DELETE", f"{REQUESTS}/{{id}}", 404, request)


def _ask_about_records(ask: Asking, simulator: Simulator) -> None:
    ask("GET", "/messaging_url_domains", 200, {}, params=PAGE)
    ask("GET", "/messaging_url_domains", 400, {}, params={"page[size]": "0"})
    ask("GET", "/detail_records", 200, {}, params={"filter[record_type]": "messaging"})
    ask("GET", "/detail_records", 400, {})
    (delivery, *_) = list(simulator.account.webhook_deliveries)
    ask("GET", "/webhook_deliveries", 200, {})
    ask("GET", "/webhook_deliveries", 422, {}, params={"filter[status][eq]": "lost"})
    ask("GET", "/webhook_deliveries/{id}", 200, {"id": delivery.id})
    ask("GET", "/webhook_deliveries/{id}", 404, {"id": UNKNOWN})


@needs_document
def test_webhooks_agree_with_the_document(http: httpx.Client, simulator: Simulator, receiver: Receiver) -> None:
    assert DOCUMENT is not None
    simulator.set_outcome(TO, "delivery_failed")
    http.post("/v2/messages", json=SMS)
    simulator.receive(sender=TO, to=FROM, text="Hello", type="MMS", media_urls=["https://example.com/a.jpg"])
    order = http.post(f"/v2{ORDERS}", json={"phone_numbers": [FROM]}).json()["data"]
    simulator.transfer_order(order["id"], step="approval_requested")
    names = {
        "message.received": "inboundMessage",
        "message.sent": "deliveryUpdate",
        "message.finalized": "deliveryUpdate",
    }
    for received in receiver.take(5):
        name = names.get(received.type, "hostedNumberOrderEvent")
        assert DOCUMENT.webhook_findings(name, received.json) == [], received.type


@needs_document
@pytest.mark.parametrize(
    ("wrong", "finding"),
    [
        ({"type": "FAX"}, "data/type: 'FAX' is not one of ['SMS', 'MMS']"),
        ({"id": "1"}, "data/id: '1' is not a uuid"),
        ({"parts": "one"}, 'data/parts: "one" is not of type integer'),
        ({"received_at": "noon"}, "data/received_at: 'noon' is not a date-time"),
        ({"errors": [{"code": "1"}]}, "data/errors/0: title is missing"),
    ],
)
def test_the_document_finds_what_is_wrong(http: httpx.Client, wrong: dict[str, Any], finding: str) -> None:
    assert DOCUMENT is not None
    body = http.post("/v2/messages", json=SMS).json()
    assert DOCUMENT.findings("POST", "/messages", 200, body) == []
    body["data"] |= wrong
    assert DOCUMENT.findings("POST", "/messages", 200, body) == [finding]
