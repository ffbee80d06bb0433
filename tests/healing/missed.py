"""Deliveries as the local Telnyx records them, and turns of healing."""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from service.healing.report import HealReport
from service.healing.turn import HealingTurn
from service.outbound.client import open_reader
from service.settings import Settings
from service.store.inbox.healing import begin
from service.testing.simulator.webhooks.deliveries import Attempt, Exchange, WebhookDelivery
from tests.stack import Stack
from tests.telnyx_events import Body

HOUR = 3600.0
STRANGER = "https://elsewhere.example.com/webhooks"


def installed(stack: Stack, *, ago: float = 10 * HOUR) -> None:
    """Let the first start have been so many seconds ago."""
    stack.ask(lambda store: begin(store, time.time() - ago))


def failed(
    stack: Stack, body: Body | Any, *, ago: float = HOUR, answers: Sequence[tuple[str, int | None]] | None = None
) -> str:
    """Record a delivery that began so many seconds ago, with each attempt's URL and answer; answers its id."""
    at = time.time() - ago
    tried = [(stack.settings.require_public_url(), None)] * 3 if answers is None else answers
    attempts = tuple(
        Attempt(url, at + number, at + number + 0.1, Exchange({}, status)) for number, (url, status) in enumerate(tried)
    )
    webhook = body["data"] if isinstance(body, dict) and "data" in body else body
    delivery = WebhookDelivery(str(uuid.uuid4()), webhook, attempts)
    stack.simulator.account.webhook_deliveries.put(delivery)
    return delivery.id


def heal(stack: Stack, *, since: float | None = None, act: bool = True, **changes: Any) -> HealReport:
    """One turn of healing; `since` is how many seconds back it looks."""
    return _healed(stack, since, act=act, attempts=1, settings=stack.settings.model_copy(update=changes))


def heal_through_outages(stack: Stack, *, since: float, act: bool = True) -> HealReport:
    """A turn that goes on after an outage, as the command does."""
    return _healed(stack, since, act=act, attempts=2, settings=stack.settings)


def _healed(stack: Stack, since: float | None, *, act: bool, attempts: int, settings: Settings) -> HealReport:
    async def take() -> HealReport:
        async with open_reader(settings) as telnyx:
            turn = HealingTurn(telnyx, stack.store, settings, act)
            report = await turn.start(None if since is None else time.time() - since)
            for left in reversed(range(attempts)):
                with suppress(*(OSError,) if left else ()):
                    async for _ in turn.take(report):
                        pass
                    return report
            raise AssertionError("it was cut off each time")

    return stack.host.portal.call(take)


def healed(report: HealReport) -> list[str]:
    """The ids of healed events, in order."""
    return sorted(each.id for each in report.healed)
