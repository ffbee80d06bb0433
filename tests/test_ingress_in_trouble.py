"""Clients that go away, servers that hang, buffers that fill: nothing acknowledged is lost, nothing is mixed up."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from service import embedded
from service.signature import sign
from service.store import inbox
from service.store.audit import audit
from service.store.group_commit import GroupCommit, NotAccepted
from service.store.inbox import Acceptance, Arrival
from tests.events import envelope
from tests.stack import Host, Stack, open_host, open_stack
from tests.waiting import wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[embedded.EmbeddedServer]:
    with embedded.start(tmp_path / "data") as started:
        yield started


@pytest.fixture
def own_host(server: embedded.EmbeddedServer) -> Iterator[Host]:
    with open_host(server.url) as host:
        yield host


@pytest.fixture
def stack(own_host: Host) -> Iterator[Stack]:
    with open_stack(own_host) as opened:
        yield opened


def request_of(stack: Stack, event_id: str) -> bytes:
    body = orjson.dumps(envelope("test.something", {"id": event_id}, event_id=event_id))
    headers = "".join(f"{k}: {v}\r\n" for k, v in sign(body, stack.signing_key, int(time.time())).items())
    return f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def connected(stack: Stack) -> socket.socket:
    parts = urlsplit(stack.host.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=10)


def accepted(stack: Stack) -> int:
    return stack.ask(inbox.counts).accepted


def test_clients_that_disconnect_at_any_moment_leave_nothing_half_done(stack: Stack) -> None:
    whole = 0
    for n in range(60):
        request = request_of(stack, f"event-{n}")
        cut = len(request) if n % 3 == 0 else len(request) * n // 60
        with connected(stack) as connection:
            connection.sendall(request[:cut])
        whole += cut == len(request)
    last = envelope("test.something", {})
    assert stack.deliver(last).json() == {"status": "accepted"}
    wait_for(lambda: accepted(stack) == whole + 1)
    assert stack.ask(audit).clean


def test_requests_in_one_connection_are_answered_in_order(stack: Stack) -> None:
    with connected(stack) as connection:
        connection.sendall(b"".join(request_of(stack, f"pipelined-{n}") for n in (1, 2, 1)))
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3 or not answers.endswith(b"}"):
            answers += connection.recv(65536)
    assert [part.split(b'"')[3] for part in answers.split(b"\r\n\r\n")[1:]] == [b"accepted", b"accepted", b"duplicate"]


def test_a_hung_server_never_answers_one_request_with_the_reply_to_another(
    stack: Stack, server: embedded.EmbeddedServer
) -> None:
    """Requests time out while their batch is on the wire; later ones must get their own answers."""
    first = [envelope("test.something", {}, event_id=f"first-{n}") for n in range(20)]
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        statuses = stack.host.portal.call(_deliver_together, stack, first)
        assert statuses == [503] * 20
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait_for(lambda: stack.http.get("/readyz").status_code == 200)
    for n in range(50):
        fresh = envelope("test.something", {}, event_id=f"fresh-{n}")
        assert stack.deliver(fresh).json() == {"status": "accepted"}
        assert stack.deliver(fresh).json() == {"status": "duplicate"}
    again = [stack.deliver(event).json()["status"] for event in first]
    known = again.count("duplicate")
    assert accepted(stack) == 50 + 20
    assert known + again.count("accepted") == 20
    assert stack.ask(audit).clean


async def _deliver_together(stack: Stack, events: list[dict[str, object]]) -> list[int]:
    async with httpx.AsyncClient(base_url=stack.host.url, timeout=10, trust_env=False) as client:

        async def deliver(event: dict[str, object]) -> int:
            body = orjson.dumps(event)
            headers = sign(body, stack.signing_key, int(time.time()))
            return (await client.post("/webhooks", content=body, headers=headers)).status_code

        return list(await asyncio.gather(*map(deliver, events)))


def test_a_full_buffer_is_refused_at_once(stack: Stack, server: embedded.EmbeddedServer) -> None:
    from service.store import group_commit

    async def overfill() -> tuple[float, int]:
        commit = GroupCommit(stack.redis, stack.keys, patience=1.5)
        waiting = [
            asyncio.ensure_future(commit.accept(Arrival(f"e{n}", "test.x", b"{}", "webhook")))
            for n in range(group_commit.MOST_WAITING + 600)
        ]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(NotAccepted, match="too many"):
            await commit.accept(Arrival("one-more", "test.x", b"{}", "webhook"))
        took = time.monotonic() - began
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        return took, sum(isinstance(answer, NotAccepted) for answer in answers)

    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        took, refused = stack.host.portal.call(overfill)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert took < 0.1
    assert refused == group_commit.MOST_WAITING + 600


def test_a_caller_who_goes_away_does_not_disturb_its_batch(stack: Stack) -> None:
    async def cancel_some() -> list[Acceptance | BaseException]:
        commit = GroupCommit(stack.redis, stack.keys, patience=5)
        waiting = [
            asyncio.ensure_future(commit.accept(Arrival(f"e{n}", "test.x", b"{}", "webhook"))) for n in range(300)
        ]
        for n, task in enumerate(waiting):
            if n % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    answers = stack.host.portal.call(cancel_some)
    for n, answer in enumerate(answers):
        if isinstance(answer, Acceptance):
            assert answer == Acceptance("accepted", f"e{n}"), "each caller gets its own answer"
        else:
            assert isinstance(answer, asyncio.CancelledError)
    assert stack.ask(audit).clean


def test_one_round_trip_serves_many_requests(stack: Stack) -> None:
    """Group commit: what arrives while a batch is in flight shares the next one."""

    async def accept_many() -> int:
        commit = GroupCommit(stack.redis, stack.keys, patience=5)
        before = (await stack.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        arrivals = [Arrival(f"e{n}", "test.x", b"{}", "webhook") for n in range(500)]
        await asyncio.gather(*map(commit.accept, arrivals))
        after = (await stack.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        return int(after - before)

    stack.deliver(envelope("test.warm", {}))
    assert stack.host.portal.call(accept_many) <= 3
