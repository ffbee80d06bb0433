"""Telnyx's way of delivering webhooks: three attempts at the URL, then three at the failover URL.

Source: knowledge base, receiving webhooks for messaging: any 2xx within two seconds is success. The intervals are
described as exponential backoff and not published: here one second, then two, of simulated time.
"""

import asyncio
from collections import defaultdict
from functools import partial

import orjson

from service.testing.simulator.background import Background
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.scripted import ScriptedAnswers
from service.testing.simulator.simulated_clock import SimulatedClock
from service.testing.simulator.webhooks.deliveries import Attempt, WebhookDeliveries
from service.testing.simulator.webhooks.events import WebhookEvent, WebhookTarget
from service.testing.simulator.webhooks.posting import WebhookPoster
from service.testing.simulator.webhooks.webhook_faults import WebhookFault

ATTEMPTS_PER_URL = 3
FIRST_PAUSE = 1.0
"""Simulated seconds between the first attempt at a URL and the second; each further pause is twice as long."""


class WebhookCourier:
    """Delivers events, and notes every attempt.

    Telnyx promises no order. Here the first attempts of events about the same thing go out one after the other, so
    that a test sees the same order each time; another order is scripted by a fault.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        identifiers: Identifiers,
        background: Background,
        poster: WebhookPoster,
        deliveries: WebhookDeliveries,
    ) -> None:
        self._clock = clock
        self._identifiers = identifiers
        self._background = background
        self._poster = poster
        self._deliveries = deliveries
        self._held: list[asyncio.Event] = []
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.faults: ScriptedAnswers[WebhookFault] = ScriptedAnswers(identifiers, "webhook fault")

    def send(self, event: WebhookEvent, destination: WebhookTarget) -> None:
        """Deliver `event` in the background."""
        self._background.start(partial(self._deliver, event, destination, self._fault(event)))

    async def deliver(self, event: WebhookEvent, destination: WebhookTarget) -> None:
        """Deliver `event`, as the faults that strike it allow, and return after the first attempt; the rest goes on."""
        await self._deliver(event, destination, self._fault(event))

    def _fault(self, event: WebhookEvent) -> WebhookFault | None:
        return self.faults.take(lambda fault: fault.matches(event.type))

    async def _deliver(self, event: WebhookEvent, destination: WebhookTarget, fault: WebhookFault | None) -> None:
        if fault is not None and fault.kind == "lost":
            return
        if fault is not None and fault.kind in ("late", "reordered"):
            self._background.start(partial(self._deliver_later, event, destination, fault))
            return
        await self._begin(event, destination)
        if fault is not None and fault.kind == "duplicate":
            await self._begin(event, destination)

    async def _deliver_later(self, event: WebhookEvent, destination: WebhookTarget, fault: WebhookFault) -> None:
        if fault.kind == "late":
            await self._clock.until(event.occurred_at + fault.seconds)
        else:
            overtaken = asyncio.Event()
            self._held.append(overtaken)
            await overtaken.wait()
        await self._begin(event, destination)

    async def _begin(self, event: WebhookEvent, destination: WebhookTarget) -> None:
        attempted = asyncio.Event()
        async with self._turns[event.subject]:
            self._background.start(partial(self._attempt_all, event, destination, attempted))
            await attempted.wait()
        held, self._held = self._held, []
        for overtaken in held:
            overtaken.set()

    async def _attempt_all(self, event: WebhookEvent, destination: WebhookTarget, attempted: asyncio.Event) -> None:
        delivery_id, last = self._identifiers.uuid("delivery"), self._clock.now()
        try:
            for number, (url, pause) in enumerate(_plan(destination), start=1):
                await self._clock.until(last + pause)
                attempt = await self._attempt(event, url, number)
                self._deliveries.add_attempt(delivery_id, event.data, attempt)
                last = attempt.finished_at
                attempted.set()
                if attempt.status == "delivered":
                    return
        finally:
            attempted.set()

    async def _attempt(self, event: WebhookEvent, url: str, number: int) -> Attempt:
        started_at = self._clock.now()
        exchange = await self._poster.post(url, orjson.dumps(event.body(number, url)))
        return Attempt(url, started_at, self._clock.now(), exchange)


def _plan(destination: WebhookTarget) -> list[tuple[str, float]]:
    """Each attempt's URL, and how long to pause before it."""
    pauses = [0.0, *(FIRST_PAUSE * 2**n for n in range(ATTEMPTS_PER_URL - 1))]
    return [(url, pause) for url in destination.urls() for pause in pauses]
