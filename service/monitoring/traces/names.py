"""Names in spans: Ringback's own, and those of OpenTelemetry's messaging conventions, which are in development."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from service.monitoring.counters import Labels
from service.security.masking import mask_numbers, shown_type

INBOX = "inbox"
Attributes = dict[str, str | int]
_OPT_IN = frozenset({"messaging", "messaging/dup"})
_REASONS = Labels(r"[A-Za-z_][A-Za-z0-9_]{0,39}|\d{3,5}", most=500)


@dataclass(frozen=True)
class Names:
    """The names of spans and attributes. `conventions` says whether the messaging conventions are asked for."""

    conventions: bool

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the names that `OTEL_SEMCONV_STABILITY_OPT_IN` asks for."""
        wanted = environment.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").lower().split(",")
        return cls(conventions=not _OPT_IN.isdisjoint(map(str.strip, wanted)))

    @property
    def send(self) -> str:
        """The name of the span of an acceptance."""
        return f"send {INBOX}"

    def process(self, handler: str) -> str:
        """Return the name of the span of a run. The conventions name the destination."""
        return f"process {INBOX if self.conventions else handler}"

    def event(self, event_id: str, event_type: str) -> Attributes:
        """Return an event's id and type. An author's key may hold a number."""
        return {
            "ringback.event.id": mask_numbers(event_id),
            "ringback.event.type": shown_type(mask_numbers(event_type)),
        }

    def sent(self, event_id: str | None = None, *, number: int = 1) -> Attributes:
        """Return what the conventions say of an acceptance."""
        if not self.conventions:
            return {}
        named: Attributes = {} if event_id is None else {"messaging.message.id": mask_numbers(event_id)}
        if number > 1:
            named["messaging.batch.message_count"] = number
        return {**_messaging("send"), **named}

    def processed(self, event_id: str, handler: str) -> Attributes:
        """Return the handler, and what the conventions say of its run."""
        ours: Attributes = {"ringback.handler": handler}
        if not self.conventions:
            return ours
        more = {"messaging.message.id": mask_numbers(event_id), "messaging.destination.subscription.name": handler}
        return {**ours, **_messaging("process"), **more}


def reason_name(reason: str) -> str:
    """Return a reason that is a word or a code. Each sentence of an author becomes `other`."""
    return _REASONS.of(reason)


def _messaging(operation: str) -> Attributes:
    return {
        "messaging.system": "ringback",
        "messaging.destination.name": INBOX,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
