"""Lives of SMS fallbacks: how each begins, when it is over, and what it must have done."""

import uuid
from dataclasses import dataclass, field
from typing import ClassVar

from service.store.inbox import accept
from service.store.inbox.records import EventRecord
from service.testing.samples import payload_in, sample
from tests.chaos.crash_trial import COMMAND, Trial
from tests.telnyx_events import Body, envelope, finalized_rcs, fresh_number, now

FALLBACK = """
from handlers import consent, rcs_capabilities, sms_fallback
from service import Router

router = Router(consent.router, rcs_capabilities.router, sms_fallback.router)
"""
POLICY = """
[[rules]]
name = "patient"
triggers = []
undelivered_after = "1s"
"""
WHATSAPP = """
[[rules]]
name = "WhatsApp"
channel = "whatsapp"
template = "Your order has news"
"""


@dataclass
class Life:
    """One life in one trial: a failed RCS message becomes one SMS."""

    trial: Trial
    number: str = field(default_factory=fresh_number)
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    handlers: ClassVar[str] = FALLBACK
    variables: ClassVar[dict[str, str]] = {}
    files: ClassVar[dict[str, str]] = {}
    messages: ClassVar[int] = 1
    most_times: ClassVar[int] = 3
    """How often a point of the event counts. Where many events share requests, their number is another at each run."""

    def arrange(self) -> None:
        """Start the processes, and prepare what was before."""
        self.trial.start_ingress()
        self.trial.start_worker()

    def begin(self) -> None:
        """Let it begin."""
        self.trial.deliver(self.body(self.event_id))

    def body(self, event_id: str) -> Body:
        """Return the webhook with which it begins."""
        return envelope("message.finalized", finalized_rcs("delivery_failed", self.number), event_id=event_id)

    def ids(self) -> list[str]:
        """Return the events that have to end."""
        return [self.event_id]

    def is_over(self) -> bool:
        """Return whether all has been done."""
        return all(self.has_ended(each) for each in self.ids())

    def wrong(self) -> list[str]:
        """Return what it has done wrong."""
        sent = len(self.trial.sent_to(self.number))
        wrong = [] if sent == self.messages else [f"{sent} messages were sent, not {self.messages}"]
        for each in self.ids():
            record = self.record(each)
            if record is None or record.state != "done":
                wrong.append(f"{each} is not done: {record}")
        return wrong

    def may_start(self, role: str) -> bool:
        """Return whether a killed role is started again."""
        return True

    def record(self, event_id: str) -> EventRecord | None:
        found: EventRecord | None = self.trial.ask(lambda store: accept.find(store, event_id))
        return found

    def has_ended(self, event_id: str) -> bool:
        record = self.record(event_id)
        return record is not None and record.state != "open"


class Fallback(Life):
    """A failed RCS message, all at once."""


class ScheduledFallback(Life):
    """An RCS message that is not delivered in time, whose fallback was scheduled when it was sent."""

    variables: ClassVar[dict[str, str]] = {"RINGBACK_POLICY": "policy.toml"}
    files: ClassVar[dict[str, str]] = {"policy.toml": POLICY}

    def body(self, event_id: str) -> Body:
        return envelope("message.sent", finalized_rcs("sent", self.number), event_id=event_id)

    def is_over(self) -> bool:
        return super().is_over() and bool(self.trial.sent_to(self.number)) and self.trial.is_idle()


class WhatsAppFallback(Life):
    """A WhatsApp message that failed, for which a rule of the policy has an SMS."""

    variables: ClassVar[dict[str, str]] = {"RINGBACK_POLICY": "policy.toml"}
    files: ClassVar[dict[str, str]] = {"policy.toml": WHATSAPP}

    def body(self, event_id: str) -> Body:
        payload = payload_in(sample("whatsapp.failed", number=self.number))
        times = dict.fromkeys(("sent_at", "received_at", "completed_at"), now())
        return envelope("message.finalized", {**payload, **times, "id": f"message-{event_id}"}, event_id=event_id)


class Retried(Life):
    """A fallback that Telnyx answers with 503 at first."""

    def begin(self) -> None:
        self.trial.simulator.add_fault(kind="status", method="POST", path="/messages", status=503)
        super().begin()


class DeadRetried(Life):
    """Events that went dead, and that a person retries by the command, under their ids."""

    number_of_events: ClassVar[int] = 1

    def arrange(self) -> None:
        super().arrange()
        self.trial.simulator.add_fault(
            kind="status", method="POST", path="/messages", status=422, times=self.number_of_events
        )
        for each in self.ids():
            self.trial.deliver(self.body(each))
            self.trial.until(lambda each=each: self.has_ended(each), "a dead event")  # type: ignore[misc]

    def begin(self) -> None:
        self.trial.start(COMMAND, "dead", "retry", *self.ids(), "--yes")

    def is_over(self) -> bool:
        return super().is_over() and bool(self.trial.sent_to(self.number)) and self.trial.has_stopped(COMMAND)


class BulkRetried(DeadRetried):
    """A bulk job that retries dead events. Whoever killed its command leaves it to the workers."""

    number_of_events: ClassVar[int] = 12
    messages: ClassVar[int] = 12
    most_times: ClassVar[int] = 1

    def ids(self) -> list[str]:
        return [f"{self.event_id}-{number}" for number in range(self.number_of_events)]

    def body(self, event_id: str) -> Body:
        payload = finalized_rcs("delivery_failed", self.number)
        return envelope("message.finalized", {**payload, "id": f"message-{event_id}"}, event_id=event_id)

    def begin(self) -> None:
        self.trial.start(COMMAND, "dead", "retry", "--all", "--yes")

    def is_over(self) -> bool:
        # A killed command is not started again once there is a job.
        return self.messages == len(self.trial.sent_to(self.number)) and Life.is_over(self)

    def may_start(self, role: str) -> bool:
        return role != COMMAND or not self.trial.has_key("job:*")


class Healed(Life):
    """A fallback whose webhook Telnyx could not deliver, and which a person heals."""

    def arrange(self) -> None:
        self.trial.miss(self.body(self.event_id))
        self.trial.start_worker()

    def begin(self) -> None:
        self.trial.start(COMMAND, "heal", "--since", "2h", "--yes")

    def is_over(self) -> bool:
        return super().is_over() and self.trial.has_stopped(COMMAND)
