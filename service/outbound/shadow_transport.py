"""The transport of shadow runs: reads go to Telnyx, and effects are captured and answered with a made-up result."""

from contextvars import ContextVar

import httpx
from telnyx import AsyncTelnyx

from service.outbound.api_call import Call, read_call
from service.outbound.client import TIMEOUT, sdk_on
from service.outbound.dry_run import made_up
from service.outbound.tls import tls_context
from service.settings import Settings

captured_calls: ContextVar[list[Call] | None] = ContextVar("captured_calls", default=None)
"""The effects of the handler that runs now."""


class ShadowTransport(httpx.AsyncBaseTransport):
    """Sends reads through another transport, and captures everything else."""

    def __init__(self, transport: httpx.AsyncBaseTransport, settings: Settings) -> None:
        self._transport = transport
        self._base_path = httpx.URL(settings.base_url).path.rstrip("/")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request. No effect leaves.

        Raises:
            httpx.RequestError: no answer came to a read.
        """
        call = await read_call(request, self._base_path)
        if not call.is_effect:
            return await self._transport.handle_async_request(request)
        calls = captured_calls.get()
        if calls is not None:
            calls.append(call)
        answer = made_up(call)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._transport.aclose()


def open_shadow_client(settings: Settings) -> AsyncTelnyx:
    """Return a client that sends no effect. Close it with `await client.close()`.

    Raises:
        service.settings.InvalidSettings: `TELNYX_API_KEY` is not set.
    """
    transport = ShadowTransport(httpx.AsyncHTTPTransport(verify=tls_context()), settings)
    return sdk_on(settings, httpx.AsyncClient(transport=transport, timeout=TIMEOUT))
