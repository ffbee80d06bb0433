"""Telnyx's way of delivering webhooks: three attempts at the URL, then three at the failover URL.

Source: knowledge base, receiving webhooks for messaging: any 2xx within two seconds is success. The intervals are
described as exponential backoff and not published: here one second, then two, of simulated time. Webhooks of 10DLC have
attempts of their own.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import orjson
from nacl.signing import SigningKey

from service import clock
from service.outbound.tls import tls_context
from service.security.telnyx_signature import sign
from service.testing.simulator.api.faults import ScriptedAnswers, WebhookFault
from service.testing.simulator.background import Background
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.simulated_clock import SimulatedClock
from service.testing.simulator.webhooks import deliveries as records

DEADLINE = 2.0
"""Real seconds that a receiver has for its answer. Source: knowledge base, receiving webhooks for messaging."""
_SHOWN = 1000
"""Characters of an answer that are kept."""
_MADE_UP: Mapping[str, records.Exchange] = {"failed": records.Exchange({}), "answered": records.Exchange({}, 200)}
"""The record of each attempt under a fault of this kind, in place of a request."""


class WebhookPoster:
    """The poster signs and posts webhooks.

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

    async def post(self, url: str, body: bytes) -> records.Exchange:
        """Post `body` to `url`, and wait for the answer until the deadline."""
        headers = {
            "content-type": "application/json",
            "user-agent": "telnyx-webhooks",
            **sign(body, self._signing_key, int(clock.now())),
        }
        if self._client is None:
            return records.Exchange(headers)
        try:
            async with asyncio.timeout(self.deadline):
                response = await self._client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return records.Exchange(headers)
        return records.Exchange(headers, response.status_code, dict(response.headers), response.text[:_SHOWN])


@dataclass
class WebhookCourier:
    """The delivery of events, with a record of every attempt.

    Telnyx promises no order. Here the first attempts of events about the same thing go out one after the other. A fault
    can script another order.
    """

    clock: SimulatedClock
    identifiers: Identifiers
    background: Background
    poster: WebhookPoster
    deliveries: records.WebhookDeliveries

    def __post_init__(self) -> None:
        self._held: list[asyncio.Event] = []
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.faults: ScriptedAnswers[WebhookFault] = ScriptedAnswers(self.identifiers, "webhook fault")

    def send(self, event: records.WebhookEvent, destination: records.WebhookTarget) -> None:
        """Deliver `event` in the background."""
        self.background.start(partial(self._deliver, event, destination, self._fault(event)))

    async def deliver(self, event: records.WebhookEvent, destination: records.WebhookTarget) -> None:
        """Deliver `event` as its faults allow. Return after the first attempt, while further ones go on."""
        await self._deliver(event, destination, self._fault(event))

    def _fault(self, event: records.WebhookEvent) -> WebhookFault | None:
        return self.faults.take(lambda fault: fault.matches(event.type))

    async def _deliver(
        self, event: records.WebhookEvent, destination: records.WebhookTarget, fault: WebhookFault | None
    ) -> None:
        if fault is not None and fault.kind == "lost":
            return
        if fault is not None and fault.kind in ("late", "reordered"):
            self.background.start(partial(self._deliver_later, event, destination, fault))
            return
        await self._begin(event, destination, None if fault is None else _MADE_UP.get(fault.kind))
        if fault is not None and fault.kind == "duplicate":
            await self._begin(event, destination)

    async def _deliver_later(
        self, event: records.WebhookEvent, destination: records.WebhookTarget, fault: WebhookFault
    ) -> None:
        if fault.kind == "late":
            await self.clock.until(event.occurred_at + fault.seconds)
        else:
            overtaken = asyncio.Event()
            self._held.append(overtaken)
            await overtaken.wait()
        await self._begin(event, destination)

    async def _begin(
        self, event: records.WebhookEvent, destination: records.WebhookTarget, made_up: records.Exchange | None = None
    ) -> None:
        attempted = asyncio.Event()
        # Events about one thing start in their order, so that a test sees the same order each time.
        async with self._turns[event.subject]:
            self.background.start(partial(self._attempt_all, event, destination, attempted, made_up))
            await attempted.wait()
        held, self._held = self._held, []
        for overtaken in held:
            overtaken.set()

    async def _attempt_all(
        self,
        event: records.WebhookEvent,
        destination: records.WebhookTarget,
        attempted: asyncio.Event,
        made_up: records.Exchange | None,
    ) -> None:
        delivery_id, last = self.identifiers.uuid("delivery"), self.clock.now()
        try:
            for number, (url, pause) in enumerate(_plan(destination), start=1):
                await self.clock.until(last + pause)
                attempt = await self._attempt(event, url, number, made_up)
                self.deliveries.add_attempt(delivery_id, event.data, attempt)
                last = attempt.finished_at
                attempted.set()
                if attempt.status == "delivered":
                    return
        finally:
            attempted.set()

    async def _attempt(
        self, event: records.WebhookEvent, url: str, number: int, made_up: records.Exchange | None
    ) -> records.Attempt:
        started_at = self.clock.now()
        exchange = made_up or await self.poster.post(url, orjson.dumps(event.body(number, url)))
        return records.Attempt(url, started_at, self.clock.now(), exchange)


def _plan(destination: records.WebhookTarget) -> list[tuple[str, float]]:
    """Return each attempt's URL, and the pause before it in seconds."""
    return [(url, pause) for url in destination.urls() for pause in (0.0, *destination.pauses)]
