"""Events as webhooks carry them.

Source: OpenAPI `webhooks`. `data` has id, type, time and payload. Most have `meta`, with the number and the URL of the
attempt.
"""

from dataclasses import dataclass
from typing import Any

from service.testing.samples import event_data
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.simulated_clock import SimulatedClock, iso


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event, at simulated seconds since 1970.

    `data` is what every delivery of it carries. Without `with_meta` the body has `data` only.
    """

    data: dict[str, Any]
    occurred_at: float
    with_meta: bool = True

    @property
    def type(self) -> str:
        """The event type, such as `message.finalized`."""
        return str(self.data.get("event_type", ""))

    @property
    def subject(self) -> str:
        """The id of what the event is about."""
        payload = self.data.get("payload", {})
        return str(payload.get("id") or payload.get("order_id"))

    def body(self, attempt: int, url: str) -> dict[str, Any]:
        """Return the JSON body of one attempt."""
        meta = {"meta": {"attempt": attempt, "delivered_to": url}} if self.with_meta else {}
        return {"data": self.data} | meta


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where the webhooks about something go: the URL, and the one to turn to when that fails. None: nowhere."""

    url: str | None = None
    failover_url: str | None = None

    def urls(self) -> list[str]:
        """Return those of the two that are set, in their order."""
        return [url for url in (self.url, self.failover_url) if url]


def new_event(
    clock: SimulatedClock, identifiers: Identifiers, event_type: str, payload: dict[str, Any]
) -> WebhookEvent:
    """Return an event that occurs now."""
    occurred_at = clock.now()
    data = event_data(event_type, payload, event_id=identifiers.uuid("event"), occurred_at=iso(occurred_at))
    return WebhookEvent(data, occurred_at)
