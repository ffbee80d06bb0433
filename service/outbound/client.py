"""The official SDK, on a transport of ours, so that nothing is sent twice behind the worker's back."""

from typing import TYPE_CHECKING

import httpx
from telnyx import AsyncTelnyx

from service.outbound.handler_run_state import current_run
from service.outbound.sender import KEEP, EffectMetrics, KeptConnections
from service.outbound.tls import tls_context
from service.outbound.transport import EffectTransport
from service.settings import Settings
from service.store.store import Store

if TYPE_CHECKING:
    from service.monitoring.traces.tracing import Tracing

TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Seconds, below a handler's own time-out, so that an unanswered call is known as one."""
MAX_CONNECTIONS = 100
LIMITS = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=20)


class _SharedClient(httpx.AsyncClient):
    """The HTTP client of all handlers of a worker: one that closes its `ctx.telnyx` closes nobody else's."""

    async def aclose(self) -> None:
        if current_run.get() is None:
            await super().aclose()


def open_reader(settings: Settings, timeout: httpx.Timeout | float = TIMEOUT) -> AsyncTelnyx:
    """Return a client for calls beside the handlers. Close it with `await client.close()`.

    It repeats nothing, since the SDK would repeat a POST whose answer was lost. It follows no redirect, since the key
    and customers' data go to `TELNYX_BASE_URL` alone. `timeout` is seconds.

    Raises:
        service.settings.InvalidSettings: `TELNYX_API_KEY` is not set.
    """
    http_client = httpx.AsyncClient(verify=tls_context(), timeout=timeout, limits=LIMITS, follow_redirects=False)
    return sdk_on(settings, http_client)


def open_client(
    settings: Settings, store: Store, metrics: EffectMetrics, tracing: "Tracing | None" = None
) -> AsyncTelnyx:
    """Return a client for all handlers of a worker. Close it with `await client.close()`.

    The SDK's retries are off. It would send a POST up to three times on a time-out.

    Raises:
        service.settings.InvalidSettings: `TELNYX_API_KEY` is not set.
    """
    network = KeptConnections(one_connection, most=MAX_CONNECTIONS)
    transport = _transport(network, store, settings, metrics, tracing)
    client = sdk_on(settings, _SharedClient(transport=transport, timeout=TIMEOUT))
    # The SDK imports a resource when it is first used. A handler should not wait for that.
    _ = client.messages.rcs
    return client


def one_connection() -> httpx.AsyncHTTPTransport:
    """Return a transport with one connection, which stays open for `KEEP` seconds."""
    one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP)
    return httpx.AsyncHTTPTransport(verify=tls_context(), limits=one)


def _transport(
    network: KeptConnections, store: Store, settings: Settings, metrics: EffectMetrics, tracing: "Tracing | None"
) -> EffectTransport:
    if tracing is None:
        return EffectTransport(network, store, settings, metrics)
    from service.outbound.traced_transport import TracedTransport  # noqa: PLC0415 - only where traces are on

    return TracedTransport(network, store, settings, metrics, tracing)


def sdk_on(settings: Settings, http_client: httpx.AsyncClient) -> AsyncTelnyx:
    """Return the SDK on an HTTP client of ours, without retries of its own."""
    return AsyncTelnyx(
        api_key=settings.require_api_key(),
        base_url=settings.base_url,
        max_retries=0,
        timeout=http_client.timeout,
        http_client=http_client,
    )
