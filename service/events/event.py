"""An event as a handler receives it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from typing_extensions import TypeVar

from service.events.envelope import read_object
from service.events.tolerant_model import read_time

Payload = TypeVar("Payload", default=dict[str, Any])
"""The payload's type: a plain dict where `Event` stands alone."""


@dataclass(frozen=True, slots=True)
class Event(Generic[Payload]):
    """One thing that Telnyx (or Ringback itself) says happened.

    `occurred_at` is None where the event bears no time. `arrived_by` is `webhook`, `failover`, `emit`, `schedule` or
    `cron`. `delivered_to` is the URL that Telnyx says it delivered to first; it leaves it out of some events (OpenAPI,
    `HostedNumberOrderEvent`).
    """

    id: str
    type: str
    occurred_at: datetime | None
    payload: Payload
    arrived_by: str
    delivered_to: str | None = None

    def __repr__(self) -> str:
        return f"Event(id={self.id!r}, type={self.type!r})"


def read_event(event_id: str, event_type: str, body: bytes, arrived_by: str) -> Event[dict[str, Any]]:
    """The event in a stored body, its payload still a plain dict; a flat body is its own payload."""
    content = read_object(body)
    data = content.get("data")
    inner: dict[str, Any] = data if isinstance(data, dict) else content
    payload = inner.get("payload")
    return Event(
        id=event_id,
        type=event_type,
        occurred_at=read_time(inner.get("occurred_at")),
        payload=payload if isinstance(payload, dict) else inner,
        arrived_by=arrived_by,
        delivered_to=_delivered_to(content.get("meta")),
    )


def _delivered_to(meta: object) -> str | None:
    url = meta.get("delivered_to") if isinstance(meta, dict) else None
    return url if isinstance(url, str) and url else None
