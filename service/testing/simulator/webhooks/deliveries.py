"""Telnyx's records of its attempts to deliver webhooks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.webhooks.posting import Exchange

USER_ID = "b448f9cc-a842-4784-98e9-03c1a5872950"
"""The user of the simulated account."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a URL, in simulated time."""

    url: str
    started_at: float
    finished_at: float
    exchange: Exchange

    @property
    def status(self) -> Literal["delivered", "failed"]:
        """Whether the answer was any 2xx. Source: knowledge base, receiving webhooks for messaging."""
        answer = self.exchange.status
        return "delivered" if answer is not None and answer // 100 == 2 else "failed"

    def as_json(self) -> dict[str, Any]:
        """The attempt as Telnyx shows it. Source: OpenAPI `attempt`."""
        return {
            "status": self.status,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "http": self._http(),
            "errors": [],
        }

    def _http(self) -> dict[str, Any]:
        request = {"url": self.url, "headers": _pairs(self.exchange.request_headers)}
        if self.exchange.status is None:
            return {"request": request}
        response = {
            "status": self.exchange.status,
            "headers": _pairs(self.exchange.response_headers),
            "body": self.exchange.response_body,
        }
        return {"request": request, "response": response}


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """All attempts to deliver one event, the first one first."""

    id: str
    webhook: dict[str, Any]
    attempts: tuple[Attempt, ...]

    @property
    def status(self) -> Literal["delivered", "failed"]:
        """How the last attempt ended."""
        return self.attempts[-1].status

    @property
    def started_at(self) -> float:
        """When the first attempt began, in simulated time."""
        return self.attempts[0].started_at

    @property
    def finished_at(self) -> float:
        """When the last attempt ended, in simulated time."""
        return self.attempts[-1].finished_at

    def as_json(self) -> dict[str, Any]:
        """The delivery as Telnyx shows it, latest attempt first. Source: OpenAPI `webhook_delivery`."""
        return {
            "record_type": "webhook_delivery",
            "id": self.id,
            "user_id": USER_ID,
            "status": self.status,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "webhook": self.webhook,
            "attempts": [attempt.as_json() for attempt in reversed(self.attempts)],
        }


class WebhookDeliveries:
    """Every delivery by its id, in the order of the first attempts."""

    def __init__(self) -> None:
        self._deliveries: dict[str, WebhookDelivery] = {}

    def __iter__(self) -> Iterator[WebhookDelivery]:
        return iter(list(self._deliveries.values()))

    def __len__(self) -> int:
        return len(self._deliveries)

    def add_attempt(self, delivery_id: str, webhook: dict[str, Any], attempt: Attempt) -> None:
        """Note one more attempt of the delivery of that id, which is new at its first."""
        known = self._deliveries.get(delivery_id, WebhookDelivery(delivery_id, webhook, ()))
        self._deliveries[delivery_id] = replace(known, attempts=(*known.attempts, attempt))

    def find(self, delivery_id: str) -> WebhookDelivery | None:
        """The delivery of that id."""
        return self._deliveries.get(delivery_id)


def _pairs(headers: dict[str, str]) -> list[list[str]]:
    return [list(header) for header in headers.items()]
