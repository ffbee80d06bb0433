"""A stack for tests: a real server, an ingress on HTTP, workers, and the local Telnyx."""

import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio.from_thread
import httpx
import orjson
import uvicorn
from anyio.from_thread import BlockingPortal
from nacl.signing import SigningKey
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from service.ingress.app import create_app
from service.ingress.http_protocol import bounded_config
from service.ingress.whole_requests import Taker, TakesWholeRequests
from service.processes.sockets import listen
from service.routing import Router
from service.security.telnyx_signature import public_key_text, sign
from service.settings import Settings
from service.store.connection import connect, locate
from service.store.effects.ledger import Entry, effects_of
from service.store.inbox import accept
from service.store.inbox.records import EventRecord
from service.store.keys import Keys
from service.store.store import Store
from service.testing.simulator import Simulator, running
from service.worker.worker import Worker
from tests.waiting import wait_for

T = TypeVar("T")

SMS_FROM = "+13125550199"


@dataclass
class Stack:
    """Everything that a scenario touches."""

    settings: Settings
    signing_key: SigningKey
    host: "Host"
    redis: "Redis"
    http: httpx.Client
    workers: ExitStack = field(default_factory=ExitStack)

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.namespace)

    @property
    def redis_url(self) -> str:
        """Where this deployment's connections lead. `REDIS_URL` is `host.redis_url`."""
        return locate(self.settings)

    @property
    def place(self) -> dict[str, str]:
        """The variables that name this deployment."""
        return place(self.redis_url, self.settings.namespace)

    @property
    def store(self) -> Store:
        return Store.of(self.redis, self.settings)

    @property
    def simulator(self) -> Simulator:
        return self.host.simulator

    def deliver(self, body: Any, *, path: str = "/webhooks", at: float | None = None) -> httpx.Response:
        """Sign and send a body, as Telnyx does."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = sign(raw, self.signing_key, int(time.time() if at is None else at))
        return self.http.post(path, content=raw, headers={**headers, "content-type": "application/json"})

    def start_worker(self, router: Router, *, worker_options: dict[str, Any] | None = None, **changes: Any) -> Worker:
        """A worker in a thread of its own, stopped at the end of the test."""
        settings = self.settings.model_copy(update=changes)
        return self.workers.enter_context(_working(settings, router, self.redis_url, worker_options or {}))

    def ask(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do some work with Redis."""

        async def ask() -> T:
            return await work(self.store)

        return self.host.portal.call(ask)

    def record(self, event_id: str) -> EventRecord | None:
        """The record of an event."""
        return self.ask(lambda store: accept.find(store, event_id))

    def recorded(self, event_id: str) -> EventRecord:
        """The record of an event that there is."""
        record = self.record(event_id)
        assert record is not None
        return record

    def effects(self, body: Any) -> list[Entry]:
        """What the ledger knows of an event's effects."""
        event_id = body if isinstance(body, str) else body["data"]["id"]
        return self.ask(lambda store: effects_of(store, event_id))

    def ended(self, body: Any) -> EventRecord:
        """The record of an event, once it has ended."""
        return self.when(body, lambda record: record.state != "open")

    def when(self, body: Any, condition: Callable[[EventRecord], bool]) -> EventRecord:
        """The record of an event, once it fulfils a condition."""
        event_id = body if isinstance(body, str) else body["data"]["id"]

        def fulfilled() -> EventRecord | None:
            record = self.record(event_id)
            return record if record is not None and condition(record) else None

        return wait_for(fulfilled)

    def sent_to(self, number: str) -> list[Any]:
        """The messages that the local Telnyx was asked to send to a number, replays left out."""
        return [
            each
            for each in self.simulator.requests
            if each.method == "POST"
            and isinstance(each.body, dict)
            and each.body.get("to") == number
            and each.status == 200
            and not each.replayed
        ]


@dataclass
class Host:
    """A web server and a local Telnyx that live as long as the test run; each test brings an application of its own."""

    portal: BlockingPortal
    url: str
    simulator: Simulator
    simulator_url: str
    redis_url: str
    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "no test is running"
        await self.app(scope, receive, send)

    def taker(self, url: bytes, server: tuple[str, int | None] | None) -> Taker | None:
        app: object = self.app
        return app.taker(url, server) if isinstance(app, TakesWholeRequests) else None

    @contextmanager
    def serving(self, app: Starlette) -> Iterator[str]:
        """Serve an application in place of the one before, until the block ends; gives its address."""
        before, self.app = self.app, app
        try:
            with self.portal.wrap_async_context_manager(app.router.lifespan_context(app)):
                yield self.url
        finally:
            self.app = before


@contextmanager
def open_host(redis_url: str) -> Iterator[Host]:
    """Start the web server and the local Telnyx."""
    simulator = Simulator()
    with anyio.from_thread.start_blocking_portal() as portal, running(simulator) as simulator_url:
        host = Host(portal, "", simulator, simulator_url, redis_url)
        listener = listen("127.0.0.1", 0, "RINGBACK_PORT")
        server = uvicorn.Server(bounded_config(host, keep_alive=75))
        serving = portal.start_task_soon(server._serve, [listener])
        wait_for(lambda: server.started or serving.done())
        host.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield host
        server.should_exit = True
        serving.result()


@contextmanager
def open_stack(host: Host, *, webhooks: bool = False, **changes: Any) -> Iterator[Stack]:
    """A stack in a namespace of its own; with `webhooks`, the local Telnyx sends it those of whatever happens there."""
    key = SigningKey.generate()
    host.simulator.webhook_url = f"{host.url}/webhooks" if webhooks else None
    host.simulator.reset()
    settings = make_settings(
        public_key=f"{public_key_text(key)},{host.simulator.public_key}" if webhooks else public_key_text(key),
        api_key="KEY-for-tests",
        base_url=f"{host.simulator_url}/v2",
        redis_url=host.redis_url,
        sms_from=SMS_FROM,
        **{"namespace": f"t{uuid.uuid4().hex[:12]}"} | changes,
    )
    redis = connect(locate(settings), timeout=10, connections=20)
    with (
        host.serving(create_app(settings)),
        httpx.Client(base_url=host.url, timeout=10, trust_env=False, verify=False) as http,
    ):
        opened = Stack(settings, key, host, redis, http)
        try:
            with opened.workers:
                yield opened
        finally:
            host.portal.call(redis.aclose)


def place(location: str, namespace: str) -> dict[str, str]:
    """Return the variables that name a deployment, for a location as `locate` gives it."""
    # The braces of a cluster are added by whoever reads these.
    return {"REDIS_URL": location.partition("#")[0], "RINGBACK_NAMESPACE": namespace.strip("{}")}


def make_settings(**values: Any) -> Settings:
    """Settings without any environment."""
    return Settings(_env_file=None, **values)


@contextmanager
def _working(settings: Settings, router: Router, redis_url: str, options: dict[str, Any]) -> Iterator[Worker]:
    with anyio.from_thread.start_blocking_portal() as portal:

        async def make() -> Worker:
            return Worker(settings, router, redis_url, handle_signals=False, **options)

        worker = portal.call(make)
        future = portal.start_task_soon(worker.async_run)
        try:
            yield worker
        finally:
            if worker._processor is not None:
                portal.call(worker.processor.announce_stop)
            future.cancel()
            wait_for(future.done)
            portal.call(worker.close)
