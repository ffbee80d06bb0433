"""Refusals: how little of them is logged and done, however many there are."""

import asyncio
import json
import time
from typing import Any

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from structlog.testing import capture_logs

from service import refusal_log, rewritten_bodies
from service.refusal_log import RefusalLog
from service.rewritten_bodies import RewriteCheck
from service.signature import TIMESTAMP_HEADER, sign
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
    examine = rewritten_bodies.looks_reserialised

    def noted(body: bytes) -> bool:
        examined.append(body)
        return examine(body)

    monkeypatch.setattr(rewritten_bodies, "looks_reserialised", noted)
    return examined


def test_the_check_goes_on_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 105.0, 110.5])
    monkeypatch.setattr("service.rewritten_bodies.time.monotonic", lambda: next(moments))
    check, body = RewriteCheck(), orjson.dumps({})
    told: list[dict[str, Any]] = [check.hint(body) for _ in range(3)]
    assert told == [{"looks_reserialised": True}, {}, {"looks_reserialised": True}]
