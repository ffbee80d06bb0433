"""Whatever comes over a socket: no 500, nothing stored that was not verified, and one answer by either way inside.

A request that comes whole is answered by `whole_request_protocol`, any other by ASGI. Nobody may see which it was.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from service.ingress import app, body_budget, http_protocol
from service.ingress.http_protocol import bounded_config
from service.processes.sockets import listen
from service.store.inbox.accept import counts, find_all
from service.store.inbox.audit import audit
from service.store.store import Store, in_pages
from tests.ingress.fuzzed_requests import Requests, digest
from tests.raw_http import exchange, read_answers
from tests.stack import Stack
from tests.waiting import wait_for

ALLOWED = {100, 200, 400, 401, 404, 405, 408, 413, 431}
AT_ONCE = 40
TRIES = 3
SECONDS = 2.0
"""How long a client may take: broken requests wait for the end of this."""


class AsgiAlone:
    """The ingress as another server runs it: each request has a task."""

    def __init__(self, wrapped: ASGIApp) -> None:
        self._wrapped = wrapped

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._wrapped(scope, receive, send)


@contextmanager
def serving(stack: Stack, store: Store, *, asgi_alone: bool = False) -> Iterator[int]:
    """Serve an ingress of its own; gives its port."""
    ingress: ASGIApp = app.create_app(stack.settings.model_copy(update={"namespace": store.namespace}))
    listener = listen("127.0.0.1", 0, "RINGBACK_PORT")
    server = uvicorn.Server(bounded_config(AsgiAlone(ingress) if asgi_alone else ingress, keep_alive=3, lifespan="on"))
    running = stack.host.portal.start_task_soon(server._serve, [listener])
    wait_for(lambda: server.started or running.done())
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        running.result()


@dataclass
class Fuzzing:
    """Three servers with the same key: for whole requests, for ASGI alone, and for requests in pieces."""

    requests: Requests
    stores: list[Store]
    ports: list[int]
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    repeated: int = 0

    async def run(self, connections: int) -> None:
        """Send what so many connections bring."""
        for start in range(0, connections, AT_ONCE):
            await asyncio.gather(*(self._connection() for _ in range(min(AT_ONCE, connections - start))))

    async def _connection(self) -> None:
        data, follows_rules = self.requests.connection()
        pieces = self.requests.pieces(data)
        whole, by_asgi, split = await self._exchanges(data, pieces)
        for _ in range(TRIES - 1):
            if whole == by_asgi and (whole == split or not follows_rules):
                break
            # A reset takes answers with it, and a busy machine stops a client: neither does so each time.
            self.repeated += 1
            whole, by_asgi, split = await self._exchanges(data, pieces)
        assert whole == by_asgi, f"{data!r} was answered {whole!r} and by ASGI {by_asgi!r}"
        if follows_rules:
            assert split == whole, f"{pieces!r} was answered {split!r} and in one piece {whole!r}"
        for seen in (whole, split):
            self._check(data, seen, follows_rules=follows_rules)

    async def _exchanges(self, data: bytes, pieces: list[bytes]) -> list[bytes]:
        sent = ([data], [data], pieces)
        try:
            return await asyncio.gather(*(exchange(port, each) for port, each in zip(self.ports, sent, strict=True)))
        except TimeoutError:
            raise AssertionError(f"{data!r} leaves its connection open") from None

    def _check(self, data: bytes, seen: bytes, *, follows_rules: bool) -> None:
        # Bytes that break the rules may end a connection while the answer before them leaves in two parts.
        answers = read_answers(seen, may_be_reset=not follows_rules)
        statuses = [each.status for each in answers]
        assert set(statuses) <= ALLOWED, f"{data!r} was answered {statuses}"
        assert not follows_rules or statuses == [200] * len(statuses), f"{data!r} was answered {statuses}"
        self.statuses.update(statuses)
        self.accepted += sum(b'"accepted"' in each.body for each in answers)


@contextmanager
def fuzzing(stack: Stack, seed: int) -> Iterator[Fuzzing]:
    stores = [Store(stack.redis, f"t{uuid.uuid4().hex[:12]}", stack.store.encryption) for _ in range(3)]
    with ExitStack() as servers:
        ports = [servers.enter_context(serving(stack, each, asgi_alone=each is stores[1])) for each in stores]
        yield Fuzzing(Requests(seed, stack.signing_key), stores, ports)


def check_stored(stack: Stack, fuzz: Fuzzing) -> int:
    """Check that what is stored was verified, and what was accepted is stored. Return the number of events."""

    async def stored(store: Store) -> int:
        async for page in in_pages(store.redis.zscan_iter(store.keys.events, count=100), 100):
            for record in await find_all(store, [event_id.decode() for event_id, _ in page]):
                assert record.body is not None
                assert digest(record.body) in fuzz.requests.signed
        assert (await audit(store)).clean
        return (await counts(store)).accepted

    totals = [stack.host.portal.call(stored, each) for each in fuzz.stores]
    assert totals[0] + totals[2] >= fuzz.accepted
    return sum(totals)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture(autouse=True)
def _timers(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine may keep Redis from answering in time, which is 503.
    monkeypatch.setattr(app, "TIMEOUT", 30.0)
    monkeypatch.setattr(body_budget, "READING_SECONDS", SECONDS)
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", SECONDS)


@pytest.mark.slow
def test_whatever_comes_gets_the_same_answer_by_either_way_and_is_stored_only_if_verified(stack: Stack) -> None:
    with fuzzing(stack, seed=1) as fuzz:
        asyncio.run(fuzz.run(AT_ONCE * 2))
        assert check_stored(stack, fuzz) > AT_ONCE
    assert {200, 400, 401} <= set(fuzz.statuses)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_million_requests_are_answered_alike_in_flat_memory(stack: Stack, seed: int) -> None:
    with fuzzing(stack, seed) as fuzz:
        sizes = []
        while fuzz.requests.requests * 3 < 350_000:
            asyncio.run(fuzz.run(AT_ONCE * 25))
            sizes.append(resident_bytes())
        check_stored(stack, fuzz)
    assert sizes[-1] - sizes[len(sizes) // 3] < 40e6, sizes
