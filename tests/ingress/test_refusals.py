"""Refusals: how little of them is logged and done, however many there are."""

import asyncio
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from structlog.testing import capture_logs

from service.ingress import refusal_log
from service.ingress.refusal_log import RefusalLog, RewriteCheck
from service.security.telnyx_signature import TIMESTAMP_HEADER, sign
from tests.stack import Stack
from tests.waiting import wait_for

FORGED = json.dumps({"data": {"id": "1", "event_type": "test.x"}}).encode()


def forge(stack: Stack, body: bytes = FORGED) -> httpx.Response:
    headers = sign(body, SigningKey.generate(), int(time.time()))
    return stack.http.post("/webhooks", content=body, headers=headers)


def test_many_refusals_for_one_reason_are_a_line_a_second_with_a_count_and_the_peer(stack: Stack) -> None:
    began = time.monotonic()
    with capture_logs() as lines:
        for _ in range(100):
            assert forge(stack).status_code == 401
        wait_for(lambda: sum(line["count"] for line in lines) == 100)
    assert len(lines) <= 2 + (time.monotonic() - began)
    assert {(line["status"], line["reason"], line["peer"]) for line in lines} == {
        (401, "signature does not match", "127.0.0.1")
    }


@pytest.mark.parametrize(("method", "status"), [("POST", 401), ("HEAD", 405)])
def test_a_connection_closes_after_an_answer_that_says_so(stack: Stack, method: str, status: int) -> None:
    url = urlsplit(stack.host.url)
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in sign(FORGED, SigningKey.generate(), int(time.time())).items()
    )
    head = f"{method} /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: {len(FORGED)}\r\n{lines}\r\n"
    with socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=10) as connection:
        connection.sendall(head.encode() + FORGED)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert answer.endswith(b"\r\n\r\n") == (method == "HEAD")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "not an HTTP request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not an HTTP request"),
        (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", "the head of the request is too large"),
        (b"GET /" + b"%41" * 3000 + b" HTTP/1.1\r\n\r\n", "the head of the request is too large"),
    ],
    ids=["TLS", "HTTP/2", "headers", "URL"],
)
def test_what_is_no_request_is_logged_with_a_count(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, sent: bytes, reason: str
) -> None:
    monkeypatch.setattr(refusal_log, "PAUSE_SECONDS", 0.2)
    url = urlsplit(stack.host.url)
    with capture_logs() as lines:
        for _ in range(50):
            with socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=10) as connection:
                connection.sendall(sent)
                assert connection.recv(65536)
        wait_for(lambda: sum(line.get("count", 0) for line in lines if line["reason"] == reason) == 50)
    assert len(lines) < 10


def test_an_upgrade_that_is_not_made_is_no_line_in_the_log(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    answer = stack.http.get("/healthz", headers={"connection": "upgrade", "upgrade": "h2c"})
    assert (answer.status_code, caplog.records) == (200, [])


@pytest.mark.anyio
async def test_reasons_and_peers_that_are_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_log, "PAUSE_SECONDS", 60.0)
    refusals = RefusalLog()
    with capture_logs() as lines:
        for number in range(1000):
            refusals.note(503, f"reason {number}", "a")
            refusals.note(401, "same", f"peer {number}")
        await asyncio.sleep(0)
        told = len(lines)
        refusals.close()
    assert told <= refusal_log.MAX_REASONS + 3
    assert sum(line["count"] for line in lines) == 2000
    [same] = [line for line in lines if line["reason"] == "same" and line["count"] > 1]
    assert same["peers"] == refusal_log.MAX_PEERS


def test_a_body_that_a_proxy_rewrote_is_told_of_once_in_ten_seconds(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_log, "PAUSE_SECONDS", 0.2)
    examined = counted(monkeypatch)
    with capture_logs() as lines:
        for _ in range(20):
            forge(stack)
        wait_for(lambda: sum(line["count"] for line in lines) == 20)
    assert len(examined) == 1
    assert [line["looks_reserialised"] for line in lines if "looks_reserialised" in line] == [True]


def test_large_bodies_and_those_whose_headers_prove_nothing_are_not_examined(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = counted(monkeypatch)
    forge(stack, json.dumps({"a": "x" * 4096}).encode())
    stack.http.post("/webhooks", content=FORGED)
    stack.http.post("/webhooks", content=FORGED, headers={TIMESTAMP_HEADER: "9" * 5000})
    assert examined == []


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that are examined."""
    examined: list[bytes] = []
    examine = refusal_log.looks_reserialised

    def noted(body: bytes) -> bool:
        examined.append(body)
        return examine(body)

    monkeypatch.setattr(refusal_log, "looks_reserialised", noted)
    return examined


def test_the_check_goes_on_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 105.0, 110.5])
    monkeypatch.setattr("service.ingress.refusal_log.time.monotonic", lambda: next(moments))
    check, body = RewriteCheck(), orjson.dumps({})
    told: list[dict[str, Any]] = [check.hint(body) for _ in range(3)]
    assert told == [{"looks_reserialised": True}, {}, {"looks_reserialised": True}]
