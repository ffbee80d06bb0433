"""Clients that go away, servers that hang, buffers that fill: nothing acknowledged is lost, nothing is mixed up."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Sequence
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from service.events.message import MessageStatus, RecipientStatus
from service.processes import embedded_server
from service.security.telnyx_signature import sign
from service.store.batching import Batcher
from service.store.inbox import accept
from service.store.inbox.accept import Acceptance, NewEvent
from service.store.inbox.audit import audit
from service.store.inbox.group_commit import GroupCommit, NotAccepted
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def request_of(own_stack: Stack, event_id: str) -> bytes:
    body = orjson.dumps(envelope("test.something", {"id": event_id}, event_id=event_id))
    headers = "".join(f"{k}: {v}\r\n" for k, v in sign(body, own_stack.signing_key, int(time.time())).items())
    return f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def connected(own_stack: Stack) -> socket.socket:
    parts = urlsplit(own_stack.host.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=10)


def accepted(own_stack: Stack) -> int:
    return own_stack.ask(accept.counts).accepted


def test_clients_that_disconnect_at_any_moment_leave_nothing_half_done(own_stack: Stack) -> None:
    whole = 0
    for n in range(60):
        request = request_of(own_stack, f"event-{n}")
        cut = len(request) if n % 3 == 0 else len(request) * n // 60
        with connected(own_stack) as connection:
            connection.sendall(request[:cut])
        whole += cut == len(request)
    last = envelope("test.something", {})
    assert own_stack.deliver(last).json() == {"status": "accepted"}
    wait_for(lambda: accepted(own_stack) == whole + 1)
    assert own_stack.ask(audit).clean


def test_requests_in_one_connection_are_answered_in_order(own_stack: Stack) -> None:
    with connected(own_stack) as connection:
        connection.sendall(b"".join(request_of(own_stack, f"pipelined-{n}") for n in (1, 2, 1)))
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3 or not answers.endswith(b"}"):
            answers += connection.recv(65536)
    assert [part.split(b'"')[3] for part in answers.split(b"\r\n\r\n")[1:]] == [b"accepted", b"accepted", b"duplicate"]


@pytest.mark.slow
def test_a_hung_server_never_answers_one_request_with_the_reply_to_another(
    own_stack: Stack, own_server: embedded_server.EmbeddedServer
) -> None:
    """Requests time out while their batch is on the wire; later ones must get their own answers."""
    first = [envelope("test.something", {}, event_id=f"first-{n}") for n in range(20)]
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        statuses = own_stack.host.portal.call(_deliver_together, own_stack, first)
        assert statuses == [503] * 20
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
    wait_for(lambda: own_stack.http.get("/readyz").status_code == 200)
    for n in range(50):
        fresh = envelope("test.something", {}, event_id=f"fresh-{n}")
        assert own_stack.deliver(fresh).json() == {"status": "accepted"}
        assert own_stack.deliver(fresh).json() == {"status": "duplicate"}
    again = [own_stack.deliver(event).json()["status"] for event in first]
    known = again.count("duplicate")
    assert accepted(own_stack) == 50 + 20
    assert known + again.count("accepted") == 20
    assert own_stack.ask(audit).clean


async def _deliver_together(own_stack: Stack, events: list[dict[str, object]]) -> list[int]:
    async with httpx.AsyncClient(base_url=own_stack.host.url, timeout=10, trust_env=False) as client:

        async def deliver(event: dict[str, object]) -> int:
            body = orjson.dumps(event)
            headers = sign(body, own_stack.signing_key, int(time.time()))
            return (await client.post("/webhooks", content=body, headers=headers)).status_code

        return list(await asyncio.gather(*map(deliver, events)))


def test_a_full_buffer_is_refused_at_once(own_stack: Stack, own_server: embedded_server.EmbeddedServer) -> None:
    from service.store.inbox import group_commit

    commits: list[GroupCommit] = []

    async def overfill() -> tuple[float, int]:
        commits.append(commit := GroupCommit(own_stack.store, timeout=1.5))
        waiting = [
            asyncio.ensure_future(commit.accept(NewEvent(f"e{n}", "test.x", b"{}", "webhook")))
            for n in range(group_commit.MAX_WAITING + 600)
        ]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(NotAccepted, match="too many"):
            await commit.accept(NewEvent("one-more", "test.x", b"{}", "webhook"))
        took = time.monotonic() - began
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        return took, sum(isinstance(answer, NotAccepted) for answer in answers)

    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        took, refused = own_stack.host.portal.call(overfill)
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
        # The batch in flight ends before the loop does: its connection would be left open.
        own_stack.host.portal.call(commits[0].close)
    assert took < 0.1
    assert refused == group_commit.MAX_WAITING + 600


def test_each_caller_waits_for_its_own_time() -> None:
    timeout = 0.05

    async def commit(items: Sequence[str]) -> Sequence[str]:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def wait_in_turn() -> list[float]:
        batcher: Batcher[str, str] = Batcher(commit, passing=(), timeout=timeout)
        loop, took = asyncio.get_running_loop(), []

        async def wait(item: str, *, after: Awaitable[None]) -> None:
            await after
            began = loop.time()
            with pytest.raises(TimeoutError):
                await batcher.submit(item)
            took.append(loop.time() - began)

        await asyncio.gather(*(wait(f"e{n}", after=asyncio.sleep(n * timeout / 3)) for n in range(6)))
        await batcher.close(within=0)
        return took

    took = asyncio.run(asyncio.wait_for(wait_in_turn(), 5))
    assert len(took) == 6
    assert min(took) > timeout - 0.002, "uvloop and epoll count milliseconds"


def test_a_caller_who_goes_away_does_not_disturb_its_batch(own_stack: Stack) -> None:
    async def cancel_some() -> list[Acceptance | BaseException]:
        commit = GroupCommit(own_stack.store, timeout=5)
        waiting = [
            asyncio.ensure_future(commit.accept(NewEvent(f"e{n}", "test.x", b"{}", "webhook"))) for n in range(300)
        ]
        for n, task in enumerate(waiting):
            if n % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    answers = own_stack.host.portal.call(cancel_some)
    for n, answer in enumerate(answers):
        if isinstance(answer, Acceptance):
            assert answer == Acceptance("accepted", f"e{n}"), "each caller gets its own answer"
        else:
            assert isinstance(answer, asyncio.CancelledError)
    assert own_stack.ask(audit).clean


def test_one_round_trip_serves_many_requests(own_stack: Stack) -> None:
    """Group commit: what arrives while a batch is in flight shares the next one."""

    async def accept_many() -> int:
        commit = GroupCommit(own_stack.store, timeout=5)
        before = (await own_stack.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        arrivals = [NewEvent(f"e{n}", "test.x", b"{}", "webhook") for n in range(500)]
        await asyncio.gather(*map(commit.accept, arrivals))
        after = (await own_stack.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        return int(after - before)

    own_stack.deliver(envelope("test.warm", {}))
    assert own_stack.host.portal.call(accept_many) <= 3


def test_an_event_whose_message_is_damaged_in_redis_fails_alone(stack: Stack) -> None:
    async def mar(store: Store) -> list[object]:
        await store.redis.set(store.keys.message("damaged"), "no hash")
        inbox = GroupCommit(store, timeout=5)
        state = MessageStatus("damaged", "RCS", (RecipientStatus("+13125550101", "sent"),))
        odd = NewEvent("odd", "message.sent", b"{}", "webhook", message=state)
        plain = [NewEvent(name, "test.plain", b"{}", "webhook") for name in ("first", "second", "third")]
        answers = (inbox.accept(each) for each in (*plain[:2], odd, plain[2]))
        return [*await asyncio.gather(*answers, return_exceptions=True)]

    *others, odd, last = stack.ask(mar)
    assert [each.status for each in (*others, last) if isinstance(each, Acceptance)] == ["accepted"] * 3
    assert isinstance(odd, NotAccepted)
