"""One signed request to a receiver of webhooks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from nacl.signing import SigningKey

from service import clock
from service.outbound.tls import tls_context
from service.security.telnyx_signature import sign

DEADLINE = 2.0
"""Real seconds that a receiver has for its answer. Source: knowledge base, receiving webhooks for messaging."""

_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; `status` None: none came within the deadline."""

    request_headers: dict[str, str]
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


class WebhookPoster:
    """Signs and posts webhooks.

    The signature bears the real time, not the simulated one: the receiver's clock is not the simulator's to move.
    """

    def __init__(self, signing_key: SigningKey) -> None:
        self.deadline = DEADLINE
        self._signing_key = signing_key
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold connections to receivers until the block ends."""
        async with httpx.AsyncClient(verify=tls_context(), trust_env=False, timeout=None) as client:  # noqa: S113 - the deadline is below
            self._client = client
            yield
        self._client = None

    async def post(self, url: str, body: bytes) -> Exchange:
        """Post `body` to `url`, and wait for the answer until the deadline."""
        headers = {
            "content-type": "application/json",
            "user-agent": "telnyx-webhooks",
            **sign(body, self._signing_key, int(clock.now())),
        }
        if self._client is None:
            return Exchange(headers)
        try:
            async with asyncio.timeout(self.deadline):
                response = await self._client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return Exchange(headers)
        return Exchange(headers, response.status_code, dict(response.headers), response.text[:_SHOWN])
