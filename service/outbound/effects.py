"""Effects: the calls of a handler that may change something at Telnyx, noted as they happen.

The note is the second witness beside Telnyx's own records: what a handler did can be told from the event alone.
"""

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx

from service.masking import mask_numbers
from service.store.leases import LeaseLost
from service.store.records import Effect


@dataclass
class Run:
    """What the outbound side notes of one run of a handler.

    `holds_lease` says whether an effect may begin; `lease_lost` that one was refused.
    """

    holds_lease: Callable[[], bool]
    effects: list[Effect] = field(default_factory=list)
    lease_lost: bool = False


current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)


def idempotency_key(*parts: str) -> str:
    """The `Idempotency-Key` of an effect: the same for the same parts, and of the form that Telnyx takes.

    Source: OpenAPI `components.parameters.IdempotencyKey`, 1 to 255 of `[A-Za-z0-9_-]`.
    """
    return "rb-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


class NotingTransport(httpx.AsyncBaseTransport):
    """Sends requests through another transport, and notes those that are effects in the run that they belong to."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, base_path: str) -> None:
        self._transport = transport
        self._base_path = base_path.rstrip("/")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and note the status that came back; 0 where no answer came.

        Raises:
            LeaseLost: the run has lost its lease, so no effect may begin.
        """
        run = current_run.get() if request.method != "GET" else None
        if run is None:
            return await self._transport.handle_async_request(request)
        if not run.holds_lease():
            run.lease_lost = True
            raise LeaseLost
        status = 0
        try:
            response = await self._transport.handle_async_request(request)
            status = response.status_code
            return response
        finally:
            path = request.url.path.removeprefix(self._base_path)
            run.effects.append(Effect(request.method, mask_numbers(path), status))

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._transport.aclose()
