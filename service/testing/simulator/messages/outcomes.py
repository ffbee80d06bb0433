"""How messages end: scripted per recipient, else delivered."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.testing.simulator.messages.message import Message, MessageType

OutcomeStatus = Literal[
    "delivered", "read", "delivery_failed", "sending_failed", "delivery_unconfirmed", "expired", "sent", "queued"
]

_ERRORS = {
    "delivery_failed": ("40008", "Undeliverable", "The recipient carrier did not accept the message."),
    "sending_failed": ("40001", "Not routable", "The destination number cannot receive messages."),
    "expired": ("40005", "Message expired", "The message expired before it could be delivered."),
}
"""Codes of SMS and MMS. Source: Telnyx's page on messaging error codes; those of RCS are not published."""


class MessageOutcome(BaseModel):
    """How the messages to a recipient (`*`: to anybody else) end.

    `type` confines it to SMS, MMS, RCS or WHATSAPP. With `sent` or `queued` they never get further than that. The last
    status comes `after` so many simulated seconds; None: at once, and for an expired RCS message at the end of its
    `ttl`. `errors` take the place of those that Telnyx would give.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipient: str
    status: OutcomeStatus
    type: MessageType | None = None
    after: float | None = Field(None, ge=0)
    errors: Sequence[dict[str, Any]] | None = None

    def reported_errors(self) -> tuple[dict[str, Any], ...]:
        """The entries of `errors` of a message that ends so."""
        if self.errors is not None:
            return tuple(self.errors)
        if self.status not in _ERRORS:
            return ()
        code, title, detail = _ERRORS[self.status]
        return ({"code": code, "title": title, "detail": detail, "source": {"pointer": "/to/0"}},)


class Outcomes:
    """The outcomes that were scripted; the latest word on a recipient holds."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, MessageType | None], MessageOutcome] = {}

    def set(self, outcome: MessageOutcome) -> None:
        """Let messages end so from now on."""
        self._outcomes[outcome.recipient, outcome.type] = outcome

    def of(self, message: Message) -> MessageOutcome:
        """How `message` ends: by recipient before `*`, by type before any type."""
        for recipient in (message.to, "*"):
            for message_type in (message.type, None):
                outcome = self._outcomes.get((recipient, message_type))
                if outcome is not None:
                    return outcome
        return MessageOutcome(recipient="*", status="delivered")
