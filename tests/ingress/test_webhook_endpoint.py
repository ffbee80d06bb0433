"""Reception, line by line: what is answered, what is stored, and what never gets in."""

import base64
import json
import socket
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from structlog.testing import capture_logs

from service import Context, Event, Router, clock
from service.ingress.app import create_app
from service.security.telnyx_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, public_key_text, sign
from service.store.store import Store
from tests.stack import Host, Stack, make_settings, open_stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number


def body_of_event(event_type: str = "message.finalized", **changes: Any) -> dict[str, Any]:
    return envelope(event_type, finalized_rcs("delivered", fresh_number()), **changes)


def post(stack: Stack, body: bytes, headers: list[tuple[str, str]], path: str = "/webhooks") -> httpx.Response:
    return stack.http.post(path, content=body, headers=headers)


def accepted(stack: Stack) -> int:
    from service.store.inbox import accept

    return stack.ask(accept.counts).accepted


def signed(stack: Stack, body: bytes, at: float | None = None) -> dict[str, str]:
    return sign(body, stack.signing_key, int(time.time() if at is None else at))


def test_an_event_is_accepted_once_and_a_redelivery_is_a_duplicate(stack: Stack) -> None:
    event = body_of_event()
    first = stack.deliver(event)
    assert (first.status_code, first.json()) == (200, {"status": "accepted"})

    event["meta"]["attempt"] = 2
    second = stack.deliver(event, path="/webhooks/failover")
    assert (second.status_code, second.json()) == (200, {"status": "duplicate"})
    assert accepted(stack) == 1


def test_the_failover_url_is_noted_with_the_event(stack: Stack) -> None:
    event = body_of_event()
    stack.deliver(event, path="/webhooks/failover")

    assert stack.when(event, lambda record: True).arrived_by == "failover"


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/failover"])
@pytest.mark.parametrize("end", ["/", "?attempt=1", "/?attempt=1&x=%2F", "%2F"])
def test_a_trailing_slash_is_the_same_path_and_a_query_string_is_ignored(stack: Stack, path: str, end: str) -> None:
    event = body_of_event()
    assert stack.deliver(event, path=path + end).json() == {"status": "accepted"}
    assert stack.when(event, lambda _: True).arrived_by == ("failover" if "failover" in path else "webhook")


@pytest.mark.parametrize("path", ["/", "/webhooks//", "//webhooks", "/webhook", "/webhooks/failover//", "/Webhooks"])
def test_other_paths_are_not_found_and_never_redirected(stack: Stack, path: str) -> None:
    answer = stack.deliver(body_of_event(), path=f"{stack.host.url}{path}")
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert accepted(stack) == 0


def metric(stack: Stack, **labels: str) -> float:
    wanted = "ringback_deliveries_total{" + ",".join(f'{name}="{labels[name]}"' for name in sorted(labels)) + "}"
    lines = stack.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))


def test_deliveries_to_a_wrong_address_are_counted_and_logged_once_a_path(stack: Stack) -> None:
    with capture_logs() as lines:
        for path in ("/hooks", "/hooks?again", "/a%1b%5b31m%0a/+13125550123", "/" + "x" * 5000):
            assert stack.deliver(body_of_event(), path=path).status_code == 404
        for method in ("GET", "PUT"):
            assert stack.http.request(method, "/webhooks", headers={"Telnyx-Timestamp": "1"}).status_code == 405
        assert stack.http.post("/healthz", headers={"telnyx-signature-ed25519": "x"}).status_code == 405

    told = [line for line in lines if line["event"] == "delivery to a wrong address"]
    assert [line["path"][:30] for line in told] == [
        "/hooks",
        "/a?[31m?/+1312•••0123",
        "/" + "x" * 29,
        "/webhooks",
        "/healthz",
    ]
    assert len(told[2]["path"]) <= 200
    assert "webhook_url" in told[0]["hint"]
    assert metric(stack, status="404", reason="no such path", arrived_by="wrong_address") == 4
    assert metric(stack, status="405", reason="method not allowed", arrived_by="wrong_address") == 3


def test_scanners_are_neither_counted_nor_logged(stack: Stack) -> None:
    with capture_logs() as lines:
        stack.http.get("/.env")
        stack.http.get("/webhooks")
        stack.http.post("/wp-login.php", content=b"x")
    assert lines == []
    assert "wrong_address" not in stack.http.get("/metrics").text


@pytest.mark.slow  # hundreds of requests
def test_a_path_is_told_again_after_an_hour_and_at_most_a_hundred_are(stack: Stack) -> None:
    began = time.time()
    for moment, told in ((0, 100), (3599, 0), (3601, 100)):
        with clock.moved(lambda: began + moment), capture_logs() as lines:
            for number in range(103):
                stack.deliver(b"{}", path=f"/no-{number}")
        assert len(lines) == told
    assert metric(stack, status="404", reason="no such path", arrived_by="wrong_address") == 309


def test_a_signed_body_that_is_no_event_is_an_error_in_the_log(stack: Stack) -> None:
    with capture_logs() as lines:
        stack.deliver(b"[]")
    assert [(line["log_level"], line["status"]) for line in lines] == [("error", 400)]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_are_not_allowed(stack: Stack, method: str) -> None:
    answer = stack.http.request(method, "/webhooks")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def broken_headers() -> dict[str, Any]:
    return {
        "signature missing": lambda s, t: [(TIMESTAMP_HEADER, t)],
        "signature twice": lambda s, t: [(SIGNATURE_HEADER, s), (SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, t)],
        "signature not base64": lambda s, t: [(SIGNATURE_HEADER, "*" + s[1:]), (TIMESTAMP_HEADER, t)],
        "signature url-safe base64": lambda s, t: [
            (SIGNATURE_HEADER, base64.urlsafe_b64encode(b"\xfb" * 64).decode()),
            (TIMESTAMP_HEADER, t),
        ],
        "signature of 63 bytes": lambda s, t: [
            (SIGNATURE_HEADER, base64.b64encode(bytes(63)).decode()),
            (TIMESTAMP_HEADER, t),
        ],
        "signature of 65 bytes": lambda s, t: [
            (SIGNATURE_HEADER, base64.b64encode(bytes(65)).decode()),
            (TIMESTAMP_HEADER, t),
        ],
        "signature empty": lambda s, t: [(SIGNATURE_HEADER, ""), (TIMESTAMP_HEADER, t)],
        "timestamp missing": lambda s, t: [(SIGNATURE_HEADER, s)],
        "timestamp twice": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, t), (TIMESTAMP_HEADER, t)],
        "timestamp empty": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, "")],
        "timestamp with a sign": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, "+" + t)],
        "timestamp negative": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, "-" + t)],
        "timestamp with a fraction": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, t + ".0")],
        "timestamp with an underscore": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, t[:5] + "_" + t[5:])],
        "timestamp in hexadecimal": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, hex(int(t)))],
        "timestamp of many digits": lambda s, t: [(SIGNATURE_HEADER, s), (TIMESTAMP_HEADER, "0" * 5000 + t)],
    }


@pytest.mark.parametrize("name", broken_headers())
def test_malformed_headers_are_refused_with_a_reason(stack: Stack, name: str) -> None:
    body = orjson.dumps(body_of_event())
    headers = signed(stack, body)
    broken = broken_headers()[name](headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER])

    answer = post(stack, body, broken)

    assert answer.status_code == 401
    assert answer.json()["error"]
    assert accepted(stack) == 0


@pytest.mark.parametrize(("age", "status"), [(300, 200), (301, 401), (-300, 200), (-301, 401)])
def test_a_timestamp_may_be_300_seconds_off_and_no_more(stack: Stack, age: int, status: int) -> None:
    moment = time.time()
    with clock.moved(lambda: float(int(moment)) + 0.999):
        assert stack.deliver(body_of_event(), at=int(moment) - age).status_code == status


def forgeries() -> dict[str, Any]:
    other = SigningKey.generate()
    return {
        "another key": lambda stack, body: (body, sign(body, other, int(time.time()))),
        "another body": lambda stack, body: (body.replace(b"delivered", b"delivere!"), signed(stack, body)),
        "re-serialised": lambda stack, body: (json.dumps(json.loads(body)).encode(), signed(stack, body)),
        "another timestamp": lambda stack, body: (
            body,
            {**signed(stack, body), TIMESTAMP_HEADER: str(int(time.time()) - 7)},
        ),
        "dot for a pipe": lambda stack, body: (body, _signed_with_dot(stack, body)),
    }


def _signed_with_dot(stack: Stack, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signature = stack.signing_key.sign(timestamp.encode() + b"." + body).signature
    return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: timestamp}


@pytest.mark.parametrize("name", forgeries())
def test_a_forgery_is_refused_and_nothing_is_stored(stack: Stack, name: str) -> None:
    body, headers = forgeries()[name](stack, orjson.dumps(body_of_event()))

    answer = stack.http.post("/webhooks", content=body, headers=headers)

    assert (answer.status_code, answer.json()) == (401, {"error": "signature does not match"})
    assert accepted(stack) == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": "\xff"}',
     b'{"a": "\xed\xa0\x80"}', b"\xef\xbb\xbf\xef\xbb\xbf{}", b"\xef\xbb\xbf", '{"a": 1}'.encode("utf-16"),
     b'{"a": 1} x', b'{"a":' * 2000 + b"1" + b"}" * 2000],
    ids=["empty", "null", "list", "string", "cut off", "NaN", "infinity", "invalid UTF-8", "surrogate in UTF-8",
         "two byte order marks", "byte order mark alone", "UTF-16", "trailing text", "nested too deeply"],
)  # fmt: skip
def test_a_signed_body_that_is_no_json_object_is_a_400_with_a_reason(stack: Stack, body: bytes) -> None:
    answer = stack.deliver(body)

    assert answer.status_code == 400
    assert "body is" in answer.json()["error"]
    assert accepted(stack) == 0


@pytest.mark.parametrize(
    "odd",
    [b'"\\ud800"', b'"\\uDFFF\\ud83d\\uDE00"', b'{"\\ud83d": {"\\udc00": ["\\ud83d"]}}', b"1" * 5000, b"-1e999",
     b'1, "a": 2', b'"\\u0000"', b"123456789012345678901234567890"],
    ids=["lone surrogate", "surrogates of which two are a pair", "nested surrogates in keys", "huge integer",
         "beyond a double", "duplicate key", "NUL", "beyond 64 bits"],
)  # fmt: skip
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_odd_but_grammatical_json_is_accepted_and_kept_byte_for_byte(stack: Stack, mark: bytes, odd: bytes) -> None:
    event_id = uuid.uuid4().hex
    body = mark + b'{"data": {"id": "%b", "event_type": "test.x", "payload": {"a": %b}}}' % (event_id.encode(), odd)

    assert [stack.deliver(body).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]

    record = stack.when(event_id, lambda _: True)
    assert (record.type, record.body) == ("test.x", body)


def test_a_handler_sees_replacement_characters_where_surrogates_stood_alone(stack: Stack) -> None:
    router, seen = Router(), []

    @router.on("test.x")
    async def look(event: Event, ctx: Context) -> None:
        seen.append(event.payload)

    stack.start_worker(router)
    payload = b'{"\\ud800k": [{"x": "a\\udfff \\\\ud800"}]}'
    body = b'\xef\xbb\xbf{"data": {"id": "%b", "event_type": "test.x", "payload": %b}}'
    event_id = uuid.uuid4().hex
    assert stack.deliver(body % (event_id.encode(), payload)).status_code == 200

    assert stack.ended(event_id).state == "done"
    assert seen == [{"\ufffdk": [{"x": "a\ufffd \\ud800"}]}]


def test_content_with_surrogates_and_no_id_is_known_again(stack: Stack) -> None:
    body = b'{"data": {"event_type": "test.x", "payload": {"a": "\\ud800"}}}'
    assert [stack.deliver(body).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]


def test_deep_but_sane_nesting_without_an_id_is_accepted(stack: Stack) -> None:
    assert stack.deliver(b'{"a":' * 500 + b"1" + b"}" * 500).status_code == 200


def test_a_type_is_kept_in_at_most_128_printable_characters(stack: Stack) -> None:
    event_id = uuid.uuid4().hex
    types = ["a\x1b[2J\n\u202e", "b" * 200_000, "b" * 200_001]
    for event_type in types:
        body = {"data": {"id": event_id, "event_type": event_type}}
        assert [stack.deliver(body).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]

    kept = [record for record in stack.ask(_newest) if record.id.startswith(event_id)]
    assert len({record.id for record in kept}) == len(types)
    assert {record.type for record in kept} >= {r"a\x1b[2J\n\u202e"}
    for record in kept:
        assert record.type.isprintable()
        assert record.id.isprintable()
        assert len(record.type) <= 128
        assert len(record.id) <= 32 + 1 + 128


def test_pretty_printed_and_unicode_bodies_are_verified_as_they_came(stack: Stack) -> None:
    body = json.dumps(body_of_event() | {"note": "ünï\u2028cödé \U0001f600"}, indent=4, ensure_ascii=False).encode()
    assert stack.deliver(body).json() == {"status": "accepted"}


def test_an_event_without_an_id_is_identified_by_its_content_without_meta(stack: Stack) -> None:
    body: dict[str, Any] = {
        "data": {"record_type": "link_clicked", "url": "https://example.com"},
        "meta": {"attempt": 1},
    }
    assert stack.deliver(body).json() == {"status": "accepted"}
    assert stack.deliver({**body, "meta": {"attempt": 2}}).json() == {"status": "duplicate"}
    assert stack.deliver({**body, "more": 1}).json() == {"status": "accepted"}


@pytest.mark.parametrize("event_id", [17, "", "x" * 129, "naïve", None, ["x"]])
def test_an_unusable_id_counts_as_none(stack: Stack, event_id: Any) -> None:
    body = {"data": {"id": event_id, "event_type": "message.sent"}}
    assert stack.deliver(body).json() == {"status": "accepted"}
    [record] = stack.ask(_newest)
    assert record.id.startswith("sha256:")
    assert record.type == "message.sent"


async def _newest(store: Store) -> list[Any]:
    from service.store.inbox.search import EventFilter, search

    return await search(store, EventFilter(), limit=10)


def test_a_known_id_with_another_type_is_another_event(stack: Stack) -> None:
    event = body_of_event("message.sent", event_id="the-id")
    assert stack.deliver(event).json() == {"status": "accepted"}
    event["data"]["event_type"] = "message.finalized"
    assert stack.deliver(event).json() == {"status": "accepted"}
    assert stack.deliver(event).json() == {"status": "duplicate"}
    assert {each.id for each in stack.ask(_newest)} == {"the-id", "the-id~message.finalized"}


def test_any_event_type_is_accepted(stack: Stack) -> None:
    event = body_of_event("something.that.telnyx.invents.tomorrow")
    assert stack.deliver(event).json() == {"status": "accepted"}


def test_a_declared_length_over_the_limit_is_refused_before_the_headers_are_looked_at(stack: Stack) -> None:
    answer = post(stack, bytes(1024**2 + 1), [])
    assert answer.status_code == 413
    at_the_limit = post(stack, bytes(1024**2), [])
    assert at_the_limit.status_code == 401


def test_a_stranger_is_refused_before_a_byte_of_the_body_is_sent(stack: Stack) -> None:
    with _connected(stack) as connection:
        connection.sendall(b"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        assert _answer(connection).startswith(b"HTTP/1.1 401")


def test_an_endless_chunked_body_is_refused_while_it_streams_in(stack: Stack) -> None:
    headers = sign(b"", stack.signing_key, int(time.time()))
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    with _connected(stack) as connection:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall(
            ("POST /webhooks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n" + "\r\n".join(lines)).encode()
            + b"\r\n\r\n"
        )
        connection.settimeout(0.002)
        answer = b""
        while not answer and sent < 64 * 1024**2:
            try:
                connection.sendall(chunk)
                sent += len(chunk)
            except (TimeoutError, BrokenPipeError, ConnectionResetError):
                pass
            answer = _whatever_came(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 16 * 1024**2


def test_a_body_that_does_not_arrive_is_given_up_after_five_seconds(stack: Stack) -> None:
    headers = sign(b"x", stack.signing_key, int(time.time()))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with _connected(stack) as connection:
        connection.sendall(f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n{lines}\r\n".encode())
        connection.settimeout(10)
        assert _answer(connection).startswith(b"HTTP/1.1 408")


def test_several_public_keys_are_tried_in_turn(host: Host) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    with open_stack(host) as stack:
        keys = f" {public_key_text(old)} , {public_key_text(new)} "
        app = create_app(stack.settings.model_copy(update={"public_key": keys}))
        with host.serving(app):
            for key in (old, new):
                body = orjson.dumps(body_of_event())
                headers = sign(body, key, int(time.time()))
                assert stack.http.post("/webhooks", content=body, headers=headers).status_code == 200


def test_a_probe_is_answered_and_never_stored(host: Host) -> None:
    probe_key = SigningKey.generate()
    secret = base64.b64encode(bytes(probe_key)).decode()
    with open_stack(host, probe_key=secret) as stack:
        for event_type, status in (("ringback.probe", 200), ("message.finalized", 401)):
            body = orjson.dumps(body_of_event(event_type))
            answer = stack.http.post("/webhooks", content=body, headers=sign(body, probe_key, int(time.time())))
            assert answer.status_code == status
        assert accepted(stack) == 0


def test_health_readiness_and_metrics_answer(stack: Stack) -> None:
    stack.deliver(body_of_event())
    assert stack.http.get("/healthz").status_code == 200
    assert stack.http.get("/readyz").status_code == 200
    metrics = stack.http.get("/metrics").text
    assert 'ringback_deliveries_total{arrived_by="webhook",reason="accepted",status="200"} 1.0' in metrics


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "quiet-fox.trycloudflare.com"},
        {"x-forwarded-for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"via": "1.1 proxy"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_a_proxy_or_tunnel_on_this_machine_publishes_no_metrics(
    stack: Stack, path: str, headers: dict[str, str]
) -> None:
    assert stack.http.get(path, headers=headers).status_code == 404
    assert stack.http.get("/healthz", headers=headers).status_code == 200


def _connected(stack: Stack) -> socket.socket:
    parts = urlsplit(stack.host.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=10)


def _answer(connection: socket.socket) -> bytes:
    return connection.recv(65536)


def _whatever_came(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except (TimeoutError, ConnectionResetError):
        return b""


@pytest.mark.parametrize("value", ["", "not base64!", base64.b64encode(bytes(31)).decode(), "A,"])
def test_a_missing_or_malformed_public_key_stops_the_start(value: str) -> None:
    from pydantic import ValidationError

    from service.settings import InvalidSettings

    with pytest.raises((InvalidSettings, ValidationError)):
        make_settings(**({"public_key": value} if value else {})).require_public_keys()
