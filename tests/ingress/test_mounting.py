"""The ingress inside an application that exists already."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.ingress.app import create_app
from service.store.store import Store
from tests.documented import block_with, executed
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

CODE = block_with("migrate.md", "python", "app.mount")


@contextmanager
def as_the_page_shows(stack: Stack) -> Iterator[None]:
    with stack.host.serving(executed(CODE, "existing_application").app):
        yield


@contextmanager
def in_one_line(stack: Stack) -> Iterator[None]:
    """Without a lifespan, as Starlette mounts it; the connections are then for the end of the process to close."""

    async def add_header(request: Request, call_next: Callable[..., Any]) -> Response:
        answer: Response = await call_next(request)
        answer.headers["x-host"] = "seen"
        return answer

    async def own(request: Request) -> Response:
        return PlainTextResponse("own")

    app = Starlette(routes=[Route("/", own)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=add_header)])
    app.mount("/telnyx", ingress := create_app(stack.settings))
    with stack.host.serving(app):
        yield
    with stack.host.portal.wrap_async_context_manager(ingress.router.lifespan_context(ingress)):
        """Its end closes them here, so that no other test is told of them."""


@pytest.fixture
def _environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.settings.public_key is not None
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", stack.settings.public_key)
    for name, value in stack.place.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("application", [as_the_page_shows, in_one_line])
def test_a_mounted_ingress_answers_as_it_does_alone(
    stack: Stack, application: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    event, other = envelope("test.x", {}), envelope("test.x", {})
    with application(stack):
        for status in ("accepted", "duplicate"):
            assert stack.deliver(event, path="/telnyx/webhooks").json() == {"status": status}
        assert stack.deliver(other, path="/telnyx/webhooks/failover").status_code == 200
        assert stack.http.post("/telnyx/webhooks", content=b"{}").status_code == 401
        assert stack.http.get("/telnyx/webhooks").status_code == 405
        for path in ("webhooks/", "webhooks/failover/"):
            assert stack.deliver(event, path=f"/telnyx/{path}").json() == {"status": "duplicate"}
        assert stack.deliver(event, path="/telnyx/webhook").json() == {"error": "no such path"}
        assert stack.deliver(event).status_code == 404
        for path in ("healthz", "readyz", "metrics"):
            assert stack.http.get(f"/telnyx/{path}").status_code == 200

    assert stack.when(event, lambda _: True).arrived_by == "webhook"
    assert stack.when(other, lambda _: True).arrived_by == "failover"


def test_the_application_around_it_keeps_its_own_paths_and_middleware(stack: Stack) -> None:
    with in_one_line(stack):
        own = stack.http.get("/")
        webhook: httpx.Response = stack.deliver(envelope("test.x", {}), path="/telnyx/webhooks")

    assert (own.text, own.headers["x-host"]) == ("own", "seen")
    assert (webhook.json(), webhook.headers["x-host"]) == ({"status": "accepted"}, "seen")


def test_middleware_that_is_added_to_the_ingress_sees_webhooks(stack: Stack) -> None:
    async def add_header(request: Request, call_next: Callable[..., Any]) -> Response:
        answer: Response = await call_next(request)
        answer.headers["x-added"] = "seen"
        return answer

    ingress = create_app(stack.settings)
    ingress.add_middleware(BaseHTTPMiddleware, dispatch=add_header)
    lifespan = stack.host.portal.wrap_async_context_manager(ingress.router.lifespan_context(ingress))
    with lifespan, stack.host.serving(ingress):
        webhook: httpx.Response = stack.deliver(envelope("test.x", {}))
    assert (webhook.json(), webhook.headers["x-added"]) == ({"status": "accepted"}, "seen")


def test_the_lifespan_of_the_page_closes_the_connections(own_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = own_stack
    assert stack.settings.public_key is not None
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", stack.settings.public_key)
    monkeypatch.setenv("REDIS_URL", stack.host.redis_url)
    before = stack.ask(clients)
    with as_the_page_shows(stack):
        stack.deliver(envelope("test.x", {}), path="/telnyx/webhooks")
        assert stack.ask(clients) > before
    wait_for(lambda: stack.ask(clients) == before)


async def clients(store: Store) -> int:
    return len(await store.redis.client_list())
